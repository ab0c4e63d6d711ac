//! [`MockClock`]: a clock that tests move by hand, for code that waits for hours.

use super::{
    clock::{self, VirtualClock},
    timer,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A clock for tests, which moves only when a test [advances](MockClock::advance) it: a wait of
/// hours takes microseconds.
///
/// The clock applies within [`MockClock::run`], or while the guard of [`MockClock::enter`] lives.
/// It applies to that thread and to the threads of the pools and services that are built there.
/// Sleeps, timeouts, deadlines, delays and expirations all use it. [`std::time::Instant::now`] does
/// not, so use [`now`](crate::time::now). Clones are handles of the same clock. The global pool
/// always uses the system's time.
///
/// ```
/// use nanolith::{prelude::*, time::{HOUR, MockClock, sleep}};
/// # pub struct Geometry;
/// # #[define]
/// impl Geometry {
///     pub async fn add_in_an_hour(x: i64, y: i64) -> i64 { sleep(HOUR).await; x + y }
/// }
/// let clock = MockClock::new();
/// clock.run(|| {
///     let pool = Pool::builder().build()?;
///     let job = Geometry::on(&pool).add_in_an_hour(4, 5).submit();
///     while !clock.advance_to_next() { std::thread::yield_now() } // until the task sleeps
///     assert_eq!(job.wait()?, 9);
///     assert_eq!(clock.elapsed(), HOUR);
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What leaves it
///
/// Objects made under the clock keep it, wherever they are awaited: a pool, a service, a schedule,
/// a [`sleep`](crate::time::sleep), the limit of a receive. A [`timeout`](crate::time::timeout)
/// counts as made at its first poll. So a handle or a future may leave [`MockClock::run`], and ends
/// when a handle of the clock moves it.
///
/// ```
/// use nanolith::{prelude::*, time::{HOUR, MockClock, sleep}};
/// let clock = MockClock::new();
/// let nap = clock.run(|| sleep(HOUR));
/// clock.advance(HOUR);
/// nap.wait(); // by the system's clock it takes no time
/// ```
///
/// Without a handle the clock does not move again. A wait on it then does not end; a delayed call
/// ends as [`CallError::Lost`](crate::error::CallError::Lost).
///
/// # The end of time
///
/// The clock ends 500 years after its start. A sleep, timeout, delay or period beyond that end
/// never elapses, however far the clock is moved; `Duration::MAX` is always beyond it. The system's
/// clock and the clock of a [simulation](mod@crate::sim) treat such durations alike.
#[derive(Clone, Debug)]
pub struct MockClock {
    hands: Arc<Hands>,
}

/// The clock itself. The alarms that are armed on it are dropped with its last handle.
#[derive(Debug)]
struct Hands(Arc<VirtualClock>);

impl Drop for Hands {
    fn drop(&mut self) {
        timer::forget(&self.0);
    }
}

impl Default for MockClock {
    fn default() -> Self {
        Self::new()
    }
}

impl MockClock {
    /// Creates a clock that moves only by its handles.
    #[must_use]
    pub fn new() -> Self {
        Self { hands: Arc::new(Hands(VirtualClock::new())) }
    }

    fn source(&self) -> &Arc<VirtualClock> {
        &self.hands.0
    }

    /// Runs `f` with this clock as the time of this thread. Objects that `f` makes [keep the
    /// clock](MockClock#what-leaves-it) afterwards.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        f()
    }

    /// Makes this clock the time of this thread, until the guard is dropped.
    ///
    /// ```
    /// use nanolith::time::{HOUR, MockClock, now};
    /// let clock = MockClock::new();
    /// let _guard = clock.enter();
    /// let begun = now();
    /// clock.advance(HOUR);
    /// assert_eq!(begun.elapsed().as_secs(), 0, "the system's clock says nothing of it");
    /// assert_eq!(now() - begun, HOUR);
    /// ```
    pub fn enter(&self) -> ClockGuard {
        ClockGuard { _entered: clock::enter(Some(self.source().clone())), _clock: self.clone() }
    }

    /// Moves the clock forward by `by`, from alarm to alarm. Each alarm fires on this thread, at
    /// its own time.
    ///
    /// The clock stops [500 years](MockClock#the-end-of-time) after its start, so a longer move
    /// fires all alarms up to then. A schedule makes each of its ticks on the way, which takes long
    /// if they are many; a [`jump`](MockClock::jump) only counts them.
    ///
    /// Tasks that an alarm wakes run on other threads, perhaps later. If such a task then arms an
    /// alarm for a time that has passed, that alarm fires with the next move. When this returns,
    ///
    /// - calls whose deadline has come have ended, and calls whose delay is over have gone to their
    ///   executor;
    /// - sleepers are woken, and may not have run yet;
    /// - each tick of an [`every`](crate::schedule::every) is counted in its schedule's
    ///   [`info`](crate::schedule::Schedule::info) as run or missed. Its call is made on the global
    ///   pool, and may not have been made yet. To await the call, use
    ///   [`on_outcome`](crate::schedule::Plan::on_outcome).
    ///
    /// ```
    /// use nanolith::{prelude::*, schedule::every, time::{MockClock, SECOND}};
    /// # use nanolith_doc_sets::*;
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let (has_run, runs) = std::sync::mpsc::channel();
    ///     let schedule = every(SECOND, Geometry::tasks(), |geometry| geometry.add(4, 5))
    ///         .on_outcome(move |sum| drop(has_run.send(sum)))
    ///         .start()?;
    ///     clock.advance(SECOND);
    ///     assert_eq!(schedule.info().runs, 1); // the beat is counted
    ///     assert_eq!(runs.recv()??, 9); // its call is over
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&self, by: Duration) {
        let _entered = self.enter();
        let end = self.source().saturating_after(by);
        while timer::move_to_next(self.source(), Some(end)) {}
        self.source().move_to(end);
    }

    /// Moves the clock forward in one step, like a sleep of the whole machine: alarms that became
    /// due meanwhile fire late. The clock stops at its end like in [`advance`](MockClock::advance).
    ///
    /// ```
    /// use nanolith::{prelude::*, schedule::every, time::{HOUR, MockClock, SECOND}};
    /// # use nanolith_doc_sets::*;
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let schedule = every(SECOND, Geometry::tasks(), |geometry| geometry.add(4, 5)).start()?;
    ///     clock.jump(HOUR);
    ///     assert_eq!((schedule.info().runs, schedule.info().missed), (1, 3_599));
    ///     Ok::<(), nanolith::pool::BuildError>(())
    /// })?;
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn jump(&self, by: Duration) {
        let _entered = self.enter();
        self.source().move_to(self.source().saturating_after(by));
        while timer::ring_next(self.source()) {}
    }

    /// Moves the clock to the next alarm, and fires it. Returns false, and moves nothing, if there
    /// is none before the clock's end.
    ///
    /// A sleep, a time limit, a delay and a schedule each arm an alarm. So does a task that runs on
    /// after its call has timed out, until it returns: the alarm reports it
    /// ([`PoolEvent::Overrun`](crate::pool::PoolEvent::Overrun)).
    pub fn advance_to_next(&self) -> bool {
        let _entered = self.enter();
        timer::move_to_next(self.source(), None)
    }

    /// Returns how far the clock was moved so far: 500 years at most.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.source().elapsed()
    }

    /// Returns how far the clock will have been moved after a move by `by`.
    pub(crate) fn elapsed_after(&self, by: Duration) -> Duration {
        let (now, end) = (self.source().instant(), self.source().saturating_after(by));
        self.elapsed() + end.saturating_duration_since(now)
    }

    /// Returns the calendar time, which cron expressions use.
    ///
    /// At the beginning it is the first moment of 2000 in universal time, a Saturday.
    ///
    /// ```
    /// use nanolith::time::{HOUR, MockClock};
    /// use std::time::SystemTime;
    /// let clock = MockClock::new();
    /// clock.set_wall(SystemTime::UNIX_EPOCH + 20 * HOUR);
    /// clock.advance(HOUR);
    /// assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + 21 * HOUR);
    /// ```
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        self.source().wall()
    }

    /// Sets the calendar time, and moves no alarm, like a change of the system's clock. A time
    /// before 1970 counts as 1970.
    pub fn set_wall(&self, wall: SystemTime) {
        self.source().set_wall(wall);
    }

    /// Returns the time until the next alarm fires; `None` if there is none before the clock's end.
    #[must_use]
    pub fn next_alarm(&self) -> Option<Duration> {
        timer::next_due(self.source()).map(|due| due.saturating_duration_since(self.source().instant()))
    }
}

/// The guard returned by [`MockClock::enter`]. Dropping it restores the thread's former clock.
#[derive(Debug)]
#[must_use = "the clock is left when this is dropped"]
pub struct ClockGuard {
    _entered: clock::ClockGuard,
    _clock: MockClock,
}
