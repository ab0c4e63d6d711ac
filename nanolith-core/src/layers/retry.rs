//! A layer that retries failed calls, with backoff and a budget.

use super::{
    classify::Classifier,
    layered::{EnterResult, LayerPolicy, LayerStack, Transparent, layer},
    resubmit,
    retry_budget::Budget,
};
use crate::util::checked::{at_least_one, from_zero_to};
use crate::{
    call::offload,
    error::{CallError, SubmitError},
    executor::Executor,
    meta::task_info::TaskInfo,
    sync::backoff::{Backoff, chance},
    task::{self, Job, Reply, TaskSet},
    time::{MILLISECOND, SECOND, clock},
    typed::fail_job,
    util::unwind,
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A layer that retries failed calls: tasks under `#[task(idempotent)]` whose arguments are
/// `Clone`. Other tasks go through unchanged.
///
/// ```
/// use nanolith::{
///     TaskSet, layers::{Layer, Retry}, prelude::*, sync::Backoff,
///     time::{MILLISECOND, SECOND},
/// };
/// use std::sync::atomic::{AtomicU32, Ordering};
/// # pub struct Geometry;
/// static TRIES: AtomicU32 = AtomicU32::new(0);
///
/// #[define]
/// impl Geometry {
///     #[task(idempotent)]
///     pub fn add(x: i64, y: i64) -> i64 {
///         assert!(TRIES.fetch_add(1, Ordering::Relaxed) >= 2, "not yet");
///         x + y
///     }
/// }
/// let retry = Retry::new(3).backoff(Backoff::exponential(MILLISECOND).max_delay(SECOND));
/// let geometry = Geometry::calls(retry.layer(Pool::builder().build()?));
/// assert_eq!(geometry.add(4, 5).wait()?, 9); // at the third try
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// By default every failure is retried, except that the call was cancelled, or that the executor is
/// closed, cannot run the task, or would wait for itself. [`Retry::when`] sets another rule.
///
/// A call is not retried if its caller is gone, or if its deadline would have passed by then. A
/// refusal by the inner executor is a failure too, unless the job can still wait for queue room.
///
/// Each attempt has the call's priority, deadline and messengers.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct Retry {
    attempts: u32,
    backoff: Backoff,
    when: Classifier,
    budget: Option<Arc<Budget>>,
    retries: Arc<AtomicU64>,
}

impl Retry {
    /// Creates a policy that makes up to `attempts` attempts, including the first: at least 1. The
    /// delay between attempts starts at 10 ms and doubles each time, up to 1 s.
    ///
    /// # Panics
    ///
    /// If `attempts` is 0.
    #[track_caller]
    pub fn new(attempts: u32) -> Self {
        Self {
            attempts: at_least_one("attempts", attempts),
            backoff: Backoff::exponential(10 * MILLISECOND).max_delay(SECOND),
            when: Classifier::new(is_worth_another_try),
            budget: None,
            retries: Arc::default(),
        }
    }

    /// Sets the delays between attempts. If a delay ends beyond the end of the clock, as with
    /// `Duration::MAX`, there is no further attempt.
    ///
    /// ```
    /// # use nanolith::{layers::Retry, prelude::*, sync::Backoff};
    /// let at_once = Retry::new(3).backoff(Backoff::none());
    /// ```
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets which errors are retried.
    ///
    /// ```
    /// # use nanolith::{layers::Retry, prelude::*};
    /// let crashes = Retry::new(3).when(|error| matches!(error, CallError::Crashed(_)));
    /// ```
    pub fn when(mut self, error: impl Fn(&CallError) -> bool + Send + Sync + 'static) -> Self {
        self.when = self.when.on_error(error);
        self
    }

    /// Sets which outputs are retried, for tasks that return a `Result` of their own.
    ///
    /// ```
    /// # use nanolith::{layers::Retry, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     #[task(idempotent)]
    /// #     pub fn parse(text: String) -> Result<i64, std::num::ParseIntError> { text.parse() }
    /// # }
    /// let retry = Retry::new(3).when_output(|output: &GeometryOutput| matches!(output, GeometryOutput::Parse(Err(_))));
    /// ```
    pub fn when_output<O: 'static>(mut self, output: impl Fn(&O) -> bool + Send + Sync + 'static) -> Self {
        self.when = self.when.on_output(output);
        self
    }

    /// Limits the retries of all calls together, so that retries do not overload an executor that
    /// is down. Over the last ten seconds, the retries are at most `part` of the calls, plus
    /// `per_second` for each second. Without a budget, or with an infinite part, there is no such
    /// limit.
    ///
    /// ```
    /// # use nanolith::{layers::Retry, prelude::*};
    /// let modest = Retry::new(3).budget(0.2, 10); // a fifth more load at most, and ten a second
    /// ```
    ///
    /// # Panics
    ///
    /// If `part` is negative or NaN.
    #[track_caller]
    pub fn budget(mut self, part: f64, per_second: u32) -> Self {
        from_zero_to(f64::INFINITY, "part", part);
        self.budget = Some(Arc::new(Budget::new(part, per_second)));
        self
    }

    /// Returns the number of retries.
    ///
    /// ```
    /// # use nanolith::layers::Retry;
    /// assert_eq!(Retry::new(3).retries(), 0);
    /// ```
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    fn takes(&self, task: &TaskInfo) -> bool {
        self.attempts > 1 && task.is_idempotent()
    }
}

