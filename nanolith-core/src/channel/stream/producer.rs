//! The writing end of any stream: what it may push into the ring, and when.
//!
//! How much is in flight is known by what the ring says was taken, so the reader counts nothing for the writer. The ring has
//! one cell more than there are chunks: what a writer still holds when it ends goes there, so ending never waits.

use super::{
    consumer::ReadHalf,
    error::{Unsent, WriteError},
    shared::{Link, ReaderEnd, WriterEnd},
    wait::{self, WaitBackoff},
};
use crate::{context::thread_context, park::parker};
use rtrb::{Producer, RingBuffer};
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Both ends of a stream of at most `chunks` values. With a `limit` their weights together stay within it.
pub(super) fn open<T>(chunks: usize, limit: Option<usize>) -> (WriteHalf<T>, ReadHalf<T>) {
    let (producer, consumer) = RingBuffer::new(chunks + 1);
    let link = Arc::new(Link::new());
    let outlet = ReadHalf::new(consumer, link.clone());
    (
        WriteHalf {
            producer,
            link,
            scale: limit.map(ByteCredit::new),
            buffered: None,
            pushed: 0,
            pace: ReaderRate::default(),
            patience: WaitBackoff::new(),
            over: false,
            counted: None,
            asked: false,
        },
        outlet,
    )
}

pub(super) struct WriteHalf<T> {
    producer: Producer<T>,
    link: Arc<Link>,
    /// `None`: nothing is weighed.
    scale: Option<ByteCredit>,
    /// What was accepted, and waits for credit: it goes before all else.
    buffered: Option<(T, usize)>,
    pushed: u64,
    pace: ReaderRate,
    patience: WaitBackoff,
    /// The end was told.
    over: bool,
    /// Whether a thread counts us as pending, and has lent its slot therefore.
    counted: thread_context::PendingPoll,
    /// Whether its waker may be at the bell.
    asked: bool,
}

// Nothing is pinned in place.
impl<T> Unpin for WriteHalf<T> {}

impl<T> WriteHalf<T> {
    /// Whether a value of this weight may be pushed now.
    ///
    /// # Errors
    ///
    /// When none may be pushed any more.
    #[inline]
    fn check_capacity(&mut self, weight: usize) -> Result<bool, WriteError> {
        // The look at the reader's end comes after that at the credit: one who throws all away to end said so before.
        let room = self.has_credit(weight) || self.release(weight);
        self.check().map(|()| room)
    }

    /// # Errors
    ///
    /// When nothing may be pushed any more.
    #[inline]
    pub(super) fn check(&self) -> Result<(), WriteError> {
        if self.over {
            return Err(WriteError::Finished);
        }
        self.reader_error().map_or(Ok(()), Err)
    }

    /// By what is known.
    #[inline]
    fn has_credit(&self, weight: usize) -> bool {
        self.producer.cached_slots() > 1 && self.scale.as_ref().is_none_or(|scale| scale.has_credit(weight))
    }

    /// By how much the reader has taken up to now.
    #[inline]
    fn release(&mut self, weight: usize) -> bool {
        let in_flight = self.in_flight();
        if let Some(scale) = &mut self.scale {
            scale.release(in_flight);
        }
        self.has_credit(weight)
    }

    /// How many values are in the ring.
    fn in_flight(&self) -> usize {
        self.producer.buffer().capacity() - self.producer.slots()
    }

    /// The caller knows that there is room.
    #[inline]
    fn push(&mut self, value: T, weight: usize) {
        if self.producer.push(value).is_err() {
            unreachable!("there is a cell for each credit, and one for the last");
        }
        self.pushed += 1;
        if let Some(scale) = &mut self.scale {
            scale.add(weight);
        }
        self.link.filled.notify();
    }

    /// Pushes a value, if there is credit now.
    #[inline]
    pub(super) fn try_push(&mut self, value: T, weight: usize) -> Result<(), Unsent<T>> {
        match self.is_ready(weight) {
            Ok(true) => {
                self.push(value, weight);
                Ok(())
            }
            Ok(false) => Err(Unsent::new(value, WriteError::Full)),
            Err(error) => Err(Unsent::new(value, error)),
        }
    }

    /// The same once what is held has gone before.
    #[inline]
    fn is_ready(&mut self, weight: usize) -> Result<bool, WriteError> {
        if self.buffered.is_some() && !self.try_flush()? {
            return Ok(false);
        }
        self.check_capacity(weight)
    }

