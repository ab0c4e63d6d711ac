//! A layer that runs a failed call on a second executor.

use super::{
    classify::Classifier,
    layered::{EnterResult, LayerPolicy, LayerStack, layer},
    resubmit,
};
use crate::{
    error::{CallError, SubmitError},
    executor::Executor,
    task::{self, Job, Reply, TaskSet},
    typed::fail_job,
    util::unwind,
};
use std::{fmt, sync::Arc};

/// A layer that runs calls that fail on this executor on another executor. It does so for tasks
/// under `#[task(idempotent)]` whose arguments are `Clone`.
///
/// A job that the inner executor refuses has not begun, so it goes to the other executor even if
/// its task is not idempotent. The exception is a job that can still wait for queue room.
///
/// ```
/// use nanolith::{TaskSet, layers::{Fallback, Layer}, prelude::*};
/// # use nanolith_doc_sets::*;
/// # let (first, second) = (Pool::builder().build()?, Pool::builder().build()?);
/// let geometry = Geometry::calls(Fallback::to(second).layer(first.clone()));
/// first.close();
/// assert_eq!(geometry.add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every error but [`CallError::Cancelled`] causes a fallback, unless [`Fallback::when`] sets
/// another rule. The layer is for tasks without a state, because there are two executors.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct Fallback<F> {
    other: F,
    when: Classifier,
}

impl<F> Fallback<F> {
    /// Creates a layer that falls back to `other`.
    pub fn to(other: F) -> Self {
        Self { other, when: Classifier::new(|error| !matches!(error, CallError::Cancelled(_))) }
    }

    /// Sets which errors cause a fallback.
    ///
    /// ```
    /// # use nanolith::{layers::Fallback, prelude::*};
    /// # let pool = Pool::builder().build()?;
    /// let when_down = Fallback::to(pool).when(|error| matches!(error, CallError::Rejected(..) | CallError::Closed(_)));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn when(mut self, error: impl Fn(&CallError) -> bool + Send + Sync + 'static) -> Self {
        self.when = self.when.on_error(error);
        self
    }

    /// Sets which outputs cause a fallback too, for tasks that return a `Result` of their own.
    ///
    /// ```
    /// # use nanolith::{layers::Fallback, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     #[task(idempotent)]
    /// #     pub fn parse(text: String) -> Result<i64, std::num::ParseIntError> { text.parse() }
    /// # }
    /// # let pool = Pool::builder().build()?;
    /// let fallback = Fallback::to(pool)
    ///     .when_output(|output: &GeometryOutput| matches!(output, GeometryOutput::Parse(Err(_))));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn when_output<O: 'static>(mut self, output: impl Fn(&O) -> bool + Send + Sync + 'static) -> Self {
        self.when = self.when.on_output(output);
        self
    }
}

layer!(Fallback<F>);

impl<S: TaskSet, F: Executor<S> + 'static> LayerPolicy<S> for Fallback<F> {
    type Reservation = ();
    const SINGLE_EXECUTOR: bool = false;

    fn enter<E: Executor<S> + 'static>(around: &Arc<LayerStack<Self, E>>, job: Job<S>) -> EnterResult<S, ()> {
        if !job.task().is_idempotent() {
            return EnterResult::Forward(job, ());
        }
        let Ok((task, reply)) = job.start_delegating() else { return EnterResult::Finished };
        let (again, around) = (task::duplicate::<S>(&task), around.clone());
        let job = Job::delegate(reply, task, move |reply, outcome| match again {
            Some(task) if !reply.is_cancelled() => {
                let (judge, host) = (around.layer.when.clone(), Executor::<S>::host(&around.layer.other));
                judge.ask_by(|| host, move || decide(around, reply, task, outcome));
            }
            _ => reply.complete(outcome),
        });
        EnterResult::Forward(job, ())
    }

    fn refused<E>(
        around: &Arc<LayerStack<Self, E>>,
        refused: SubmitError<Job<S>>,
        for_good: bool,
    ) -> Result<(), SubmitError<Job<S>>>
    where
        E: Executor<S> + 'static,
    {
        let failed = for_good || !refused.is_full();
        let error = refused.error().clone();
        if failed && around.layer.when.matches::<S::Output>(&Err(error)) {
            if refused.value().task().is_idempotent() {
                fail_job(refused); // the closure in `enter` gets this error
            } else {
                resubmit::bring(around.clone(), other::<F, E>, refused.into_inner());
            }
            return Ok(());
        }
        around.return_marked(refused)
    }
}

/// Runs the call on the other executor, or returns the outcome to the caller.
fn decide<S: TaskSet, F: Executor<S> + 'static, E: Executor<S> + 'static>(
    around: Arc<LayerStack<Fallback<F>, E>>,
    reply: Reply<S>,
    task: S::Task,
    outcome: Result<S::Output, CallError>,
) {
    if around.layer.when.matches(&outcome) {
        unwind::ignore_panics(|| drop(outcome));
        let job = Job::delegate(reply, task, Reply::complete);
        resubmit::bring(around, other::<F, E>, job);
    } else {
        reply.complete(outcome);
    }
}

fn other<F, E>(around: &LayerStack<Fallback<F>, E>) -> &F {
    &around.layer.other
}

impl<F: fmt::Debug> fmt::Debug for Fallback<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("other", &self.other).finish_non_exhaustive()
    }
}
