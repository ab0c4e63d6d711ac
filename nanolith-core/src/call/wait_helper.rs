//! [`WaitHelper`]: what a thread that blocks for a call does for the executor that runs it.

use std::time::Instant;

/// What a thread that blocks for a call does in place of sleeping, such as reading the answer of
/// another process. So no other thread has to wake it. See
/// [`Reply::help_waits`](crate::task::Reply::help_waits).
pub trait WaitHelper: Send + Sync {
    /// Works until the call is over, until `deadline`, or until there is nothing to do. Then the
    /// thread sleeps until the call is over, as without a helper. A helper that blocks must be sure
    /// that the end of the call ends the block.
    fn help(&self, deadline: Option<Instant>);
}
