//! xtra's actors, as tasks of tokio's runtime.

use super::{AsyncPeer, AsyncService, AsyncTell, Start, runtime};
use crate::work::{Sum, caught};
use ::xtra::{Actor, Address, Handler, Mailbox, prelude::Context, refcount::Strong};
use std::future::Future;
use tokio::{runtime::Runtime, task::JoinHandle};

struct Add(u64);
struct Note(u64);
struct Total;

struct Adder(Sum);

impl Actor for Adder {
    type Stop = ();

    async fn stopped(self) {}
}

impl Handler<Add> for Adder {
    type Return = Option<u64>;

    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> Option<u64> {
        caught(|| self.0.add(n))
    }
}

impl Handler<Note> for Adder {
    type Return = ();

    async fn handle(&mut self, Note(n): Note, _: &mut Context<Self>) {
        let _panicked = caught(|| {
            self.0.note(n);
            0
        });
    }
}

impl Handler<Total> for Adder {
    type Return = u64;

    async fn handle(&mut self, _: Total, _: &mut Context<Self>) -> u64 {
        self.0.total()
    }
}

/// An actor, and the runtime that it lives in.
pub(crate) struct Xtra {
    actor: Address<Adder, Strong>,
    ended: JoinHandle<()>,
    runtime: Runtime,
}

impl AsyncPeer for Xtra {
    type Handle = ::xtra::Receiver<Option<u64>>;

    fn start(start: &Start) -> Self {
        let runtime = runtime(start.workers);
        let (actor, mailbox) = Mailbox::bounded(start.bound);
        let ended = runtime.spawn(::xtra::run(mailbox, Adder(Sum::default())));
        Self { actor, ended, runtime }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        self.actor.send(Add(n)).detach().await.expect("the actor runs")
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it answers").expect("it does not panic")
    }

    async fn ask(&self, n: u64) -> u64 {
        self.actor.send(Add(n)).await.expect("it answers").expect("it does not panic")
    }

    fn stop(self) {
        drop(self.actor);
        self.runtime.block_on(self.ended).expect("the actor ends");
    }
}

impl AsyncService for Xtra {
    async fn total(&self) -> u64 {
        self.actor.send(Total).await.expect("it answers")
    }
}

impl AsyncTell for Xtra {
    async fn note(&self, n: u64) {
        // Its mailbox is a heap without a stable order. Without a priority of its own, the request
        // for the total could overtake this message.
        drop(self.actor.send(Note(n)).priority(1).detach().await.expect("the actor runs"));
    }
}
