//! [`ReadHalf`]: the reading half of any stream, of bytes or of items. It takes the values from a
//! single-producer, single-consumer ring, and then the stream's end.

use super::{
    error::StreamError,
    link::{Link, ReaderEnd, WriterEnd},
    wait::{self, WaitBackoff},
};
use crate::context::thread_context;
use rtrb::Consumer;
use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

pub(super) struct ReadHalf<T> {
    consumer: Consumer<T>,
    link: Arc<Link>,
    /// The rest of a value that was taken and put back. It is read before all other values.
    rest: Option<T>,
    taken: u64,
    patience: WaitBackoff,
    /// Set when `poll_next` or `block_next` has returned the end. Both return it once.
    told: bool,
    /// Set while the thread counts this half as pending and has released its slot for it.
    counted: thread_context::PendingPoll,
    /// Set if a waker may be registered in `link.filled`.
    asked: bool,
}

// No field is pinned.
impl<T> Unpin for ReadHalf<T> {}

impl<T> ReadHalf<T> {
    pub(super) fn new(consumer: Consumer<T>, link: Arc<Link>) -> Self {
        Self {
            consumer,
            link,
            rest: None,
            taken: 0,
            patience: WaitBackoff::new(),
            told: false,
            counted: None,
            asked: false,
        }
    }

    /// Takes the next value, or returns the end. Returns `None` if neither has arrived.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Result<Option<T>, StreamError>> {
        if let Some(rest) = self.rest.take() {
            return Some(Ok(Some(rest)));
        }
        self.pop().map(|value| Ok(Some(value))).or_else(|| self.take_end())
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        let value = self.consumer.pop().ok()?;
        self.taken += 1;
        self.link.freed.notify();
        Some(value)
    }

    /// Returns the end, if it is set. The ring is read after the end is seen, because the writer
    /// pushes its values before it sets the end.
    fn take_end(&mut self) -> Option<Result<Option<T>, StreamError>> {
        self.link.writer_end.get()?;
        match self.pop() {
            Some(value) => Some(Ok(Some(value))),
            None => self.link.writer_end.get().map(WriterEnd::outcome),
        }
    }

    /// Takes the next value; if there is none, registers the waker and tries again.
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, StreamError>> {
        let mut seen = self.take();
        if seen.is_none() {
            self.asked = true;
            self.link.filled.register(cx.waker());
            seen = self.take();
        }
        match seen {
            Some(outcome) => {
                self.stop_waiting();
                Poll::Ready(outcome)
            }
            None => {
                // The other end belongs to no executor, so `poll_pending` cannot refuse this wait.
                let _ = thread_context::poll_pending(&mut self.counted, None);
                Poll::Pending
            }
        }
    }

    /// Ends a wait: removes the waker, and takes the thread's slot back.
    pub(super) fn stop_waiting(&mut self) {
        if std::mem::take(&mut self.asked) {
            self.link.filled.forget();
        }
        thread_context::poll_resolved(&mut self.counted);
    }

    /// Blocks until a value or the end has arrived, or until `deadline`.
    #[inline]
    #[cfg_attr(feature = "tokio", track_caller)]
    pub(super) fn block_until(&mut self, deadline: Option<Instant>) -> Option<Result<Option<T>, StreamError>> {
        match self.take() {
            None => self.wait_until(deadline),
            taken => taken,
        }
    }

    #[inline(never)]
    #[cfg_attr(feature = "tokio", track_caller)]
    fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Result<Option<T>, StreamError>> {
        let seen = || self.consumer.slots() > 0 || self.link.writer_end.get().is_some();
        self.patience.look_on(Duration::ZERO, deadline, seen);
        match self.take() {
            None => wait::until(deadline, |cx| self.poll_recv(cx)),
            taken => taken,
        }
    }

    /// Like [`block_until`](Self::block_until), without a deadline.
    #[inline]
    #[cfg_attr(feature = "tokio", track_caller)]
    pub(super) fn block(&mut self) -> Result<Option<T>, StreamError> {
        match self.block_until(None) {
            Some(outcome) => outcome,
            None => unreachable!("there is no limit"),
        }
    }

    /// Puts back the rest of a value that was just taken.
    pub(super) fn give_back(&mut self, rest: T) {
        self.rest = Some(rest);
    }

    /// Returns what is left of the last value.
    pub(super) fn rest(&mut self) -> &mut Option<T> {
        &mut self.rest
    }

    /// Polls for the next item of a `Stream`. An error is the last item, and is returned once.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, StreamError>>> {
        if self.told {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_recv(cx));
        Poll::Ready(self.once(next))
    }

    /// Like [`poll_next`](Self::poll_next), but blocks.
    pub(super) fn block_next(&mut self) -> Option<Result<T, StreamError>> {
        if self.told {
            return None;
        }
        let next = self.block();
        self.once(next)
    }

    fn once(&mut self, next: Result<Option<T>, StreamError>) -> Option<Result<T, StreamError>> {
        self.told = !matches!(next, Ok(Some(_)));
        next.transpose()
    }

    /// Sets the reason why no more is read. The first reason that is set stays.
    pub(super) fn end(&self, end: ReaderEnd) {
        self.link.end_reader(end);
    }
}

impl<T> Drop for ReadHalf<T> {
    fn drop(&mut self) {
        self.stop_waiting();
        self.end(ReaderEnd::Dropped { taken: self.taken });
        while self.consumer.pop().is_ok() {}
    }
}
