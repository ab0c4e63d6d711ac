//! [`Expect`] describes which calls a mock expects, and how it answers them.

use super::{Times, answer::Answer, expectations::Expectations};
use crate::{
    error::{CallError, CallTrace},
    task::TaskSet,
};
use std::{fmt, panic::Location, sync::Arc, time::Duration};

/// Returns whether a task matches an expectation.
pub(super) type Fits<S> = Box<dyn Fn(&<S as TaskSet>::Task) -> bool + Send + Sync>;

/// The expected calls and their answer.
pub(super) struct Expectation<S: TaskSet> {
    pub(super) fits: Fits<S>,
    pub(super) times: Times,
    pub(super) delay: Duration,
    pub(super) answer: Answer<S>,
    pub(super) told: &'static Location<'static>,
}

/// Expected calls without an answer yet. Made by [`Mock::expect`](super::Mock::expect).
///
/// ```
/// use nanolith::{mock::Mock, prelude::*, time::{HOUR, MockClock}};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let clock = MockClock::new();
/// clock.run(|| {
///     let mock = Mock::<Geometry>::new();
///     mock.expect(|_| true).times(2).delay(HOUR).returns(|_| GeometryOutput::Add(9));
///     let jobs = [(1, 2), (4, 5)].map(|(x, y)| Geometry::on(&mock).add(x, y).submit());
///     assert!(!jobs[0].is_finished());
///     clock.advance(HOUR);
///     assert!(jobs[1].is_finished());
/// });
/// ```
#[must_use = "say what becomes of the calls: `returns`, `fails`, `panics` or `never_answers`"]
pub struct Expect<'a, S: TaskSet> {
    script: &'a Expectations<S>,
    fits: Fits<S>,
    times: Times,
    delay: Duration,
    told: &'static Location<'static>,
}

impl<'a, S: TaskSet> Expect<'a, S> {
    pub(super) fn new(script: &'a Expectations<S>, fits: Fits<S>, told: &'static Location<'static>) -> Self {
        Self { script, fits, times: 1.into(), delay: Duration::ZERO, told }
    }

    /// Sets how many calls are expected. The default is one. `2`, `1..=3`, `1..` and `..` are all
    /// valid.
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::new();
    /// mock.expect(|_| true).times(1..).returns(|_| GeometryOutput::Add(9));
    /// (0..3).for_each(|n| assert_eq!(Geometry::on(&mock).add(n, n).wait().unwrap(), 9));
    /// ```
    pub fn times(mut self, times: impl Into<Times>) -> Self {
        self.times = times.into();
        self
    }

    /// Sets how long the answer takes, by the clock of the thread that submits the call. With
    /// `Duration::MAX` the answer never comes.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Answers the calls with the return value of `respond`. It runs on the thread that submits the
    /// call. For a delayed answer, it runs on the global pool, or on the thread that moves the
    /// clock by hand. If `respond` panics, the call ends with that panic.
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::new();
    /// mock.expect(|_| true).returns(|GeometryTask::Add { x, y }| GeometryOutput::Add(x * y));
    /// assert_eq!(Geometry::on(&mock).add(4, 5).wait()?, 20);
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// An output of a task other than the called one ends the call as [`CallError::Lost`].
    pub fn returns(self, respond: impl Fn(S::Task) -> S::Output + Send + Sync + 'static) {
        self.answered(Answer::Returns(Arc::new(respond)));
    }

    /// Ends the calls with an error: the name of an error's variant, or a function of
    /// [`CallTrace`].
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::new();
    /// mock.expect(|_| true).fails(CallError::Crashed);
    /// assert!(matches!(Geometry::on(&mock).add(4, 5).wait(), Err(CallError::Crashed(_))));
    /// ```
    pub fn fails(self, error: impl Fn(CallTrace) -> CallError + Send + Sync + 'static) {
        self.answered(Answer::Fails(Arc::new(error)));
    }

    /// Ends the calls as if their task had panicked with this message.
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::new();
    /// mock.expect(|_| true).panics("the sum fits");
    /// match Geometry::on(&mock).add(4, 5).wait() {
    ///     Err(CallError::Panicked(panic, _)) => assert_eq!(panic.message(), "the sum fits"),
    ///     other => unreachable!("not {other:?}"),
    /// }
    /// ```
    pub fn panics(self, message: impl Into<String>) {
        self.answered(Answer::Panics(message.into()));
    }

    /// Leaves the calls unanswered. They end when their callers cancel them or when they time out;
    /// when the mock is dropped, they end as [`CallError::Lost`].
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*, time::MILLISECOND};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::new();
    /// mock.expect(|_| true).never_answers();
    /// let outcome = Geometry::on(&mock).add(4, 5).timeout(100 * MILLISECOND).wait();
    /// assert!(matches!(outcome, Err(CallError::TimedOut(_))));
    /// ```
    pub fn never_answers(self) {
        self.answered(Answer::Never);
    }

    fn answered(self, answer: Answer<S>) {
        let Self { script, fits, times, delay, told } = self;
        script.add(Expectation { fits, times, delay, answer, told });
    }
}

impl<S: TaskSet> fmt::Debug for Expect<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expect").field("times", &self.times).field("delay", &self.delay).finish_non_exhaustive()
    }
}
