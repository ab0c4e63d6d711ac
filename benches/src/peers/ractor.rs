//! ractor's actors. Their mailbox has no bound, so only the number of calls that each caller has in
//! flight limits it.

use super::{AsyncPeer, AsyncService, AsyncTell, Start, Within, runtime};
use crate::work::Sum;
use ::ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, concurrency};
use std::future::Future;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};

struct Adder;

enum Message {
    Add(u64, RpcReplyPort<u64>),
    Note(u64),
    Total(RpcReplyPort<u64>),
}

impl Actor for Adder {
    type Msg = Message;
    type State = Sum;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<Sum, ActorProcessingErr> {
        Ok(Sum::default())
    }

    async fn handle(&self, _: ActorRef<Message>, message: Message, sum: &mut Sum) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Add(n, answer) => answer.send(sum.add(n))?,
            Message::Note(n) => sum.note(n),
            Message::Total(answer) => answer.send(sum.total())?,
        }
        Ok(())
    }
}

/// An actor, and the runtime that it lives in.
pub(crate) struct Ractor {
    actor: ActorRef<Message>,
    ended: JoinHandle<()>,
    runtime: Runtime,
}

impl Ractor {
    fn push(&self, message: Message) {
        assert!(self.actor.cast(message).is_ok(), "the actor runs");
    }
}

impl AsyncPeer for Ractor {
    type Handle = oneshot::Receiver<u64>;

    fn start(start: &Start) -> Self {
        let runtime = runtime(start.workers);
        let spawned = runtime.block_on(Actor::spawn(None, Adder, ()));
        let (actor, ended) = spawned.expect("the actor starts");
        Self { actor, ended, runtime }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    async fn submit(&self, n: u64) -> Self::Handle {
        let (answer, answered) = concurrency::oneshot();
        self.push(Message::Add(n, answer.into()));
        answered
    }

    async fn take(&self, handle: Self::Handle) -> u64 {
        handle.await.expect("it answers")
    }

    async fn ask(&self, n: u64) -> u64 {
        let result = self.actor.call(|answer| Message::Add(n, answer), None).await;
        result.expect("the actor runs").expect("it answers")
    }

    fn stop(self) {
        self.actor.stop(None);
        self.runtime.block_on(self.ended).expect("the actor ends");
    }
}

impl AsyncService for Ractor {
    async fn total(&self) -> u64 {
        let result = self.actor.call(Message::Total, None).await;
        result.expect("the actor runs").expect("it answers")
    }
}

impl AsyncTell for Ractor {
    async fn note(&self, n: u64) {
        self.push(Message::Note(n));
    }
}

impl Within for Ractor {
    const APART: bool = false;

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}
