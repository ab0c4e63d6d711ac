//! [`Drained`]: the future that waits until the reader has taken all of a finished stream.

use super::{error::WriteError, write_half::WriteHalf};
use crate::{
    context::wait::{Sealed, Wait},
    time::clock,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A future that waits until the reader has taken all that was written. Created by
/// [`StreamWriter::drained`](super::StreamWriter::drained) and
/// [`ItemSender::drained`](super::ItemSender::drained).
///
/// Both methods have already finished the stream, so dropping this future changes nothing.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits}};
/// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
/// writer.write("hello").wait()?;
/// let drained = writer.drained();
/// let reads = std::thread::spawn(move || while let Ok(Some(_)) = reader.read().wait() {});
/// # pollster::block_on(async {
/// drained.await?; // or `.wait()`, which blocks
/// # Ok::<(), stream::WriteError>(()) })?;
/// # reads.join().expect("no panic");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// This future can be polled by reference, and dropped at any time.
#[must_use = "the stream is finished; await this, or wait on it, to see that all was taken"]
pub struct Drained<T> {
    inlet: WriteHalf<T>,
}

impl<T> Drained<T> {
    pub(super) fn new(inlet: WriteHalf<T>) -> Self {
        Self { inlet }
    }
}

impl<T> Future for Drained<T> {
    type Output = Result<(), WriteError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inlet.poll_drained(cx)
    }
}

impl<T> Sealed for Drained<T> {}

impl<T> Wait for Drained<T> {
    type Pending = Self;

    /// Blocks until the reader has taken all that was written. Inside a task, the task's slot is
    /// released while this method blocks.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, WriteError}};
    /// let (mut sender, receiver) = stream::items(16)?;
    /// sender.send(4).wait()?;
    /// drop(receiver);
    /// assert!(matches!(sender.drained().wait(), Err(WriteError::Dropped)), "the 4 was not read");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`WriteError::Cancelled`] or [`WriteError::Dropped`] if the reader ended before it
    /// had taken all.
    fn wait(mut self) -> Result<(), WriteError> {
        match self.inlet.block_until(None, WriteHalf::poll_drained) {
            Some(outcome) => outcome,
            None => unreachable!("there is no limit"),
        }
    }

    fn wait_timeout(mut self, limit: Duration) -> Result<Self::Output, Self> {
        self.inlet.block_until(clock::after(limit), WriteHalf::poll_drained).ok_or(self)
    }
}

impl<T> fmt::Debug for Drained<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained").finish_non_exhaustive()
    }
}
