//! Thread pools called from plain threads: rayon, threadpool, rusty_pool, and worker threads behind
//! a channel.

use super::{
    Peer, Start,
    slot::{AtomicSlot, Slot},
};
use crate::work::{Body, Tiny, caught};
use std::{
    marker::PhantomData,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

/// `rayon::ThreadPool::spawn`, with a oneshot channel for each task.
pub(crate) struct Rayon<B> {
    pool: rayon::ThreadPool,
    body: PhantomData<fn() -> B>,
}

/// Returns a rayon pool of `workers` threads.
pub(crate) fn rayon_pool(workers: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(workers).build().expect("the system gives threads")
}

impl<B: Body> Peer for Rayon<B> {
    type Handle = oneshot::Receiver<u64>;

    fn start(start: &Start) -> Self {
        Self { pool: rayon_pool(start.workers), body: PhantomData }
    }

    fn submit(&self, n: u64) -> Self::Handle {
        let (send, receive) = oneshot::channel();
        self.pool.spawn(move || answer(send, caught(|| B::run(n))));
        receive
    }

    fn take(&self, handle: Self::Handle) -> u64 {
        handle.recv().expect("it was sent")
    }
}

/// Sends the result of a task, unless the task panicked.
fn answer(send: oneshot::Sender<u64>, result: Option<u64>) {
    if let Some(result) = result {
        send.send(result).expect("it is awaited");
    }
}

/// `threadpool::ThreadPool::execute`, with a oneshot channel for each task.
pub(crate) struct ThreadPool<B> {
    pool: threadpool::ThreadPool,
    body: PhantomData<fn() -> B>,
}

impl<B: Body> Peer for ThreadPool<B> {
    type Handle = oneshot::Receiver<u64>;

    fn start(start: &Start) -> Self {
        Self { pool: threadpool::ThreadPool::new(start.workers), body: PhantomData }
    }

    fn submit(&self, n: u64) -> Self::Handle {
        let (send, receive) = oneshot::channel();
        self.pool.execute(move || answer(send, caught(|| B::run(n))));
        receive
    }

    fn take(&self, handle: Self::Handle) -> u64 {
        handle.recv().expect("it was sent")
    }

    fn stop(self) {
        self.pool.join();
    }
}

/// `rusty_pool`, which catches panics and returns handles itself.
pub(crate) struct RustyPool<B> {
    pool: rusty_pool::ThreadPool,
    body: PhantomData<fn() -> B>,
}

/// Returns a `rusty_pool` whose threads stay.
pub(crate) fn rusty_pool(workers: usize) -> rusty_pool::ThreadPool {
    let pool = rusty_pool::ThreadPool::new(workers, workers, Duration::from_secs(60));
    pool.start_core_threads();
    pool
}

impl<B: Body> Peer for RustyPool<B> {
    type Handle = rusty_pool::JoinHandle<u64>;

    fn start(start: &Start) -> Self {
        Self { pool: rusty_pool(start.workers), body: PhantomData }
    }

    fn submit(&self, n: u64) -> Self::Handle {
        self.pool.evaluate(move || B::run(n))
    }

    fn take(&self, handle: Self::Handle) -> u64 {
        handle.await_complete()
    }

    fn stop(self) {
        self.pool.shutdown_join();
    }
}

/// A bounded crossbeam channel to worker threads, with a slot for each task.
pub(crate) struct Crossbeam {
    send: crossbeam_channel::Sender<(u64, Arc<AtomicSlot>)>,
    workers: Vec<JoinHandle<()>>,
}

impl Crossbeam {
    fn work(receive: &crossbeam_channel::Receiver<(u64, Arc<AtomicSlot>)>) {
        for (n, slot) in receive {
            if let Some(result) = caught(|| Tiny::run(n)) {
                slot.fill(result);
            }
        }
    }
}

impl Peer for Crossbeam {
    type Handle = Arc<AtomicSlot>;

    fn start(start: &Start) -> Self {
        let (send, receive) = crossbeam_channel::bounded(start.bound);
        let worker = |_| {
            let receive = receive.clone();
            thread::spawn(move || Self::work(&receive))
        };
        Self { send, workers: (0..start.workers).map(worker).collect() }
    }

    fn submit(&self, n: u64) -> Self::Handle {
        let slot = Arc::new(AtomicSlot::default());
        self.send.send((n, Arc::clone(&slot))).expect("the workers run");
        slot
    }

    fn take(&self, handle: Self::Handle) -> u64 {
        handle.take()
    }

    fn stop(self) {
        drop(self.send);
        self.workers.into_iter().for_each(|worker| worker.join().expect("it ends"));
    }
}
