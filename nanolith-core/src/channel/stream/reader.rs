//! The reading end of a stream of bytes.

use super::{
    consumer::ReadHalf,
    error::StreamError,
    recv::{Receiving, ReceivingWithin},
    shared::ReaderEnd,
    writer::StreamWriter,
};
use crate::error::BoxError;
use bytes::Bytes;
use std::{fmt, sync::Arc, time::Duration};

/// The reading end of a stream of bytes: made by [`pipe`](super::pipe).
///
/// [`read`](Self::read) gives the chunks as they were written. It is also a `std::io::Read` and `BufRead`, an `AsyncRead` and
/// `AsyncBufRead`, a `Stream` of chunks, and iterates over them; all may be mixed, for they share what is left of a chunk.
///
/// ```
/// use nanolith::stream::{self, Credits};
/// use std::io::BufRead;
/// let (mut writer, mut reader) = stream::pipe("points.txt", Credits::new())?;
/// writer.write("x y\n4 ").wait()?;
/// writer.write("5\n").wait()?;
/// writer.finish();
/// let mut heading = String::new();
/// reader.read_line(&mut heading)?;
/// assert_eq!((*reader.metadata(), &*heading), ("points.txt", "x y\n"));
/// assert_eq!(reader.read().wait()?.expect("a chunk"), "4 ", "what is left of it");
/// assert_eq!(reader.read().wait()?.expect("a chunk"), "5\n");
/// assert_eq!(reader.read().wait()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropped before the end, it leaves the writer an error: [`WriteError::Dropped`](super::WriteError::Dropped).
#[must_use = "dropped, it leaves the writer an error"]
pub struct StreamReader<M = ()> {
    pub(super) outlet: ReadHalf<Bytes>,
    metadata: Arc<M>,
}

impl<M> StreamReader<M> {
    pub(super) fn new(outlet: ReadHalf<Bytes>, metadata: Arc<M>) -> Self {
        Self { outlet, metadata }
    }

    /// What was said of the stream when it was made: see [`StreamWriter::metadata`](super::StreamWriter::metadata).
    #[must_use]
    pub fn metadata(&self) -> &M {
        &self.metadata
    }

    /// What was said of the stream, of which nothing comes: its writer goes with it.
    pub(crate) fn into_metadata(self, writer: StreamWriter<M>) -> M {
        drop(writer);
        let Self { outlet, metadata } = self;
        drop(outlet);
        Arc::into_inner(metadata).expect("only the two ends know of it")
    }

    /// Waits for the next chunk: `.await` it, or `.wait()`. `None` is a clean end.
    ///
    /// ```
    /// # use nanolith::stream::{self, Credits};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// writer.write("hello").wait()?;
    /// writer.finish();
    /// # pollster::block_on(async {
    /// while let Some(chunk) = reader.read().await? {
    ///     assert_eq!(chunk, "hello");
    /// }
    /// # Ok::<(), stream::StreamError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StreamError`] when the writer ended the stream otherwise than by finishing it; all that it wrote before comes first.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it takes nothing.
    #[inline]
    pub fn read(&mut self) -> Receiving<'_, Bytes> {
        Receiving::new(&mut self.outlet)
    }

    /// The next chunk, if it is there.
    ///
    /// ```
    /// # use nanolith::stream::{self, Credits, StreamError};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// assert!(matches!(reader.try_read(), Err(StreamError::Empty)));
    /// writer.write("hello").wait()?;
    /// assert_eq!(reader.try_read()?.expect("a chunk"), "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StreamError::Empty`] if it is not, else as [`StreamReader::read`].
    #[inline]
    pub fn try_read(&mut self) -> Result<Option<Bytes>, StreamError> {
        self.outlet.take().unwrap_or(Err(StreamError::Empty))
    }

    /// Waits for the next chunk, for `limit` at most, counted from this call: `.await` it, or `.wait()`.
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
    /// [`StreamError::Empty`] when the time is over, else as [`StreamReader::read`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it takes nothing.
    pub fn read_timeout(&mut self, limit: Duration) -> ReceivingWithin<'_, Bytes> {
        ReceivingWithin::new(self.read(), limit)
    }

    /// Wants no more: the writer gets `reason` as [`WriteError::Cancelled`](super::WriteError::Cancelled).
    ///
    /// ```
    /// # use nanolith::stream::{self, Credits};
    /// let (mut writer, reader) = stream::pipe((), Credits::new())?;
    /// reader.cancel("seen enough"); // any error, or a text
    /// assert!(writer.write("more").wait().is_err());
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    pub fn cancel(self, reason: impl Into<BoxError>) {
        self.outlet.end(ReaderEnd::cancelled(reason));
    }

    /// Iterates over the chunks, blocking; an error is the last item.
    ///
    /// ```
    /// # use nanolith::stream::{self, Credits};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// writer.write("hello").wait()?;
    /// writer.finish();
    /// for chunk in reader.iter() { // or `in reader`
    ///     assert_eq!(chunk?, "hello");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&mut self) -> impl Iterator<Item = Result<Bytes, StreamError>> + '_ {
        std::iter::from_fn(|| self.outlet.block_next())
    }
}

impl<M> IntoIterator for StreamReader<M> {
    type Item = Result<Bytes, StreamError>;
    type IntoIter = Chunks<M>;

    fn into_iter(self) -> Chunks<M> {
        Chunks(self)
    }
}

impl<M> fmt::Debug for StreamReader<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader").finish_non_exhaustive()
    }
}

/// A [`StreamReader`]'s chunks, by blocking for each; an error is the last item.
///
/// ```
/// use nanolith::stream::{self, Credits};
/// let (mut writer, reader) = stream::pipe((), Credits::new())?;
/// writer.write("hello").wait()?;
/// writer.finish();
/// let chunks: stream::Chunks = reader.into_iter();
/// assert_eq!(chunks.collect::<Result<Vec<_>, _>>()?, ["hello"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Chunks<M = ()>(StreamReader<M>);

impl<M> Iterator for Chunks<M> {
    type Item = Result<Bytes, StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.outlet.block_next()
    }
}
