//! Values that pass to other processes: [`RemoteError`], for functions whose errors have no serde.
//!
//! Needs the cargo feature `wire`.
//!
//! ```
//! use nanolith::{prelude::*, wire::RemoteError};
//! pub struct Files;
//!
//! #[define(wire)]
//! impl Files {
//!     pub fn size(path: String) -> Result<u64, RemoteError> {
//!         Ok(std::fs::metadata(path)?.len())
//!     }
//! }
//!
//! let error = Files::tasks().size("no/such/file".into()).wait()?.unwrap_err();
//! assert_eq!(error.kind(), Some(std::io::ErrorKind::NotFound));
//! # Ok::<(), CallError>(())
//! ```

use crate::BoxError;
use serde::{Deserialize, Serialize};
use std::{error::Error, fmt, io, iter};

/// An error of any type, as data: its text, the texts of its sources, and the [`io::ErrorKind`].
///
/// It is the error of a task whose own error has no serde, such as [`io::Error`],
/// `anyhow::Error` or a boxed error. `?` converts these, and also a `String` or a `&str`.
///
/// ```
/// use nanolith::wire::RemoteError;
/// use std::io;
///
/// fn read(path: String) -> Result<Vec<u8>, RemoteError> {
///     Ok(std::fs::read(path)?)
/// }
///
/// let error = read("no/such/file".into()).unwrap_err();
/// let text = serde_json::to_string(&error)?; // what another process receives
/// let received: RemoteError = serde_json::from_str(&text)?;
/// assert_eq!(received.kind(), Some(io::ErrorKind::NotFound));
/// assert_eq!(received.to_string(), error.to_string());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Not an `Error`
///
/// Like `anyhow::Error`, it does not implement [`Error`]: `?` could not convert every error to it
/// otherwise. `?` converts it to a `Box<dyn Error>`, for example in `main`.
/// [`into_boxed`](Self::into_boxed) converts it to a [`BoxError`].
///
/// # Format
///
/// `{}` prints the error's own text, and `{:#}` also the texts of its sources, after colons. `{:?}`
/// prints a list of the sources under the text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteError {
    text: String,
    sources: Vec<String>,
    /// The name of the [`io::ErrorKind`].
    kind: Option<String>,
}

impl RemoteError {
    /// Returns the texts of the error and of its sources. The error's own text is the first.
    ///
    /// ```
    /// use nanolith::wire::RemoteError;
    /// let error = RemoteError::from(anyhow::anyhow!("the disk is full").context("not saved"));
    /// assert_eq!(error.chain().collect::<Vec<_>>(), ["not saved", "the disk is full"]);
    /// ```
    pub fn chain(&self) -> impl DoubleEndedIterator<Item = &str> {
        iter::once(&self.text).chain(&self.sources).map(String::as_str)
    }

    /// Returns the kind of the first [`io::Error`] in the chain of the original error.
    ///
    /// Returns `None` if the chain has none, or if the kind is not stable in Rust 1.85. An
    /// `anyhow::Error` without a context hides an `io::Error` that it was made of. With a context
    /// it does not.
    ///
    /// ```
    /// use nanolith::wire::RemoteError;
    /// use std::io;
    /// let error = RemoteError::from(io::Error::from(io::ErrorKind::StorageFull));
    /// assert_eq!(error.kind(), Some(io::ErrorKind::StorageFull));
    /// assert_eq!(RemoteError::from("not an `io::Error`").kind(), None);
    /// ```
    #[must_use]
    pub fn kind(&self) -> Option<io::ErrorKind> {
        kind_of(self.kind.as_deref()?)
    }

