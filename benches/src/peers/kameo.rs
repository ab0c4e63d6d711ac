//! kameo's actors, each a task of a runtime or a thread of its own.

use super::{AsyncPeer, AsyncService, AsyncTell, Peer, Service, Start, Within, runtime};
use crate::work::Sum;
use ::kameo::{
    Actor,
    actor::{ActorRef, Spawn},
    mailbox,
    message::{Context, Message},
    request::PendingReply,
};
use std::{convert::Infallible, future::Future};
use tokio::runtime::Runtime;

pub(crate) struct Add(u64);
pub(crate) struct Note(u64);
pub(crate) struct Total;

impl Actor for Sum {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(sum: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(sum)
    }
}

impl Message<Add> for Sum {
    type Reply = u64;

    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self, u64>) -> u64 {
        self.add(n)
    }
}

impl Message<Note> for Sum {
    type Reply = ();

    async fn handle(&mut self, Note(n): Note, _: &mut Context<Self, ()>) {
        self.note(n);
    }
}

impl Message<Total> for Sum {
    type Reply = u64;

    async fn handle(&mut self, _: Total, _: &mut Context<Self, u64>) -> u64 {
        Self::total(self)
    }
}

/// An actor and the runtime that it lives in. If it is `THREADED`, it has a thread of its own.
pub(crate) struct Kameo<const THREADED: bool> {
    actor: ActorRef<Sum>,
    runtime: Runtime,
}

impl<const THREADED: bool> AsyncPeer for Kameo<THREADED> {
    type Handle = PendingReply<Add, u64>;

    fn start(start: &Start) -> Self {
        let runtime = runtime(start.workers);
        let mailbox = mailbox::bounded(start.bound);
        let within = runtime.enter();
        let actor = if THREADED {
            Sum::spawn_in_thread_with_mailbox(Sum::default(), mailbox)
        } else {
            Sum::spawn_with_mailbox(Sum::default(), mailbox)
        };
        drop(within);
        Self { actor, runtime }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        self.actor.ask(Add(n)).enqueue().await.expect("the actor runs")
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it answers")
    }

    async fn ask(&self, n: u64) -> u64 {
        self.actor.ask(Add(n)).send().await.expect("it answers")
    }

    fn stop(self) {
        self.runtime.block_on(async {
            self.actor.stop_gracefully().await.expect("the actor runs");
            self.actor.wait_for_shutdown().await;
        });
    }
}

impl<const THREADED: bool> AsyncService for Kameo<THREADED> {
    async fn total(&self) -> u64 {
        self.actor.ask(Total).send().await.expect("it answers")
    }
}

impl<const THREADED: bool> AsyncTell for Kameo<THREADED> {
    async fn note(&self, n: u64) {
        self.actor.tell(Note(n)).send().await.expect("the actor runs");
    }
}

impl<const THREADED: bool> Within for Kameo<THREADED> {
    const APART: bool = THREADED;

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// The same actor, called by kameo's blocking methods.
pub(crate) struct BlockingKameo(Kameo<false>);

impl Peer for BlockingKameo {
    /// The answer. kameo's own handle would borrow the actor.
    type Handle = u64;

    fn start(start: &Start) -> Self {
        Self(Kameo::start(start))
    }

    fn submit(&self, n: u64) -> u64 {
        self.0.actor.ask(Add(n)).blocking_send().expect("it answers")
    }

    fn take(&self, handle: u64) -> u64 {
        handle
    }

    fn stop(self) {
        self.0.stop();
    }
}

impl Service for BlockingKameo {
    fn total(&self) -> u64 {
        self.0.actor.ask(Total).blocking_send().expect("it answers")
    }
}
