//! A hand-written service for async code: a task that takes messages from a channel, and a oneshot
//! channel for each answer.

use super::{AsyncPeer, AsyncService, AsyncTell, Start, Within, runtime};
use crate::work::{Sum, caught};
use std::{
    future::Future,
    thread::{self, JoinHandle},
};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

pub(crate) enum Message {
    Add(u64, oneshot::Sender<u64>),
    Note(u64),
    Total(oneshot::Sender<u64>),
}

fn handle(sum: &mut Sum, message: Message) {
    let _panicked = caught(|| {
        match message {
            Message::Add(n, answer) => answer.send(sum.add(n)).expect("it is awaited"),
            Message::Note(n) => sum.note(n),
            Message::Total(answer) => answer.send(sum.total()).expect("it is awaited"),
        }
        0
    });
}

/// `tokio::sync::mpsc` to a task.
pub(crate) struct TokioMpsc {
    send: mpsc::Sender<Message>,
    runtime: Runtime,
}

impl AsyncPeer for TokioMpsc {
    type Handle = oneshot::Receiver<u64>;

    fn start(start: &Start) -> Self {
        let runtime = runtime(start.workers);
        let (send, mut receive) = mpsc::channel(start.bound);
        runtime.spawn(async move {
            let mut sum = Sum::default();
            while let Some(message) = receive.recv().await {
                handle(&mut sum, message);
            }
        });
        Self { send, runtime }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        let (answer, answered) = oneshot::channel();
        assert!(self.send.send(Message::Add(n, answer)).await.is_ok(), "the service runs");
        answered
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it answers")
    }
}

impl AsyncService for TokioMpsc {
    async fn total(&self) -> u64 {
        let (answer, answered) = oneshot::channel();
        assert!(self.send.send(Message::Total(answer)).await.is_ok(), "the service runs");
        answered.await.expect("it answers")
    }
}

impl AsyncTell for TokioMpsc {
    async fn note(&self, n: u64) {
        assert!(self.send.send(Message::Note(n)).await.is_ok(), "the service runs");
    }
}

impl Within for TokioMpsc {
    const APART: bool = false;

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// flume to a thread, called from tokio's runtime.
pub(crate) struct FlumeTokio {
    send: flume::Sender<Message>,
    thread: JoinHandle<()>,
    runtime: Runtime,
}

impl AsyncPeer for FlumeTokio {
    type Handle = oneshot::Receiver<u64>;

    fn start(start: &Start) -> Self {
        let (send, receive) = flume::bounded(start.bound);
        let thread = thread::spawn(move || {
            let mut sum = Sum::default();
            receive.into_iter().for_each(|message| handle(&mut sum, message));
        });
        Self { send, thread, runtime: runtime(start.workers) }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        let (answer, answered) = oneshot::channel();
        self.send.send_async(Message::Add(n, answer)).await.expect("the service runs");
        answered
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it answers")
    }

    fn stop(self) {
        drop(self.send);
        self.thread.join().expect("it ends");
    }
}

impl AsyncService for FlumeTokio {
    async fn total(&self) -> u64 {
        let (answer, answered) = oneshot::channel();
        self.send.send_async(Message::Total(answer)).await.expect("the service runs");
        answered.await.expect("it answers")
    }
}

impl Within for FlumeTokio {
    const APART: bool = true;

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}
