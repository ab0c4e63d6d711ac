//! Hedged calls ([The Tail at Scale](https://research.google/pubs/the-tail-at-scale/)): a second
//! attempt when the first is slow.

use super::{
    latencies::Latencies,
    layered::{EnterResult, LayerPolicy, LayerStack, Transparent, layer},
    resubmit,
};
use crate::util::checked::from_zero_to;
use crate::{
    call::{backend, call_ref::CallRef, slot::EndReason},
    error::CallError,
    executor::Executor,
    task::{self, CallSlot, Job, Reply, TaskSet, go_on_as},
    time::{
        clock,
        timer::{self, TimerAction},
    },
    util::unwind,
};
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A layer that begins a second attempt if the first takes long, and returns the output of the
/// first attempt that succeeds. The other attempt is cancelled. It does so for tasks under
/// `#[task(idempotent)]` whose arguments are `Clone`. Other tasks go through unchanged.
///
/// ```
/// use nanolith::{
///     TaskSet, layers::{Hedge, Layer}, prelude::*, time::{MILLISECOND, MINUTE},
/// };
/// use std::sync::atomic::{AtomicU32, Ordering};
/// # pub struct Geometry;
/// static CALLS: AtomicU32 = AtomicU32::new(0);
///
/// #[define]
/// impl Geometry {
///     #[task(idempotent)]
///     pub async fn add(x: i64, y: i64) -> i64 {
///         if CALLS.fetch_add(1, Ordering::Relaxed) == 0 {
///             nanolith::time::sleep(MINUTE).await; // has a bad day
///         }
///         x + y
///     }
/// }
/// let geometry = Geometry::calls(Hedge::after(5 * MILLISECOND).layer(Pool::builder().build()?));
/// assert_eq!(geometry.add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An error ends the call only if no other attempt is in progress. So a hedge is no retry. It costs
/// up to twice the load. Use it for an executor that is sometimes slow, but not for an executor
/// that lacks capacity.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct Hedge {
    after: Duration,
    latencies: Option<Arc<Mutex<Latencies>>>,
    hedged: Arc<AtomicU64>,
}

impl Hedge {
    /// Creates a layer that begins the second attempt after `delay`: with `Duration::ZERO` at once,
    /// with `Duration::MAX` never.
    pub fn after(delay: Duration) -> Self {
        Self { after: delay, latencies: None, hedged: Arc::default() }
    }

    /// Sets the delay to a percentile of the durations of recent calls. For example, 95 leads to
    /// about one second attempt in twenty calls. Until 20 calls are over, the delay of
    /// [`Hedge::after`] applies.
    ///
    /// ```
    /// # use nanolith::{layers::Hedge, prelude::*, time::SECOND};
    /// let hedge = Hedge::after(SECOND).percentile(95.0);
    /// ```
    ///
    /// # Panics
    ///
    /// If `percent` is not from 0 to 100.
    #[track_caller]
    pub fn percentile(mut self, percent: f64) -> Self {
        from_zero_to(100.0, "percentile", percent);
        self.latencies = Some(Arc::new(Mutex::new(Latencies::new(percent / 100.0))));
        self
    }

    /// Returns the number of second attempts.
    ///
    /// ```
    /// # use nanolith::{layers::Hedge, prelude::*, time::SECOND};
    /// assert_eq!(Hedge::after(SECOND).hedged(), 0);
    /// ```
    #[must_use]
    pub fn hedged(&self) -> u64 {
        self.hedged.load(Ordering::Relaxed)
    }

    fn delay(&self) -> Duration {
        let told = self.latencies.as_ref().and_then(|latencies| lock(latencies).percentile());
        told.unwrap_or(self.after)
    }

