//! actix's actors, on an arbiter of their own.

use super::{AsyncPeer, AsyncService, AsyncTell, Start};
use crate::work::{Sum, caught};
use ::actix::{Actor, Addr, Arbiter, Context, Handler, Message, MessageResult, System, dev::Request};
use futures_lite::future;
use std::{
    future::Future,
    sync::mpsc,
    thread::{self, JoinHandle},
};

#[derive(Message)]
#[rtype(result = "Option<u64>")]
pub(crate) struct Add(u64);

#[derive(Message)]
#[rtype(result = "()")]
struct Note(u64);

#[derive(Message)]
#[rtype(result = "u64")]
struct Total;

pub(crate) struct Adder(Sum);

impl Actor for Adder {
    type Context = Context<Self>;
}

impl Handler<Add> for Adder {
    type Result = Option<u64>;

    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> Option<u64> {
        caught(|| self.0.add(n))
    }
}

impl Handler<Note> for Adder {
    type Result = ();

    fn handle(&mut self, Note(n): Note, _: &mut Context<Self>) {
        let _panicked = caught(|| {
            self.0.note(n);
            0
        });
    }
}

impl Handler<Total> for Adder {
    type Result = MessageResult<Total>;

    fn handle(&mut self, _: Total, _: &mut Context<Self>) -> MessageResult<Total> {
        MessageResult(self.0.total())
    }
}

/// An actor on an arbiter. Its system runs on another thread.
pub(crate) struct Actix {
    actor: Addr<Adder>,
    arbiter: Arbiter,
    system: System,
    thread: JoinHandle<()>,
}

/// Runs a system until it is stopped. Sends the system and an arbiter to the caller.
fn run_system(tell: &mpsc::Sender<(System, Arbiter)>) {
    let runner = System::new();
    let arbiter = runner.block_on(async { Arbiter::new() });
    tell.send((System::current(), arbiter)).expect("it is awaited");
    runner.run().expect("the system ends in peace");
}

impl AsyncPeer for Actix {
    type Handle = Request<Adder, Add>;

    fn start(start: &Start) -> Self {
        let (tell, started) = mpsc::channel();
        let thread = thread::spawn(move || run_system(&tell));
        let (system, arbiter) = started.recv().expect("the system starts");
        let bound = start.bound;
        let actor = Adder::start_in_arbiter(&arbiter.handle(), move |context| {
            context.set_mailbox_capacity(bound);
            Adder(Sum::default())
        });
        Self { actor, arbiter, system, thread }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        future::block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        self.actor.send(Add(n))
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it answers").expect("it does not panic")
    }

    fn stop(self) {
        drop(self.actor);
        self.arbiter.stop();
        self.arbiter.join().expect("the arbiter ends");
        self.system.stop();
        self.thread.join().expect("the system ends");
    }
}

impl AsyncService for Actix {
    async fn total(&self) -> u64 {
        self.actor.send(Total).await.expect("it answers")
    }
}

impl AsyncTell for Actix {
    async fn note(&self, n: u64) {
        self.actor.do_send(Note(n));
    }
}
