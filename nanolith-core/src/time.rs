//! Waiting for time to pass, on any executor: one timer thread serves all.

use crate::timer::{self, Alarm, Key};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// A thousandth of a second.
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// One second.
pub const SECOND: Duration = Duration::from_secs(1);
/// Sixty seconds.
pub const MINUTE: Duration = Duration::from_secs(60);
/// Sixty minutes.
pub const HOUR: Duration = Duration::from_secs(3600);

/// Ends after `duration`, counted from this call. Within an `async` task it holds no slot of the pool.
///
/// ```
/// use nanolith_core::time::{sleep, MILLISECOND};
/// use std::time::Instant;
/// let began = Instant::now();
/// sleep(5 * MILLISECOND).wait();
/// assert!(began.elapsed() >= 5 * MILLISECOND);
/// ```
///
/// # Cancel safety
///
/// Dropping it takes the timer back.
///
/// # Panics
///
/// The first timer of a program panics if the system gives no thread to serve it.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { due: Instant::now().checked_add(duration), armed: None }
}

/// A future that ends when its time has come; made by [`sleep`].
#[derive(Debug)]
#[must_use = "does nothing until awaited or waited on"]
pub struct Sleep {
    /// `None`: further away than the clock can tell, so never.
    due: Option<Instant>,
    armed: Option<Key>,
}

impl Sleep {
    /// Blocks until the time has come. Within a task, the slot is released meanwhile.
    pub fn wait(self) {
        // A sleep has no host that could wait for us: the wait cannot deadlock.
        let _ = crate::wait::block_on(self, None);
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else { return Poll::Pending };
        if due <= Instant::now() {
            return Poll::Ready(());
        }
        if !self.armed.is_some_and(|key| timer::rewake(key, cx.waker())) {
            self.armed = Some(timer::arm(due, Alarm::Wake(cx.waker().clone())));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.armed {
            timer::disarm(key);
        }
    }
}

/// The time was over before the future was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is over")
    }
}

impl Error for Elapsed {}

/// Gives `future` this long, counted from the first poll.
///
/// ```
/// use nanolith_core::time::{timeout, Elapsed, MILLISECOND};
/// let never = std::future::pending::<()>();
/// # pollster::block_on(async {
/// assert_eq!(timeout(MILLISECOND, never).await, Err(Elapsed));
/// # });
/// ```
///
/// # Errors
///
/// [`Elapsed`] when the time was over first; the future is dropped.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut limit = pin!(sleep(limit));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        ready!(limit.as_mut().poll(cx));
        Poll::Ready(Err(Elapsed))
    })
    .await
}