    fn learn(&self, took: Duration) {
        self.latencies.iter().for_each(|latencies| lock(latencies).add(took));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

layer!(Hedge);
impl Transparent for Hedge {}

impl<S: TaskSet> LayerPolicy<S> for Hedge {
    type Reservation = ();

    fn enter<E: Executor<S> + 'static>(around: &Arc<LayerStack<Self, E>>, job: Job<S>) -> EnterResult<S, ()> {
        if !job.task().is_idempotent() {
            return EnterResult::Forward(job, ());
        }
        let Ok((task, reply)) = job.start_delegating() else { return EnterResult::Finished };
        match task::duplicate::<S>(&task) {
            Some(again) => EnterResult::Forward(Race::begin(around, task, again, reply), ()),
            None => EnterResult::Forward(Job::delegate(reply, task, Reply::complete), ()),
        }
    }
}

/// The two attempts of one call. The first attempt is the delegate of the call, and holds its
/// reply. If it fails while the second attempt is in progress, the second becomes the delegate, and
/// the reply waits in `parked`.
struct Race<S: TaskSet, E> {
    around: Arc<LayerStack<Hedge, E>>,
    call: CallRef<CallSlot<S>>,
    since: u64,
    state: Mutex<State<S>>,
}

type Outcome<S> = Result<<S as TaskSet>::Output, CallError>;

struct State<S: TaskSet> {
    second: Second<S>,
    /// The output of the second attempt, if it won. The first attempt passes it to the caller.
    won: Option<S::Output>,
    /// The reply and the error of the first attempt, which failed while the second is in progress.
    parked: Option<(Reply<S>, Outcome<S>)>,
}

enum Second<S: TaskSet> {
    /// The second attempt begins when the timer fires.
    Resting(Option<timer::Key>, S::Task),
    Running(CallRef<CallSlot<S>>),
    Over,
}

impl<S: TaskSet, E: Executor<S> + 'static> Race<S, E> {
    fn begin(around: &Arc<LayerStack<Hedge, E>>, task: S::Task, again: S::Task, reply: Reply<S>) -> Job<S> {
        let second = Second::Resting(None, again);
        let state = Mutex::new(State { second, won: None, parked: None });
        let race = Arc::new(Self { around: around.clone(), call: reply.slot().clone(), since: clock::now(), state });
        if let Some(due) = clock::after(around.layer.delay()) {
            let ring = {
                let race = race.clone();
                move || race.begin_second()
            };
            let key = timer::arm(due, TimerAction::Run(Box::new(ring)));
            if let Second::Resting(known, _) = &mut lock(&race.state).second {
                *known = Some(key);
            }
        }
        let first = First(race);
        Job::delegate(reply, task, move |reply, outcome| first.is_over(reply, outcome))
    }

    /// Begins the second attempt, because the first takes long.
    fn begin_second(self: Arc<Self>) {
        let mut state = lock(&self.state);
        let Second::Resting(_, task) = std::mem::replace(&mut state.second, Second::Over) else { return };
        let race = self.clone();
        let job = Job::sibling(&self.call, task, move |outcome| race.second_is_over(outcome));
        state.second = Second::Running(job.slot().clone());
        drop(state);
        // ORDERING: Relaxed. It is a counter that only `Hedge::hedged` reads.
        self.around.layer.hedged.fetch_add(1, Ordering::Relaxed);
        resubmit::send(&self.around, job);
    }

    fn first_is_over(&self, reply: Reply<S>, outcome: Outcome<S>) {
        let mut state = lock(&self.state);
        let outcome = match state.won.take() {
            Some(output) => Ok(output),
            None => outcome,
        };
        let waits = outcome.is_err() && !reply.is_cancelled();
        match std::mem::replace(&mut state.second, Second::Over) {
            Second::Running(second) if waits => {
                state.second = Second::Running(second.clone());
                state.parked = Some((reply, outcome));
                drop(state);
                go_on_as(&self.call, &second);
            }
            second => {
                drop(state);
                self.give_up(second);
                self.complete(reply, outcome);
            }
        }
    }

    fn second_is_over(&self, outcome: Outcome<S>) {
        let mut state = lock(&self.state);
        let second = std::mem::replace(&mut state.second, Second::Over);
        let parked = state.parked.take();
        let (lost, has_won) = match (outcome, &parked) {
            (Ok(output), None) => {
                state.won = Some(output);
                (None, true)
            }
            (outcome, _) => (Some(outcome), false),
        };
        drop(state);
        drop(second);
        match (parked, lost) {
            (Some((reply, Err(error))), Some(Err(_))) => self.complete(reply, Err(error)),
            (Some((reply, _)), Some(outcome)) => self.complete(reply, outcome),
            // The first attempt is cancelled. Its end passes the output to the caller.
            _ if has_won => {
                if let Some(first) = self.call.header.delegate() {
                    backend::end(&*first, None, EndReason::Cancelled);
                }
            }
            _ => {}
        }
    }

    /// Cancels the second attempt, or its timer.
    fn give_up(&self, second: Second<S>) {
        match second {
            Second::Resting(key, task) => {
                key.into_iter().for_each(timer::disarm);
                unwind::ignore_panics(|| drop(task));
            }
            Second::Running(second) => backend::end(&*second, None, EndReason::Cancelled),
            Second::Over => {}
        }
    }

    fn complete(&self, reply: Reply<S>, outcome: Outcome<S>) {
        if outcome.is_ok() {
            self.around.layer.learn(clock::elapsed(self.since, clock::now()));
        }
        reply.complete(outcome);
    }
}

/// The first attempt. If it is taken back, there is no second attempt.
struct First<S: TaskSet, E: Executor<S> + 'static>(Arc<Race<S, E>>);

impl<S: TaskSet, E: Executor<S> + 'static> First<S, E> {
    fn is_over(&self, reply: Reply<S>, outcome: Outcome<S>) {
        self.0.first_is_over(reply, outcome);
    }
}

impl<S: TaskSet, E: Executor<S> + 'static> Drop for First<S, E> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        if state.parked.is_none() {
            let second = std::mem::replace(&mut state.second, Second::Over);
            drop(state);
            self.0.give_up(second);
        }
    }
}

impl fmt::Debug for Hedge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge").field("after", &self.after).field("hedged", &self.hedged()).finish_non_exhaustive()
    }
}
