//! Executors for tests: [`Mock`] returns scripted answers, [`Recorder`] records calls and their
//! outcomes, and [`Replay`] answers calls from a record.
//!
//! Needs the cargo feature `test-util`.
//!
//! ```
//! use nanolith::{Executor, mock::Mock, prelude::*};
//! # pub struct Geometry;
//! # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
//! /// What is to be tested, which does not care who adds.
//! fn double(geometry: &GeometryCalls<impl Executor<Geometry>>, x: i64) -> Result<i64, CallError> {
//!     geometry.add(x, x).wait()
//! }
//!
//! let mock = Mock::<Geometry>::new();
//! mock.expect(|task| matches!(task, GeometryTask::Add { x: 4, y: 4 })).returns(|_| GeometryOutput::Add(8));
//! assert_eq!(double(&Geometry::on(&mock), 4)?, 8);
//! mock.verify(); // or when it is dropped
//! # Ok::<(), CallError>(())
//! ```

mod answer;
mod expect;
mod expectations;
mod recorder;
mod replay;
mod times;

pub use expect::Expect;
pub use recorder::{Record, Recorder};
pub use replay::Replay;
pub use times::Times;

use self::expectations::Expectations;
use crate::{
    error::SubmitError,
    executor::{Executor, OwnsState, RunsLocal, SharesState},
    task::{Job, TaskSet},
};
use std::{fmt, panic::Location, sync::Arc, thread};

/// An executor for tests that answers expected calls.
///
/// A mock is a handle: clones share the same expectations. When the last clone is dropped, it
/// [verifies](Self::verify) them, unless the thread is panicking. It accepts tasks with every kind
/// of state, so it can replace a pool or a service.
///
/// ```
/// use nanolith::{mock::Mock, prelude::*};
/// # pub struct Counter { total: i64 }
/// # #[define] impl Counter {
/// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
/// #     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// # }
/// let mock = Mock::<Counter>::in_order();
/// mock.expect(|_| true).times(1..=2).returns(|CounterTask::Bump { by }| CounterOutput::Bump(10 + by));
/// mock.expect(|_| true).fails(CallError::TimedOut);
/// let counter = Counter::on(&mock);
/// assert_eq!(counter.bump(1).wait()?, 11);
/// assert_eq!(counter.bump(2).wait()?, 12);
/// assert!(matches!(counter.bump(3).wait(), Err(CallError::TimedOut(_))));
/// # Ok::<(), CallError>(())
/// ```
///
/// A call that matches no expectation ends as
/// [`CallError::Panicked`](crate::error::CallError::Panicked), with a message that names it.
pub struct Mock<S: TaskSet> {
    last: Arc<Last<S>>,
}

/// Verifies the expectations when the last handle is dropped.
struct Last<S: TaskSet>(Expectations<S>);

impl<S: TaskSet> Drop for Last<S> {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.0.verify();
        }
    }
}

impl<S: TaskSet> Default for Mock<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: TaskSet> Mock<S> {
    /// Makes a mock whose expectations may be met in any order. A call goes to the first one that
    /// matches and allows another call.
    #[must_use]
    pub fn new() -> Self {
        Self { last: Arc::new(Last(Expectations::new(false))) }
    }

    /// Makes a mock whose expectations must be met in the order in which they are added.
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::in_order();
    /// mock.expect(|_| true).returns(|_| GeometryOutput::Add(1));
    /// mock.expect(|_| true).times(..).returns(|_| GeometryOutput::Add(2));
    /// let geometry = Geometry::on(&mock);
    /// assert_eq!([geometry.add(4, 5).wait()?, geometry.add(4, 5).wait()?], [1, 2]);
    /// # Ok::<(), CallError>(())
    /// ```
    #[must_use]
    pub fn in_order() -> Self {
        Self { last: Arc::new(Last(Expectations::new(true))) }
    }

    fn script(&self) -> &Expectations<S> {
        &self.last.0
    }

    /// Expects calls for which `fits` returns true: once, unless [`Expect::times`] sets another
    /// number. The answer is set on the returned value.
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::new();
    /// mock.expect(|GeometryTask::Add { x, y }| x < y).returns(|GeometryTask::Add { x, y }| GeometryOutput::Add(x - y));
    /// assert_eq!(Geometry::on(&mock).add(4, 5).wait()?, -1);
    /// # Ok::<(), CallError>(())
    /// ```
    #[track_caller]
    pub fn expect(&self, fits: impl Fn(&S::Task) -> bool + Send + Sync + 'static) -> Expect<'_, S> {
        Expect::new(self.script(), Box::new(fits), Location::caller())
    }

    /// Runs calls that match no expectation on `executor`.
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::new().fall_through_to(Pool::builder().build()?);
    /// mock.expect(|GeometryTask::Add { x, .. }| *x == 4).fails(CallError::Full);
    /// let geometry = Geometry::on(&mock);
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Full(_))));
    /// assert_eq!(geometry.add(1, 2).wait()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fall_through_to(self, executor: impl Executor<S> + 'static) -> Self {
        self.script().go_on_to(Arc::new(executor));
        self
    }

    /// Sets how an unexpected call is described in messages, after the task's name. Use this to
    /// show the arguments of tasks.
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::new().describe(|GeometryTask::Add { x, y }| format!("x = {x}, y = {y}"));
    /// let error = Geometry::on(&mock).add(4, 5).wait().unwrap_err();
    /// assert!(error.to_string().contains("x = 4, y = 5"), "{error}");
    /// # assert!(std::panic::catch_unwind(|| mock.verify()).is_err());
    /// # std::mem::forget(mock);
    /// ```
    #[must_use]
    pub fn describe(self, describe: impl Fn(&S::Task) -> String + Send + Sync + 'static) -> Self {
        self.script().describe_by(Arc::new(describe));
        self
    }

    /// Checks that all expected calls came, and no other call.
    ///
    /// ```
    /// # use nanolith::{mock::Mock, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let mock = Mock::<Geometry>::new();
    /// mock.expect(|_| true).times(0..).returns(|_| GeometryOutput::Add(9));
    /// mock.verify(); // none came, and none had to
    /// ```
    ///
    /// # Panics
    ///
    /// Panics with a list of the differences.
    #[track_caller]
    pub fn verify(&self) {
        self.script().verify();
    }
}

impl<S: TaskSet> Executor<S> for Mock<S> {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.script().try_execute(job)
    }
}

#[diagnostic::do_not_recommend]
impl<S: TaskSet> SharesState<S> for Mock<S> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet> OwnsState<S> for Mock<S> {}
#[diagnostic::do_not_recommend]
impl<S: TaskSet> RunsLocal<S> for Mock<S> {}

impl<S: TaskSet> Clone for Mock<S> {
    fn clone(&self) -> Self {
        Self { last: self.last.clone() }
    }
}

impl<S: TaskSet> fmt::Debug for Mock<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock")
            .field("set", &S::NAME)
            .field("problems", &self.script().problems())
            .finish_non_exhaustive()
    }
}
