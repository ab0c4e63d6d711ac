//! The next chunk or item of a stream.

use super::{consumer::ReadHalf, error::StreamError};
use crate::{context::block_on, time::Limit};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Waits for the next chunk or item: made by [`StreamReader::read`](super::StreamReader::read) and
/// [`ItemReceiver::recv`](super::ItemReceiver::recv). It gives `None` at a clean end only, however often it is asked.
///
/// ```
/// use nanolith::stream;
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
/// Dropped before it is ready, it takes nothing.
#[must_use = "nothing is read until this is awaited or waited on"]
pub struct Receiving<'a, T> {
    outlet: &'a mut ReadHalf<T>,
}

impl<'a, T> Receiving<'a, T> {
    #[inline]
    pub(super) fn new(outlet: &'a mut ReadHalf<T>) -> Self {
        Self { outlet }
    }

    /// Blocks until something has come. Within a task, the task's slot is lent to others meanwhile.
    ///
    /// ```
    /// # use nanolith::stream::{self, Credits};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// let writes = std::thread::spawn(move || writer.write("hello").wait());
    /// assert_eq!(reader.read().wait()?.expect("a chunk"), "hello");
    /// # writes.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StreamError`] when the writer ended the stream otherwise than by finishing it; all that it wrote before comes first.
    #[inline]
    pub fn wait(self) -> Result<Option<T>, StreamError> {
        self.outlet.block()
    }
}

impl<T> Future for Receiving<'_, T> {
    type Output = Result<Option<T>, StreamError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.outlet.poll_recv(cx)
    }
}

impl<T> Drop for Receiving<'_, T> {
    fn drop(&mut self) {
        self.outlet.stop_waiting();
    }
}

impl<T> fmt::Debug for Receiving<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").finish_non_exhaustive()
    }
}

/// Waits for the next chunk or item, not longer than a limit: made by
/// [`StreamReader::read_timeout`](super::StreamReader::read_timeout) and
/// [`ItemReceiver::recv_timeout`](super::ItemReceiver::recv_timeout). When the time is over it gives [`StreamError::Empty`].
///
/// ```
/// use nanolith::{stream::{self, StreamError}, time::MILLISECOND};
/// let (mut sender, mut receiver) = stream::items(16)?;
/// # pollster::block_on(async {
/// assert!(matches!(receiver.recv_timeout(MILLISECOND).await, Err(StreamError::Empty))); // or `.wait()`, which blocks
/// sender.send(4).await?;
/// assert_eq!(receiver.recv_timeout(MILLISECOND).await?, Some(4));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// Dropped before it is ready, it takes nothing.
#[must_use = "nothing is read until this is awaited or waited on"]
#[derive(Debug)]
pub struct ReceivingWithin<'a, T> {
    receiving: Receiving<'a, T>,
    limit: Limit,
}

impl<'a, T> ReceivingWithin<'a, T> {
    pub(super) fn new(receiving: Receiving<'a, T>, limit: Duration) -> Self {
        Self { receiving, limit: Limit::new(limit) }
    }

    /// Blocks until something has come, or the time is over. Within a task, the task's slot is lent to others meanwhile.
    ///
    /// ```
    /// # use nanolith::{stream::{self, Credits, StreamError}, time::MILLISECOND};
    /// let (writer, mut reader) = stream::pipe((), Credits::new())?;
    /// assert!(matches!(reader.read_timeout(MILLISECOND).wait(), Err(StreamError::Empty)));
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StreamError::Empty`] when the time is over, else as [`Receiving::wait`].
    pub fn wait(self) -> Result<Option<T>, StreamError> {
        if self.limit.is_polled_here() {
            return block_on::block_on_any(self);
        }
        let received = self.receiving.outlet.block_until(self.limit.deadline());
        received.unwrap_or(Err(StreamError::Empty))
    }
}

impl<T> Future for ReceivingWithin<'_, T> {
    type Output = Result<Option<T>, StreamError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(received) = Pin::new(&mut self.receiving).poll(cx) {
            return Poll::Ready(received);
        }
        self.limit.poll(cx).map(|()| Err(StreamError::Empty))
    }
}
