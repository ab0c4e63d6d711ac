//! The reading end of a stream of bytes: [`StreamReader`].

use super::{error::StreamError, link::ReaderEnd, read_half::ReadHalf, recv::Recv, writer::StreamWriter};
use crate::error::BoxError;
use bytes::Bytes;
use std::{fmt, sync::Arc};

/// The reading end of a stream of bytes. Created by [`pipe`](super::pipe).
///
/// [`read`](Self::read) returns the chunks as they were written. The reader is also a
/// `std::io::Read` and `BufRead`, an `AsyncRead` and `AsyncBufRead`, a `Stream` of chunks, and an
/// iterator over chunks. All of these can be mixed, because they share what is left of a chunk.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits}};
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
/// If it is dropped before the end, the writer gets
/// [`WriteError::Dropped`](super::WriteError::Dropped).
#[must_use = "dropped, it leaves the writer an error"]
pub struct StreamReader<M = ()> {
    pub(super) outlet: ReadHalf<Bytes>,
    metadata: Arc<M>,
}

impl<M> StreamReader<M> {
    pub(super) fn new(outlet: ReadHalf<Bytes>, metadata: Arc<M>) -> Self {
        Self { outlet, metadata }
    }

    /// Returns the metadata that the stream was created with. See
    /// [`StreamWriter::metadata`](super::StreamWriter::metadata).
    #[must_use]
    pub fn metadata(&self) -> &M {
        &self.metadata
    }

    /// Returns the metadata of a stream that is not used, and drops both of its ends.
    pub(crate) fn into_metadata(self, writer: StreamWriter<M>) -> M {
        drop(writer);
        let Self { outlet, metadata } = self;
        drop(outlet);
        Arc::into_inner(metadata).expect("only the two ends know of it")
    }

    /// Waits for the next chunk. `None` is a clean end. Use `.await` or `.wait()`.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Credits}};
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
    /// Returns [`StreamError`] when the writer ended the stream without finishing it. All chunks
    /// that it wrote before come first.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no chunk is taken.
    #[inline]
    pub fn read(&mut self) -> Recv<'_, Bytes> {
        Recv::new(&mut self.outlet)
    }

    /// Reads the next chunk, if it is available now.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Credits, StreamError}};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// assert!(matches!(reader.try_read(), Err(StreamError::Empty)));
    /// writer.write("hello").wait()?;
    /// assert_eq!(reader.try_read()?.expect("a chunk"), "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StreamError::Empty`] if no chunk is available, otherwise the same errors as
    /// [`StreamReader::read`].
    #[inline]
    pub fn try_read(&mut self) -> Result<Option<Bytes>, StreamError> {
        self.outlet.take().unwrap_or(Err(StreamError::Empty))
    }

    /// Cancels the stream. The writer gets `reason` as
    /// [`WriteError::Cancelled`](super::WriteError::Cancelled).
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Credits}};
    /// let (mut writer, reader) = stream::pipe((), Credits::new())?;
    /// reader.cancel("seen enough"); // any error, or a text
    /// assert!(writer.write("more").wait().is_err());
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    pub fn cancel(self, reason: impl Into<BoxError>) {
        self.outlet.end(ReaderEnd::cancelled(reason));
    }

    /// Returns an iterator over the chunks that blocks for each chunk. An error is the last item.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Credits}};
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

/// An iterator over the chunks of a [`StreamReader`] that blocks for each chunk. An error is the
/// last item.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits}};
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
