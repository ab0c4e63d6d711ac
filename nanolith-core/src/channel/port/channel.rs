//! One direction between two ports: the lock around its [`DirectionState`], and what follows its release (wake-ups, and the drops of
//! users' values). The named futures of this room are thin around it, as is a handler in `pool/handlers/port.rs`.

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

    /// Sends if there is room. A receiver that waits is no room: what is sent so has been taken, or is in the queue.
    pub(super) fn send_now(&self, message: T) -> Result<(), TrySendError<T>> {
        self.0.with(|core, after| core.try_send(message, false, after))
    }

    /// Sends, or stands in line: then the ticket says where. `Err`: the receiver has closed.
    pub(super) fn send(&self, message: T, waker: &Waker) -> Result<Option<WaitTicket>, T> {
        let mut new = NewWaker::of(waker);
        self.0.with(|core, after| match core.try_send(message, false, after) {
            Ok(()) => Ok(None),
            Err(TrySendError::Closed(message)) => Err(message),
            Err(TrySendError::Full(message)) => Ok(Some(core.join(message, &mut new, after))),
        })
    }

    /// Waits for a message to go from the line. `Err`: the receiver has closed.
    pub(super) fn poll_line(&self, ticket: WaitTicket, cx: &mut Context<'_>) -> Poll<Result<(), T>> {
        let mut new = NewWaker::of(cx.waker());
        match self.0.with(|core, _| core.in_line(ticket, &mut new)) {
            BlockedSendState::Waits => Poll::Pending,
            BlockedSendState::Went => Poll::Ready(Ok(())),
            BlockedSendState::Back(message) => Poll::Ready(Err(message)),
        }
    }

    /// Takes a message out of the line, if it is there still.
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

    /// What had not been received comes back, to be dropped when no receiver waits for it any more.
    pub(super) fn close_receiver(&self) -> Unreceived<T> {
        self.0.with(DirectionState::close_receiver)
    }

    pub(super) fn is_receiver_gone(&self) -> bool {
        self.0.with(|core, _| core.is_receiver_gone())
    }
}

/// A channel's waits of one kind, each a home of its own.
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
            /// A wait at this channel.
            pub(crate) fn at(channel: C) -> Registration<Self> {
                Registration::new(Self(channel))
            }
        }
    )*};
}

homes! {
    /// Those that take any message.
    Receivers: receivers;
    /// Those that are to see each message.
    Observers: observers;
    /// Those that wait for the sender to close.
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
    /// Waits for the sender to close.
    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_until(cx.waker(), |core| core.is_sender_gone())
    }
}

impl<C: Deref<Target = Direction<T>>, T> Registration<Observers<C>> {
    /// Waits for the next message, whatever it is.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        self.poll_with(cx.waker(), |core, after| {
            let message = core.take_observed(after).map(Ok);
            message.or_else(|| core.is_over().then_some(Err(RecvError)))
        })
    }
}

impl<'a, T> Registration<Observers<&'a Direction<T>>> {
    /// Waits for messages from number `unseen` on, to be looked at.
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

/// Messages that an observer looks at. Dropped, also by a panic, those that are left are kept.
pub(super) struct ScanBatch<'a, T> {
    channel: &'a Direction<T>,
    messages: Numbered<T>,
}

impl<T> ScanBatch<'_, T> {
    /// Takes out the first that `fits`, or says which number comes next.
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
