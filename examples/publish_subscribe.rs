//! Publish and subscribe: a topic is a messenger with the topic's name.
//!
//! Readers are services that subscribe and unsubscribe while news comes. The publisher knows none
//! of them, and gets the number of receivers.
//!
//! `cargo run --example publish_subscribe` publishes news under two topics, and prints the
//! receivers.

use nanolith::{
    messenger::{Messenger, OpenError, Subscriber},
    prelude::*,
};
use std::{collections::BTreeMap, error::Error};

/// A reader of some topics.
#[derive(Default)]
pub struct Reader {
    topics: BTreeMap<String, Subscriber<String>>,
}

#[define]
impl Reader {
    /// Starts to receive the news of this topic.
    ///
    /// # Errors
    ///
    /// The topic is for news of another type.
    pub fn subscribe(&mut self, topic: String) -> Result<(), OpenError> {
        let subscriber = Messenger::open(topic.as_str())?.subscribe();
        self.topics.insert(topic, subscriber);
        Ok(())
    }

    /// Stops receiving the news of this topic. Unread news is dropped.
    pub fn unsubscribe(&mut self, topic: String) -> bool {
        self.topics.remove(&topic).is_some()
    }

    /// Returns the news since the last call, topic by topic.
    pub fn news(&mut self) -> Vec<String> {
        let mut news = Vec::new();
        for (topic, subscriber) in &mut self.topics {
            while let Ok(line) = subscriber.try_recv() {
                news.push(format!("{topic}: {line}"));
            }
        }
        news
    }
}

fn publish(topic: &str, line: &str) -> Result<(), Box<dyn Error>> {
    let readers = Messenger::open(topic)?.send(line.to_owned()).wait()?;
    println!("{topic}: {line} (to {readers})");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let anna = Reader::service(Reader::default()).name("anna").launch().wait()?;
    let ben = Reader::service(Reader::default()).name("ben").launch().wait()?;
    publish("tea", "no reader is left")?;

    anna.subscribe("tea".into()).wait()??;
    anna.subscribe("ships".into()).wait()??;
    ben.subscribe("tea".into()).wait()??;
    publish("tea", "Assam is in")?;
    publish("ships", "the Cutty Sark is late")?;
    println!("anna reads {:?}", anna.news().wait()?);

    anna.unsubscribe("tea".into()).wait()?;
    publish("tea", "Darjeeling is out")?;
    publish("ships", "the Cutty Sark is in")?;
    println!("anna reads {:?}", anna.news().wait()?);
    println!("ben reads {:?}", ben.news().wait()?);

    // A topic has one type of news.
    if let Err(error) = Messenger::<u64>::open("tea") {
        println!("{error}");
    }
    Ok(())
}
