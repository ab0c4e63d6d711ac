//! The errors of sending to, receiving from, opening and finding a messenger.

use super::LagPolicy;
use std::{error::Error, fmt, sync::Arc};

/// The error of a send to a closed messenger. It holds the message.
///
/// ```
/// use nanolith::{messenger::{Messenger, SendError}, prelude::*};
/// let messenger = Messenger::new();
/// messenger.close_all();
/// assert_eq!(messenger.send("tea").wait(), Err(SendError("tea")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> SendError<T> {
    /// Returns the message.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the messenger is closed")
    }
}

impl<T> Error for SendError<T> {}

/// The error of a send that cannot happen without waiting. It holds the message.
///
/// ```
/// use nanolith::messenger::{LagPolicy, Messenger, TrySendError};
/// let sender = Messenger::builder().on_lag(LagPolicy::Wait(1)).build()?;
/// let slow = sender.join().subscribe();
/// assert_eq!(sender.try_send("tea"), Ok(1));
/// assert_eq!(sender.try_send("cake"), Err(TrySendError::Full("cake")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// A receiver has no capacity for the message.
    Full(T),
    /// The messenger is closed.
    Closed(T),
}

impl<T> TrySendError<T> {
    /// Returns the message.
    #[must_use]
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }

    /// Returns `true` if a later send may succeed, because a receiver may have capacity then.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_full() { "Full(..)" } else { "Closed(..)" })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_full() { "a receiver has no room" } else { "the messenger is closed" })
    }
}

impl<T> Error for TrySendError<T> {}

macro_rules! receiving {
    ($(#[$doc:meta])* $name:ident { $($(#[$more:meta])* $variant:ident: $text:literal,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$more])* $variant,)?
            /// The subscriber was too slow: this many messages were dropped before it received
            /// them. It continues with the next message.
            Lost(u64),
            /// No more messages will arrive: the messenger or the subscriber's endpoint is closed.
            Closed,
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)?
                    Self::Lost(count) => write!(f, "{count} messages were dropped before they were received"),
                    Self::Closed => f.write_str("the messenger is closed"),
                }
            }
        }

        impl Error for $name {}
    };
}

receiving! {
    /// The error of a receive that got no message.
    ///
    /// ```
    /// use nanolith::{messenger::{LagPolicy, Messenger, RecvError}, prelude::*};
    /// let sender = Messenger::builder().on_lag(LagPolicy::DropOldest(1)).build()?;
    /// let mut slow = sender.join().subscribe();
    /// sender.send("tea").wait()?;
    /// sender.send("cake").wait()?;
    /// assert_eq!(slow.recv().wait(), Err(RecvError::Lost(1)));
    /// assert_eq!(slow.recv().wait(), Ok("cake"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    RecvError {}
}

receiving! {
    /// The error of a receive that found no message now.
    ///
    /// ```
    /// use nanolith::messenger::{Messenger, TryRecvError};
    /// let sender = Messenger::<u32>::new();
    /// let mut receiver = sender.join().subscribe();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// drop(sender); // the last endpoint
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    TryRecvError {
        /// No message has arrived yet.
        Empty: "no message has arrived yet",
    }
}

impl From<RecvError> for TryRecvError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Lost(count) => Self::Lost(count),
            RecvError::Closed => Self::Closed,
        }
    }
}

/// The error of opening a messenger.
///
/// ```
/// use nanolith::messenger::{Messenger, OpenError};
/// let orders = Messenger::<u32>::open("figures")?;
/// let error = Messenger::<String>::open("figures").unwrap_err();
/// assert_eq!(error.to_string(), "the messenger `figures` carries `u32`, not `alloc::string::String`");
/// # Ok::<(), OpenError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The name is in use for messages of another type.
    #[non_exhaustive]
    OtherType {
        /// The name.
        name: Arc<str>,
        /// The type that the caller asked for.
        asked: &'static str,
        /// The type that the messenger carries.
        carries: &'static str,
    },
    /// The name is in use with another policy.
    #[non_exhaustive]
    OtherPolicy {
        /// The name.
        name: Arc<str>,
        /// The policy that the caller asked for.
        asked: LagPolicy,
        /// The policy that the messenger has.
        has: LagPolicy,
    },
    /// The bound is zero, so no message could be sent.
    ZeroBound,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherType { name, asked, carries } => {
                write!(f, "the messenger `{name}` carries `{carries}`, not `{asked}`")
            }
            Self::OtherPolicy { name, asked, has } => {
                write!(f, "the messenger `{name}` is already open with the lag policy `{has:?}`, not `{asked:?}`")
            }
            Self::ZeroBound => f.write_str("the bound of a messenger must be at least 1"),
        }
    }
}

impl Error for OpenError {}

/// The error of a task that does not find a messenger. See
/// [`Context::messenger`](crate::task::Context::messenger).
///
/// ```
/// use nanolith::{messenger::FindError, prelude::*};
/// # pub struct Geometry;
/// # #[define]
/// impl Geometry {
///     pub fn look(cx: &Context<Self>) -> Result<(), FindError> {
///         cx.messenger::<u32>("orders").map(drop)
///     }
/// }
/// let error = Geometry::tasks().look().wait()?.unwrap_err();
/// assert_eq!(error.to_string(), "no messenger `orders` is attached");
/// # Ok::<(), CallError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindError {
    /// No messenger of that name is attached to the call or to its executor.
    #[non_exhaustive]
    NotAttached {
        /// The name that the task asked for.
        name: Arc<str>,
    },
    /// The messenger carries messages of another type.
    #[non_exhaustive]
    OtherType {
        /// The name.
        name: Arc<str>,
        /// The type that the task asked for.
        asked: &'static str,
        /// The type that the messenger carries.
        carries: &'static str,
    },
}

impl fmt::Display for FindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAttached { name } => write!(f, "no messenger `{name}` is attached"),
            Self::OtherType { name, asked, carries } => {
                write!(f, "the messenger `{name}` carries `{carries}`, not `{asked}`")
            }
        }
    }
}

impl Error for FindError {}
