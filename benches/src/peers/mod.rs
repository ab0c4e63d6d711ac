//! The peers, which the contenders of a case run: adapters of thread pools, async runtimes, actor
//! libraries and hand-written code, behind traits such as [`Peer`] and [`Service`].

pub(crate) mod channels;
pub(crate) mod nanolith;
pub(crate) mod nanolith_options;
pub(crate) mod nanolith_tasks;
pub(crate) mod pools;
pub(crate) mod runtimes;

pub(crate) mod actix;
pub(crate) mod kameo;
pub(crate) mod ractor;
pub(crate) mod tokio_mpsc;
pub(crate) mod xtra;

pub(crate) mod heavy;

pub(crate) mod handover;
pub(crate) mod ring;
pub(crate) mod shared_ring;
pub(crate) mod slot;
pub(crate) mod slot_service;
pub(crate) mod spin;

use std::{future::Future, num::NonZero, thread};
use tokio::runtime::{Builder, Runtime};

/// The numbers that ask a hand-written service for its total, and that end its thread. No call has
/// such a number.
const TOTAL: u64 = u64::MAX - 1;
const STOP: u64 = u64::MAX;

/// The settings with which a peer starts.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    /// The number of threads, for peers that have several.
    pub(crate) workers: usize,
    /// The calls in flight, over all callers.
    pub(crate) bound: usize,
    /// The number of threads that call.
    pub(crate) callers: usize,
}

impl Start {
    /// Returns the settings for one caller, with a worker on each core.
    pub(crate) fn bound(bound: usize) -> Self {
        Self { workers: cores(), bound, callers: 1 }
    }

    /// Returns each caller's share of the calls in flight.
    pub(crate) fn window(&self) -> usize {
        (self.bound / self.callers).max(1)
    }
}

/// A peer that plain threads call: it takes a number, and answers with a task's result.
pub(crate) trait Peer: Sync + Sized {
    /// The handle of a pending answer.
    type Handle;

    fn start(start: &Start) -> Self;

    /// Makes the current thread the caller of this number.
    fn enter(&self, _caller: usize) {}

    fn submit(&self, n: u64) -> Self::Handle;

    /// Waits for the answer.
    fn take(&self, handle: Self::Handle) -> u64;

    /// Submits a call, and waits for its answer.
    fn ask(&self, n: u64) -> u64 {
        self.take(self.submit(n))
    }

    /// Ends the peer's threads.
    fn stop(self) {}
}

/// A peer that owns a [`Sum`](crate::work::Sum). Each call adds to the sum.
pub(crate) trait Service: Peer {
    fn total(&self) -> u64;
}

/// A service that accepts messages without an answer.
pub(crate) trait Tell: Service {
    fn note(&self, n: u64);
}

/// A peer that async code calls.
pub(crate) trait AsyncPeer: Sync + Sized {
    /// The handle of a pending answer.
    type Handle: Send;

    fn start(start: &Start) -> Self;

    /// Blocks a plain thread on a future that calls this peer.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    fn submit(&self, n: u64) -> impl Future<Output = Self::Handle> + Send;

    fn take(&self, handle: Self::Handle) -> impl Future<Output = u64> + Send;

    /// Submits a call, and waits for its answer.
    fn ask(&self, n: u64) -> impl Future<Output = u64> + Send {
        async move { self.take(self.submit(n).await).await }
    }

    /// Ends the peer's threads.
    fn stop(self) {}
}

/// A [`Service`] for async code.
pub(crate) trait AsyncService: AsyncPeer {
    fn total(&self) -> impl Future<Output = u64> + Send;
}

/// A [`Tell`] for async code.
pub(crate) trait AsyncTell: AsyncService {
    fn note(&self, n: u64) -> impl Future<Output = ()> + Send;
}

/// A peer that tasks of tokio's multi-thread runtime call.
pub(crate) trait Within: AsyncPeer + Send + 'static {
    /// Whether calls run on threads other than those of the runtime that runs the callers.
    const APART: bool;

    /// Returns the runtime that runs the callers.
    fn runtime(&self) -> &Runtime;
}

/// A peer for async code that a plain thread calls: the thread blocks on each call. This is for
/// tasks that take far longer than that.
pub(crate) struct BlockOn<P>(P);

impl<P: AsyncPeer> Peer for BlockOn<P> {
    type Handle = P::Handle;

    fn start(start: &Start) -> Self {
        Self(P::start(start))
    }

    fn submit(&self, n: u64) -> P::Handle {
        self.0.block_on(self.0.submit(n))
    }

    fn take(&self, handle: P::Handle) -> u64 {
        self.0.block_on(self.0.take(handle))
    }

    fn stop(self) {
        self.0.stop();
    }
}

/// Returns the number of threads that this process can run at once.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Returns tokio's multi-thread runtime.
pub(crate) fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_time().build().expect("the system gives threads")
}