fn is_worth_another_try(error: &CallError) -> bool {
    !matches!(
        error,
        CallError::Cancelled(_) | CallError::Closed(_) | CallError::Unsupported(_) | CallError::WouldDeadlock(_)
    )
}

layer!(Retry);
impl Transparent for Retry {}

impl<S: TaskSet> LayerPolicy<S> for Retry {
    type Reservation = ();

    fn enter<E: Executor<S> + 'static>(around: &Arc<LayerStack<Self, E>>, job: Job<S>) -> EnterResult<S, ()> {
        if !around.layer.takes(job.task()) {
            return EnterResult::Forward(job, ());
        }
        let Ok((task, reply)) = job.start_delegating() else { return EnterResult::Finished };
        around.layer.budget.iter().for_each(|budget| budget.deposit(clock::now()));
        EnterResult::Forward(Attempt { around: around.clone(), number: 1 }.begin(reply, task), ())
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
        if failed && around.layer.takes(refused.value().task()) && around.layer.when.matches::<S::Output>(&Err(error)) {
            fail_job(refused); // the attempt gets this error
            return Ok(());
        }
        around.return_marked(refused)
    }
}

/// One attempt of a call.
struct Attempt<E> {
    around: Arc<LayerStack<Retry, E>>,
    /// The number of the attempt. The first is 1.
    number: u32,
}

/// The number of attempts in a row without a delay, after which the next begins on the timer
/// thread, with an empty stack.
const DEEP: u32 = 16;

impl<E> Attempt<E> {
    fn begin<S: TaskSet>(self, reply: Reply<S>, task: S::Task) -> Job<S>
    where
        E: Executor<S> + 'static,
    {
        let more = self.number < self.around.layer.attempts;
        let again = if more { task::duplicate::<S>(&task) } else { None };
        Job::delegate(reply, task, move |reply, outcome| match again {
            // The predicate is user code, and the next attempt may run user code too.
            Some(task) => {
                let host = Executor::<S>::host(&self.around.inner);
                offload::run(host, move || self.decide(reply, task, outcome));
            }
            None => reply.complete(outcome),
        })
    }

    fn decide<S: TaskSet>(self, reply: Reply<S>, task: S::Task, outcome: Result<S::Output, CallError>)
    where
        E: Executor<S> + 'static,
    {
        if self.is_to_be_tried_again::<S>(&reply, &outcome) {
            self.go_on(reply, task, outcome);
        } else {
            reply.complete(outcome);
        }
    }

    fn is_to_be_tried_again<S: TaskSet>(&self, reply: &Reply<S>, outcome: &Result<S::Output, CallError>) -> bool {
        !reply.is_cancelled() && self.around.layer.when.matches(outcome)
    }

    /// Waits for the delay and begins the next attempt, if the deadline and the budget allow it.
    fn go_on<S: TaskSet>(self, reply: Reply<S>, task: S::Task, outcome: Result<S::Output, CallError>)
    where
        E: Executor<S> + 'static,
    {
        let Self { around, number } = self;
        let layer = &around.layer;
        let tries = usize::try_from(number - 1).unwrap_or(usize::MAX);
        let rest = layer.backoff.wait(tries, chance());
        let due = clock::after(rest);
        let Some(due) = due.filter(|due| reply.deadline().is_none_or(|deadline| *due < deadline)) else {
            return reply.complete(outcome);
        };
        if !layer.budget.as_ref().is_none_or(|budget| budget.withdraw(clock::now())) {
            return reply.complete(outcome);
        }
        // ORDERING: Relaxed. It is a counter that only `Retry::retries` reads.
        layer.retries.fetch_add(1, Ordering::Relaxed);
        unwind::ignore_panics(|| drop(outcome));
        let next = Attempt { around: around.clone(), number: number + 1 };
        let job = next.begin(reply, task);
        if rest.is_zero() && number % DEEP != 0 {
            resubmit::send(&around, job);
        } else {
            job.delay_until(due, move |job| resubmit::send(&around, job));
        }
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("attempts", &self.attempts)
            .field("backoff", &self.backoff)
            .field("retries", &self.retries())
            .finish_non_exhaustive()
    }
}
