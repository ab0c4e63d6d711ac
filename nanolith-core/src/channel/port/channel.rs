//! [`Direction`]: one direction of a port pair, which is a [`DirectionState`] behind a lock.
//! Wake-ups, and drops of the users' values, happen after the lock's release.
//!
//! The futures in this folder (`SendFuture`, `Recv`, `WaitFor`, `Closed`) are thin wrappers
//! around a [`Direction`]. So is the handler in `pool/handlers/port.rs`.

use super::{
    error::{RecvError, TryRecvError, TrySendError},
    state::{BlockedSendState, DirectionState, Numbered, Sequence, Unreceived},
};
use crate::wake::{AfterUnlock, Deferred, NewWaker, Registration, WaitTicket, WaiterHome, WaiterSet};
use std::{
    ops::Deref,
    task::{Context, Poll, Waker},
};

pub(crate) struct Direction<T>(Deferred<DirectionState<T>>);

impl<T> Direction<T> {
    pub(super) fn new(bound: Option<usize>) -> Self {
        Self(Deferred::new(DirectionState::new(bound)))
    }

    // ----- the sender's side

    pub(super) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.0.with(|core, after| core.try_send(message, true, after))
    }

    /// Sends a message if the queue has capacity. A waiting receiver does not count as capacity. So
    /// a sent message is in the queue, or was received from it.
    pub(super) fn send_now(&self, message: T) -> Result<(), TrySendError<T>> {
        self.0.with(|core, after| core.try_send(message, false, after))
    }

    /// Sends a message. If the queue is full, the message joins the line of blocked senders, and
    /// the returned ticket names its position.
    ///
    /// Returns `Err` with the message when the receiver has closed.
    pub(super) fn send(&self, message: T, waker: &Waker) -> Result<Option<WaitTicket>, T> {
        let mut new = NewWaker::of(waker);
        self.0.with(|core, after| match core.try_send(message, false, after) {
            Ok(()) => Ok(None),
            Err(TrySendError::Closed(message)) => Err(message),
            Err(TrySendError::Full(message)) => Ok(Some(core.join(message, &mut new, after))),
        })
    }

    /// Waits until the message with this ticket leaves the line of blocked senders.
    ///
    /// Returns `Err` with the message when the receiver has closed.
    pub(super) fn poll_line(&self, ticket: WaitTicket, cx: &mut Context<'_>) -> Poll<Result<(), T>> {
        let mut new = NewWaker::of(cx.waker());
        match self.0.with(|core, _| core.in_line(ticket, &mut new)) {
            BlockedSendState::Waits => Poll::Pending,
            BlockedSendState::Went => Poll::Ready(Ok(())),
            BlockedSendState::Back(message) => Poll::Ready(Err(message)),
        }
    }

    /// Takes a message out of the line of blocked senders, if it is still there.
    pub(super) fn leave_line(&self, ticket: WaitTicket) -> Option<T> {
        self.0.with(|core, after| core.leave_line(ticket, after))
    }

    pub(super) fn close_sender(&self) {
        self.0.with(DirectionState::close_sender);
    }

    pub(super) fn is_sender_gone(&self) -> bool {
        self.0.with(|core, _| core.is_sender_gone())
    }

    // ----- the receiver's side

    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.with(|core, after| match core.take(after) {
            Some(message) => Ok(message),
            None if core.is_over() => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.0.with(|core, _| core.len())
    }

    /// Closes the receiver and returns the messages that were not received. The caller drops them
    /// after this call, outside the lock.
    pub(super) fn close_receiver(&self) -> Unreceived<T> {
        self.0.with(DirectionState::close_receiver)
    }

    pub(super) fn is_receiver_gone(&self) -> bool {
        self.0.with(|core, _| core.is_receiver_gone())
    }
}

/// Defines a [`WaiterHome`] for each kind of waiter of a direction.
macro_rules! homes {
    ($($(#[$doc:meta])* $name:ident: $set:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name<C>(C);

        impl<C: Deref<Target = Direction<T>>, T> WaiterHome for $name<C> {
            type State = DirectionState<T>;

            fn with_state<R>(&self, change: impl FnOnce(&mut DirectionState<T>, &mut AfterUnlock) -> R) -> R {
                self.0.0.with(change)
            }

            fn waiters(core: &mut DirectionState<T>) -> &mut WaiterSet {
                &mut core.$set
            }
        }

        impl<C: Deref<Target = Direction<T>>, T> $name<C> {
            /// Creates a registration for this kind of wait at `channel`.
            pub(crate) fn at(channel: C) -> Registration<Self> {
                Registration::new(Self(channel))
            }
        }
    )*};
}

homes! {
    /// The waiters that take any message.
    Receivers: receivers;
    /// The waiters that must see each message.
    Observers: observers;
    /// The waiters for the sender's close.
    Closers: closers;
}

impl<C: Deref<Target = Direction<T>>, T> Registration<Receivers<C>> {
    /// Waits for the next message.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        self.poll_with(cx.waker(), |core, after| {
            let message = core.take(after).map(Ok);
            message.or_else(|| core.is_over().then_some(Err(RecvError)))
        })
    }
}

impl<C: Deref<Target = Direction<T>>, T> Registration<Closers<C>> {
    /// Waits until the sender is closed.
    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_until(cx.waker(), |core| core.is_sender_gone())
    }
}

impl<C: Deref<Target = Direction<T>>, T> Registration<Observers<C>> {
    /// Waits for the next message and takes it, whatever its content.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        self.poll_with(cx.waker(), |core, after| {
            let message = core.take_observed(after).map(Ok);
            message.or_else(|| core.is_over().then_some(Err(RecvError)))
        })
    }
}

impl<'a, T> Registration<Observers<&'a Direction<T>>> {
    /// Waits for messages with number `unseen` or higher, and takes them out for inspection.
    pub(super) fn poll_judge(
        &mut self,
        unseen: Sequence,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ScanBatch<'a, T>, RecvError>> {
        let channel = self.home().0;
        self.poll_with(cx.waker(), |core, after| match core.take_unseen(unseen, after) {
            Some(messages) => Some(Ok(ScanBatch { channel, messages })),
            None => core.is_over_from(unseen).then_some(Err(RecvError)),
        })
    }
}

/// The messages that an observer inspects. Dropping the batch returns the remaining messages to the
/// direction, also during a panic.
pub(super) struct ScanBatch<'a, T> {
    channel: &'a Direction<T>,
    messages: Numbered<T>,
}

impl<T> ScanBatch<'_, T> {
    /// Takes out the first message that `fits`. Returns `Err` with the number after the batch's
    /// last message when no message fits.
    pub(super) fn find(mut self, mut fits: impl FnMut(&T) -> bool) -> Result<T, Sequence> {
        let next = self.messages.back().map_or(0, |(number, _)| number + 1);
        let at = self.messages.iter().position(|(_, message)| fits(message)).ok_or(next)?;
        self.messages.remove(at).map(|(_, message)| message).ok_or(next)
    }
}

impl<T> Drop for ScanBatch<'_, T> {
    fn drop(&mut self) {
        let messages = std::mem::take(&mut self.messages);
        self.channel.0.with(|core, after| core.return_unmatched(messages, after));
    }
}
