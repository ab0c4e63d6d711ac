//! What the owner's loop calls, and the report it gets.

use super::{Local, driver::StopCondition};
use crate::time::clock;
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// What came of driving a [`Local`] for a while.
///
/// ```
/// use nanolith::{Local, prelude::*};
/// # use nanolith_doc_sets::*;
/// let local = Local::new();
/// let job = Geometry::on(&local).add(4, 5).submit();
/// let turn = local.run_for(8 * MILLISECOND);
/// assert_eq!((turn.ran(), turn.has_work(), turn.is_busy()), (1, false, false));
/// # drop(job);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    pub(super) ran: usize,
    pub(super) has_work: bool,
    pub(super) next_alarm: Option<Duration>,
    pub(super) busy: bool,
}

impl Turn {
    pub(super) fn busy() -> Self {
        Self { busy: true, ..Self::default() }
    }

    /// Another turn followed this one.
    pub(super) fn then(self, next: Self) -> Self {
        Self { ran: self.ran + next.ran, ..next }
    }

    /// How many tasks were run, or went on: calls that began, and futures that were woken. What a task ran while it waited for
    /// it does not count.
    #[must_use]
    pub fn ran(&self) -> usize {
        self.ran
    }

    /// Whether there may be more to run: drive again soon. Nobody is told of it in another way, but of what comes to a `Local`
    /// that had none left.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.has_work
    }

    /// How long until the next timer rings, of all that go by the same clock: `None`, if there is none. For hosts that would
    /// sleep until then; what a timer brings is [told](Local::on_work) besides.
    #[must_use]
    pub fn next_alarm(&self) -> Option<Duration> {
        self.next_alarm
    }

    /// Whether nothing was done, since it is driven already: by another thread, or by the one whose task asked.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy
    }
}

impl Local {
    /// Runs work in order of expiration, until `budget` is used or there is none. It does not wait.
    ///
    /// What has expired is run beyond the budget, too: it was kept waiting long enough. So a budget of zero runs that alone. A task
    /// is never interrupted: one that is long asks [`should_yield`](crate::Context::should_yield).
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
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
    pub fn run_for(&self, budget: Duration) -> Turn {
        self.inner().turn(|| StopCondition::Late(clock::now().saturating_add(clock::nanos(budget))))
    }

    /// The same until a moment.
    ///
    /// ```
    /// # use nanolith::Local;
    /// let local = Local::new();
    /// let next_frame = std::time::Instant::now() + std::time::Duration::from_millis(8);
    /// assert_eq!(local.run_until_deadline(next_frame).ran(), 0);
    /// ```
    pub fn run_until_deadline(&self, deadline: Instant) -> Turn {
        self.inner().turn(|| {
            let left = deadline.saturating_duration_since(clock::instant());
            StopCondition::Late(clock::now().saturating_add(clock::nanos(left)))
        })
    }

    /// The same for a slice: [`LocalBuilder::slice`](super::LocalBuilder::slice).
    ///
    /// ```
    /// # use nanolith::Local;
    /// let local = Local::new();
    /// while local.run_slice().has_work() {
    ///     // .. what the host has to do in between ..
    /// }
    /// ```
    pub fn run_slice(&self) -> Turn {
        self.run_for(self.inner().config.schedule.slice)
    }

    /// Runs work until there is none, the work that comes of it included. It does not wait for what is suspended.
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
    pub fn run_until_idle(&self) -> Turn {
        self.inner().turn(|| StopCondition::Idle)
    }

    /// Runs what is next. Says whether there was any.
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

    /// Runs what has expired: what was kept waiting for longer than its priority allows.
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
    pub fn run_expired(&self) -> Turn {
        self.run_for(Duration::ZERO)
    }

    /// Drives until `future` is ready, which is polled on this thread, between tasks; sleeps while there is nothing to run. While
    /// another thread drives, it waits.
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
    /// Within one of its own tasks, only what was begun goes on, and what that waits for.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.inner().block_on(future)
    }
}
