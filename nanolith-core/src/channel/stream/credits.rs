//! [`Credits`]: the limits of a stream, by which its flow is controlled: how many bytes and chunks
//! it holds before the writer waits.

use std::{error::Error, fmt};

/// The amount that a stream holds before its writer waits: a number of bytes and a number of
/// chunks, whichever is reached first.
///
/// The credits count what is in flight: written, and not yet read. A writer waits until its chunk
/// fits into what is left of both limits. So a reader that stops reading keeps no more than its
/// credits in memory. A chunk larger than the limit of bytes is sent alone, once no other bytes are
/// in flight, so it does not wait forever.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits}};
/// let (mut writer, mut reader) = stream::pipe((), Credits::new().bytes(10).chunks(16))?;
/// writer.try_write("12345678")?;
/// assert!(writer.try_write("90!").is_err(), "eleven bytes");
/// reader.read().wait()?;
/// writer.try_write("larger than all the credit")?; // nothing else is in flight
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The default is 1 MiB and 16 chunks. The credits do not count what the writer has not sent yet:
/// at most 64 KiB of buffered `std::io::Write`, or the one chunk that a `Sink` accepted before
/// there was credit. They also do not count the chunk that the reader has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credits {
    bytes: usize,
    chunks: usize,
}

/// The most chunks or items of a stream. Memory for all of them is allocated when the stream is
/// created.
const MOST_CHUNKS: usize = 1 << 20;

impl Credits {
    /// Creates the default credits: 1 MiB, and 16 chunks.
    ///
    /// ```
    /// use nanolith::stream::Credits;
    /// assert_eq!(Credits::new(), Credits::default().bytes(1 << 20).chunks(16));
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: 1 << 20, chunks: 16 }
    }

    /// Sets the number of bytes.
    ///
    /// ```
    /// use nanolith::stream::{self, CreditError, Credits};
    /// let none = stream::pipe((), Credits::new().bytes(0));
    /// assert_eq!(none.unwrap_err(), CreditError::ZeroBytes);
    /// ```
    #[must_use]
    pub const fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// Sets the number of chunks. Memory for all of them, 32 bytes each, is allocated when the
    /// stream is created.
    ///
    /// ```
    /// use nanolith::stream::{self, Credits};
    /// let (mut writer, _reader) = stream::pipe((), Credits::new().chunks(1))?;
    /// writer.try_write("one")?;
    /// assert!(writer.try_write("two").unwrap_err().is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn chunks(self, chunks: usize) -> Self {
        Self { chunks, ..self }
    }

    pub(super) const fn byte_limit(self) -> usize {
        self.bytes
    }

    /// Returns the number of chunks, if both limits are valid.
    pub(super) fn checked(self) -> Result<usize, CreditError> {
        if self.bytes == 0 { Err(CreditError::ZeroBytes) } else { checked(self.chunks) }
    }
}

/// Returns a number of chunks or items, if it is valid.
pub(super) fn checked(chunks: usize) -> Result<usize, CreditError> {
    match chunks {
        0 => Err(CreditError::ZeroChunks),
        1..=MOST_CHUNKS => Ok(chunks),
        more => Err(CreditError::TooManyChunks(more)),
    }
}

impl Default for Credits {
    fn default() -> Self {
        Self::new()
    }
}

/// The error of creating a stream with invalid credits.
///
/// ```
/// use nanolith::stream::{self, CreditError};
/// assert_eq!(stream::items::<i64>(0).unwrap_err(), CreditError::ZeroChunks);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreditError {
    /// The limit of bytes is zero, so no byte could be written.
    ZeroBytes,
    /// The limit of chunks or items is zero, so none could be written.
    ZeroChunks,
    /// The limit is this number of chunks or items, which is more than 1,048,576.
    TooManyChunks(usize),
}

impl fmt::Display for CreditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroBytes => f.write_str("the bytes of a stream's credits must be at least 1"),
            Self::ZeroChunks => f.write_str("the chunks or items of a stream's credits must be at least 1"),
            Self::TooManyChunks(asked) => {
                write!(f, "a stream holds at most {MOST_CHUNKS} chunks or items, not {asked}")
            }
        }
    }
}

impl Error for CreditError {}
