//! [`Breaker`]: the state machine of a circuit breaker: closed, open or half-open. It is pure data:
//! the caller holds the lock and passes the time in nanoseconds.

use super::sliding_window::{Counts, Span, Window};
use crate::time::clock;
use std::time::Duration;

/// The state of a [`CircuitBreaker`](super::CircuitBreaker), which decides whether calls pass.
///
/// ```
/// use nanolith::layers::{BreakerState, CircuitBreaker};
/// assert_eq!(CircuitBreaker::new().state(), BreakerState::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// The breaker lets calls through, and counts how they end.
    Closed,
    /// The breaker rejects calls.
    Open,
    /// The open time has passed, and the breaker lets a few calls through to see how they end.
    HalfOpen,
}

/// A change of a [`CircuitBreaker`](super::CircuitBreaker) from one state to another.
///
/// ```
/// use nanolith::{layers::{BreakerState, CircuitBreaker, Transition}, prelude::*};
/// let breaker = CircuitBreaker::new();
/// let mut transitions = breaker.transitions();
/// breaker.trip();
/// let open = Transition { from: BreakerState::Closed, to: BreakerState::Open };
/// assert_eq!(transitions.recv().wait(), Some(open));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state before.
    pub from: BreakerState,
    /// The state after.
    pub to: BreakerState,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) failure_rate: f64,
    pub(super) slow_rate: f64,
    pub(super) slow: Duration,
    pub(super) window: Span,
    pub(super) min_calls: u64,
    pub(super) open_duration: Duration,
    pub(super) half_open_calls: u64,
    pub(super) half_open_timeout: Option<Duration>,
}

/// The end of a call, as the breaker counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Failed,
    /// The end does not count: the call was cancelled, or taken back.
    Unknown,
}

/// The generation of the breaker in which a call was let through. Each transition begins a new
/// generation. An outcome counts in its own generation only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    number: u64,
    /// The number of the trial within its generation.
    trial: u64,
}

#[derive(Debug)]
enum Stage {
    Closed(Window<3>),
    Open { until: u64 },
    HalfOpen { running: Vec<Trial>, counts: Counts<3> },
}

/// A trial call that is not over. Trials are kept in the order in which they began.
#[derive(Debug)]
struct Trial {
    number: u64,
    /// The time at which it counts as failed.
    until: u64,
}

/// The number of counters: all calls, failed calls and slow calls.
const KINDS: usize = 3;

#[derive(Debug)]
pub(super) struct Breaker {
    settings: Settings,
    stage: Stage,
    life: u64,
    /// The number of the last trial.
    trial: u64,
    told: Vec<Transition>,
}

impl Breaker {
    pub(super) fn new(settings: Settings) -> Self {
        let stage = Stage::Closed(Window::new(settings.window));
        Self { settings, stage, life: 0, trial: 0, told: Vec::new() }
    }

    pub(super) fn state(&mut self, now: u64) -> BreakerState {
        self.move_to(now);
        self.stage.state()
    }

    /// Takes out the transitions since the last call of this method.
    pub(super) fn take_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.told)
    }

    /// Returns the generation of a call that is let through, or `None` if it is rejected.
    pub(super) fn enter(&mut self, now: u64) -> Option<Generation> {
        self.move_to(now);
        match &mut self.stage {
            Stage::Closed(_) => {}
            Stage::HalfOpen { running, counts } if running.len() as u64 + counts[0] < self.settings.half_open_calls => {
                self.trial += 1;
                let until = now.saturating_add(clock::nanos(self.settings.half_open_timeout()));
                running.push(Trial { number: self.trial, until });
            }
            Stage::Open { .. } | Stage::HalfOpen { .. } => return None,
        }
        Some(Generation { number: self.life, trial: self.trial })
    }

    /// Records the end of a call that was let through.
    pub(super) fn leave(&mut self, now: u64, life: Generation, ended: Ended, took: Duration) {
        if life.number != self.life {
            return;
        }
        if let Stage::HalfOpen { running, .. } = &mut self.stage {
            let Some(at) = running.iter().position(|trial| trial.number == life.trial) else {
                return; // it took too long, and already counted as failed
            };
            running.remove(at); // if its end does not count, another call may be tried
        }
        self.count(now, ended, took);
    }

    /// Counts the end of a call, and opens or closes the breaker if a rate is reached.
    fn count(&mut self, now: u64, ended: Ended, took: Duration) {
        let slow = took >= self.settings.slow;
        let event: Counts<KINDS> = [1, u64::from(ended == Ended::Failed), u64::from(slow)];
        let (counts, enough) = match (&mut self.stage, ended) {
            (_, Ended::Unknown) | (Stage::Open { .. }, _) => return,
            (Stage::Closed(window), _) => {
                window.add(now, event);
                (window.counts(now), self.settings.enough())
            }
            (Stage::HalfOpen { counts, .. }, _) => {
                counts.iter_mut().zip(event).for_each(|(count, one)| *count += one);
                (*counts, self.settings.half_open_calls)
            }
        };
        if counts[0] < enough {
            return;
        }
        if self.settings.is_bad(counts) {
            self.open(now);
        } else if let Stage::HalfOpen { .. } = self.stage {
            self.close();
        }
    }

    pub(super) fn open(&mut self, now: u64) {
        let until = now.saturating_add(clock::nanos(self.settings.open_duration));
        self.go(Stage::Open { until });
    }

    pub(super) fn close(&mut self) {
        self.go(Stage::Closed(Window::new(self.settings.window)));
    }

    /// Applies all changes that have become due since the last look, each at its own time.
    fn move_to(&mut self, now: u64) {
        loop {
            match &mut self.stage {
                Stage::Open { until } if *until <= now => {
                    self.go(Stage::HalfOpen { running: Vec::new(), counts: [0; KINDS] });
                }
                Stage::HalfOpen { running, .. } if running.first().is_some_and(|trial| trial.until <= now) => {
                    let late = running.remove(0);
                    self.count(late.until, Ended::Failed, self.settings.half_open_timeout());
                }
                Stage::Closed(_) | Stage::Open { .. } | Stage::HalfOpen { .. } => return,
            }
        }
    }

    fn go(&mut self, stage: Stage) {
        let from = std::mem::replace(&mut self.stage, stage).state();
        let to = self.stage.state();
        self.life += 1;
        if from != to {
            self.told.push(Transition { from, to });
        }
    }
}

