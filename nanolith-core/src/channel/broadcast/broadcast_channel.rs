//! [`BroadcastChannel`]: the broadcast log that senders and receivers share, behind a lock, and the
//! future that sends.

use super::{
    LagPolicy, Receiver, SenderId,
    block::Block,
    cursor::SenderWaiting,
    receiver::MANY,
    send::SendResult,
    state::{Chores, LogState},
};
use crate::{
    context::block_on,
    park::parker,
    sim_runtime,
    wake::{Deferred, NewWaker, WaitTicket},
};
use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

/// A broadcast log that senders and receivers share.
pub(crate) struct BroadcastChannel<T> {
    core: Deferred<LogState<T>, Arc<Block<T>>>,
    policy: LagPolicy,
    /// The state's flag, readable without the lock.
    pub(super) wanted: Arc<SenderWaiting>,
}

/// The error of a send. It holds the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrySendError<T> {
    Full(T),
    Ended(T),
}

impl<T> BroadcastChannel<T> {
    /// Creates a channel with a policy. The policy's bound, if it has one, is at least 1.
    ///
    /// With `keep_for_first`, messages are kept by the same policy until the first receiver joins.
    /// Without it, messages go only to the receivers that exist.
    pub(crate) fn new(policy: LagPolicy, keep_for_first: bool) -> Arc<Self> {
        let wanted = Arc::new(SenderWaiting::new());
        let core = LogState::new(policy, keep_for_first, wanted.clone());
        Arc::new(Self { core: Deferred::new(core), policy, wanted })
    }

    pub(crate) fn policy(&self) -> LagPolicy {
        self.policy
    }

    /// Locks the state for `change`, and carries out the chores after the lock's release.
    pub(super) fn with_state<R>(&self, change: impl FnOnce(&mut LogState<T>, &mut Chores<T>) -> R) -> R {
        self.core.with(change)
    }

    /// Like [`with_state`](Self::with_state), but does nothing if another thread holds the lock.
    pub(super) fn try_with(&self, change: impl FnOnce(&mut LogState<T>, &mut Chores<T>)) {
        self.core.try_with(change);
    }

    /// Creates a receiver of the messages that are sent from now on, except those of `owner`.
    pub(crate) fn receiver(self: &Arc<Self>, owner: SenderId) -> Receiver<T> {
        let (id, cursor) = self.with_state(|core, _| core.join(owner));
        Receiver::new(self.clone(), owner, id, cursor)
    }

    /// Sends a message if every receiver has capacity. Returns the number of receivers that get it.
    pub(crate) fn try_send(&self, from: SenderId, value: T) -> Result<usize, TrySendError<T>> {
        told(self.with_state(|core, chores| core.push(from, value, chores)))
    }

    /// Sends a message, and waits until every receiver has capacity.
    pub(crate) fn send(&self, from: SenderId, value: T) -> SendFuture<'_, T> {
        SendFuture { log: self, from, stage: Stage::Begun(value) }
    }

    /// Ends the log. Messages that were sent are still received. Blocked senders get their messages
    /// back.
    pub(crate) fn close(&self) {
        self.with_state(LogState::end);
    }

    /// Ends the receivers of `owner` at once.
    pub(crate) fn remove_owner(&self, owner: SenderId) {
        self.with_state(|core, chores| core.dismiss(owner, chores));
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.with_state(|core, _| core.is_ended())
    }

    /// Returns the number of receivers, the number of messages ahead of the slowest one, and the
    /// number of blocked senders.
    pub(crate) fn stats(&self) -> (usize, u64, usize) {
        self.with_state(|core, _| (core.receivers(), core.lag(), core.waiting()))
    }
}

fn told<T>(pushed: SendResult<T>) -> Result<usize, TrySendError<T>> {
    match pushed {
        SendResult::Delivered(receivers) => Ok(receivers),
        SendResult::NoReceivers(_) => Ok(0),
        SendResult::Full(value) => Err(TrySendError::Full(value)),
        SendResult::Ended(value) => Err(TrySendError::Ended(value)),
    }
}

