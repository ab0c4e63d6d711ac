//! A broadcast log: a sequence of messages that several receivers read, each at its own pace.
//! Messengers are built on it, and services send their messages through messengers.
//!
//! Messages are in numbered blocks, in the order in which they were sent. A sender takes the log's
//! lock and fills the next cell. A receiver reads cell after cell and block after block without the
//! lock. When it finds no message, it takes the lock, looks once more, and sleeps. So it misses no
//! wake-up.
//!
//! Each receiver publishes its position, so senders read it without asking the receiver: see
//! `cursor`. A sender that finds a receiver full leaves its message in the line of blocked senders.
//! The caller that frees capacity sends that message, first come first served. A receiver looks for
//! blocked senders when it has taken all messages, or a whole block; while the block holds more
//! messages, it does not look.
//!
//! - `block` is a row of messages.
//! - `state` is the log under its lock, as pure data; `receivers` and `send` continue it.
//! - `blocked_senders` is the line of senders that wait.
//! - `cursor` is the published position of a receiver.
//! - `broadcast_channel` is the lock around the state, and the future that sends.
//! - `receiver` is the handle that reads.
//!
//! No user code runs, and no task is woken, while the lock is held. The state hands out wake-ups
//! and drops as [`state::Chores`], which are carried out after the lock's release. Each receiver
//! clones values for itself, outside the lock.

mod block;
mod blocked_senders;
mod broadcast_channel;
mod cursor;
#[cfg(all(test, not(any(loom, miri))))]
mod log_model;
mod receiver;
mod receivers;
mod send;
mod state;

pub(crate) use broadcast_channel::{BroadcastChannel, SendFuture, TrySendError};
pub(crate) use receiver::{Received, Receiver};

use crate::util::ordered_map::NumericKey;
use std::num::NonZero;

/// The behavior when a receiver falls behind.
///
/// ```
/// use nanolith::{messenger::{LagPolicy, Messenger, RecvError}, prelude::*};
/// let sender = Messenger::<u32>::builder().on_lag(LagPolicy::DropOldest(2)).build()?;
/// let mut slow = sender.join().subscribe();
/// for n in 0..5 {
///     sender.send(n).wait()?;
/// }
/// assert_eq!(slow.recv().wait(), Err(RecvError::Lost(3)));
/// assert_eq!(slow.recv().wait(), Ok(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LagPolicy {
    /// Senders wait, so that no receiver has more than this many messages ahead of it. The number
    /// must be at least 1.
    ///
    /// A waiting sender is notified when a receiver has taken all messages that are there for it.
    /// It is also notified when a receiver has taken a sixteenth of this number, at most 64
    /// messages.
    Wait(usize),
    /// The receiver loses the oldest messages, and its next receive reports how many. This many of
    /// the last messages are kept; the number must be at least 1.
    ///
    /// With 32 and more, up to a sixteenth more messages, at most 64, may be kept.
    DropOldest(usize),
    /// Senders do not wait and no message is lost. Messages that the receiver has not received are
    /// kept, up to the available memory.
    Unbounded,
}

impl Default for LagPolicy {
    /// Returns `Wait(1_024)`: senders wait when a receiver has 1,024 messages ahead of it.
    fn default() -> Self {
        Self::Wait(1_024)
    }
}

impl LagPolicy {
    /// Returns the policy's number of messages, if it has one.
    pub(crate) fn bound(self) -> Option<usize> {
        match self {
            Self::Wait(bound) | Self::DropOldest(bound) => Some(bound),
            Self::Unbounded => None,
        }
    }
}

/// The identity of a sender. A sender's own receivers skip its messages. The user of a log assigns
/// the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SenderId(pub(crate) Option<NonZero<u64>>);

impl SenderId {
    /// No identity: for a receiver that skips no messages, or a sender without receivers of its
    /// own.
    pub(crate) const NONE: Self = Self(None);

    /// Returns `true` if receivers of `self` skip messages of `from`.
    fn is_own(self, from: Self) -> bool {
        self.0.is_some() && self == from
    }
}

impl NumericKey for SenderId {
    fn to_number(self) -> u128 {
        self.0.map_or(0, NonZero::get).into()
    }

    fn from_number(number: u128) -> Self {
        Self(NonZero::new(number as u64))
    }
}
