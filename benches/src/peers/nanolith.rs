//! The adapters of nanolith: its global pool, a pool with a number of workers, and a service. Other
//! settings are the defaults.

use super::{
    AsyncPeer, AsyncService, Peer, Service, Start, Tell, Within,
    nanolith_tasks::{Calls, Numbers, TaskBody},
    runtime,
};
use ::nanolith::{
    pool::Concurrency,
    prelude::{Handle, Pool},
};
use nanolith::Wait;
use std::{future::Future, marker::PhantomData};
use tokio::runtime::Runtime;

/// The global pool.
pub(crate) struct GlobalPool<B>(PhantomData<fn() -> B>);

impl<B: TaskBody> Peer for GlobalPool<B> {
    type Handle = Handle<Numbers, u64>;

    fn start(_: &Start) -> Self {
        Self(PhantomData)
    }

    fn submit(&self, n: u64) -> Self::Handle {
        B::submit(Numbers::tasks(), n)
    }

    fn take(&self, handle: Self::Handle) -> u64 {
        handle.wait().expect("it runs")
    }

    fn ask(&self, n: u64) -> u64 {
        Numbers::tasks().mix(n).wait().expect("it runs")
    }
}

/// A pool with its own number of workers.
pub(crate) struct OwnPool<B> {
    pool: Pool,
    calls: Calls<Pool>,
    body: PhantomData<fn() -> B>,
}

impl<B> OwnPool<B> {
    pub(super) fn calls(&self) -> &Calls<Pool> {
        &self.calls
    }
}

impl<B: TaskBody> Peer for OwnPool<B> {
    type Handle = Handle<Numbers, u64>;

    fn start(start: &Start) -> Self {
        let pool = Pool::builder().concurrency(Concurrency::Exact(start.workers)).build().expect("it starts");
        Self { calls: Numbers::on(&pool), pool, body: PhantomData }
    }

    fn submit(&self, n: u64) -> Self::Handle {
        B::submit(&self.calls, n)
    }

    fn take(&self, handle: Self::Handle) -> u64 {
        handle.wait().expect("it runs")
    }

    fn stop(self) {
        self.pool.close();
    }
}

/// The same pool, which measures how long its calls wait and run.
pub(crate) struct MeasuredPool<B>(OwnPool<B>);

impl<B: TaskBody> Peer for MeasuredPool<B> {
    type Handle = Handle<Numbers, u64>;

    fn start(start: &Start) -> Self {
        let settings = Pool::builder().concurrency(Concurrency::Exact(start.workers)).metrics(true);
        let pool = settings.build().expect("it starts");
        Self(OwnPool { calls: Numbers::on(&pool), pool, body: PhantomData })
    }

    fn submit(&self, n: u64) -> Self::Handle {
        self.0.submit(n)
    }

    fn take(&self, handle: Self::Handle) -> u64 {
        self.0.take(handle)
    }

    fn stop(self) {
        self.0.pool.drained().wait();
        let metrics = self.0.pool.metrics().expect("it was asked to measure");
        assert!(metrics.run_time().count() > 0, "it measured");
        self.0.stop();
    }
}

/// A service with the default queue.
pub(crate) struct NanolithService(::nanolith::prelude::Service<Numbers>);

impl Peer for NanolithService {
    type Handle = Handle<Numbers, u64>;

    fn start(_: &Start) -> Self {
        Self(Numbers::service(Numbers::default()).launch().wait().expect("it starts"))
    }

    fn submit(&self, n: u64) -> Self::Handle {
        self.0.add(n).submit()
    }

    fn take(&self, handle: Self::Handle) -> u64 {
        handle.wait().expect("it runs")
    }

    fn ask(&self, n: u64) -> u64 {
        self.0.add(n).wait().expect("it runs")
    }

    fn stop(self) {
        self.0.close().wait().expect("it ends");
    }
}

impl Service for NanolithService {
    fn total(&self) -> u64 {
        self.0.total().wait().expect("it runs")
    }
}

impl Tell for NanolithService {
    fn note(&self, n: u64) {
        assert!(self.0.note(n).tell().is_ok(), "it is open");
    }
}

/// The global pool, called from tokio's runtime.
pub(crate) struct AsyncGlobalPool(Runtime);

impl AsyncPeer for AsyncGlobalPool {
    type Handle = Handle<Numbers, u64>;

    fn start(start: &Start) -> Self {
        Self(runtime(start.workers))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        Numbers::tasks().mix(n).submit()
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it runs")
    }

    async fn ask(&self, n: u64) -> u64 {
        Numbers::tasks().mix(n).await.expect("it runs")
    }
}

impl Within for AsyncGlobalPool {
    const APART: bool = true;

    fn runtime(&self) -> &Runtime {
        &self.0
    }
}

/// A service, called from tokio's runtime.
pub(crate) struct AsyncNanolithService {
    service: NanolithService,
    runtime: Runtime,
}

impl AsyncPeer for AsyncNanolithService {
    type Handle = Handle<Numbers, u64>;

    fn start(start: &Start) -> Self {
        Self { service: NanolithService::start(start), runtime: runtime(start.workers) }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        self.service.submit(n)
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it runs")
    }

    async fn ask(&self, n: u64) -> u64 {
        self.service.0.add(n).await.expect("it runs")
    }

    fn stop(self) {
        self.service.stop();
    }
}

impl AsyncService for AsyncNanolithService {
    async fn total(&self) -> u64 {
        self.service.0.total().await.expect("it runs")
    }
}

impl Within for AsyncNanolithService {
    const APART: bool = true;

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}
