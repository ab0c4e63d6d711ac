//! [`WriteHalf`]: the writing half of any stream, of bytes or of items. It pushes values into a
//! single-producer, single-consumer ring while the limits of the stream allow it.
//!
//! The number of values in flight follows from the ring's free slots, so the reader counts nothing
//! for the writer. The ring has one more cell than the stream has chunks. A value that the writer
//! still holds when it ends goes into that cell, so ending a stream never waits.

use super::{
    error::{SendError, WriteError},
    link::{Link, ReaderEnd, WriterEnd},
    read_half::ReadHalf,
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

/// Creates both halves of a stream of at most `chunks` values. With a `limit`, the weights of the
/// values in flight stay within it.
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
    /// The credit by weight. `None` means that values have no weight.
    scale: Option<ByteCredit>,
    /// A value that was accepted and waits for credit, with its weight. It is pushed before all
    /// other values.
    buffered: Option<(T, usize)>,
    pushed: u64,
    pace: ReaderRate,
    patience: WaitBackoff,
    /// Set when the end was published.
    over: bool,
    /// Set while the thread counts this half as pending and has released its slot for it.
    counted: thread_context::PendingPoll,
    /// Set if a waker may be registered in `link.freed`.
    asked: bool,
}

// No field is pinned.
impl<T> Unpin for WriteHalf<T> {}

impl<T> WriteHalf<T> {
    /// Returns `true` if a value of this weight may be pushed now.
    ///
    /// # Errors
    ///
    /// Returns the reason when no value may be pushed any more.
    #[inline]
    fn check_capacity(&mut self, weight: usize) -> Result<bool, WriteError> {
        // The reader's end is read after the credit. A dropped reader sets its end before it
        // discards values, so this check fails if the credit comes from discarded values.
        let room = self.has_credit(weight) || self.release(weight);
        self.check().map(|()| room)
    }

    /// Checks that the stream has not ended on either side.
    ///
    /// # Errors
    ///
    /// Returns the reason when no value may be pushed any more.
    #[inline]
    pub(super) fn check(&self) -> Result<(), WriteError> {
        if self.over {
            return Err(WriteError::Finished);
        }
        self.reader_error().map_or(Ok(()), Err)
    }

    /// Returns `true` if there is credit, as far as this half knows without reading the reader's
    /// position.
    #[inline]
    fn has_credit(&self, weight: usize) -> bool {
        self.producer.cached_slots() > 1 && self.scale.as_ref().is_none_or(|scale| scale.has_credit(weight))
    }

    /// Releases the credit of the values that the reader has taken up to now. Returns `true` if
    /// there is credit then.
    #[inline]
    fn release(&mut self, weight: usize) -> bool {
        let in_flight = self.in_flight();
        if let Some(scale) = &mut self.scale {
            scale.release(in_flight);
        }
        self.has_credit(weight)
    }

    /// Returns the number of values in the ring.
    fn in_flight(&self) -> usize {
        self.producer.buffer().capacity() - self.producer.slots()
    }

    /// Pushes a value. The caller knows that there is capacity.
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
    pub(super) fn try_push(&mut self, value: T, weight: usize) -> Result<(), SendError<T>> {
        match self.is_ready(weight) {
            Ok(true) => {
                self.push(value, weight);
                Ok(())
            }
            Ok(false) => Err(SendError::new(value, WriteError::Full)),
            Err(error) => Err(SendError::new(value, error)),
        }
    }

    /// Returns `true` if a value of this weight may be pushed now, after the buffered value was
    /// pushed.
    #[inline]
    fn is_ready(&mut self, weight: usize) -> Result<bool, WriteError> {
        if self.buffered.is_some() && !self.try_flush()? {
            return Ok(false);
        }
        self.check_capacity(weight)
    }

    /// Waits for credit for a value of this weight, and pushes it.
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

