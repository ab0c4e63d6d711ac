//! [`blocked_async_threads`]: the stream of blocking waits on threads of an async runtime.

use super::Events;
use crate::context::blocked_async_thread;
pub use crate::context::blocked_async_thread::BlockedAsyncThread;

/// Returns a stream of the blocking waits that hold up a thread of a tokio runtime, in this process
/// from now on. Needs the cargo feature `tokio`.
///
/// `.wait()`, `.wait_timeout(d)`, and `.submit()` on a full queue block their thread. On a thread of
/// an async runtime this stops the other tasks of that thread. A wait is reported once, when it has
/// lasted 10 ms, while it still blocks. So a wait that never ends is reported too.
///
/// A subscriber that takes no reports keeps 256 of them, and misses later ones. Read the stream on a
/// thread of its own: a task of the blocked runtime may not get to run.
///
/// ```
/// use nanolith::{event, port, prelude::*, time::MILLISECOND};
/// let mut blocked = event::blocked_async_threads();
/// let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// runtime.block_on(async {
///     let (port, _other) = port::pair::<i64, i64>();
///     assert!(port.recv().wait_timeout(20 * MILLISECOND).is_err()); // should be awaited
/// });
/// let report = blocked.recv().wait().expect("the stream does not end");
/// assert_eq!(report.location().line(), line!() - 3);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # What is reported though it is no fault
///
/// A thread counts as one of a runtime if `tokio::runtime::Handle::try_current` returns a handle
/// there. That also holds for the threads of `spawn_blocking`, within `block_in_place`, and within
/// the guard of `Handle::enter`, where blocking is allowed. Their waits are reported too. The
/// threads of pools and services are left out, whichever runtime they have entered by `.tokio(..)`:
/// a task that blocks there lends its slot to other tasks.
///
/// # What is not reported
///
/// Waits under a [`MockClock`](crate::time::MockClock) and in a simulation are not reported. A wait
/// that runs work on its own thread is reported after it has ended: one that drives a
/// [`Local`](crate::local::Local), or reads the answer of a child process.
///
/// # Cost
///
/// Without a subscription, a wait that goes to sleep reads one flag. After the first subscription,
/// it also reads the clock, and a wait of more than 10 ms wakes up once.
pub fn blocked_async_threads() -> Events<BlockedAsyncThread> {
    Events::new(blocked_async_thread::subscribe())
}