    /// Waits for credit for a value of this weight, which is pushed then.
    pub(super) fn poll_push(
        &mut self,
        value: &mut Option<T>,
        weight: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError>> {
        ready!(self.poll_until(cx, |inlet| inlet.is_ready(weight)))?;
        if let Some(value) = value.take() {
            self.push(value, weight);
        }
        Poll::Ready(Ok(()))
    }

    /// Looks, asks to be woken, and looks again.
    fn poll_until<E>(
        &mut self,
        cx: &mut Context<'_>,
        holds: impl Fn(&mut Self) -> Result<bool, E>,
    ) -> Poll<Result<(), E>> {
        let mut seen = holds(self);
        if matches!(seen, Ok(false)) {
            self.asked = true;
            self.link.freed.register(cx.waker());
            seen = holds(self);
        }
        if matches!(seen, Ok(false)) {
            // What we wait for belongs to nobody's host, so the wait cannot be refused.
            let _ = thread_context::poll_pending(&mut self.counted, None);
            return Poll::Pending;
        }
        self.stop_waiting();
        Poll::Ready(seen.map(drop))
    }

    /// The thread has its slot again, and no waker is left behind.
    pub(super) fn stop_waiting(&mut self) {
        if std::mem::take(&mut self.asked) {
            self.link.freed.forget();
        }
        thread_context::poll_resolved(&mut self.counted);
    }

    /// Blocks until `poll` is ready, or until `deadline`.
    pub(super) fn block_until<R>(
        &mut self,
        deadline: Option<Instant>,
        mut poll: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R> {
        let (began, before) = (Instant::now(), self.producer.slots());
        let seen = || self.producer.slots() != before || self.link.reader_end.get().is_some();
        self.patience.look_on(self.pace.rest(self.in_flight()), deadline, seen);
        self.pace.note(began, self.producer.slots().saturating_sub(before));
        wait::until(deadline, |cx| poll(self, cx))
    }

    // ----- what is accepted before there is credit for it

    /// Accepts a value, to be pushed before all else. Nothing else is held.
    pub(super) fn buffer(&mut self, value: T, weight: usize) {
        debug_assert!(self.buffered.is_none(), "what is held goes first");
        self.buffered = Some((value, weight));
    }

    /// Pushes what is held, if there is credit now; says whether nothing is held any more.
    pub(super) fn try_flush(&mut self) -> Result<bool, WriteError> {
        let Some((_, weight)) = self.buffered else { return Ok(true) };
        let room = self.check_capacity(weight)?;
        if room {
            self.push_held();
        }
        Ok(room)
    }

    fn push_held(&mut self) {
        if let Some((value, weight)) = self.buffered.take() {
            self.push(value, weight);
        }
    }

    /// Waits until nothing is held.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.poll_until(cx, Self::try_flush)
    }

    /// A sink's: pushes or holds. Only after it was flushed.
    pub(super) fn send_or_buffer(&mut self, value: T, weight: usize) -> Result<(), WriteError> {
        if self.is_ready(weight)? {
            self.push(value, weight);
        } else if self.buffered.is_none() {
            self.buffer(value, weight);
        } else {
            return Err(WriteError::Full);
        }
        Ok(())
    }

    // ----- the end

    /// Nothing comes after what is held. What was said first counts.
    pub(super) fn end(&mut self, end: WriterEnd) {
        if !std::mem::replace(&mut self.over, true) {
            self.push_held();
            self.link.end_writer(end);
        }
    }

    /// Waits until the reader has taken all.
    pub(super) fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.poll_until(cx, |inlet| inlet.is_taken())
    }

    fn is_taken(&self) -> Result<bool, WriteError> {
        // In this order: see `check_capacity`.
        let empty = self.in_flight() == 0;
        match self.link.reader_end.get() {
            None => Ok(empty),
            Some(ReaderEnd::Dropped { taken }) if *taken == self.pushed => Ok(true),
            Some(end) => Err(end.error()),
        }
    }

    /// Why nobody reads any more.
    #[inline]
    pub(super) fn reader_error(&self) -> Option<WriteError> {
        self.link.reader_end.get().map(ReaderEnd::error)
    }
}

impl<T> Drop for WriteHalf<T> {
    fn drop(&mut self) {
        self.stop_waiting();
        // What is held was not written. It is the user's, so it goes last, when the reader has been told.
        let held = self.buffered.take();
        self.end(WriterEnd::Dropped);
        drop(held);
    }
}

/// How long the reader takes for a value, as seen when we waited for it. It is believed to be quick at once, and to be slow
/// little by little: it may just not have run for a while.
#[derive(Default)]
struct ReaderRate(Duration);

impl ReaderRate {
    /// How long to leave a reader alone that is so far behind: until it has taken half. If we came for each place as it comes
    /// free, it would have to wake us each time. It does not run dry meanwhile.
    fn rest(&self, behind: usize) -> Duration {
        self.0.saturating_mul(u32::try_from(behind / 2).unwrap_or(u32::MAX)).min(parker::REST)
    }

    fn note(&mut self, began: Instant, taken: usize) {
        if let Some(taken) = u32::try_from(taken).ok().filter(|taken| *taken > 0) {
            let most = self.0.saturating_mul(2).max(Duration::from_micros(1));
            self.0 = most.min(began.elapsed() / taken);
        }
    }
}

/// What is in flight by weight.
struct ByteCredit {
    limit: usize,
    load: usize,
    /// The weights that make up the load, the oldest first.
    weights: VecDeque<usize>,
}

impl ByteCredit {
    fn new(limit: usize) -> Self {
        Self { limit, load: 0, weights: VecDeque::new() }
    }

    /// What is too heavy for the scale is let through alone.
    #[inline]
    fn has_credit(&self, weight: usize) -> bool {
        self.load == 0 || weight <= self.limit.saturating_sub(self.load)
    }

    #[inline]
    fn add(&mut self, weight: usize) {
        self.load = self.load.saturating_add(weight);
        self.weights.push_back(weight);
    }

    /// Only so many are left.
    fn release(&mut self, left: usize) {
        let gone = self.weights.len().saturating_sub(left);
        self.load -= self.weights.drain(..gone).sum::<usize>();
    }
}
