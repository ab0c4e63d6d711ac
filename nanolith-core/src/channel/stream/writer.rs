//! The writing end of a stream of bytes: [`StreamWriter`] and [`pipe`].

use super::{
    credits::{CreditError, Credits},
    drained::Drained,
    error::{SendError, WriteError},
    link::WriterEnd,
    reader::StreamReader,
    send::SendFuture,
    write_half::{self, WriteHalf},
};
use crate::error::BoxError;
use bytes::{Bytes, BytesMut};
use std::{fmt, sync::Arc};

/// The size in bytes of the chunks that `std::io::Write` and `AsyncWrite` buffer, unless the
/// credits are smaller.
const CHUNK: usize = 64 << 10;

/// Creates a stream of bytes. Both ends hold the `metadata`: a name, a length, or anything else
/// that the reader needs beforehand. Use `()` for none.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits, StreamReader}};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     /// How many points a drawing has: one a line.
///     pub fn count(mut drawing: StreamReader) -> std::io::Result<usize> {
///         use std::io::BufRead;
///         drawing.lines().try_fold(0, |count, line| line.map(|_| count + 1))
///     }
/// }
/// let (mut writer, reader) = stream::pipe((), Credits::new().bytes(1 << 20).chunks(16))?;
/// let points = Geometry::tasks().count(reader).submit();
/// for n in 0..100 {
///     writer.write(format!("{n} {n}\n")).wait()?; // waits for credit
/// }
/// writer.finish();
/// assert_eq!(points.wait()??, 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns [`CreditError`] for credits of zero, or of more than 1,048,576 chunks.
pub fn pipe<M>(metadata: M, credits: Credits) -> Result<(StreamWriter<M>, StreamReader<M>), CreditError> {
    pipe_or_back(metadata, credits).map_err(|(error, _)| error)
}

/// Like [`pipe`], but an error also returns the metadata.
#[allow(clippy::type_complexity)] // the result is two ends, or the error and the metadata
pub(crate) fn pipe_or_back<M>(
    metadata: M,
    credits: Credits,
) -> Result<(StreamWriter<M>, StreamReader<M>), (CreditError, M)> {
    let chunks = match credits.checked() {
        Ok(chunks) => chunks,
        Err(error) => return Err((error, metadata)),
    };
    let limit = credits.byte_limit();
    let (inlet, outlet) = write_half::open(chunks, Some(limit));
    let metadata = Arc::new(metadata);
    let writer = StreamWriter { inlet, buffer: BytesMut::new(), chunk: CHUNK.min(limit), metadata: metadata.clone() };
    Ok((writer, StreamReader::new(outlet, metadata)))
}

/// The writing end of a stream of bytes. Created by [`pipe`].
///
/// [`write`](Self::write) moves chunks. The writer is also a `Sink` of [`Bytes`], a
/// `std::io::Write` and an `AsyncWrite`. The last two buffer small writes into chunks of up to 64
/// KiB, or of the bytes of the credits if that is less. They send the buffer when it is full, at a
/// flush, before a chunk that is written by another method, and at the end.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits}};
/// use std::io::Write;
/// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
/// write!(writer, "{} + {} = ", 4, 5)?; // gathered
/// writer.write("9").wait()?; // after what was gathered
/// assert_eq!(reader.read().wait()?.expect("a chunk"), "4 + 5 = ");
/// assert_eq!(reader.read().wait()?.expect("a chunk"), "9");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If it is dropped before it is finished, for example by a panic, the reader gets
/// [`StreamError::Dropped`].
///
/// [`StreamError::Dropped`]: super::StreamError::Dropped
#[must_use = "dropped, it leaves the reader an error; `finish` ends the stream"]
pub struct StreamWriter<M = ()> {
    pub(super) inlet: WriteHalf<Bytes>,
    /// The bytes of small writes. It is empty while `inlet` has a buffered chunk.
    pub(super) buffer: BytesMut,
    /// The size at which the buffer is sent, in bytes.
    pub(super) chunk: usize,
    metadata: Arc<M>,
}

impl<M> StreamWriter<M> {
    /// Returns the metadata that the stream was created with.
    ///
    /// ```
    /// # use nanolith::stream::{self, Credits};
    /// let (writer, reader) = stream::pipe("drawing.svg", Credits::new())?;
    /// assert_eq!((*writer.metadata(), *reader.metadata()), ("drawing.svg", "drawing.svg"));
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    #[must_use]
    pub fn metadata(&self) -> &M {
        &self.metadata
    }

