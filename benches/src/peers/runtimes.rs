//! Executors for async code: tokio's tasks and blocking threads, smol's executor, and rayon with
//! tokio's oneshot channel.

use super::{AsyncPeer, Start, Within, pools::rayon_pool, runtime};
use crate::work::{Body, Tiny, caught};
use async_executor::Executor;
use futures_lite::future;
use std::{
    future::Future,
    marker::PhantomData,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{runtime::Runtime, sync::oneshot, task};

/// `tokio::spawn`.
pub(crate) struct TokioSpawn<B> {
    runtime: Runtime,
    body: PhantomData<fn() -> B>,
}

impl<B: Body> AsyncPeer for TokioSpawn<B> {
    type Handle = task::JoinHandle<u64>;

    fn start(start: &Start) -> Self {
        Self { runtime: runtime(start.workers), body: PhantomData }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        tokio::spawn(async move { B::run(n) })
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it runs")
    }
}

impl<B: Body> Within for TokioSpawn<B> {
    const APART: bool = false;

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// Implements [`AsyncPeer`] for tokio tasks that run the smallest task in a future of `$body`.
macro_rules! tokio_tasks {
    ($name:ident, $what:literal, $body:expr) => {
        #[doc = $what]
        pub(crate) struct $name(TokioSpawn<Tiny>);

        impl AsyncPeer for $name {
            type Handle = task::JoinHandle<u64>;

            fn start(start: &Start) -> Self {
                Self(TokioSpawn::start(start))
            }

            fn block_on<F: Future>(&self, future: F) -> F::Output {
                self.0.block_on(future)
            }

            async fn submit(&self, n: u64) -> Self::Handle {
                tokio::spawn($body(n))
            }

            async fn take(&self, handle: Self::Handle) -> u64 {
                handle.await.expect("it runs")
            }
        }
    };
}

tokio_tasks!(TokioTimed, "`tokio::spawn` of `tokio::time::timeout`.", |n| async move {
    tokio::time::timeout(Duration::from_secs(1), async move { Tiny::run(n) }).await.expect("it is in time")
});
tokio_tasks!(TokioYielding, "`tokio::spawn` of a future that yields once.", |n| async move {
    task::yield_now().await;
    Tiny::run(n)
});

/// `tokio::task::spawn_blocking`, with one blocking thread for each worker of the other peers.
pub(crate) struct SpawnBlocking<B> {
    runtime: Runtime,
    body: PhantomData<fn() -> B>,
}

impl<B: Body> AsyncPeer for SpawnBlocking<B> {
    type Handle = task::JoinHandle<u64>;

    fn start(start: &Start) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(start.workers).max_blocking_threads(start.workers);
        Self { runtime: builder.build().expect("the system gives threads"), body: PhantomData }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        task::spawn_blocking(move || B::run(n))
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it runs")
    }
}

impl<B: Body> Within for SpawnBlocking<B> {
    const APART: bool = true;

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// `rayon::ThreadPool::spawn`, awaited over tokio's oneshot channel.
pub(crate) struct RayonTokio<B> {
    pool: rayon::ThreadPool,
    runtime: Runtime,
    body: PhantomData<fn() -> B>,
}

impl<B: Body> AsyncPeer for RayonTokio<B> {
    type Handle = oneshot::Receiver<u64>;

    fn start(start: &Start) -> Self {
        Self { pool: rayon_pool(start.workers), runtime: runtime(start.workers), body: PhantomData }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        let (send, receive) = oneshot::channel();
        self.pool.spawn(move || {
            if let Some(result) = caught(|| B::run(n)) {
                send.send(result).expect("it is awaited");
            }
        });
        receive
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it was sent")
    }
}

impl<B: Body> Within for RayonTokio<B> {
    const APART: bool = true;

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// smol's executor, with threads that run it.
pub(crate) struct Smol<B> {
    executor: Arc<Executor<'static>>,
    /// The threads end when this is dropped.
    running: flume::Sender<()>,
    workers: Vec<JoinHandle<()>>,
    body: PhantomData<fn() -> B>,
}

impl<B: Body> AsyncPeer for Smol<B> {
    type Handle = async_executor::Task<Option<u64>>;

    fn start(start: &Start) -> Self {
        let executor = Arc::new(Executor::new());
        let (running, stopped) = flume::bounded::<()>(0);
        let worker = |_| {
            let (executor, stopped) = (Arc::clone(&executor), stopped.clone());
            thread::spawn(move || future::block_on(executor.run(stopped.recv_async())).unwrap_or_default())
        };
        let workers = (0..start.workers).map(worker).collect();
        Self { executor, running, workers, body: PhantomData }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        future::block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        self.executor.spawn(async move { caught(|| B::run(n)) })
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it does not panic")
    }

    fn stop(self) {
        drop(self.running);
        self.workers.into_iter().for_each(|worker| worker.join().expect("it ends"));
    }
}
