//! [`SendFuture`]: the future that writes a chunk or an item to a stream, and waits for capacity.

use super::{error::SendError, write_half::WriteHalf};
use crate::{
    context::wait::{Sealed, Wait},
    time::clock,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// A future that waits for credit and writes a chunk or an item. Created by
/// [`StreamWriter::write`](super::StreamWriter::write) and
/// [`ItemSender::send`](super::ItemSender::send).
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits}};
/// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
/// # pollster::block_on(async {
/// writer.write("hello").await?; // or `.wait()`, which blocks
/// # Ok::<(), stream::WriteError>(()) })?;
/// assert_eq!(reader.read().wait()?.expect("a chunk"), "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, nothing is written, and the chunk or the item is
/// dropped.
#[must_use = "nothing is written until this is awaited or waited on"]
pub struct SendFuture<'a, T> {
    inlet: &'a mut WriteHalf<T>,
    /// The value to write. `None` when the write has completed.
    value: Option<T>,
    weight: usize,
}

// No field is pinned.
impl<T> Unpin for SendFuture<'_, T> {}

impl<'a, T> SendFuture<'a, T> {
    #[inline]
    pub(super) fn new(inlet: &'a mut WriteHalf<T>, value: T, weight: usize) -> Self {
        Self { inlet, value: Some(value), weight }
    }

    /// Takes the chunk or the item back. Returns `None` if it was written.
    ///
    /// ```
    /// use nanolith::{prelude::*, stream, time::MILLISECOND};
    /// let (mut sender, mut receiver) = stream::items(1)?;
    /// sender.send(4).wait()?;
    /// let pending = sender.send(5).wait_timeout(MILLISECOND).expect_err("there is no credit");
    /// assert_eq!(pending.into_inner(), Some(5));
    /// sender.finish();
    /// assert_eq!((receiver.recv().wait()?, receiver.recv().wait()?), (Some(4), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.value.take()
    }

    /// Blocks until the value is written or cannot be written, or until `deadline`. The value of a
    /// late write stays in this future.
    #[inline]
    #[cfg_attr(feature = "tokio", track_caller)]
    fn block_until(&mut self, deadline: Option<Instant>) -> Option<Result<(), SendError<T>>> {
        let value = self.value.take().expect("it is consumed when it is over");
        match self.inlet.try_push(value, self.weight) {
            Err(unsent) if unsent.is_full() => self.wait_until(deadline, unsent.into_inner()),
            outcome => Some(outcome),
        }
    }

    #[inline(never)]
    #[cfg_attr(feature = "tokio", track_caller)]
    fn wait_until(&mut self, deadline: Option<Instant>, value: T) -> Option<Result<(), SendError<T>>> {
        let mut value = Some(value);
        let weight = self.weight;
        match self.inlet.block_until(deadline, |inlet, cx| inlet.poll_push(&mut value, weight, cx)) {
            Some(Ok(())) => Some(Ok(())),
            Some(Err(error)) => Some(Err(SendError::new(value.expect("it was not pushed"), error))),
            None => {
                self.value = value;
                None
            }
        }
    }
}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<(), SendError<T>>;

    /// # Panics
    ///
    /// Panics when it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inlet, value, weight } = &mut *self;
        assert!(value.is_some(), "a write to a stream was polled after it was ready");
        let outcome = ready!(inlet.poll_push(value, *weight, cx));
        Poll::Ready(outcome.map_err(|error| SendError::new(value.take().expect("it was not pushed"), error)))
    }
}

impl<T> Sealed for SendFuture<'_, T> {}

impl<T> Wait for SendFuture<'_, T> {
    type Pending = Self;

    /// Blocks until there is credit, and writes. Inside a task, the task's slot is released while
    /// this method blocks.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream};
    /// let (mut sender, mut receiver) = stream::items(1)?;
    /// sender.send(4).wait()?;
    /// let sends = std::thread::spawn(move || sender.send(5).wait()); // waits until the 4 is taken
    /// assert_eq!((receiver.recv().wait()?, receiver.recv().wait()?), (Some(4), Some(5)));
    /// # sends.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the chunk or the item when the reader is gone or has cancelled.
    /// [`WriteError`](super::WriteError) holds the reason.
    #[inline]
    fn wait(mut self) -> Result<(), SendError<T>> {
        match self.block_until(None) {
            Some(outcome) => outcome,
            None => unreachable!("there is no limit"),
        }
    }

    fn wait_timeout(mut self, limit: Duration) -> Result<Self::Output, Self> {
        self.block_until(clock::after(limit)).ok_or(self)
    }
}

impl<T> Drop for SendFuture<'_, T> {
    fn drop(&mut self) {
        self.inlet.stop_waiting();
    }
}

impl<T> fmt::Debug for SendFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").finish_non_exhaustive()
    }
}
