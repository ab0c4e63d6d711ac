//! Leaving alone what fails.

use super::{
    breaker_events::{Transitions, Watchers},
    breaker_state::{Breaker, BreakerState, Ended, Generation, Settings},
    classify::Classifier,
    layered::{EnterResult, LayerPolicy, LayerStack, Transparent, layer},
    sliding_window::Span,
};
use crate::{
    error::{CallError, Refused},
    executor::Executor,
    task::{Job, Reply, TaskSet},
    time::{MINUTE, clock},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Rejects calls for a while when too many of late have failed, or took too long: so what is down is left alone, and callers hear of
/// it at once.
///
/// - **Closed**, it lets calls through. When of the last [100 calls](CircuitBreaker::last_calls) (or those of
///   [a while](CircuitBreaker::last)) [half](CircuitBreaker::failure_rate) have failed, or as many as
///   [`slow_rate`](CircuitBreaker::slow_rate) says were slow, it opens; not before it has seen
///   [10 of them](CircuitBreaker::min_calls).
/// - **Open**, it rejects calls, as [`CallError::Rejected`], for [30 s](CircuitBreaker::open_for).
/// - **Half-open**, it lets [3 calls](CircuitBreaker::trials) through, and rejects the others. As these end, by the same rates, it
///   opens again or closes. One that is not over after [a while](CircuitBreaker::half_open_timeout) counts as failed.
///
/// ```
/// use nanolith::{TaskSet, layers::{BreakerState, CircuitBreaker, Layer}, prelude::*};
/// # use nanolith_doc_sets::*;
/// let breaker = CircuitBreaker::new().last_calls(4).min_calls(2).open_for(SECOND);
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
/// Every error counts as a failure but [`CallError::Cancelled`], which says nothing, unless
/// [`failure_if`](CircuitBreaker::failure_if) says otherwise. Clones share the state; so it may stand around several executors that
/// fail together, and a clone that is kept tells how it is. A setting is for the time before that: it gives a breaker that is new.
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
    /// A closed one, with the settings above. No call is slow.
    pub fn new() -> Self {
        let settings = Settings {
            failure_rate: 0.5,
            slow_rate: f64::INFINITY,
            slow: Duration::MAX,
            window: Span::Events(100),
            min_calls: 10,
            open_for: MINUTE / 2,
            trials: 3,
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

    /// It opens when this part of the calls has failed: from 0 to 1. What is beyond counts as the nearer of the two, no number
    /// as 1. At 0 one failure is enough.
    ///
    /// ```
    /// # use nanolith::layers::CircuitBreaker;
    /// let patient = CircuitBreaker::new().failure_rate(0.9);
    /// ```
    pub fn failure_rate(self, part: f64) -> Self {
        self.set(|settings| settings.failure_rate = clamp(part))
    }

    /// It opens when this part of the calls took as long as that, or longer, however they ended: counted from the moment at which
    /// they are let through. The part is clamped as the [failure rate](CircuitBreaker::failure_rate)'s. With `Duration::ZERO` every
    /// call is slow, with `Duration::MAX` none.
    ///
    /// ```
    /// # use nanolith::{layers::CircuitBreaker, prelude::*};
    /// let quick = CircuitBreaker::new().slow_rate(0.5, 200 * MILLISECOND);
    /// ```
    pub fn slow_rate(self, part: f64, slow: Duration) -> Self {
        self.set(|settings| (settings.slow_rate, settings.slow) = (clamp(part), slow))
    }

    /// It looks at so many calls that ended last; at least 1. Fewer than [`min_calls`](CircuitBreaker::min_calls) means that those
    /// are enough.
    ///
    /// ```
    /// # use nanolith::layers::CircuitBreaker;
    /// let nervous = CircuitBreaker::new().last_calls(20);
    /// ```
    pub fn last_calls(self, calls: usize) -> Self {
        self.set(|settings| settings.window = Span::Events(calls.max(1)))
    }

    /// It looks at the calls that ended within this time, true to a tenth of it: with `Duration::MAX` at all since it closed, with
    /// `Duration::ZERO` at those of the same moment.
    ///
    /// ```
    /// # use nanolith::{layers::CircuitBreaker, prelude::*};
    /// let of_late = CircuitBreaker::new().last(10 * SECOND);
    /// ```
    pub fn last(self, time: Duration) -> Self {
        self.set(|settings| settings.window = Span::Time(time))
    }

    /// It judges by no fewer calls than these; at least 1.
    ///
    /// ```
    /// # use nanolith::layers::CircuitBreaker;
    /// let slow_to_judge = CircuitBreaker::new().min_calls(50);
    /// ```
    pub fn min_calls(self, calls: u32) -> Self {
        self.set(|settings| settings.min_calls = calls.max(1).into())
    }

    /// How long it stays open: with `Duration::MAX` until a [`reset`](CircuitBreaker::reset), with `Duration::ZERO` it is half-open
    /// at once.
    ///
    /// ```
    /// # use nanolith::{layers::CircuitBreaker, prelude::*};
    /// let short = CircuitBreaker::new().open_for(SECOND);
    /// ```
    pub fn open_for(self, time: Duration) -> Self {
        self.set(|settings| settings.open_for = time)
    }

    /// How many calls it lets through when it is half-open; at least 1.
    ///
    /// ```
    /// # use nanolith::layers::CircuitBreaker;
    /// let careful = CircuitBreaker::new().trials(1);
    /// ```
    pub fn trials(self, calls: u32) -> Self {
        self.set(|settings| settings.trials = calls.max(1).into())
    }

    /// How long a call may take that is let through while half-open. After that it counts as failed, so a call that never ends
    /// leaves its place to another. Unless it is set, it is the time that the breaker [stays open](CircuitBreaker::open_for), and a
    /// second at least; with `Duration::MAX` there is no limit.
    ///
    /// The call itself goes on: give it a [`timeout`](crate::Call::timeout) if it is to end. The limit is looked at as a call comes,
    /// or the state is asked for; where the call has ended by then, its outcome counts.
    ///
    /// ```
    /// use nanolith::{TaskSet, layers::{BreakerState, CircuitBreaker, Layer}, prelude::*, time::MockClock};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn add(x: i64, y: i64) -> i64 { x + y }
    /// #     pub async fn hang() { std::future::pending().await }
    /// # }
    /// let clock = MockClock::new();
    /// clock.run(|| {
    ///     let breaker = CircuitBreaker::new().trials(1).open_for(SECOND).half_open_timeout(MINUTE);
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

    /// Which errors count as failures.
    ///
    /// ```
    /// # use nanolith::{layers::CircuitBreaker, prelude::*};
    /// let crashes = CircuitBreaker::new().failure_if(|error| matches!(error, CallError::Crashed(_)));
    /// ```
    pub fn failure_if(self, error: impl Fn(&CallError) -> bool + Send + Sync + 'static) -> Self {
        Self::with(self.settings, self.failure.on_error(error))
    }

    /// Which outputs count as failures: for tasks that give a `Result` of their own.
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

    /// How it is.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.shared.ask(Breaker::state)
    }

    /// What it does from now on.
    pub fn transitions(&self) -> Transitions {
        self.shared.watchers.join()
    }

    /// Opens it, for as long as it stays open.
    pub fn trip(&self) {
        self.shared.ask(Breaker::open);
    }

    /// Closes it, and forgets what it has seen.
    pub fn reset(&self) {
        self.shared.ask(|breaker, _| breaker.close());
    }
}

fn clamp(part: f64) -> f64 {
    if part.is_nan() { 1.0 } else { part.clamp(0.0, 1.0) }
}

impl Shared {
    /// Asks the breaker something; those who watch hear of what came of it.
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

/// A call that was let through.
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
            return EnterResult::Refused(Refused::new(job, error));
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
