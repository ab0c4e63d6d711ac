//! Who shares a log, and how one sends.

use super::{
    Receiver, SenderId, SlowReceiver,
    block::Block,
    cursor::SenderWaiting,
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
};

/// A log that is shared by senders and receivers.
pub(crate) struct BroadcastChannel<T> {
    core: Deferred<LogState<T>, Arc<Block<T>>>,
    policy: SlowReceiver,
    /// The core's own.
    pub(super) wanted: Arc<SenderWaiting>,
}

/// A message was not sent: it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrySendError<T> {
    Full(T),
    Ended(T),
}

impl<T> BroadcastChannel<T> {
    /// Under a policy whose bound, if it has one, is at least 1. `keep_for_first` keeps what is sent, by the same policy,
    /// until the first receiver comes; else it goes to those who are there.
    pub(crate) fn new(policy: SlowReceiver, keep_for_first: bool) -> Arc<Self> {
        let wanted = Arc::new(SenderWaiting::new());
        let core = LogState::new(policy, keep_for_first, wanted.clone());
        Arc::new(Self { core: Deferred::new(core), policy, wanted })
    }

    pub(crate) fn policy(&self) -> SlowReceiver {
        self.policy
    }

    /// Looks at the log, and does what comes of it when the lock is free again.
    pub(super) fn with_state<R>(&self, change: impl FnOnce(&mut LogState<T>, &mut Chores<T>) -> R) -> R {
        self.core.with(change)
    }

    /// The same, unless another thread looks at it.
    pub(super) fn try_with(&self, change: impl FnOnce(&mut LogState<T>, &mut Chores<T>)) {
        self.core.try_with(change);
    }

    /// A receiver of what is sent from now on, but for the messages of `owner`.
    pub(crate) fn receiver(self: &Arc<Self>, owner: SenderId) -> Receiver<T> {
        let (id, cursor) = self.with_state(|core, _| core.join(owner));
        Receiver::new(self.clone(), owner, id, cursor)
    }

    /// Sends, if every receiver has room; says to how many it went.
    pub(crate) fn try_send(&self, from: SenderId, value: T) -> Result<usize, TrySendError<T>> {
        told(self.with_state(|core, chores| core.push(from, value, chores)))
    }

    /// Sends, when every receiver has room.
    pub(crate) fn send(&self, from: SenderId, value: T) -> Sending<'_, T> {
        Sending { log: self, from, stage: Stage::Begun(value) }
    }

    /// No more messages come. What was sent is still received; those who wait for room have their messages back.
    pub(crate) fn close(&self) {
        self.with_state(LogState::end);
    }

    /// The receivers of `owner` end at once.
    pub(crate) fn remove_owner(&self, owner: SenderId) {
        self.with_state(|core, chores| core.dismiss(owner, chores));
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.with_state(|core, _| core.is_ended())
    }

    /// How many receivers there are, how many messages are ahead of the slowest, and how many senders wait for room.
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

/// Sends when there is room: gives the number of receivers, or the value if the log has ended. Dropped while it waits, it
/// leaves the line; if the message had just been sent in its place, it stays sent.
pub(crate) struct Sending<'a, T> {
    log: &'a BroadcastChannel<T>,
    from: SenderId,
    stage: Stage<T>,
}

enum Stage<T> {
    Begun(T),
    InLine(WaitTicket),
    Over,
}

/// Nothing in it is pinned.
impl<T> Unpin for Sending<'_, T> {}

impl<T> Sending<'_, T> {
    /// Blocks until it is sent.
    pub(crate) fn wait(mut self) -> Result<usize, T> {
        sim_runtime::switch_point();
        if let Some(outcome) = self.begin() {
            return outcome;
        }
        // While receivers are at work, half of the room pays better than a place of it.
        let half = self.log.policy.bound().unwrap_or(0).div_ceil(2) as u64;
        parker::yield_until(parker::IDLE_SPIN, |_| {
            self.log.with_state(|core, _| core.is_ended() || core.room(self.from) >= half)
        });
        if let Some(outcome) = self.begin() {
            return outcome;
        }
        block_on::block_on_any(self)
    }

    /// Sends if that needs no wait.
    #[inline]
    fn begin(&mut self) -> Option<Result<usize, T>> {
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

impl<T> Future for Sending<'_, T> {
    type Output = Result<usize, T>;

    /// # Panics
    ///
    /// Panics when polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if matches!(self.stage, Stage::Begun(_)) {
            if let Some(outcome) = self.begin() {
                return Poll::Ready(outcome); // without a clone of the waker
            }
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

impl<T> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        if let Stage::InLine(ticket) = self.stage {
            // The value that comes out is dropped when the lock is free.
            drop(self.log.with_state(|core, chores| core.line().leave(ticket, chores)));
        }
    }
}
