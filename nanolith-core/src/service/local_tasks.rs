//! [`LocalTasks`]: the pending futures of a service's tasks, which the service's thread polls. Each
//! borrows the state across its awaits, as `&self` or `&mut self`: this decides which task may
//! begin.

use super::shutdown::Ending;
use crate::{
    call::{backend::ErasedCall, call_ref::CallRef, end_batch::EndBatch},
    error::Panic,
    meta::task_info::{Receiver, TaskInfo},
    task::{CallSlot, LocalFuture, Spawned, TaskSet},
    util::unwind,
};
use futures_util::stream::{FuturesUnordered, Stream};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// A pending future, and its call.
///
/// A panic in the poll or the drop is caught here. Otherwise `FuturesUnordered` would lose the
/// other members, and their calls would never be counted as over.
struct Member<S: TaskSet> {
    call: CallRef<CallSlot<S>>,
    future: Option<LocalFuture<()>>,
}

/// A call whose future is over, and the panic of that future. A task's own panic is caught earlier
/// and belongs to the call, so this panic comes from a destructor.
pub(super) type Over<S> = (CallRef<CallSlot<S>>, Option<Panic>);

impl<S: TaskSet> Future for Member<S> {
    type Output = Over<S>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let thrown = match unwind::catch(|| future.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => None,
            Err(panic) => Some(panic),
        };
        Poll::Ready((self.call.clone(), thrown))
    }
}

impl<S: TaskSet> Drop for Member<S> {
    fn drop(&mut self) {
        let future = self.future.take();
        unwind::ignore_panics(|| drop(future));
    }
}

/// All pending futures of a service.
pub(super) struct LocalTasks<S: TaskSet> {
    members: FuturesUnordered<Member<S>>,
    readers: usize,
    writer: bool,
}

impl<S: TaskSet> Default for LocalTasks<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: TaskSet> LocalTasks<S> {
    pub(super) fn new() -> Self {
        Self { members: FuturesUnordered::new(), readers: 0, writer: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns whether a task with this receiver may begin now.
    pub(super) fn admits(&self, receiver: Receiver) -> bool {
        match receiver {
            Receiver::None => true,
            Receiver::Shared => !self.writer,
            Receiver::Exclusive => !self.writer && self.readers == 0,
        }
    }

    /// Returns whether a future has exclusive access to the state. If so, no later call begins.
    pub(super) fn has_writer(&self) -> bool {
        self.writer
    }

    pub(super) fn join(&mut self, Spawned { call, future }: Spawned<S>) {
        match required_receiver::<S>(call.header.task()) {
            Receiver::None => {}
            Receiver::Shared => self.readers += 1,
            Receiver::Exclusive => self.writer = true,
        }
        self.members.push(Member { call, future: Some(future) });
    }

    /// Polls the futures that were woken. Returns a call that is over.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Over<S>> {
        let Poll::Ready(Some((call, thrown))) = Pin::new(&mut self.members).poll_next(cx) else { return Poll::Pending };
        match required_receiver::<S>(call.header.task()) {
            Receiver::None => {}
            Receiver::Shared => self.readers -= 1,
            Receiver::Exclusive => self.writer = false,
        }
        Poll::Ready((call, thrown))
    }

    /// Returns the calls of all pending futures.
    pub(super) fn calls(&self) -> Vec<(Receiver, CallRef<dyn ErasedCall>)> {
        let calls = self.members.iter().map(|member| &member.call);
        calls.map(|call| (required_receiver::<S>(call.header.task()), call.clone().erase())).collect()
    }

    /// Ends the calls of all pending futures, then drops the futures. Returns the calls.
    pub(super) fn dismiss(&mut self, ending: &Ending) -> Vec<CallRef<CallSlot<S>>> {
        let calls: Vec<_> = self.members.iter().map(|member| member.call.clone()).collect();
        let mut batch = EndBatch::default();
        for call in &calls {
            call.end_into(ending.of(&call.header), &mut batch);
        }
        batch.run();
        drop(std::mem::take(self));
        calls
    }
}

/// Returns the access to the state that a task needs, including its hooks.
pub(super) fn required_receiver<S: TaskSet>(info: &TaskInfo) -> Receiver {
    match info.state() {
        Receiver::None if S::HOOKS.read_state() => Receiver::Shared,
        receiver => receiver,
    }
}
