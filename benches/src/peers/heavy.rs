//! [`Heavy`]: the ways in which an async server runs a computation of about a millisecond.

use super::{
    cores,
    nanolith_tasks::{Calls, Numbers},
    pools::rayon_pool,
};
use crate::work::{Body, Micros, caught};
use ::kameo::{
    Actor,
    actor::{ActorRef, Spawn},
    mailbox,
    message::{Context, Message},
};
use ::nanolith::{pool::Concurrency, prelude::Pool};
use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    sync::{Semaphore, oneshot},
    task,
};

/// The computation of a request.
type Work = Micros<1_000>;

/// A way to run the computation. Its clones share their threads.
pub(crate) trait Heavy: Clone + Send + Sync + 'static {
    /// Starts the threads. The caller is in the context of tokio's runtime.
    fn start() -> Self;

    /// Computes the result of task `n`.
    fn compute(&self, n: u64) -> impl Future<Output = u64> + Send;

    /// Ends the threads.
    fn stop(self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// On the thread of the runtime that handles the request.
#[derive(Clone)]
pub(crate) struct Inline;

impl Heavy for Inline {
    fn start() -> Self {
        Self
    }

    async fn compute(&self, n: u64) -> u64 {
        Work::run(n)
    }
}

/// `tokio::task::spawn_blocking`, with tokio's bound on threads.
#[derive(Clone)]
pub(crate) struct Blocking;

impl Heavy for Blocking {
    fn start() -> Self {
        Self
    }

    async fn compute(&self, n: u64) -> u64 {
        task::spawn_blocking(move || Work::run(n)).await.expect("it runs")
    }
}

/// `tokio::task::spawn_blocking` behind a semaphore with a permit for each core.
#[derive(Clone)]
pub(crate) struct LimitedBlocking(Arc<Semaphore>);

impl Heavy for LimitedBlocking {
    fn start() -> Self {
        Self(Arc::new(Semaphore::new(cores())))
    }

    async fn compute(&self, n: u64) -> u64 {
        let _permit = self.0.acquire().await.expect("it is open");
        task::spawn_blocking(move || Work::run(n)).await.expect("it runs")
    }
}

/// `rayon::ThreadPool::spawn`, awaited over tokio's oneshot channel.
#[derive(Clone)]
pub(crate) struct RayonOneshot(Arc<rayon::ThreadPool>);

impl Heavy for RayonOneshot {
    fn start() -> Self {
        Self(Arc::new(rayon_pool(cores())))
    }

    async fn compute(&self, n: u64) -> u64 {
        let (send, receive) = oneshot::channel();
        self.0.spawn(move || {
            if let Some(result) = caught(|| Work::run(n)) {
                send.send(result).expect("it is awaited");
            }
        });
        receive.await.expect("it was sent")
    }
}

/// kameo's actors, each on a thread of its own: one for each core, which requests use in turn.
#[derive(Clone)]
pub(crate) struct KameoThreads {
    actors: Arc<[ActorRef<Computer>]>,
    next: Arc<AtomicUsize>,
}

pub(crate) struct Computer;

struct Compute(u64);

impl Actor for Computer {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(computer: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(computer)
    }
}

impl Message<Compute> for Computer {
    type Reply = u64;

    async fn handle(&mut self, Compute(n): Compute, _: &mut Context<Self, u64>) -> u64 {
        Work::run(n)
    }
}

impl Heavy for KameoThreads {
    fn start() -> Self {
        let actor = |_| Computer::spawn_in_thread_with_mailbox(Computer, mailbox::bounded(1_024));
        Self { actors: (0..cores()).map(actor).collect(), next: Arc::default() }
    }

    async fn compute(&self, n: u64) -> u64 {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.actors[turn % self.actors.len()].ask(Compute(n)).send().await.expect("it answers")
    }

    async fn stop(self) {
        for actor in &*self.actors {
            actor.stop_gracefully().await.expect("the actor runs");
            actor.wait_for_shutdown().await;
        }
    }
}

/// A pool of nanolith with its default settings.
#[derive(Clone)]
pub(crate) struct NanolithPool {
    pool: Pool,
    calls: Calls<Pool>,
}

impl Heavy for NanolithPool {
    fn start() -> Self {
        let pool = Pool::builder().concurrency(Concurrency::Exact(cores())).build().expect("it starts");
        Self { calls: Numbers::on(&pool), pool }
    }

    async fn compute(&self, n: u64) -> u64 {
        self.calls.mix_1ms(n).await.expect("it runs")
    }

    async fn stop(self) {
        self.pool.close();
        self.pool.drained().await;
    }
}
