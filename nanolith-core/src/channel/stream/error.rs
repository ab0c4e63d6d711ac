//! The errors of reading from and writing to a stream.

use std::{error::Error, fmt, io, sync::Arc};

/// An error that can be returned more than once.
pub(super) type SharedError = Arc<dyn Error + Send + Sync>;

/// The reason why a read returned no value, other than a clean end.
///
/// Converted to an [`io::Error`], it is the inner error. The resulting kind is in brackets below.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits, StreamError}};
/// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
/// writer.write("half of it").wait()?;
/// drop(writer); // without `finish`
/// assert_eq!(reader.read().wait()?.expect("kept"), "half of it");
/// assert!(matches!(reader.read().wait(), Err(StreamError::Dropped)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// The writer ended the stream with this error (the kind of an [`io::Error`], else `Other`).
    ///
    /// ```
    /// use nanolith::{prelude::*, stream::{self, Credits, StreamError}};
    /// let (writer, mut reader) = stream::pipe((), Credits::new())?;
    /// writer.fail("the disk is gone");
    /// match reader.read().wait() {
    ///     Err(StreamError::Failed(source)) => assert_eq!(source.to_string(), "the disk is gone"),
    ///     other => unreachable!("not {other:?}"),
    /// }
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    Failed(SharedError),
    /// The writer was dropped before it finished the stream, for example by a panic
    /// (`UnexpectedEof`).
    Dropped,
    /// No value has arrived yet (`WouldBlock`). The stream is still open.
    ///
    /// ```
    /// use nanolith::stream::{self, Credits, StreamError};
    /// let (writer, mut reader) = stream::pipe((), Credits::new())?;
    /// assert!(matches!(reader.try_read(), Err(StreamError::Empty)));
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    Empty,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(source) => write!(f, "the stream's writer ended it with an error: {source}"),
            Self::Dropped => f.write_str("the stream's writer was dropped before it finished"),
            Self::Empty => f.write_str("the stream is empty"),
        }
    }
}

impl Error for StreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(source) => Some(&**source),
            Self::Dropped | Self::Empty => None,
        }
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match &error {
            StreamError::Failed(source) => kind_of(source),
            StreamError::Dropped => io::ErrorKind::UnexpectedEof,
            StreamError::Empty => io::ErrorKind::WouldBlock,
        };
        Self::new(kind, error)
    }
}

/// Returns the kind of an error that the user gave.
fn kind_of(error: &SharedError) -> io::ErrorKind {
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        // The functions of `std::io` retry after `Interrupted`, without end.
        None | Some(io::ErrorKind::Interrupted) => io::ErrorKind::Other,
        Some(kind) => kind,
    }
}

/// The reason why a value was not written.
///
/// Converted to an [`io::Error`], it is the inner error. The resulting kind is in brackets below.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits, WriteError}};
/// let (mut writer, reader) = stream::pipe((), Credits::new())?;
/// reader.cancel("seen enough");
/// let unsent = writer.write("more").wait().unwrap_err();
/// match unsent.error() {
///     WriteError::Cancelled(reason) => assert_eq!(reason.to_string(), "seen enough"),
///     other => unreachable!("not {other:?}"),
/// }
/// assert_eq!(unsent.into_inner(), "more"); // the chunk is given back
/// # Ok::<(), stream::CreditError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// The reader cancelled the stream, for this reason (`BrokenPipe`).
    Cancelled(SharedError),
    /// The reader was dropped (`BrokenPipe`).
    Dropped,
    /// The writer has already ended the stream, for example by `close` of a `Sink` or an
    /// `AsyncWrite` (`BrokenPipe`).
    Finished,
    /// There is no credit (`WouldBlock`). The stream is still open.
    Full,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled(_) => "the reader cancelled the stream",
            Self::Dropped => "the stream's reader was dropped",
            Self::Finished => "the stream is already finished",
            Self::Full => "the stream has no credit left",
        })
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Cancelled(reason) => Some(&**reason),
            Self::Dropped | Self::Finished | Self::Full => None,
        }
    }
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        let kind = match &error {
            WriteError::Full => io::ErrorKind::WouldBlock,
            WriteError::Cancelled(_) | WriteError::Dropped | WriteError::Finished => io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}

/// The error of a write that holds the chunk or the item that was not written, and the reason.
///
/// ```
/// use nanolith::stream;
/// let (mut sender, _receiver) = stream::items::<i64>(1)?;
/// sender.try_send(4)?;
/// let unsent = sender.try_send(5).unwrap_err();
/// assert!(unsent.is_full());
/// assert_eq!(unsent.into_inner(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "holds what was not written"]
pub struct SendError<T> {
    value: T,
    error: WriteError,
}

impl<T> SendError<T> {
    #[cold]
    pub(super) fn new(value: T, error: WriteError) -> Self {
        Self { value, error }
    }

    /// Returns the reason why it was not written.
    #[must_use]
    pub fn error(&self) -> &WriteError {
        &self.error
    }

    /// Returns `true` if only credit was missing. Such a write can be tried again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.error, WriteError::Full)
    }

    /// Returns the chunk or the item that was not written.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> Error for SendError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl<T> From<SendError<T>> for WriteError {
    fn from(unsent: SendError<T>) -> Self {
        unsent.error
    }
}
