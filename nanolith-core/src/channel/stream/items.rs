//! Streams of typed values: [`items`], [`ItemSender`] and [`ItemReceiver`].

use super::{
    credits::{self, CreditError},
    drained::Drained,
    error::{SendError, StreamError, WriteError},
    link::{ReaderEnd, WriterEnd},
    read_half::ReadHalf,
    recv::Recv,
    send::SendFuture,
    write_half::{self, WriteHalf},
};
use crate::error::BoxError;
use futures_util::{sink::Sink, stream::Stream};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Creates a stream of values that holds at most `bound` of them. A call with the sender among its
/// arguments can return many values.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, ItemSender, WriteError}};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     pub fn numbers(to: i64, mut sender: ItemSender<i64>) -> Result<(), WriteError> {
///         for n in 0..to {
///             sender.send(n).wait()?; // waits for the receiver
///         }
///         sender.finish();
///         Ok(())
///     }
/// }
/// let (sender, mut numbers) = stream::items(4)?;
/// let job = Geometry::tasks().numbers(10, sender).submit();
/// let sum: i64 = numbers.iter().sum::<Result<i64, _>>()?;
/// assert_eq!(sum, 45);
/// job.flatten().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Memory for all `bound` values is allocated at once.
///
/// # Errors
///
/// Returns [`CreditError`] for a bound of zero, or of more than 1,048,576.
pub fn items<T>(bound: usize) -> Result<(ItemSender<T>, ItemReceiver<T>), CreditError> {
    let (inlet, outlet) = write_half::open(credits::checked(bound)?, None);
    Ok((ItemSender { inlet }, ItemReceiver { outlet }))
}

/// The sending end of a stream of values. Created by [`items`]. It is also a `Sink`.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use nanolith::stream;
/// let (mut sender, receiver) = stream::items(4)?;
/// # pollster::block_on(async {
/// sender.send(4).await?;
/// SinkExt::send(&mut sender, 5).await?;
/// sender.close().await?; // `finish` of a `Sink`
/// # Ok::<(), stream::WriteError>(()) })?;
/// assert_eq!(receiver.into_iter().collect::<Result<Vec<_>, _>>()?, [4, 5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If it is dropped before it is finished, for example by a panic, the receiver gets
/// [`StreamError::Dropped`].
#[must_use = "dropped, it leaves the receiver an error; `finish` ends the stream"]
pub struct ItemSender<T> {
    inlet: WriteHalf<T>,
}

impl<T> ItemSender<T> {
    /// Sends a value, and waits until there is capacity for it. Use `.await` or `.wait()`.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream};
    /// let (mut sender, mut receiver) = stream::items(4)?;
    /// sender.send(9).wait()?;
    /// assert_eq!(receiver.recv().wait()?, Some(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the value when the receiver is gone or has cancelled. [`WriteError`] holds the
    /// reason.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing is sent, and the value is dropped.
    #[inline]
    pub fn send(&mut self, value: T) -> SendFuture<'_, T> {
        SendFuture::new(&mut self.inlet, value, 0)
    }

    /// Sends a value, if there is capacity for it now.
    ///
    /// ```
    /// # use nanolith::stream;
    /// let (mut sender, _receiver) = stream::items(1)?;
    /// sender.try_send(4)?;
    /// assert_eq!(sender.try_send(5).expect_err("no room").into_inner(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the value: with [`WriteError::Full`] if there is no capacity, otherwise with the
    /// same errors as [`ItemSender::send`].
    #[inline]
    pub fn try_send(&mut self, value: T) -> Result<(), SendError<T>> {
        self.inlet.try_push(value, 0)
    }

    /// Returns the reason why the receiver receives no more, or `None` while the receiver may still
    /// receive. A task that sends nothing for a long time can check this.
    ///
    /// ```
    /// # use nanolith::stream::{self, WriteError};
    /// let (sender, receiver) = stream::items::<i64>(4)?;
    /// assert!(sender.unread().is_none());
    /// receiver.cancel("seen enough");
    /// assert!(matches!(sender.unread(), Some(WriteError::Cancelled(_))));
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    #[must_use]
    pub fn unread(&self) -> Option<WriteError> {
        self.inlet.reader_error()
    }

    /// Ends the stream cleanly: the receiver gets `None` after the sent values. This method does
    /// not wait.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream};
    /// let (mut sender, mut receiver) = stream::items(4)?;
    /// sender.send(9).wait()?;
    /// sender.finish();
    /// assert_eq!((receiver.recv().wait()?, receiver.recv().wait()?), (Some(9), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(mut self) {
        self.inlet.end(WriterEnd::Finished);
    }

    /// Ends the stream cleanly, like [`ItemSender::finish`]. Returns a future that waits until the
    /// receiver has taken all values.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream};
    /// let (mut sender, mut receiver) = stream::items(4)?;
    /// sender.send(9).wait()?;
    /// let drained = sender.drained();
    /// assert_eq!(receiver.recv().wait()?, Some(9));
    /// drained.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drained(mut self) -> Drained<T> {
        self.inlet.end(WriterEnd::Finished);
        Drained::new(self.inlet)
    }

    /// Ends the stream with an error. The receiver gets it as [`StreamError::Failed`], after the
    /// sent values.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, StreamError}};
    /// let (sender, mut receiver) = stream::items::<i64>(4)?;
    /// sender.fail("out of numbers"); // any error, or a text
    /// assert!(matches!(receiver.recv().wait(), Err(StreamError::Failed(_))));
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    pub fn fail(mut self, error: impl Into<BoxError>) {
        self.inlet.end(WriterEnd::failed(error));
    }
}