    /// Checks `holds`; if it is false, registers the waker and checks again.
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
            // The other end belongs to no executor, so `poll_pending` cannot refuse this wait.
            let _ = thread_context::poll_pending(&mut self.counted, None);
            return Poll::Pending;
        }
        self.stop_waiting();
        Poll::Ready(seen.map(drop))
    }

    /// Ends a wait: removes the waker, and takes the thread's slot back.
    pub(super) fn stop_waiting(&mut self) {
        if std::mem::take(&mut self.asked) {
            self.link.freed.forget();
        }
        thread_context::poll_resolved(&mut self.counted);
    }

    /// Blocks until `poll` is ready, or until `deadline`.
    #[cfg_attr(feature = "tokio", track_caller)]
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

    // ----- the value that is accepted before there is credit for it

    /// Accepts a value that is pushed before all other values. No value is buffered when this is
    /// called.
    pub(super) fn buffer(&mut self, value: T, weight: usize) {
        debug_assert!(self.buffered.is_none(), "what is held goes first");
        self.buffered = Some((value, weight));
    }

    /// Pushes the buffered value, if there is credit now. Returns `true` if no value is buffered
    /// any more.
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

    /// Waits until no value is buffered.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.poll_until(cx, Self::try_flush)
    }

    /// Pushes or buffers a value, for a `Sink`. The caller has flushed this half before.
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

    /// Ends the stream after the buffered value. The first end that is set stays.
    pub(super) fn end(&mut self, end: WriterEnd) {
        if !std::mem::replace(&mut self.over, true) {
            self.push_held();
            self.link.end_writer(end);
        }
    }

    /// Waits until the reader has taken all values.
    pub(super) fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.poll_until(cx, |inlet| inlet.is_taken())
    }

    fn is_taken(&self) -> Result<bool, WriteError> {
        // The order of these two reads matters: see `check_capacity`.
        let empty = self.in_flight() == 0;
        match self.link.reader_end.get() {
            None => Ok(empty),
            Some(ReaderEnd::Dropped { taken }) if *taken == self.pushed => Ok(true),
            Some(end) => Err(end.error()),
        }
    }

    /// Returns the reason why the reader reads no more.
    #[inline]
    pub(super) fn reader_error(&self) -> Option<WriteError> {
        self.link.reader_end.get().map(ReaderEnd::error)
    }
}

impl<T> Drop for WriteHalf<T> {
    fn drop(&mut self) {
        self.stop_waiting();
        // The buffered value was not written. It is a user value, so it is dropped last, after the
        // reader was notified.
        let held = self.buffered.take();
        self.end(WriterEnd::Dropped);
        drop(held);
    }
}

/// The reader's time per value, measured while the writer waited for it.
///
/// A shorter time is adopted at once. A longer time raises the estimate step by step, because the
/// reader may just not have run for a while.
#[derive(Default)]
struct ReaderRate(Duration);

impl ReaderRate {
    /// Returns how long to wait for a reader that is `behind` values behind: until it has taken
    /// half of them.
    ///
    /// If the writer waited for each free cell, the reader would have to wake it each time. The
    /// reader does not run out of values meanwhile.
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

/// The credit by weight: the weights of the values in flight, and their limit.
struct ByteCredit {
    limit: usize,
    load: usize,
    /// The weights that add up to `load`, the oldest first.
    weights: VecDeque<usize>,
}

impl ByteCredit {
    fn new(limit: usize) -> Self {
        Self { limit, load: 0, weights: VecDeque::new() }
    }

    /// Returns `true` if a value of this weight may be pushed. A weight above the limit has credit
    /// when no other weight is in flight.
    #[inline]
    fn has_credit(&self, weight: usize) -> bool {
        self.load == 0 || weight <= self.limit.saturating_sub(self.load)
    }

    #[inline]
    fn add(&mut self, weight: usize) {
        self.load = self.load.saturating_add(weight);
        self.weights.push_back(weight);
    }

    /// Releases the weights of all values but the last `left`.
    fn release(&mut self, left: usize) {
        let gone = self.weights.len().saturating_sub(left);
        self.load -= self.weights.drain(..gone).sum::<usize>();
    }
}
