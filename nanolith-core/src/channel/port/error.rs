//! How sending and receiving fail. What could not be sent comes back.

use std::{error::Error, fmt};

/// The message was not sent, for the other port is closed. Here it is again.
///
/// ```
/// use nanolith::port::{self, SendError};
/// let (ours, theirs) = port::pair::<&str, ()>();
/// theirs.close();
/// assert_eq!(ours.send("anybody?").wait(), Err(SendError("anybody?")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<S>(pub S);

impl<S> SendError<S> {
    /// The message.
    pub fn into_inner(self) -> S {
        self.0
    }
}

/// The message was not sent at once. Here it is again.
///
/// ```
/// use nanolith::port::{self, TrySendError};
/// let (ours, theirs) = port::bounded::<&str, ()>(1);
/// ours.try_send("first")?;
/// assert_eq!(ours.try_send("second"), Err(TrySendError::Full("second")));
/// theirs.close();
/// assert_eq!(ours.try_send("third").map_err(TrySendError::into_inner), Err("third"));
/// # Ok::<(), TrySendError<&str>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<S> {
    /// There is no room. With a bound of zero: nobody waits to receive it.
    Full(S),
    /// The other port is closed.
    Closed(S),
}

impl<S> TrySendError<S> {
    /// The message.
    pub fn into_inner(self) -> S {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }
}

/// The message was not sent in time. Here it is again.
///
/// ```
/// use nanolith::{port::{self, SendTimeoutError}, time::MILLISECOND};
/// let (ours, theirs) = port::bounded::<&str, ()>(1);
/// ours.send("first").wait()?;
/// let refused = ours.send("second").wait_timeout(MILLISECOND);
/// assert_eq!(refused, Err(SendTimeoutError::Timeout("second")));
/// # drop(theirs);
/// # Ok::<(), port::SendError<&str>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<S> {
    /// There was no room until the time was over.
    Timeout(S),
    /// The other port is closed.
    Closed(S),
}

impl<S> SendTimeoutError<S> {
    /// The message.
    pub fn into_inner(self) -> S {
        match self {
            Self::Timeout(message) | Self::Closed(message) => message,
        }
    }
}

/// No message can come any more: the other port is closed, and all that it sent was received.
///
/// ```
/// use nanolith::port::{self, RecvError};
/// let (ours, theirs) = port::pair::<(), i64>();
/// theirs.try_send(4)?;
/// drop(theirs);
/// assert_eq!((ours.recv().wait(), ours.recv().wait()), (Ok(4), Err(RecvError)));
/// # Ok::<(), port::TrySendError<i64>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// No message is there.
///
/// ```
/// use nanolith::port::{self, TryRecvError};
/// let (ours, theirs) = port::pair::<(), i64>();
/// assert_eq!(ours.try_recv(), Err(TryRecvError::Empty));
/// theirs.close();
/// assert_eq!(ours.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// One may come.
    Empty,
    /// None can come any more: see [`RecvError`].
    Closed,
}

/// No message came in time.
///
/// ```
/// use nanolith::{port::{self, RecvTimeoutError}, time::MILLISECOND};
/// let (ours, theirs) = port::pair::<(), i64>();
/// assert_eq!(ours.recv_timeout(MILLISECOND).wait(), Err(RecvTimeoutError::Timeout));
/// theirs.close();
/// assert_eq!(ours.recv_timeout(MILLISECOND).wait(), Err(RecvTimeoutError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// One may still come.
    Timeout,
    /// None can come any more: see [`RecvError`].
    Closed,
}

impl From<RecvError> for RecvTimeoutError {
    fn from(_: RecvError) -> Self {
        Self::Closed
    }
}

const CLOSED: &str = "the other port is closed";

// Messages need not be `Debug` for their errors to be.

impl<S> fmt::Debug for SendError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for TrySendError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<S> fmt::Debug for SendTimeoutError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "Timeout(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<S> fmt::Display for SendError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl<S> fmt::Display for TrySendError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the port is full",
            Self::Closed(_) => CLOSED,
        })
    }
}

impl<S> fmt::Display for SendTimeoutError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "timed out: the port stayed full",
            Self::Closed(_) => CLOSED,
        })
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the port is empty",
            Self::Closed => CLOSED,
        })
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timed out waiting for a message",
            Self::Closed => CLOSED,
        })
    }
}

impl<S> Error for SendError<S> {}
impl<S> Error for TrySendError<S> {}
impl<S> Error for SendTimeoutError<S> {}
impl Error for RecvError {}
impl Error for TryRecvError {}
impl Error for RecvTimeoutError {}
