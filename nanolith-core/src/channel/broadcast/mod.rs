//! A broadcast log: messages that several receivers read, each at its own pace. A messenger stands on one, and so does
//! what a service tells.
//!
//! Messages lie in numbered blocks, in the order in which they were sent. A sender takes the log's lock and fills the next
//! cell. A receiver reads cell after cell and block after block without the lock; it takes it when it finds nothing, looks
//! once more, and sleeps: so no wake-up is missed.
//!
//! Where a receiver stands, senders see without asking; see `stand`. A sender that finds no room leaves its message in line, and
//! whoever makes room sends it in its place, first come first served. A receiver looks whether somebody waits when it has
//! taken all there is, or a whole block: while more is there it is left in peace.
//!
//! `block` is a row of messages, `core` the log under its lock (pure data), which
//! `readers` and `senders` go on with, `line` the senders that wait, `stand` how far a
//! receiver has come, `log` who shares it and how one sends, `receiver` how one reads.
//!
//! No user code runs, and no task is woken, while the lock is held: what comes out of the data ([`state::Chores`]) is carried
//! out after its release, and each receiver clones values for itself.

mod block;
mod blocked_senders;
mod cursor;
mod log;
#[cfg(all(test, not(any(loom, miri))))]
mod model;
mod receiver;
mod receivers;
mod send;
mod state;

pub(crate) use log::{BroadcastChannel, Sending, TrySendError};
pub(crate) use receiver::{Received, Receiver};

use std::num::NonZero;

/// What a receiver costs that does not keep up.
///
/// ```
/// use nanolith::messenger::{Messenger, RecvError, SlowReceiver};
/// let sender = Messenger::<u32>::builder().slow_receiver(SlowReceiver::DropOldest(2)).build()?;
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
pub enum SlowReceiver {
    /// Senders wait for it: no receiver has more than this many messages ahead of it, at least 1.
    ///
    /// A sender that waits hears of room when a receiver has taken all there is for it, or a sixteenth of this number, at
    /// most 64 messages.
    Wait(usize),
    /// It loses the oldest messages, and is told how many: this many of the last are kept, at least 1.
    ///
    /// Of 32 and more, up to a sixteenth more, at most 64 messages, may be kept.
    DropOldest(usize),
    /// Nobody waits and nothing is lost: what it has not received is kept, as far as memory goes.
    Unbounded,
}

impl Default for SlowReceiver {
    /// Senders wait, when it has 1,024 messages ahead of it.
    fn default() -> Self {
        Self::Wait(1_024)
    }
}

impl SlowReceiver {
    /// The number, if there is one.
    pub(crate) fn bound(self) -> Option<usize> {
        match self {
            Self::Wait(bound) | Self::DropOldest(bound) => Some(bound),
            Self::Unbounded => None,
        }
    }
}

/// Who sends, so that its own receivers leave its messages out. Numbers are for the user of a log to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SenderId(pub(crate) Option<NonZero<u64>>);

impl SenderId {
    /// Nobody in particular: for a receiver which leaves nothing out, or a sender which has no receivers of its own.
    pub(crate) const NONE: Self = Self(None);

    /// Whether messages of `from` are kept from receivers of `self`.
    fn is_own(self, from: Self) -> bool {
        self.0.is_some() && self == from
    }
}
