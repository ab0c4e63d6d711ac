//! A [circuit breaker](https://martinfowler.com/bliki/CircuitBreaker.html): a layer that rejects
//! calls while its executor fails.

use super::{
    breaker_events::Watchers,
    breaker_state::{Breaker, BreakerState, Ended, Generation, Settings, Transition},
    classify::Classifier,
    layered::{EnterResult, LayerPolicy, LayerStack, Transparent, layer},
    sliding_window::Span,
};
use crate::util::checked::{at_least_one, from_zero_to};
use crate::{
    error::{CallError, SubmitError},
    event::Events,
    executor::Executor,
    task::{Job, Reply, TaskSet},
    time::{MINUTE, clock},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A layer that rejects calls for a while after too many recent calls have failed, or were slow. So
/// an executor that is down gets no calls, and callers get the error at once.
///
/// - **Closed**: it lets calls through, and looks at the last [100
///   calls](CircuitBreaker::window_calls), or at the calls of a [time
///   span](CircuitBreaker::window). It opens when [half](CircuitBreaker::failure_rate) of them have
///   failed, or when the share of slow calls reaches [`slow_rate`](CircuitBreaker::slow_rate). It
///   does not open before it has seen [10 calls](CircuitBreaker::min_calls).
/// - **Open**: it rejects calls, as [`CallError::Rejected`], for [30
///   s](CircuitBreaker::open_duration).
/// - **Half-open**: it lets [3 calls](CircuitBreaker::half_open_calls) through, and rejects all
///   other calls. When these end, it opens again or closes, by the same rates. A call that is not
///   over after [a time limit](CircuitBreaker::half_open_timeout) counts as failed.
///
/// ```
/// use nanolith::{
///     TaskSet, layers::{BreakerState, CircuitBreaker, Layer}, prelude::*,
///     time::SECOND,
/// };
/// # use nanolith_doc_sets::*;
/// let breaker = CircuitBreaker::new().window_calls(4).min_calls(2).open_duration(SECOND);
/// let geometry = Geometry::calls(breaker.clone().layer(Pool::builder().build()?));
/// for _ in 0..2 {
///     assert!(matches!(geometry.add(i64::MAX, 1).wait(), Err(CallError::Panicked(..))));
/// }
/// assert_eq!(breaker.state(), BreakerState::Open);
/// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Rejected("CircuitBreaker", _))));
/// breaker.reset();
/// assert_eq!(geometry.add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// By default every error counts as a failure, except [`CallError::Cancelled`], which does not
/// count at all. [`failure_if`](CircuitBreaker::failure_if) sets another rule.
///
/// Clones share the state. So a breaker may protect several executors that fail together, and a
/// clone can be kept to read the state. Each setting returns a new breaker with a state of its own,
/// so set it before the breaker is cloned.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct CircuitBreaker {
    settings: Settings,
    failure: Classifier,
    shared: Arc<Shared>,
}

struct Shared {
    breaker: Mutex<Breaker>,
    watchers: Watchers,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

impl CircuitBreaker {
    /// Creates a closed breaker with the settings above. No call counts as slow.
    pub fn new() -> Self {
        let settings = Settings {
            failure_rate: 0.5,
            slow_rate: f64::INFINITY,
            slow: Duration::MAX,
            window: Span::Events(100),
            min_calls: 10,
            open_duration: MINUTE / 2,
            half_open_calls: 3,
            half_open_timeout: None,
        };
        Self::with(settings, Classifier::new(|error| !matches!(error, CallError::Cancelled(_))))
    }

    fn with(settings: Settings, failure: Classifier) -> Self {
        let breaker = Mutex::new(Breaker::new(settings.clone()));
        Self { settings, failure, shared: Arc::new(Shared { breaker, watchers: Watchers::default() }) }
    }

    fn set(self, set: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings;
        set(&mut settings);
        Self::with(settings, self.failure)
    }

    /// Sets the part of the calls, from 0 to 1, that must fail for the breaker to open. At 0
    /// one failure is enough.
    ///
    /// ```
    /// # use nanolith::layers::CircuitBreaker;
    /// let patient = CircuitBreaker::new().failure_rate(0.9);
    /// ```
    ///
    /// # Panics
    ///
    /// If `part` is not from 0 to 1.
    #[track_caller]
    pub fn failure_rate(self, part: f64) -> Self {
        from_zero_to(1.0, "failure_rate", part);
        self.set(|settings| settings.failure_rate = part)
    }