/// A future that sends a message when there is capacity. It returns the number of receivers, or the
/// message if the log has ended.
///
/// If it is dropped while it waits, its message leaves the line of blocked senders. A message that
/// was sent from the line just before stays sent.
pub(crate) struct SendFuture<'a, T> {
    log: &'a BroadcastChannel<T>,
    from: SenderId,
    stage: Stage<T>,
}

enum Stage<T> {
    Begun(T),
    InLine(WaitTicket),
    Over,
}

/// No field is pinned.
impl<T> Unpin for SendFuture<'_, T> {}

impl<T> SendFuture<'_, T> {
    /// Blocks until the message is sent, or until `deadline`.
    #[cfg_attr(feature = "tokio", track_caller)]
    pub(crate) fn block_until(&mut self, deadline: Option<Instant>) -> Option<Result<usize, T>> {
        sim_runtime::switch_point();
        if let Some(outcome) = self.begin() {
            return Some(outcome);
        }
        self.await_room();
        if let Some(outcome) = self.begin() {
            return Some(outcome);
        }
        block_on::block_on_any_until(Pin::new(self), deadline)
    }

    /// Yields the core for a while, until half of the bound is free. While receivers make progress,
    /// this costs less than waiting for a single place.
    pub(super) fn await_room(&self) {
        let half = self.log.policy.bound().unwrap_or(0).div_ceil(2) as u64;
        let has_room = || self.log.with_state(|core, _| core.is_ended() || core.room(self.from) >= half);
        if self.log.with_state(|core, _| core.note_full()) >= MANY {
            parker::yield_after_many(parker::IDLE_SPIN, has_room);
        } else {
            parker::yield_until(parker::IDLE_SPIN, has_room);
        }
    }

    /// Takes the message back if it was not sent.
    pub(crate) fn take_back(&mut self) -> Option<T> {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begun(value) => Some(value),
            Stage::InLine(ticket) => match self.log.with_state(|core, chores| core.line().leave(ticket, chores)) {
                (Some(blocked), _) => Some(blocked.value),
                (None, Some(SendResult::Full(value) | SendResult::Ended(value))) => Some(value),
                (None, _) => None,
            },
            Stage::Over => None,
        }
    }

    /// Sends the message if that needs no wait.
    #[inline]
    fn begin(&mut self) -> Option<Result<usize, T>> {
        if !matches!(self.stage, Stage::Begun(_)) {
            return None;
        }
        let Stage::Begun(value) = mem::replace(&mut self.stage, Stage::Over) else { return None };
        match self.log.try_send(self.from, value) {
            Ok(receivers) => Some(Ok(receivers)),
            Err(TrySendError::Ended(value)) => Some(Err(value)),
            Err(TrySendError::Full(value)) => {
                self.stage = Stage::Begun(value);
                None
            }
        }
    }
}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<usize, T>;

    /// # Panics
    ///
    /// Panics when polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.begin() {
            return Poll::Ready(outcome); // the waker was not cloned
        }
        let (log, from, mut waker) = (self.log, self.from, NewWaker::of(cx.waker()));
        let answer = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begun(value) => log.with_state(|core, chores| core.push_or_wait(from, value, &mut waker, chores)),
            Stage::InLine(ticket) => log.with_state(|core, _| core.line().redeem(ticket, &mut waker).ok_or(ticket)),
            Stage::Over => panic!("a message was polled after it was sent"),
        };
        match answer.map(told) {
            Ok(Ok(receivers)) => Poll::Ready(Ok(receivers)),
            Ok(Err(TrySendError::Full(value) | TrySendError::Ended(value))) => Poll::Ready(Err(value)),
            Err(ticket) => {
                self.stage = Stage::InLine(ticket);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for SendFuture<'_, T> {
    fn drop(&mut self) {
        if let Stage::InLine(_) = self.stage {
            drop(self.take_back()); // the message is dropped after the lock's release
        }
    }
}
