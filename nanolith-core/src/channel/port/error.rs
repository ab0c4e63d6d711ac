//! The errors of sending to and receiving from a port. Errors of sending return the message.

use std::{error::Error, fmt};

/// The error of a send to a closed port. It holds the message.
///
/// ```
/// use nanolith::{port::{self, SendError}, prelude::*};
/// let (ours, theirs) = port::pair::<&str, ()>();
/// theirs.close();
/// assert_eq!(ours.send("anyone?").wait(), Err(SendError("anyone?")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<S>(pub S);

impl<S> SendError<S> {
    /// Returns the message.
    pub fn into_inner(self) -> S {
        self.0
    }
}

/// The error of a send that cannot happen without waiting. It holds the message.
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
    /// The queue is full. With a bound of zero, no receiver waits for a message.
    Full(S),
    /// The other port is closed.
    Closed(S),
}

impl<S> TrySendError<S> {
    /// Returns the message.
    pub fn into_inner(self) -> S {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }
}

/// The error of a receive after which no message can arrive: the other port is closed, and all
/// messages that it sent were received.
///
/// ```
/// use nanolith::{port::{self, RecvError}, prelude::*};
/// let (ours, theirs) = port::pair::<(), i64>();
/// theirs.try_send(4)?;
/// drop(theirs);
/// assert_eq!((ours.recv().wait(), ours.recv().wait()), (Ok(4), Err(RecvError)));
/// # Ok::<(), port::TrySendError<i64>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// The error of a receive that found no message.
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
    /// A message may still arrive.
    Empty,
    /// No message can arrive any more: see [`RecvError`].
    Closed,
}

const CLOSED: &str = "the other port is closed";

// `Debug` is implemented by hand, so that the errors are `Debug` for messages that are not.

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

impl<S> Error for SendError<S> {}
impl<S> Error for TrySendError<S> {}
impl Error for RecvError {}
impl Error for TryRecvError {}