    /// Sets the part of the calls that must be slow for the breaker to open. A call is slow if it
    /// takes `slow` or longer, however it ends, counted from the moment when it is let through. The
    /// part is from 0 to 1. With `Duration::ZERO` every call is slow, with `Duration::MAX` none is.
    ///
    /// ```
    /// # use nanolith::{layers::CircuitBreaker, prelude::*, time::MILLISECOND};
    /// let quick = CircuitBreaker::new().slow_rate(0.5, 200 * MILLISECOND);
    /// ```
    ///
    /// # Panics
    ///
    /// If `part` is not from 0 to 1.
    #[track_caller]
    pub fn slow_rate(self, part: f64, slow: Duration) -> Self {
        from_zero_to(1.0, "slow_rate", part);
        self.set(|settings| (settings.slow_rate, settings.slow) = (part, slow))
    }

    /// Sets the number of most recent calls that the breaker judges by; at least 1. If it is less
    /// than [`min_calls`](CircuitBreaker::min_calls), it also replaces that minimum.
    ///
    /// ```
    /// # use nanolith::layers::CircuitBreaker;
    /// let nervous = CircuitBreaker::new().window_calls(20);
    /// ```
    ///
    /// # Panics
    ///
    /// If `calls` is 0.
    #[track_caller]
    pub fn window_calls(self, calls: usize) -> Self {
        at_least_one("window_calls", calls);
        self.set(|settings| settings.window = Span::Events(calls))
    }

    /// Sets the time span of the calls that the breaker judges by. The span has a precision of one
    /// tenth. With `Duration::MAX` all calls count since the breaker closed. With `Duration::ZERO`
    /// only calls that end at the same moment count.
    ///
    /// ```
    /// # use nanolith::{layers::CircuitBreaker, prelude::*, time::SECOND};
    /// let of_late = CircuitBreaker::new().window(10 * SECOND);
    /// ```
    pub fn window(self, time: Duration) -> Self {
        self.set(|settings| settings.window = Span::Time(time))
    }

    /// Sets the minimum number of calls that the breaker judges by; at least 1.
    ///
    /// ```
    /// # use nanolith::layers::CircuitBreaker;
    /// let slow_to_judge = CircuitBreaker::new().min_calls(50);
    /// ```
    ///
    /// # Panics
    ///
    /// If `calls` is 0.
    #[track_caller]
    pub fn min_calls(self, calls: u32) -> Self {
        at_least_one("min_calls", calls);
        self.set(|settings| settings.min_calls = calls.into())
    }

    /// Sets how long the breaker stays open. With `Duration::MAX` it stays open until a
    /// [`reset`](CircuitBreaker::reset). With `Duration::ZERO` it is half-open at once.
    ///
    /// ```
    /// # use nanolith::{layers::CircuitBreaker, prelude::*, time::SECOND};
    /// let short = CircuitBreaker::new().open_duration(SECOND);
    /// ```
    pub fn open_duration(self, time: Duration) -> Self {
        self.set(|settings| settings.open_duration = time)
    }

    /// Sets the number of calls that a half-open breaker lets through; at least 1.
    ///
    /// ```
    /// # use nanolith::layers::CircuitBreaker;
    /// let careful = CircuitBreaker::new().half_open_calls(1);
    /// ```
    ///
    /// # Panics
    ///
    /// If `calls` is 0.
    #[track_caller]
    pub fn half_open_calls(self, calls: u32) -> Self {
        at_least_one("half_open_calls", calls);
        self.set(|settings| settings.half_open_calls = calls.into())
    }