    /// Moves a chunk into the stream, and waits until there is credit for it. Use `.await` or
    /// `.wait()`.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Bytes, Credits}};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// let chunk = Bytes::from(vec![0; 1 << 20]);
    /// let address = chunk.as_ptr();
    /// writer.write(chunk).wait()?;
    /// assert_eq!(reader.read().wait()?.expect("a chunk").as_ptr(), address); // not copied
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the chunk when the reader is gone or has cancelled. [`WriteError`] holds the reason.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing is written, and the chunk is dropped.
    #[inline]
    pub fn write(&mut self, chunk: impl Into<Bytes>) -> SendFuture<'_, Bytes> {
        self.flush_buffer();
        let chunk = chunk.into();
        let weight = chunk.len();
        SendFuture::new(&mut self.inlet, chunk, weight)
    }

    /// Moves a chunk into the stream, if there is credit for it now.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Credits}};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new().chunks(1))?;
    /// writer.try_write("one")?;
    /// let unsent = writer.try_write("two").expect_err("no credit");
    /// reader.read().wait()?;
    /// writer.try_write(unsent.into_inner())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the chunk: with [`WriteError::Full`] if there is no credit, otherwise with the same
    /// errors as [`StreamWriter::write`].
    #[inline]
    pub fn try_write(&mut self, chunk: impl Into<Bytes>) -> Result<(), SendError<Bytes>> {
        self.flush_buffer();
        let chunk = chunk.into();
        let weight = chunk.len();
        self.inlet.try_push(chunk, weight)
    }

    /// Returns the reason why the reader reads no more, or `None` while the reader may still read.
    ///
    /// ```
    /// # use nanolith::stream::{self, Credits, WriteError};
    /// let (writer, reader) = stream::pipe((), Credits::new())?;
    /// assert!(writer.unread().is_none());
    /// drop(reader);
    /// assert!(matches!(writer.unread(), Some(WriteError::Dropped)));
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    #[must_use]
    pub fn unread(&self) -> Option<WriteError> {
        self.inlet.reader_error()
    }

    /// Ends the stream cleanly: the reader gets `None` after the written bytes. This method does
    /// not wait, not even for credit for buffered small writes.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Credits}};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// writer.write("hello").wait()?;
    /// writer.finish();
    /// assert_eq!(reader.read().wait()?.expect("a chunk"), "hello");
    /// assert_eq!(reader.read().wait()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(mut self) {
        self.end(WriterEnd::Finished);
    }

    /// Ends the stream cleanly, like [`StreamWriter::finish`]. Returns a future that waits until
    /// the reader has taken all that was written.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Credits}};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// writer.write("hello").wait()?;
    /// let drained = writer.drained();
    /// assert_eq!(reader.read().wait()?.expect("a chunk"), "hello");
    /// drained.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drained(mut self) -> Drained<Bytes> {
        self.end(WriterEnd::Finished);
        Drained::new(self.inlet)
    }

    /// Ends the stream with an error. The reader gets it as [`StreamError::Failed`], after the
    /// written bytes.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, Credits}};
    /// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
    /// writer.write("as far as it went").wait()?;
    /// writer.fail("the disk is gone"); // any error, or a text
    /// assert!(reader.read().wait()?.is_some());
    /// assert!(reader.read().wait().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`StreamError::Failed`]: super::StreamError::Failed
    pub fn fail(mut self, error: impl Into<BoxError>) {
        self.end(WriterEnd::failed(error));
    }

    pub(super) fn end(&mut self, end: WriterEnd) {
        self.flush_buffer();
        self.inlet.end(end);
    }

    /// Moves the bytes of small writes into `inlet`'s buffer. They are pushed before all other
    /// chunks.
    #[inline]
    pub(super) fn flush_buffer(&mut self) {
        if !self.buffer.is_empty() {
            let chunk = self.buffer.split().freeze();
            let weight = chunk.len();
            self.inlet.buffer(chunk, weight);
        }
    }
}

impl<M> fmt::Debug for StreamWriter<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter").field("gathered", &self.buffer.len()).finish_non_exhaustive()
    }
}