impl Stage {
    fn state(&self) -> BreakerState {
        match self {
            Self::Closed(_) => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

/// The minimum of the default for
/// [`CircuitBreaker::half_open_timeout`](super::CircuitBreaker::half_open_timeout).
const HALF_OPEN_TIMEOUT: Duration = Duration::from_secs(1);

impl Settings {
    /// Returns whether the counts reach a rate. A rate of zero is reached by one such call, but not
    /// by zero calls.
    #[allow(clippy::cast_precision_loss)] // a count stays below 2⁵²
    fn is_bad(&self, [all, failed, slow]: Counts<KINDS>) -> bool {
        let reaches = |part: u64, rate: f64| part > 0 && part as f64 / all as f64 >= rate;
        reaches(failed, self.failure_rate) || reaches(slow, self.slow_rate)
    }

    /// Returns how many calls a closed breaker judges by: the minimum, or all that the window
    /// holds.
    fn enough(&self) -> u64 {
        match self.window {
            Span::Events(calls) => self.min_calls.min(u64::try_from(calls).unwrap_or(u64::MAX)),
            Span::Time(_) => self.min_calls,
        }
    }

    fn half_open_timeout(&self) -> Duration {
        self.half_open_timeout.unwrap_or_else(|| self.open_duration.max(HALF_OPEN_TIMEOUT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn breaker() -> Breaker {
        Breaker::new(Settings {
            failure_rate: 0.5,
            slow_rate: 2.0,
            slow: Duration::MAX,
            window: Span::Events(4),
            min_calls: 4,
            open_duration: Duration::from_secs(1),
            half_open_calls: 2,
            half_open_timeout: Some(Duration::from_secs(3)),
        })
    }

    fn call(breaker: &mut Breaker, now: u64, ended: Ended) -> bool {
        let life = breaker.enter(now);
        life.into_iter().for_each(|life| breaker.leave(now, life, ended, Duration::ZERO));
        life.is_some()
    }

    #[test]
    fn breaker_opens_at_its_failure_rate() {
        let mut breaker = breaker();
        for ended in [Ended::Failed, Ended::Failed, Ended::Failed] {
            assert!(call(&mut breaker, 0, ended));
        }
        assert_eq!(breaker.state(0), BreakerState::Closed, "three are not enough to judge by");
        assert!(call(&mut breaker, 0, Ended::Well));
        assert_eq!(breaker.state(0), BreakerState::Open);
        assert!(!call(&mut breaker, SECOND - 1, Ended::Well));
    }

    #[test]
    fn full_window_below_the_minimum_is_enough() {
        let mut breaker = breaker();
        breaker.settings.min_calls = 10;
        for _ in 0..4 {
            assert!(call(&mut breaker, 0, Ended::Failed));
        }
        assert_eq!(breaker.state(0), BreakerState::Open);
    }

    #[test]
    fn call_admitted_before_the_opening_does_not_count_after_it() {
        let mut breaker = breaker();
        let old = breaker.enter(0).expect("it is closed");
        breaker.open(0);
        assert_eq!(breaker.state(SECOND), BreakerState::HalfOpen);
        breaker.leave(SECOND, old, Ended::Failed, Duration::ZERO);
        assert!(call(&mut breaker, SECOND, Ended::Well) && call(&mut breaker, SECOND, Ended::Well));
        assert_eq!(breaker.state(SECOND), BreakerState::Closed);
    }

    #[test]
    fn trial_without_an_outcome_makes_room_for_another() {
        let mut breaker = breaker();
        breaker.open(0);
        for _ in 0..5 {
            assert!(call(&mut breaker, SECOND, Ended::Unknown));
        }
        let half_open_calls = [(); 3].map(|()| breaker.enter(SECOND));
        assert_eq!(half_open_calls.iter().flatten().count(), 2);
        half_open_calls
            .into_iter()
            .flatten()
            .for_each(|life| breaker.leave(SECOND, life, Ended::Failed, Duration::ZERO));
        let to: Vec<_> = breaker.take_transitions().iter().map(|told| told.to).collect();
        assert_eq!(to, [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Open]);
    }

    #[test]
    fn trial_beyond_its_limit_counts_as_failed() {
        let mut breaker = breaker();
        breaker.open(0);
        let [first, second] = [SECOND, 2 * SECOND].map(|now| breaker.enter(now).expect("it is half-open"));
        assert_eq!(breaker.enter(4 * SECOND - 1), None, "two are on");
        breaker.leave(4 * SECOND - 1, second, Ended::Well, Duration::ZERO);
        assert_eq!(breaker.state(4 * SECOND - 1), BreakerState::HalfOpen, "the first may still end");
        assert_eq!(breaker.state(4 * SECOND), BreakerState::Open, "one of two has failed");
        breaker.leave(4 * SECOND, first, Ended::Well, Duration::ZERO);
        assert_eq!(breaker.state(5 * SECOND - 1), BreakerState::Open, "it was open since the limit");
        assert!(call(&mut breaker, 5 * SECOND, Ended::Well) && call(&mut breaker, 5 * SECOND, Ended::Well));
        breaker.leave(5 * SECOND, first, Ended::Failed, Duration::ZERO);
        assert_eq!(breaker.state(5 * SECOND), BreakerState::Closed);
    }

    #[test]
    fn late_check_applies_transitions_at_their_due_times() {
        let mut breaker = breaker();
        breaker.open(0);
        let half_open_calls = [(); 2].map(|()| breaker.enter(SECOND));
        assert!(half_open_calls.iter().all(Option::is_some));
        // Both failed at 4 s, so it was half-open again at 5 s.
        assert_eq!(breaker.state(100 * SECOND), BreakerState::HalfOpen);
        let to: Vec<_> = breaker.take_transitions().iter().map(|transition| transition.to).collect();
        assert_eq!(to, [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Open, BreakerState::HalfOpen]);
    }

    #[test]
    fn late_trial_counts_by_its_outcome_without_other_calls() {
        let mut breaker = breaker();
        breaker.open(0);
        let half_open_calls = [(); 2].map(|()| breaker.enter(SECOND).expect("it is half-open"));
        for trial in half_open_calls {
            breaker.leave(100 * SECOND, trial, Ended::Well, Duration::ZERO);
        }
        assert_eq!(breaker.state(100 * SECOND), BreakerState::Closed);
    }

    #[test]
    fn limit_of_a_trial_is_the_open_time_unless_set() {
        for (open_duration, set, limit) in [
            (Duration::from_secs(30), None, 30 * SECOND),
            (Duration::ZERO, None, SECOND),
            (Duration::from_millis(5), None, SECOND),
            (Duration::from_secs(30), Some(Duration::ZERO), 0),
            (Duration::MAX, None, u64::MAX),
            (Duration::ZERO, Some(Duration::MAX), u64::MAX),
        ] {
            let mut breaker = breaker();
            (breaker.settings.open_duration, breaker.settings.half_open_timeout, breaker.settings.half_open_calls) =
                (open_duration, set, 1);
            breaker.go(Stage::HalfOpen { running: Vec::new(), counts: [0; KINDS] });
            assert!(breaker.enter(7).is_some());
            let Stage::HalfOpen { running, .. } = &breaker.stage else { panic!("it is half-open") };
            assert_eq!(running[0].until, limit.saturating_add(7));
        }
    }

    #[test]
    fn endless_open_time_never_passes() {
        let mut breaker = breaker();
        breaker.settings.open_duration = Duration::MAX;
        breaker.open(SECOND);
        assert_eq!(breaker.state(u64::MAX - 1), BreakerState::Open);
        breaker.settings.open_duration = Duration::ZERO;
        breaker.open(SECOND);
        assert_eq!(breaker.state(SECOND), BreakerState::HalfOpen);
    }

    #[test]
    fn rate_of_zero_is_reached_by_one_failure() {
        let mut breaker = breaker();
        (breaker.settings.failure_rate, breaker.settings.slow_rate) = (0.0, 0.0);
        assert!((0..9).all(|_| call(&mut breaker, 0, Ended::Well)));
        assert_eq!(breaker.state(0), BreakerState::Closed);
        assert!(call(&mut breaker, 0, Ended::Failed));
        assert_eq!(breaker.state(0), BreakerState::Open);
    }
}
