//! Publish and subscribe: a topic is a messenger of its name. Readers are services that subscribe and unsubscribe while news
//! comes; who publishes knows none of them, and is told how many there were.
//!
//! `cargo run --example publish_subscribe`

use nanolith::{
    Messenger,
    messenger::{OpenError, Subscriber},
    prelude::*,
};
use std::{collections::BTreeMap, error::Error};

/// One who reads some topics.
#[derive(Default)]
pub struct Reader {
    topics: BTreeMap<String, Subscriber<String>>,
}

#[define]
impl Reader {
    /// From now on it gets what is published under this topic.
    ///
    /// # Errors
    ///
    /// The topic is for news of another type.
    pub fn subscribe(&mut self, topic: String) -> Result<(), OpenError> {
        let subscriber = Messenger::named(topic.as_str())?.subscribe();
        self.topics.insert(topic, subscriber);
        Ok(())
    }

    /// From now on it does not. What came before is dropped, unless it was read.
    pub fn unsubscribe(&mut self, topic: String) -> bool {
        self.topics.remove(&topic).is_some()
    }

    /// The news since it was asked last, topic by topic.
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
    let readers = Messenger::named(topic)?.send(line.to_owned()).wait()?;
    println!("{topic}: {line} (to {readers})");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let anna = Reader::service(Reader::default()).name("anna").launch().wait()?;
    let ben = Reader::service(Reader::default()).name("ben").launch().wait()?;
    publish("tea", "nobody reads this")?;

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
    if let Err(error) = Messenger::<u64>::named("tea") {
        println!("{error}");
    }
    Ok(())
}
