//! Broadcast and direct messages: a captain sends to all hands through a messenger, and to each
//! hand through a port.
//!
//! A hand broadcasts through the same messenger. A sender does not receive its own messages.
//!
//! `cargo run --example broadcast` prints what each of three hands received, and from where.

use futures_util::future::{Either, select};
use nanolith::{
    messenger::Messenger,
    port::{self, Port},
    prelude::*,
};
use std::{error::Error, pin::pin};

/// A member of the crew.
pub struct Hand;

#[define]
impl Hand {
    /// Forwards each message from the messenger or the port to the captain, until one of them is
    /// closed. Returns the number of messages.
    pub async fn serve(name: &'static str, ship: Messenger<String>, captain: Port<String, String>) -> usize {
        let mut all = ship.subscribe();
        let mut heard = 0;
        let mut answer = format!("{name}: on deck");
        while captain.send(answer).await.is_ok() {
            answer = match select(pin!(all.recv()), pin!(captain.recv())).await {
                Either::Left((Ok(words), _)) => format!("{name}, with all: {words}"),
                Either::Right((Ok(words), _)) => {
                    if words == "look out" {
                        let _ = ship.send("land ahead".into()).await; // an error if no receiver is left
                    }
                    format!("{name} alone: {words}")
                }
                _ => break,
            };
            heard += 1;
        }
        heard
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let ship = Messenger::<String>::open("ship")?;
    let mut captain = ship.subscribe();
    let (ports, hands): (Vec<_>, Vec<_>) = ["anna", "ben", "cleo"]
        .map(|name| {
            let (port, theirs) = port::pair();
            (port, Hand::tasks().serve(name, ship.join(), theirs).submit())
        })
        .into_iter()
        .unzip();
    let tell = |port: &Port<String, String>| port.recv().wait().map(|answer| println!("{answer}"));
    ports.iter().try_for_each(tell)?;

    let heard_by = ship.send("set sail".into()).wait()?;
    println!("captain, to {heard_by}: set sail");
    ports.iter().try_for_each(tell)?;

    println!("captain, to ben: look out");
    ports[1].send("look out".into()).wait()?;
    tell(&ports[1])?;
    println!("captain, with all: {}", captain.recv().wait()?);
    tell(&ports[0])?;
    tell(&ports[2])?;

    ship.close_all();
    let heard = hands.into_iter().map(Handle::wait).collect::<Result<Vec<_>, _>>()?;
    println!("heard by each: {heard:?}");
    Ok(())
}
