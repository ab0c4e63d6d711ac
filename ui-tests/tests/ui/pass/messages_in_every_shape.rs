//! What is heard, said and streamed, in each shape of a set, under strict lints.
#![forbid(unsafe_code)]
#![deny(missing_docs, warnings, clippy::pedantic, unused_qualifications, unused_lifetimes, trivial_casts)]
#![allow(clippy::unused_self, clippy::unused_async, clippy::unnecessary_wraps, unreachable_pub)] // of the sets themselves

/// Where the library is found under another path.
pub mod elsewhere {
    pub use nanolith as library;
}

use nanolith::{prelude::*, stream::StreamReader};
use std::{fmt::Debug, marker::PhantomData};

/// What is said.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something.
    Said(u8),
}

/// Heard, said and streamed by a set of its own type.
pub struct Shop<T> {
    heard: Vec<T>,
}

#[define(inbox = Vec<T>, outbox = T, streams = PhantomData<T>)]
impl<T: Clone + Debug + Send + Sync + 'static> Shop<T>
where
    Option<T>: Send,
{
    #[init]
    fn open() -> Self {
        Self { heard: Vec::new() }
    }

    /// How much was heard.
    #[must_use]
    pub fn heard(&self) -> usize {
        self.heard.len()
    }

    #[on_message]
    fn hear(&mut self, cx: &Context<Self>, message: Vec<T>) {
        let _ = cx.task();
        self.heard.extend(message);
    }

    #[on_stream]
    async fn take(&self, stream: StreamReader<T>) {
        drop(stream);
    }
}

/// What is heard where tasks go over a wire.
pub(crate) struct Wired;

/// Its message is no data of serde's.
#[derive(Debug)]
pub(crate) struct Plain(u8);

#[define(wire, shared, vis = "pub(crate)", name = Cable, inbox = Plain, outbox = Event)]
impl Wired {
    /// Nine.
    #[must_use]
    pub fn nine(&self) -> u8 {
        9
    }

    #[on_message]
    fn hear(&self, message: Plain) {
        let _ = (self, message.0);
    }

    #[on_stream]
    fn take(stream: StreamReader<u8>) {
        drop(stream);
    }
}

/// A module that hears.
#[define(crate = crate::elsewhere::library, inbox = u8, outbox = u8, streams = u8)]
pub mod listener {
    use nanolith::{prelude::*, stream::StreamReader};

    /// Nine.
    #[must_use]
    pub fn nine() -> u8 {
        9
    }

    #[on_message]
    async fn hear(cx: &Context<Tasks>, message: u8) {
        let _ = (cx.task(), message);
    }

    #[on_stream]
    fn take(cx: &Context<Tasks>, stream: StreamReader<u8>) {
        let _ = cx.task();
        drop(stream);
    }
}

/// Hooks that are there, and hooks that are not.
pub struct Sometimes;

#[define]
impl Sometimes {
    /// Nine.
    #[must_use]
    pub fn nine() -> u8 {
        9
    }

    #[cfg(not(any()))]
    #[on_message]
    fn hear(&mut self, message: u8) {
        let _ = (self, message);
    }

    #[cfg(any())]
    #[on_stream]
    fn take(stream: StreamReader<u8>) {
        drop(stream);
    }
}

/// Tasks that are not there: the message's variant is alone.
pub struct Alone;

#[define(inbox = u8)]
impl Alone {
    /// Never.
    #[cfg(any())]
    pub fn never() {}

    #[on_message]
    fn hear(&mut self, message: u8) {
        let _ = (self, message);
    }
}

fn main() {
    let shop = Shop::<u8>::service().launch().wait().unwrap();
    shop.send(vec![1, 2]).wait().unwrap();
    assert_eq!(shop.heard().wait().unwrap(), 2);
    let wired = Wired::service(Wired).launch().wait().unwrap();
    wired.try_send(Plain(1)).unwrap();
    assert_eq!(wired.nine().wait().unwrap(), 9);
    let listener = listener::service().launch().wait().unwrap();
    listener.send(1).wait().unwrap();
    assert_eq!(listener.nine().wait().unwrap(), 9);
    let sometimes = Sometimes::service(Sometimes).launch().wait().unwrap();
    sometimes.send(1).wait().unwrap();
    assert_eq!(sometimes.nine().wait().unwrap(), 9);
    let alone = Alone::service(Alone).launch().wait().unwrap();
    alone.send(1).wait().unwrap();
    let _ = Event::Said(1);
}
