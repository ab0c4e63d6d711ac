//! The methods with which a host's loop runs the work of a `Local`, such as `run_for`, and the
//! [`RunReport`] that they return.

use super::{Local, driver::StopCondition};
use crate::time::clock;
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The report of a turn: driving a [`Local`] for a while.
///
/// ```
/// use nanolith::{Local, prelude::*, time::MILLISECOND};
/// # use nanolith_doc_sets::*;
/// let local = Local::new();
/// let job = Geometry::on(&local).add(4, 5).submit();
/// let turn = local.run_for(8 * MILLISECOND);
/// assert_eq!((turn.ran(), turn.has_work(), turn.is_busy()), (1, false, false));
/// # drop(job);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunReport {
    pub(super) ran: usize,
    pub(super) has_work: bool,
    pub(super) next_alarm: Option<Duration>,
    pub(super) busy: bool,
}

impl RunReport {
    pub(super) fn busy() -> Self {
        Self { busy: true, ..Self::default() }
    }

    /// Returns the report of this turn and the `next` turn together.
    pub(super) fn then(self, next: Self) -> Self {
        Self { ran: self.ran + next.ran, ..next }
    }

    /// Returns the number of tasks that ran: calls that began, and futures that continued. Calls
    /// that a task ran while it waited for them do not count.
    #[must_use]
    pub fn ran(&self) -> usize {
        self.ran
    }

    /// Returns whether there may be more work to run. If so, drive again soon: the host is not
    /// notified of this work in another way, only of work that arrives when none was left.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.has_work
    }

    /// Returns the time until the next timer of the same clock fires, or `None` if there is none. A
    /// host can sleep until then. The work that a timer brings also calls the handler of
    /// [`on_work`](Local::on_work).
    #[must_use]
    pub fn next_alarm(&self) -> Option<Duration> {
        self.next_alarm
    }

    /// Returns whether no work was run because the `Local` is driven already: by another thread, or
    /// by the thread whose task called this.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy
    }
}

impl Local {
    /// Runs work in order of expiration, until `budget` is used or no work is left. Does not wait.
    ///
    /// Expired work runs even beyond the budget, because it has waited long enough. So a budget of
    /// zero runs expired work only. A task is never interrupted; a long task asks
    /// [`should_yield`](crate::task::Context::should_yield).
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*, time::MILLISECOND};
    /// # use nanolith::time::MockClock;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn draw(clock: MockClock) { clock.advance(3 * MILLISECOND) } // takes 3 ms
    /// }
    /// # let clock = MockClock::new();
    /// # clock.run(|| {
    /// let local = Local::new();
    /// let geometry = Geometry::on(&local);
    /// # let jobs: Vec<_> =
    /// (0..3).map(|_| geometry.draw(clock.clone()).submit()).collect();
    /// let turn = local.run_for(5 * MILLISECOND);
    /// assert_eq!((turn.ran(), turn.has_work()), (2, true));
    /// # });
    /// ```
    pub fn run_for(&self, budget: Duration) -> RunReport {
        self.inner().turn(|| StopCondition::Late(clock::now().saturating_add(clock::nanos(budget))))
    }

    /// Runs work in order of expiration, until `deadline` or until no work is left.
    ///
    /// A task that begins before the deadline may end after it. A task that asks
    /// [`should_yield`](crate::task::Context::should_yield) ends at most a
    /// [slice](super::LocalBuilder::slice) later. So a host that must not be late subtracts the
    /// slice from its deadline. Expired work runs even after the deadline, as in
    /// [`run_for`](Self::run_for). Work of [`Priority::Idle`](crate::meta::Priority::Idle) expires
    /// after 12 days.
    ///
    /// ```
    /// # use nanolith::Local;
    /// let local = Local::new();
    /// let next_frame = std::time::Instant::now() + std::time::Duration::from_millis(8);
    /// assert_eq!(local.run_until_deadline(next_frame).ran(), 0);
    /// ```
    pub fn run_until_deadline(&self, deadline: Instant) -> RunReport {
        self.inner().turn(|| {
            let left = deadline.saturating_duration_since(clock::instant());
            StopCondition::Late(clock::now().saturating_add(clock::nanos(left)))
        })
    }

    /// Runs work for a slice: see [`LocalBuilder::slice`](super::LocalBuilder::slice).
    ///
    /// ```
    /// # use nanolith::Local;
    /// let local = Local::new();
    /// while local.run_slice().has_work() {
    ///     // .. what the host has to do in between ..
    /// }
    /// ```
    pub fn run_slice(&self) -> RunReport {
        self.run_for(self.inner().config.queue.policy.slice)
    }

    /// Runs work until none is left, including the work that arrives meanwhile. Does not wait for
    /// suspended calls.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let local = Local::new();
    /// let geometry = Geometry::on(&local);
    /// let jobs: Vec<_> = (0..100).map(|n| geometry.add(n, n).submit()).collect();
    /// assert_eq!(local.run_until_idle().ran(), 100);
    /// # drop(jobs);
    /// ```
    pub fn run_until_idle(&self) -> RunReport {
        self.inner().turn(|| StopCondition::Idle)
    }

    /// Runs the next work. Returns whether there was any.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let local = Local::new();
    /// let job = Geometry::on(&local).add(4, 5).submit();
    /// assert!(local.run_one());
    /// assert!(!local.run_one());
    /// # drop(job);
    /// ```
    pub fn run_one(&self) -> bool {
        self.inner().turn(|| StopCondition::One).ran > 0
    }

    /// Runs expired work: work that has waited longer than its priority allows.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let local = Local::new();
    /// let geometry = Geometry::on(&local);
    /// let at_leisure = geometry.add(1, 2).priority(Priority::Low).submit();
    /// let at_once = geometry.add(4, 5).priority(Priority::Immediate).submit();
    /// assert_eq!(local.run_expired().ran(), 1);
    /// assert!(at_once.is_finished() && !at_leisure.is_finished());
    /// ```
    pub fn run_expired(&self) -> RunReport {
        self.run_for(Duration::ZERO)
    }

    /// Drives until `future` is ready. Polls `future` on this thread, between tasks. Sleeps while
    /// there is no work to run. While another thread drives, waits.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let geometry = Geometry::on(&local);
    /// let sum = local.block_on(async {
    ///     let three = geometry.add(1, 2).await?;
    ///     geometry.add(three, 6).await
    /// })?;
    /// assert_eq!(sum, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// Within a task of this `Local`, only calls that have begun continue, and the calls that those
    /// wait for.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.inner().block_on(future)
    }
}
