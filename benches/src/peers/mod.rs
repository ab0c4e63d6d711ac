//! What the cases compare: pools, runtimes, actors and what a hand would write, all behind two small traits.

pub(crate) mod channels;
pub(crate) mod nanolith;
pub(crate) mod numbers;
pub(crate) mod pools;
pub(crate) mod runtimes;

pub(crate) mod actix;
pub(crate) mod kameo;
pub(crate) mod ractor;
pub(crate) mod tokio_mpsc;
pub(crate) mod xtra;

pub(crate) mod desk;
pub(crate) mod handover;
pub(crate) mod ring;
pub(crate) mod shared_ring;
pub(crate) mod slot;
pub(crate) mod spin;

use std::{future::Future, num::NonZero, thread};
use tokio::runtime::{Builder, Runtime};

/// What asks a service by hand for its total, and what ends its thread: no call has such a number.
const TOTAL: u64 = u64::MAX - 1;
const STOP: u64 = u64::MAX;

/// What a peer is started for.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    /// Threads, of peers that have several.
    pub(crate) workers: usize,
    /// Calls in flight, over all callers.
    pub(crate) bound: usize,
    /// Threads that call.
    pub(crate) callers: usize,
}

impl Start {
    /// For one caller, with a worker a core.
    pub(crate) fn bound(bound: usize) -> Self {
        Self { workers: cores(), bound, callers: 1 }
    }

    /// Each caller's share of the calls in flight.
    pub(crate) fn window(&self) -> usize {
        (self.bound / self.callers).max(1)
    }
}

/// Something that is called from plain threads: takes a number, and answers with a task's result.
pub(crate) trait Peer: Sync + Sized {
    /// What stands for an answer to come.
    type Handle;

    fn start(start: &Start) -> Self;

    /// This thread is the caller of this number from now on.
    fn enter(&self, _caller: usize) {}

    fn submit(&self, n: u64) -> Self::Handle;

    /// Waits for the answer.
    fn take(&self, handle: Self::Handle) -> u64;

    /// Submits one, and waits for it.
    fn ask(&self, n: u64) -> u64 {
        self.take(self.submit(n))
    }

    /// Ends its threads.
    fn stop(self) {}
}

/// A peer that owns a [`Sum`](crate::work::Sum), to which every call adds.
pub(crate) trait Service: Peer {
    fn total(&self) -> u64;
}

/// A service that can be told something without an answer.
pub(crate) trait Tell: Service {
    fn note(&self, n: u64);
}

/// Something that is called from async code.
pub(crate) trait AsyncPeer: Sync + Sized {
    /// What stands for an answer to come.
    type Handle: Send;

    fn start(start: &Start) -> Self;

    /// Blocks a plain thread on a future that calls this peer.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    fn submit(&self, n: u64) -> impl Future<Output = Self::Handle> + Send;

    fn take(&self, handle: Self::Handle) -> impl Future<Output = u64> + Send;

    /// Submits one, and waits for it.
    fn ask(&self, n: u64) -> impl Future<Output = u64> + Send {
        async move { self.take(self.submit(n).await).await }
    }

    /// Ends its threads.
    fn stop(self) {}
}

/// As [`Service`], in async code.
pub(crate) trait AsyncService: AsyncPeer {
    fn total(&self) -> impl Future<Output = u64> + Send;
}

/// As [`Tell`], in async code.
pub(crate) trait AsyncTell: AsyncService {
    fn note(&self, n: u64) -> impl Future<Output = ()> + Send;
}

/// A peer that is called from tasks of tokio's multi-thread runtime.
pub(crate) trait Within: AsyncPeer + Send + 'static {
    /// Whether it runs calls on other threads than the runtime's, where its callers are.
    const APART: bool;

    /// The runtime that its callers run on.
    fn runtime(&self) -> &Runtime;
}

/// The threads that this process can run at once.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// tokio's multi-thread runtime.
pub(crate) fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_time().build().expect("the system gives threads")
}