    /// Sets the time limit of a call that is let through while the breaker is half-open. After that
    /// time it counts as failed, so a call that never ends does not block the next trial. The
    /// default is the time that the breaker [stays open](CircuitBreaker::open_duration), and at
    /// least one second. With `Duration::MAX` there is no limit.
    ///
    /// The call itself continues. Give it a [`timeout`](crate::typed::Call::timeout) if it should
    /// end. The breaker checks the limit when a call comes, or when its state is read. If the call
    /// has ended by then, its outcome counts.
    ///
    /// ```
    /// use nanolith::{
    ///     TaskSet, layers::{BreakerState, CircuitBreaker, Layer}, prelude::*,
    ///     time::{MINUTE, MockClock, SECOND},
    /// };
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn add(x: i64, y: i64) -> i64 { x + y }
    /// #     pub async fn hang() { std::future::pending().await }
    /// # }
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let breaker = CircuitBreaker::new().half_open_calls(1).open_duration(SECOND).half_open_timeout(MINUTE);
    ///     let geometry = Geometry::calls(breaker.clone().layer(Pool::builder().build()?));
    ///     breaker.trip();
    ///     clock.advance(SECOND);
    ///     let hangs = geometry.hang().submit();
    ///     clock.advance(MINUTE);
    ///     assert_eq!(breaker.state(), BreakerState::Open); // `hang` counts as failed
    ///     clock.advance(SECOND);
    ///     assert_eq!(geometry.add(4, 5).wait()?, 9);
    ///     assert_eq!(breaker.state(), BreakerState::Closed);
    ///     hangs.cancel();
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn half_open_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.half_open_timeout = Some(limit))
    }

    /// Sets which errors count as failures.
    ///
    /// ```
    /// # use nanolith::{layers::CircuitBreaker, prelude::*};
    /// let crashes = CircuitBreaker::new().failure_if(|error| matches!(error, CallError::Crashed(_)));
    /// ```
    pub fn failure_if(self, error: impl Fn(&CallError) -> bool + Send + Sync + 'static) -> Self {
        Self::with(self.settings, self.failure.on_error(error))
    }

    /// Sets which outputs count as failures, for tasks that return a `Result` of their own.
    ///
    /// ```
    /// # use nanolith::{layers::CircuitBreaker, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let breaker = CircuitBreaker::new()
    ///     .failure_if_output(|output: &GeometryOutput| matches!(output, GeometryOutput::Parse(Err(_))));
    /// ```
    pub fn failure_if_output<O: 'static>(self, output: impl Fn(&O) -> bool + Send + Sync + 'static) -> Self {
        Self::with(self.settings, self.failure.on_output(output))
    }

    /// Returns the present state.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.shared.ask(Breaker::state)
    }

    /// Returns the stream of transitions from now on. It keeps all transitions until they are read,
    /// and never ends.
    ///
    /// After its open time, a breaker turns half-open when the first call comes or the state is
    /// read. It checks the time limit of half-open calls at the same moments. So both transitions
    /// are published only then.
    ///
    /// ```
    /// use nanolith::layers::{BreakerState, CircuitBreaker};
    /// let breaker = CircuitBreaker::new();
    /// let mut transitions = breaker.transitions();
    /// breaker.trip();
    /// breaker.reset();
    /// let states: Vec<_> = transitions.by_ref().take(2).map(|transition| transition.to).collect();
    /// assert_eq!(states, [BreakerState::Open, BreakerState::Closed]);
    /// ```
    pub fn transitions(&self) -> Events<Transition> {
        self.shared.watchers.join()
    }

    /// Opens the breaker for its open time.
    pub fn trip(&self) {
        self.shared.ask(Breaker::open);
    }

    /// Closes the breaker and clears its counts.
    pub fn reset(&self) {
        self.shared.ask(|breaker, _| breaker.close());
    }
}

impl Shared {
    /// Runs `ask` under the lock, and publishes the transitions that result after the lock is
    /// released.
    fn ask<R>(&self, ask: impl FnOnce(&mut Breaker, u64) -> R) -> R {
        let now = clock::now();
        let (answer, told) = {
            let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
            (ask(&mut breaker, now), breaker.take_transitions())
        };
        self.watchers.tell(&told);
        answer
    }
}

/// A guard for a call that was let through. Its drop reports how the call ended.
struct CallGuard {
    shared: Arc<Shared>,
    life: Generation,
    since: u64,
    ended: Ended,
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let (life, since, ended) = (self.life, self.since, self.ended);
        self.shared.ask(|breaker, now| breaker.leave(now, life, ended, clock::elapsed(since, now)));
    }
}

layer!(CircuitBreaker);
impl Transparent for CircuitBreaker {}

impl<S: TaskSet> LayerPolicy<S> for CircuitBreaker {
    type Reservation = ();

    fn enter<E: Executor<S> + 'static>(around: &Arc<LayerStack<Self, E>>, job: Job<S>) -> EnterResult<S, ()> {
        let CircuitBreaker { shared, failure, .. } = &around.layer;
        let Some(life) = shared.ask(Breaker::enter) else {
            let error = job.rejected("CircuitBreaker");
            return EnterResult::Refused(SubmitError::new(job, error));
        };
        let mut through = CallGuard { shared: shared.clone(), life, since: clock::now(), ended: Ended::Unknown };
        let Ok((task, reply)) = job.start_delegating() else { return EnterResult::Finished };
        let failure = failure.clone();
        let judge = failure.clone();
        let ended = move |reply: Reply<S>, outcome: Result<S::Output, CallError>| {
            through.ended = match (failure.matches(&outcome), &outcome) {
                (true, _) => Ended::Failed,
                (false, Err(CallError::Cancelled(_))) => Ended::Unknown,
                (false, _) => Ended::Well,
            };
            drop(through);
            reply.complete(outcome);
        };
        let job = Job::delegate(reply, task, move |reply, outcome| {
            judge.ask_by(|| None, move || ended(reply, outcome));
        });
        EnterResult::Forward(job, ())
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("state", &self.state())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
