//! The methods that drive a `Local`, an executor without threads, along a mock clock, for tests of
//! delays and expirations.

use super::{Local, RunReport};
use crate::time::MockClock;
use std::time::Duration;

impl Local {
    /// Moves the clock forward by `by`, from alarm to alarm, and runs the work that is due at each
    /// alarm. The effect is that of a thread that drives all the time. Returns the sum of the
    /// turns.
    ///
    /// To move the clock without driving, and see what expires, use [`MockClock::advance`]. To run
    /// a number of tasks, call [`run_one`](Self::run_one) that often. To run expired work only, use
    /// [`run_expired`](Self::run_expired).
    ///
    /// ```
    /// use nanolith::{Local, prelude::*, time::{HOUR, MILLISECOND, MockClock, sleep}};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub async fn add_in_an_hour(x: i64, y: i64) -> i64 { sleep(HOUR).await; x + y }
    /// }
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let local = Local::new();
    ///     let job = Geometry::on(&local).add_in_an_hour(4, 5).submit();
    ///     local.advance(&clock, HOUR - MILLISECOND);
    ///     assert!(!job.is_finished());
    ///     local.advance(&clock, MILLISECOND);
    ///     assert_eq!(job.wait()?, 9);
    /// #   Ok::<(), CallError>(())
    /// })?;
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn advance(&self, clock: &MockClock, by: Duration) -> RunReport {
        let end = clock.elapsed_after(by);
        let mut turn = self.run_until_idle();
        loop {
            let left = end.saturating_sub(clock.elapsed());
            match clock.next_alarm().filter(|until| *until <= left) {
                Some(_) => drop(clock.advance_to_next()),
                None if left.is_zero() => return turn,
                None => clock.advance(left),
            }
            turn = turn.then(self.run_until_idle());
            if turn.busy {
                return turn;
            }
        }
    }

    /// Runs all work, including delayed work: when there is no work to run, moves the clock to its
    /// next alarm. Returns when no alarm is left. So this never returns if a task repeats without
    /// end; use [`advance`](Self::advance) for that.
    ///
    /// ```
    /// use nanolith::{Local, prelude::*, time::{HOUR, MockClock, sleep}};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub async fn add_in_hours(hours: u32, y: i64) -> i64 { sleep(hours * HOUR).await; i64::from(hours) + y }
    /// }
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let local = Local::new();
    ///     let geometry = Geometry::on(&local);
    ///     let jobs = [4, 400].map(|hours| geometry.add_in_hours(hours, 5).submit());
    ///     local.flush_all(&clock); // takes microseconds
    ///     assert!(jobs.iter().all(|job| job.is_finished()));
    ///     assert_eq!(clock.elapsed(), 400 * HOUR);
    /// });
    /// ```
    pub fn flush_all(&self, clock: &MockClock) -> RunReport {
        let mut turn = self.run_until_idle();
        while !turn.busy && clock.advance_to_next() {
            turn = turn.then(self.run_until_idle());
        }
        turn
    }
}