/// The sink accepts one value before there is capacity for it. `close` ends the stream cleanly,
/// without waiting for the receiver.
impl<T> Sink<T> for ItemSender<T> {
    type Error = WriteError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.inlet.poll_flush(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, value: T) -> Result<(), WriteError> {
        self.inlet.send_or_buffer(value, 0)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.inlet.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        ready!(self.inlet.poll_flush(cx))?;
        self.inlet.end(WriterEnd::Finished);
        Poll::Ready(Ok(()))
    }
}

impl<T> fmt::Debug for ItemSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemSender").finish_non_exhaustive()
    }
}

/// The receiving end of a stream of values. Created by [`items`]. It is also a `Stream`, and a
/// blocking iterator.
///
/// ```
/// use futures_util::TryStreamExt;
/// use nanolith::{prelude::*, stream};
/// let (mut sender, mut receiver) = stream::items(4)?;
/// sender.send(4).wait()?;
/// sender.send(5).wait()?;
/// sender.finish();
/// # pollster::block_on(async {
/// assert_eq!(receiver.try_next().await?, Some(4));
/// # Ok::<(), stream::StreamError>(()) })?;
/// for value in receiver {
///     assert_eq!(value?, 5);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If it is dropped before the end, the sender gets [`WriteError::Dropped`].
#[must_use = "dropped, it leaves the sender an error"]
pub struct ItemReceiver<T> {
    outlet: ReadHalf<T>,
}

impl<T> ItemReceiver<T> {
    /// Waits for the next value. `None` is a clean end. Use `.await` or `.wait()`.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream};
    /// let (mut sender, mut receiver) = stream::items(4)?;
    /// sender.send(9).wait()?;
    /// # pollster::block_on(async {
    /// assert_eq!(receiver.recv().await?, Some(9));
    /// # Ok::<(), stream::StreamError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StreamError`] when the sender ended the stream without finishing it. All values
    /// that it sent before come first.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no value is taken.
    #[inline]
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv::new(&mut self.outlet)
    }

    /// Receives the next value, if it is available now.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, StreamError}};
    /// let (mut sender, mut receiver) = stream::items(4)?;
    /// assert!(matches!(receiver.try_recv(), Err(StreamError::Empty)));
    /// sender.send(9).wait()?;
    /// assert_eq!(receiver.try_recv()?, Some(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StreamError::Empty`] if no value is available, otherwise the same errors as
    /// [`ItemReceiver::recv`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<Option<T>, StreamError> {
        self.outlet.take().unwrap_or(Err(StreamError::Empty))
    }

    /// Cancels the stream. The sender gets `reason` as [`WriteError::Cancelled`].
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream};
    /// let (mut sender, receiver) = stream::items(4)?;
    /// receiver.cancel("seen enough"); // any error, or a text
    /// assert_eq!(sender.send(9).wait().unwrap_err().into_inner(), 9);
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    pub fn cancel(self, reason: impl Into<BoxError>) {
        self.outlet.end(ReaderEnd::cancelled(reason));
    }

    /// Returns an iterator over the values that blocks for each value. An error is the last item.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream};
    /// let (mut sender, mut receiver) = stream::items(4)?;
    /// sender.send(4).wait()?;
    /// sender.fail("out of numbers");
    /// let mut values = receiver.iter(); // or `receiver.into_iter()`
    /// assert!(matches!(values.next(), Some(Ok(4))));
    /// assert!(matches!(values.next(), Some(Err(_))));
    /// assert!(values.next().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&mut self) -> impl Iterator<Item = Result<T, StreamError>> + '_ {
        std::iter::from_fn(|| self.outlet.block_next())
    }
}

/// The stream yields the values. An error is the last item.
impl<T> Stream for ItemReceiver<T> {
    type Item = Result<T, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.outlet.poll_next(cx)
    }
}

impl<T> IntoIterator for ItemReceiver<T> {
    type Item = Result<T, StreamError>;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        Items(self)
    }
}

impl<T> fmt::Debug for ItemReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemReceiver").finish_non_exhaustive()
    }
}

/// An iterator over the values of an [`ItemReceiver`] that blocks for each value. An error is the
/// last item.
///
/// ```
/// use nanolith::{prelude::*, stream};
/// let (mut sender, receiver) = stream::items(4)?;
/// sender.send(9).wait()?;
/// sender.finish();
/// let values: stream::Items<i64> = receiver.into_iter();
/// assert_eq!(values.collect::<Result<Vec<_>, _>>()?, [9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Items<T>(ItemReceiver<T>);

impl<T> Iterator for Items<T> {
    type Item = Result<T, StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.outlet.block_next()
    }
}
