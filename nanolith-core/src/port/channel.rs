//! One direction between two ports: the lock around its [`Core`], and what follows its release (wake-ups, and the drops of
//! users' values). The named futures of this room are thin around it, as is a handler in `pool/listen.rs`.

use super::{
    core::{Core, Line, Number, Numbered, Unreceived},
    error::{RecvError, TryRecvError, TrySendError},
};
use crate::{
    panics,
    waiters::{Key, Wakes},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

pub(crate) struct Channel<T>(Mutex<Core<T>>);

impl<T> Channel<T> {
    pub(super) fn new(bound: Option<usize>) -> Self {
        Self(Mutex::new(Core::new(bound)))
    }

    fn lock(&self) -> MutexGuard<'_, Core<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ----- the sender's side

    pub(super) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.offer(message, true)
    }

    /// Sends if there is room. Who waits to receive is no room: what is sent so has been taken, or is in the queue.
    pub(super) fn send_now(&self, message: T) -> Result<(), TrySendError<T>> {
        self.offer(message, false)
    }

    fn offer(&self, message: T, to_waiting: bool) -> Result<(), TrySendError<T>> {
        let offered = self.lock().offer(message, to_waiting);
        offered.map(Wakes::wake)
    }

    /// Sends, or stands in line: then the key says where. `Err`: the receiver has closed.
    pub(super) fn send(&self, message: T, waker: Option<&Waker>) -> Result<Option<Key>, T> {
        let mut core = self.lock();
        let (key, wakes) = match core.offer(message, false) {
            Ok(wakes) => (None, wakes),
            Err(TrySendError::Closed(message)) => return Err(message),
            Err(TrySendError::Full(message)) => {
                let (key, wakes) = core.join(message, waker.cloned());
                (Some(key), wakes)
            }
        };
        drop(core);
        wakes.wake();
        Ok(key)
    }

    /// Waits for a message to go from the line. `Err`: the receiver has closed.
    pub(super) fn poll_line(&self, key: Key, cx: &mut Context<'_>) -> Poll<Result<(), T>> {
        let (line, _waker) = self.lock().in_line(key, cx.waker());
        match line {
            Line::Waits => Poll::Pending,
            Line::Went => Poll::Ready(Ok(())),
            Line::Back(message) => Poll::Ready(Err(message)),
        }
    }

    /// Takes a message out of the line, if it is there still.
    pub(super) fn leave_line(&self, key: Key) -> Option<T> {
        let left = self.lock().leave_line(key);
        left.map(|(message, _)| message)
    }

    pub(super) fn close_sender(&self) {
        let wakes = self.lock().close_sender();
        wakes.wake();
    }

    pub(super) fn is_sender_gone(&self) -> bool {
        self.lock().is_sender_gone()
    }

    /// Waits for the sender to close. `key` is the one who waits.
    pub(super) fn poll_closed(&self, key: &mut Option<Key>, cx: &mut Context<'_>) -> Poll<()> {
        let mut core = self.lock();
        if core.is_sender_gone() {
            return Poll::Ready(());
        }
        let key = *key.get_or_insert_with(|| core.key());
        let _old = core.closers.wait(key, cx.waker());
        drop(core);
        Poll::Pending
    }

    pub(super) fn no_closer(&self, key: &mut Option<Key>) {
        let _waker = key.take().map(|key| self.lock().closers.leave(key));
    }

    // ----- the receiver's side

    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut core = self.lock();
        let Some((message, told)) = core.take() else {
            return Err(if core.is_over() { TryRecvError::Closed } else { TryRecvError::Empty });
        };
        drop(core);
        tell(told);
        Ok(message)
    }

    /// Waits for the next message. `key` is the one who waits.
    pub(crate) fn poll_recv(&self, key: &mut Option<Key>, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        let mut core = self.lock();
        let taken = core.take();
        if taken.is_none() && !core.is_over() {
            let key = *key.get_or_insert_with(|| core.key());
            let _old = core.receivers.wait(key, cx.waker());
            drop(core);
            return Poll::Pending;
        }
        let _waker = key.take().and_then(|key| core.receivers.leave(key));
        drop(core);
        Poll::Ready(taken.map_or(Err(RecvError), |(message, told)| {
            tell(told);
            Ok(message)
        }))
    }

    pub(crate) fn no_receiver(&self, key: &mut Option<Key>) {
        let _waker = key.take().map(|key| self.lock().receivers.leave(key));
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// What had not been received comes back, to be dropped when nobody waits for it any more.
    pub(super) fn close_receiver(&self) -> Unreceived<T> {
        let (wakes, unreceived) = self.lock().close_receiver();
        wakes.wake();
        unreceived
    }

    pub(super) fn is_receiver_gone(&self) -> bool {
        self.lock().is_receiver_gone()
    }

    /// Waits for messages from number `unseen` on, to be looked at.
    pub(super) fn poll_judge(
        &self,
        unseen: Number,
        key: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Batch<'_, T>, RecvError>> {
        let mut core = self.lock();
        if let Some((messages, told)) = core.judge(unseen) {
            drop(core);
            let batch = Batch { channel: self, messages, own: *key };
            tell(told);
            return Poll::Ready(Ok(batch));
        }
        if core.is_over_from(unseen) {
            return Poll::Ready(Err(RecvError));
        }
        let key = *key.get_or_insert_with(|| core.key());
        let _old = core.receivers.wait(key, cx.waker());
        drop(core);
        Poll::Pending
    }
}

/// Tells the sender whose message has gone from the line.
fn tell(waker: Option<Waker>) {
    if let Some(waker) = waker {
        panics::quietly(|| waker.wake());
    }
}

/// Messages that somebody looks at. Dropped, also by a panic, those that are left are kept.
pub(super) struct Batch<'a, T> {
    channel: &'a Channel<T>,
    messages: Numbered<T>,
    own: Option<Key>,
}

impl<T> Batch<'_, T> {
    /// Takes out the first that `fits`, or says which number comes next.
    pub(super) fn find(mut self, mut fits: impl FnMut(&T) -> bool) -> Result<T, Number> {
        let next = self.messages.back().map_or(0, |(number, _)| number + 1);
        let at = self.messages.iter().position(|(_, message)| fits(message)).ok_or(next)?;
        self.messages.remove(at).map(|(_, message)| message).ok_or(next)
    }
}

impl<T> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        let wakes = self.channel.lock().put_back(std::mem::take(&mut self.messages), self.own);
        wakes.wake();
    }
}
