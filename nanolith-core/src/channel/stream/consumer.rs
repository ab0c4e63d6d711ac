//! The reading end of any stream: what came, and then how it ended.

use super::{
    error::StreamError,
    shared::{Link, ReaderEnd, WriterEnd},
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
    /// What was taken and given back: it comes before all else.
    rest: Option<T>,
    taken: u64,
    patience: WaitBackoff,
    /// The end was told to one who is told once.
    told: bool,
    /// Whether a thread counts us as pending, and has lent its slot therefore.
    counted: thread_context::PendingPoll,
    /// Whether its waker may be at the bell.
    asked: bool,
}

// Nothing is pinned in place.
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

    /// What is next: a value, or the end; `None` if nothing has come yet.
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

    /// What was written before the end is seen by a look after it.
    fn take_end(&mut self) -> Option<Result<Option<T>, StreamError>> {
        self.link.writer_end.get()?;
        match self.pop() {
            Some(value) => Some(Ok(Some(value))),
            None => self.link.writer_end.get().map(WriterEnd::outcome),
        }
    }

    /// Looks, asks to be woken, and looks again.
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
                // What we wait for belongs to nobody's host, so the wait cannot be refused.
                let _ = thread_context::poll_pending(&mut self.counted, None);
                Poll::Pending
            }
        }
    }

    /// The thread has its slot again, and no waker is left behind.
    pub(super) fn stop_waiting(&mut self) {
        if std::mem::take(&mut self.asked) {
            self.link.filled.forget();
        }
        thread_context::poll_resolved(&mut self.counted);
    }

    /// Blocks until a value or the end has come, or until `deadline`.
    #[inline]
    pub(super) fn block_until(&mut self, deadline: Option<Instant>) -> Option<Result<Option<T>, StreamError>> {
        self.take().or_else(|| self.wait_until(deadline))
    }

    #[inline(never)]
    fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Result<Option<T>, StreamError>> {
        let seen = || self.consumer.slots() > 0 || self.link.writer_end.get().is_some();
        self.patience.look_on(Duration::ZERO, deadline, seen);
        self.take().or_else(|| wait::until(deadline, |cx| self.poll_recv(cx)))
    }

    /// The same without a limit.
    #[inline]
    pub(super) fn block(&mut self) -> Result<Option<T>, StreamError> {
        match self.block_until(None) {
            Some(outcome) => outcome,
            None => unreachable!("there is no limit"),
        }
    }

    /// Gives back what is left of a value that was just taken.
    pub(super) fn give_back(&mut self, rest: T) {
        self.rest = Some(rest);
    }

    /// What is left of the last value.
    pub(super) fn rest(&mut self) -> &mut Option<T> {
        &mut self.rest
    }

    /// As streams and iterators have it: an error is the last item, and comes once.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, StreamError>>> {
        if self.told {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_recv(cx));
        Poll::Ready(self.once(next))
    }

    /// The same by blocking.
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

    /// Says why nothing more is read. What was said first counts.
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
