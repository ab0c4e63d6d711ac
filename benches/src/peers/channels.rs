//! [`Channel`]: a hand-written service. Its thread takes messages from a bounded channel, and sends
//! each answer through a oneshot channel.

use super::{Peer, Service, Start, Tell};
use crate::work::{Sum, caught};
use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
};

/// A message to the thread.
pub(crate) enum Message {
    Add(u64, oneshot::Sender<u64>),
    Note(u64),
    Total(oneshot::Sender<u64>),
}

/// The sending end of a channel.
pub(crate) trait Line: Sized + Sync {
    /// The receiving end of the channel.
    type Messages: IntoIterator<Item = Message> + Send + 'static;

    fn bounded(bound: usize) -> (Self, Self::Messages);

    /// Sends a message. Waits while the channel is full.
    fn push(&self, message: Message);
}

impl Line for flume::Sender<Message> {
    type Messages = flume::Receiver<Message>;

    fn bounded(bound: usize) -> (Self, Self::Messages) {
        flume::bounded(bound)
    }

    fn push(&self, message: Message) {
        self.send(message).expect("the service runs");
    }
}

impl Line for crossbeam_channel::Sender<Message> {
    type Messages = crossbeam_channel::Receiver<Message>;

    fn bounded(bound: usize) -> (Self, Self::Messages) {
        crossbeam_channel::bounded(bound)
    }

    fn push(&self, message: Message) {
        self.send(message).expect("the service runs");
    }
}

impl Line for mpsc::SyncSender<Message> {
    type Messages = mpsc::Receiver<Message>;

    fn bounded(bound: usize) -> (Self, Self::Messages) {
        mpsc::sync_channel(bound)
    }

    fn push(&self, message: Message) {
        self.send(message).expect("the service runs");
    }
}

pub(crate) type Flume = Channel<flume::Sender<Message>>;
pub(crate) type CrossbeamChannel = Channel<crossbeam_channel::Sender<Message>>;
pub(crate) type StdMpsc = Channel<mpsc::SyncSender<Message>>;

/// A service behind a channel.
pub(crate) struct Channel<L> {
    line: L,
    thread: JoinHandle<()>,
}

/// Handles the messages.
fn serve(messages: impl IntoIterator<Item = Message>) {
    let mut sum = Sum::default();
    for message in messages {
        let _panicked = caught(|| {
            handle(&mut sum, message);
            0
        });
    }
}

fn handle(sum: &mut Sum, message: Message) {
    match message {
        Message::Add(n, answer) => answer.send(sum.add(n)).expect("it is awaited"),
        Message::Note(n) => sum.note(n),
        Message::Total(answer) => answer.send(sum.total()).expect("it is awaited"),
    }
}

impl<L: Line> Peer for Channel<L> {
    type Handle = oneshot::Receiver<u64>;

    fn start(start: &Start) -> Self {
        let (line, messages) = L::bounded(start.bound);
        Self { line, thread: thread::spawn(move || serve(messages)) }
    }

    fn submit(&self, n: u64) -> Self::Handle {
        let (answer, answered) = oneshot::channel();
        self.line.push(Message::Add(n, answer));
        answered
    }

    fn take(&self, handle: Self::Handle) -> u64 {
        handle.recv().expect("it was sent")
    }

    fn stop(self) {
        drop(self.line);
        self.thread.join().expect("it ends");
    }
}

impl<L: Line> Service for Channel<L> {
    fn total(&self) -> u64 {
        let (answer, answered) = oneshot::channel();
        self.line.push(Message::Total(answer));
        self.take(answered)
    }
}

impl<L: Line> Tell for Channel<L> {
    fn note(&self, n: u64) {
        self.line.push(Message::Note(n));
    }
}
