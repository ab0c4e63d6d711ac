//! [`MessageError`]: a message that could not pass between two processes.

use crate::exit::find;
use std::{error::Error, fmt, sync::Arc};

/// A task or an output that could not pass between two processes: the source of
/// [`CallError::Rejected`](nanolith::CallError::Rejected).
///
/// ```standalone_crate
/// use nanolith::prelude::*;
/// use nanolith_process::{MessageError, ProcessPool};
///
/// pub struct Text;
///
/// #[define(wire)]
/// impl Text {
///     pub fn len(text: String) -> usize { text.len() }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Text,)>();
///     let children = ProcessPool::builder().max_message(1024).build()?;
///     let error = Text::on(&children).len("x".repeat(2000)).wait().unwrap_err();
///     let message = MessageError::of(&error).expect("it did not pass");
///     assert!(message.is_too_large());
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError(What);

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Encode(String),
    Decode(String),
    TooLarge(usize),
    NotServed(&'static str),
    Messenger(Arc<str>),
    Remote(String),
}

impl MessageError {
    /// Returns the message error behind an error: a `&CallError`, or another error that has it among its
    /// sources.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find(error)
    }

    pub(crate) fn encode(text: String) -> Self {
        Self(What::Encode(text))
    }

    pub(crate) fn decode(text: String) -> Self {
        Self(What::Decode(text))
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self(What::TooLarge(limit))
    }

    pub(crate) fn not_served(set: &'static str) -> Self {
        Self(What::NotServed(set))
    }

    pub(crate) fn messenger(name: Arc<str>) -> Self {
        Self(What::Messenger(name))
    }

    /// An error of the other process.
    pub(crate) fn remote(text: String) -> Self {
        Self(What::Remote(text))
    }

    /// Returns whether the message is larger than the pool's
    /// [`max_message`](crate::ProcessPoolBuilder::max_message).
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self.0, What::TooLarge(_))
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            What::Encode(text) => write!(f, "a message cannot be encoded: {text}"),
            What::Decode(text) => write!(f, "a message cannot be decoded: {text}"),
            What::TooLarge(limit) => write!(f, "a message is larger than the limit of {limit} bytes"),
            What::NotServed(set) => write!(
                f,
                "children do not serve `{set}`: add it to `nanolith_process::init().serve::<(..)>()` in `main`"
            ),
            What::Messenger(name) => write!(
                f,
                "the messenger `{name}` does not reach a child process: return the messages, or run the call on a `Pool`"
            ),
            What::Remote(text) => f.write_str(text),
        }
    }
}

impl Error for MessageError {}
