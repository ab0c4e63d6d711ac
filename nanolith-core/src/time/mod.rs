//! Time: sleeping, timeouts and mock clocks, for any executor. One timer thread serves the process.
//!
//! ```
//! use nanolith::time::{MILLISECOND, SECOND, sleep, timeout};
//! # pollster::block_on(async {
//! sleep(5 * MILLISECOND).await;
//! assert!(timeout(SECOND, async { 4 + 5 }).await.is_ok());
//! # });
//! ```

pub(crate) mod clock;
pub(crate) mod coarse;
pub(crate) mod mock;
pub(crate) mod timer;

pub use mock::{ClockGuard, MockClock};

use clock::VirtualClock;
use std::{
    error::Error,
    fmt,
    future::{self, Future},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use timer::{Key, TimerAction};

/// One millisecond.
///
/// ```
/// use nanolith::time::{MILLISECOND, SECOND};
/// assert_eq!(1_000 * MILLISECOND, SECOND);
/// ```
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// One second.
///
/// ```
/// use nanolith::time::{MINUTE, SECOND};
/// assert_eq!(60 * SECOND, MINUTE);
/// ```
pub const SECOND: Duration = Duration::from_secs(1);
/// Sixty seconds.
///
/// ```
/// use nanolith::time::{HOUR, MINUTE};
/// assert_eq!(60 * MINUTE, HOUR);
/// ```
pub const MINUTE: Duration = Duration::from_secs(60);
/// Sixty minutes.
///
/// ```
/// use nanolith::time::HOUR;
/// assert_eq!(24 * HOUR, std::time::Duration::from_secs(86_400));
/// ```
pub const HOUR: Duration = Duration::from_secs(3600);

/// Returns the current time: by the [`MockClock`] that this thread has entered, else by the
/// system's clock.
///
/// ```
/// use nanolith::time::{HOUR, MockClock, now};
/// let clock = MockClock::new();
/// clock.run(|| {
///     let before = now();
///     clock.advance(HOUR);
///     assert_eq!(now() - before, HOUR);
/// });
/// ```
#[must_use]
pub fn now() -> Instant {
    clock::instant()
}

/// Waits until `duration` has passed, counted from this call, by the clock of the calling thread.
///
/// Within an `async` task the wait holds no slot of the pool. With `Duration::MAX`, or another
/// duration that lies beyond the [end of the clock](MockClock#the-end-of-time), the future never
/// completes.
///
/// ```
/// use nanolith::{prelude::*, time::{MILLISECOND, sleep}};
/// # pub struct Geometry;
/// # #[define]
/// impl Geometry {
///     pub async fn wait_then_add(x: i64, y: i64) -> i64 {
///         sleep(5 * MILLISECOND).await;
///         x + y
///     }
/// }
/// assert_eq!(Geometry::tasks().wait_then_add(4, 5).wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// A sleep made in a [simulation](crate::sim::Simulation#what-leaves-a-simulation) completes when
/// the simulation ends, at the latest.
///
/// # Cancel safety
///
/// Dropping the future disarms the timer.
///
/// # Without a timer thread
///
/// The program may have no executor yet while the system cannot start the timer's thread. Then the
/// future asks to be polled again at once, until its time has come.
/// [`Wait::wait`](crate::context::Wait::wait) needs no timer.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { due: clock::after(duration), source: clock::source(), armed: None }
}

/// The future returned by [`sleep`]. It completes when its time has come.
///
/// ```
/// use nanolith::{prelude::*, time::{MILLISECOND, Sleep, sleep}};
/// let nap: Sleep = sleep(MILLISECOND);
/// # pollster::block_on(async {
/// nap.await; // or `nap.wait()`, which blocks
/// # });
/// ```
#[derive(Debug)]
#[must_use = "does nothing until awaited or waited on"]
pub struct Sleep {
    /// The moment when the sleep ends; `None` for never.
    pub(crate) due: Option<Instant>,
    /// The clock under which the sleep was made; `None` for the system's.
    source: Option<Arc<VirtualClock>>,
    armed: Option<Key>,
}

impl Sleep {
    /// Returns whether the sleep's clock is this thread's.
    pub(crate) fn is_of_this_thread(&self) -> bool {
        let number = |source: &Option<Arc<VirtualClock>>| source.as_ref().map(|source| source.number());
        number(&self.source) == number(&clock::source())
    }

    /// Returns whether the sleep is over: its time has come, or its clock's simulation has ended.
    pub(crate) fn is_past(&self) -> bool {
        let source = self.source.as_deref();
        source.is_some_and(VirtualClock::is_over) || self.due.is_some_and(|due| due <= clock::instant_by(source))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_past() {
            return Poll::Ready(());
        }
        // A sleep that never ends still waits for the end of its clock's simulation.
        let Some(due) = self.due.or_else(|| self.source.is_some().then(clock::never)) else { return Poll::Pending };
        if !self.armed.is_some_and(|key| timer::set_waker(key, cx.waker())) {
            let alarm = TimerAction::Wake(cx.waker().clone());
            self.armed = Some(timer::arm_by(self.source.as_deref(), due, alarm));
        }
        if self.source.is_none() && timer::start().is_err() {
            cx.waker().wake_by_ref();
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

/// A time limit that counts from its creation. The timer is armed at the first poll.
#[derive(Debug)]
pub(crate) struct Limit(Sleep);

impl Limit {
    pub(crate) fn new(limit: Duration) -> Self {
        Self(sleep(limit))
    }

    /// Polls the limit, for futures.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// The error of [`timeout`]: the time passed before the future completed.
///
/// ```
/// use nanolith::time::Elapsed;
/// assert_eq!(Elapsed.to_string(), "deadline has elapsed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl Error for Elapsed {}

/// Runs `future` for at most `limit`, counted from the first poll. `Duration::ZERO` allows one
/// poll, `Duration::MAX` sets no limit.
///
/// ```
/// use nanolith::time::{Elapsed, MILLISECOND, MINUTE, timeout};
/// # pollster::block_on(async {
/// assert_eq!(timeout(MILLISECOND, std::future::pending::<()>()).await, Err(Elapsed));
/// assert_eq!(timeout(MINUTE, async { 9 }).await, Ok(9));
/// # });
/// ```
///
/// For a call, use [`Call::timeout`](crate::typed::Call::timeout), which also asks the task to
/// stop.
///
/// # Errors
///
/// Returns [`Elapsed`] if the time passes first; the future is dropped.
///
/// # Cancel safety
///
/// Dropping it drops the future and disarms the timer.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut limit = pin!(sleep(limit));
    future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        ready!(limit.as_mut().poll(cx));
        Poll::Ready(Err(Elapsed))
    })
    .await
}
