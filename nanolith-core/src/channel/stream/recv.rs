//! [`Recv`] and [`ReceivingWithin`]: the futures that wait for a stream's next chunk or item,
//! without and with a time limit.

use super::{error::StreamError, read_half::ReadHalf};
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

/// A future that waits for the next chunk or item. Created by
/// [`StreamReader::read`](super::StreamReader::read) and
/// [`ItemReceiver::recv`](super::ItemReceiver::recv).
///
/// It returns `None` at a clean end only, also in repeated calls.
///
/// ```
/// use nanolith::{prelude::*, stream};
/// let (mut sender, mut receiver) = stream::items(16)?;
/// sender.send(4).wait()?;
/// sender.finish();
/// # pollster::block_on(async {
/// assert_eq!(receiver.recv().await?, Some(4)); // or `.wait()`, which blocks
/// assert_eq!(receiver.recv().await?, None);
/// # Ok::<(), stream::StreamError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, nothing is taken.
#[must_use = "nothing is read until this is awaited or waited on"]
pub struct Recv<'a, T> {
    outlet: &'a mut ReadHalf<T>,
}

impl<'a, T> Recv<'a, T> {
    #[inline]
    pub(super) fn new(outlet: &'a mut ReadHalf<T>) -> Self {
        Self { outlet }
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Result<Option<T>, StreamError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.outlet.poll_recv(cx)
    }
}

impl<T> Sealed for Recv<'_, T> {}

impl<T> Wait for Recv<'_, T> {
    type Pending = Self;

    /// Blocks until a value or the end has arrived. Inside a task, the task's slot is released
    /// while this method blocks.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Credits}};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// let writes = std::thread::spawn(move || writer.write("hello").wait());
    /// assert_eq!(reader.read().wait()?.expect("a chunk"), "hello");
    /// # writes.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StreamError`] when the writer ended the stream without finishing it. All that it
    /// wrote before comes first.
    #[inline]
    fn wait(self) -> Result<Option<T>, StreamError> {
        self.outlet.block()
    }

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        self.outlet.block_until(clock::after(limit)).ok_or(self)
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        self.outlet.stop_waiting();
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}