    /// Converts the error to a [`BoxError`] with the same texts: its own, and those of the chain
    /// of [`source`](Error::source).
    ///
    /// ```
    /// use nanolith::{BoxError, wire::RemoteError};
    /// fn save() -> Result<(), RemoteError> { Err("the disk is full")? }
    /// fn run() -> Result<(), BoxError> {
    ///     save().map_err(RemoteError::into_boxed)?;
    ///     Ok(())
    /// }
    /// assert_eq!(run().unwrap_err().to_string(), "the disk is full");
    /// ```
    #[must_use]
    pub fn into_boxed(self) -> BoxError {
        let link = |source, text| Some(Box::new(Link { text, source }));
        let source = self.sources.into_iter().rev().fold(None, link);
        Box::new(Link { text: self.text, source })
    }

    fn of(error: &(dyn Error + 'static)) -> Self {
        let chain = || iter::successors(Some(error), |error| (**error).source());
        let io_error = chain().find_map(|error| error.downcast_ref::<io::Error>());
        Self {
            text: error.to_string(),
            sources: chain().skip(1).map(ToString::to_string).collect(),
            kind: io_error.map(|error| format!("{:?}", error.kind())),
        }
    }
}

impl<E: Into<BoxError>> From<E> for RemoteError {
    fn from(error: E) -> Self {
        let error: BoxError = error.into();
        Self::of(&*error)
    }
}

/// There is none for a [`BoxError`]: each type that converts to one converts to a `RemoteError`.
///
/// ```
/// use nanolith::wire::RemoteError;
/// fn save() -> Result<(), RemoteError> { Err("the disk is full")? }
/// fn run() -> Result<(), Box<dyn std::error::Error>> {
///     save()?;
///     Ok(())
/// }
/// assert_eq!(run().unwrap_err().to_string(), "the disk is full");
/// ```
impl From<RemoteError> for Box<dyn Error> {
    fn from(error: RemoteError) -> Self {
        error.into_boxed()
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        let shown = if f.alternate() { self.sources.as_slice() } else { &[] };
        shown.iter().try_for_each(|source| write!(f, ": {source}"))
    }
}

impl fmt::Debug for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.sources.as_slice() {
            [] => Ok(()),
            [source] => write!(f, "\n\nCaused by:\n    {}", source.replace('\n', "\n    ")),
            sources => {
                f.write_str("\n\nCaused by:")?;
                let mut numbered = sources.iter().enumerate();
                numbered
                    .try_for_each(|(number, source)| write!(f, "\n{number:>5}: {}", source.replace('\n', "\n       ")))
            }
        }
    }
}

/// An error of the chain that [`RemoteError::into_boxed`] makes.
#[derive(Debug)]
struct Link {
    text: String,
    source: Option<Box<Link>>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Drops the sources one after the other. Another process sets the length of the chain, and a drop
/// that recurses could overflow the stack.
impl Drop for Link {
    fn drop(&mut self) {
        let mut source = self.source.take();
        while let Some(mut link) = source {
            source = link.source.take();
        }
    }
}

macro_rules! kinds {
    ($($kind:ident)*) => {
        /// Returns the kind with this name, as its `Debug` prints it.
        fn kind_of(name: &str) -> Option<io::ErrorKind> {
            match name {
                $(stringify!($kind) => Some(io::ErrorKind::$kind),)*
                _ => None,
            }
        }
    };
}

// Those that are stable in Rust 1.85.
kinds! {
    NotFound PermissionDenied ConnectionRefused ConnectionReset HostUnreachable NetworkUnreachable
    ConnectionAborted NotConnected AddrInUse AddrNotAvailable NetworkDown BrokenPipe AlreadyExists
    WouldBlock NotADirectory IsADirectory DirectoryNotEmpty ReadOnlyFilesystem
    StaleNetworkFileHandle InvalidInput InvalidData TimedOut WriteZero StorageFull NotSeekable
    QuotaExceeded FileTooLarge ResourceBusy ExecutableFileBusy Deadlock CrossesDevices TooManyLinks
    ArgumentListTooLong Interrupted Unsupported UnexpectedEof OutOfMemory Other
}
