//! [`MainGuard`]: the guard in `main` that waits for the calls and services that keep the program
//! alive.

use crate::{context::block_on, time::clock, wake::keep_alive};
use std::{error::Error, fmt, future::poll_fn, pin::pin, thread, time::Duration};

/// Returns a guard that holds `main` until all calls and services under `keep_alive(true)` are
/// done. Create it in `main` before all else, so that it is dropped last.
///
/// A program ends when `main` returns, whatever its threads are doing. This guard is the only part
/// of this library that holds `main`.
///
/// ```
/// use nanolith::{prelude::*, sync::main_guard, time::SECOND};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// fn main() {
///     let _guard = main_guard().limit(10 * SECOND);
///     Geometry::tasks().add(4, 5).keep_alive(true).submit().detach();
/// } // here it waits until the sum is there, ten seconds at most
/// ```
#[must_use = "`main` is held where this is dropped: `let _guard = main_guard();`"]
pub fn main_guard() -> MainGuard {
    MainGuard { limit: None, is_armed: true }
}

/// A guard that waits when it is dropped, returned by [`main_guard`]. While a panic unwinds, the
/// guard does not wait.
#[derive(Debug)]
#[must_use = "`main` is held where this is dropped: `let _guard = main_guard();`"]
pub struct MainGuard {
    limit: Option<Duration>,
    is_armed: bool,
}

impl MainGuard {
    /// Sets the longest time to wait. By default there is no limit.
    ///
    /// ```
    /// # use nanolith::{prelude::*, sync::main_guard, time::SECOND};
    /// let _guard = main_guard().limit(10 * SECOND);
    /// ```
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Waits now instead of on drop, and returns the result.
    ///
    /// ```standalone_crate
    /// # use nanolith::{prelude::*, sync::main_guard, time::MILLISECOND};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter { pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total } }
    /// let guard = main_guard().limit(MILLISECOND);
    /// let counter = Counter::service(Counter { total: 10 }).keep_alive(true).launch().wait()?;
    /// assert_eq!(guard.join().map_err(|still| still.count), Err(1)); // the service is still open
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MainGuardTimeoutError`] if the limit was reached first.
    #[cfg_attr(feature = "tokio", track_caller)]
    pub fn join(mut self) -> Result<(), MainGuardTimeoutError> {
        self.is_armed = false;
        wait_until_done(self.limit)
    }
}

impl Drop for MainGuard {
    fn drop(&mut self) {
        if self.is_armed && !thread::panicking() {
            // A caller that needs the result calls `join`.
            let _ = wait_until_done(self.limit);
        }
    }
}

/// The error of [`MainGuard::join`]: calls or services still kept the program alive when the limit
/// was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MainGuardTimeoutError {
    /// The number of these calls and services.
    pub count: usize,
}

impl fmt::Display for MainGuardTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timed out with {} keep-alive calls or services still running", self.count)
    }
}

impl Error for MainGuardTimeoutError {}

#[cfg_attr(feature = "tokio", track_caller)]
fn wait_until_done(limit: Option<Duration>) -> Result<(), MainGuardTimeoutError> {
    let deadline = limit.and_then(clock::after);
    let mut waiter = keep_alive::waiter();
    let done = pin!(poll_fn(|cx| keep_alive::poll_none(&mut waiter, cx)));
    let done = block_on::block_on_any_until(done, deadline);
    // A call or service that was done at the moment of the limit counts as done.
    match (done, keep_alive::count()) {
        (None, count @ 1..) => Err(MainGuardTimeoutError { count }),
        _ => Ok(()),
    }
}
