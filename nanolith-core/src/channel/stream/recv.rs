//! [`Recv`] and [`ReceivingWithin`]: the futures that wait for a stream's next chunk or item,
//! without and with a time limit.

use super::{error::StreamError, read_half::ReadHalf};
use crate::{context::block_on, time::Limit};
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

    /// Blocks until a value or the end has arrived. Inside a task, the task's slot is released
    /// while this method blocks.
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
    /// Returns [`StreamError`] when the writer ended the stream without finishing it. All that it
    /// wrote before comes first.
    #[inline]
    pub fn wait(self) -> Result<Option<T>, StreamError> {
        self.outlet.block()
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Result<Option<T>, StreamError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.outlet.poll_recv(cx)
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

/// A future that waits for the next chunk or item, at most for a limit. Created by
/// [`StreamReader::read_timeout`](super::StreamReader::read_timeout) and
/// [`ItemReceiver::recv_timeout`](super::ItemReceiver::recv_timeout).
///
/// It returns [`StreamError::Empty`] when the time has elapsed.
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
/// If the future is dropped before it is ready, nothing is taken.
#[must_use = "nothing is read until this is awaited or waited on"]
#[derive(Debug)]
pub struct ReceivingWithin<'a, T> {
    receiving: Recv<'a, T>,
    limit: Limit,
}

impl<'a, T> ReceivingWithin<'a, T> {
    pub(super) fn new(receiving: Recv<'a, T>, limit: Duration) -> Self {
        Self { receiving, limit: Limit::new(limit) }
    }

    /// Blocks until a value or the end has arrived, or the time has elapsed. Inside a task, the
    /// task's slot is released while this method blocks.
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
    /// Returns [`StreamError::Empty`] when the time has elapsed, otherwise the same errors as
    /// [`Recv::wait`].
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
