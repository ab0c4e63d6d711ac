//! What a circuit breaker knows: closed, open or half-open, and why. Pure data; its owner brings the lock and the time, in
//! nanoseconds.

use super::window::{Counts, Span, Window};
use crate::clock;
use std::time::Duration;

/// Whether a [`CircuitBreaker`](super::CircuitBreaker) lets calls through.
///
/// ```
/// use nanolith::layers::{BreakerState, CircuitBreaker};
/// assert_eq!(CircuitBreaker::new().state(), BreakerState::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// It lets calls through, and counts how they end.
    Closed,
    /// It rejects calls.
    Open,
    /// It was open for its time, and lets a few calls through to see how they end.
    HalfOpen,
}

/// A [`CircuitBreaker`](super::CircuitBreaker) went from one state to another.
///
/// ```
/// use nanolith::layers::{BreakerState, CircuitBreaker, Transition};
/// let breaker = CircuitBreaker::new();
/// let mut transitions = breaker.transitions();
/// breaker.trip();
/// let open = Transition { from: BreakerState::Closed, to: BreakerState::Open };
/// assert_eq!(transitions.recv().wait(), open);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state before.
    pub from: BreakerState,
    /// The state from then on.
    pub to: BreakerState,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) failure_rate: f64,
    pub(super) slow_rate: f64,
    pub(super) slow: Duration,
    pub(super) window: Span,
    pub(super) min_calls: u64,
    pub(super) open_for: Duration,
    pub(super) trials: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Failed,
    /// It says nothing: it was cancelled, or taken back.
    Unknown,
}

/// For which life of the breaker a call was let through: its outcome counts in no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life(u64);

#[derive(Debug)]
enum Stage {
    Closed(Window<3>),
    Open { until: u64 },
    HalfOpen { begun: u64, counts: Counts<3> },
}

/// All, failed, slow.
const KINDS: usize = 3;

#[derive(Debug)]
pub(super) struct Breaker {
    settings: Settings,
    stage: Stage,
    life: u64,
    told: Vec<Transition>,
}

impl Breaker {
    pub(super) fn new(settings: Settings) -> Self {
        let stage = Stage::Closed(Window::new(settings.window));
        Self { settings, stage, life: 0, told: Vec::new() }
    }

    pub(super) fn state(&mut self, now: u64) -> BreakerState {
        self.move_to(now);
        self.stage.state()
    }

    /// What happened since this was asked last.
    pub(super) fn told(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.told)
    }

    /// Lets a call through, or not.
    pub(super) fn enter(&mut self, now: u64) -> Option<Life> {
        self.move_to(now);
        match &mut self.stage {
            Stage::Closed(_) => {}
            Stage::HalfOpen { begun, .. } if *begun < self.settings.trials => *begun += 1,
            Stage::Open { .. } | Stage::HalfOpen { .. } => return None,
        }
        Some(Life(self.life))
    }

    /// A call that was let through is over.
    pub(super) fn leave(&mut self, now: u64, life: Life, ended: Ended, took: Duration) {
        if life != Life(self.life) {
            return;
        }
        let slow = took >= self.settings.slow;
        let event: Counts<KINDS> = [1, u64::from(ended == Ended::Failed), u64::from(slow)];
        let (counts, enough) = match (&mut self.stage, ended) {
            (Stage::HalfOpen { begun, .. }, Ended::Unknown) => {
                *begun -= 1; // another may be tried in its place
                return;
            }
            (_, Ended::Unknown) | (Stage::Open { .. }, _) => return,
            (Stage::Closed(window), _) => {
                window.add(now, event);
                (window.counts(now), self.settings.min_calls)
            }
            (Stage::HalfOpen { counts, .. }, _) => {
                counts.iter_mut().zip(event).for_each(|(count, one)| *count += one);
                (*counts, self.settings.trials)
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
        let until = now.saturating_add(clock::nanos(self.settings.open_for));
        self.go(Stage::Open { until });
    }

    pub(super) fn close(&mut self) {
        self.go(Stage::Closed(Window::new(self.settings.window)));
    }

    fn move_to(&mut self, now: u64) {
        if matches!(self.stage, Stage::Open { until } if until <= now) {
            self.go(Stage::HalfOpen { begun: 0, counts: [0; KINDS] });
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

impl Settings {
    #[allow(clippy::cast_precision_loss)] // nobody counts 2⁵² calls
    fn is_bad(&self, [all, failed, slow]: Counts<KINDS>) -> bool {
        let rate = |part: u64| part as f64 / all as f64;
        rate(failed) >= self.failure_rate || rate(slow) >= self.slow_rate
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
            open_for: Duration::from_secs(1),
            trials: 2,
        })
    }

    fn call(breaker: &mut Breaker, now: u64, ended: Ended) -> bool {
        let life = breaker.enter(now);
        life.into_iter().for_each(|life| breaker.leave(now, life, ended, Duration::ZERO));
        life.is_some()
    }

    #[test]
    fn it_opens_at_the_rate_and_no_sooner() {
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
    fn what_was_let_through_before_it_opened_says_nothing_after() {
        let mut breaker = breaker();
        let old = breaker.enter(0).expect("it is closed");
        breaker.open(0);
        assert_eq!(breaker.state(SECOND), BreakerState::HalfOpen);
        breaker.leave(SECOND, old, Ended::Failed, Duration::ZERO);
        assert!(call(&mut breaker, SECOND, Ended::Well) && call(&mut breaker, SECOND, Ended::Well));
        assert_eq!(breaker.state(SECOND), BreakerState::Closed);
    }

    #[test]
    fn a_trial_that_says_nothing_makes_room_for_another() {
        let mut breaker = breaker();
        breaker.open(0);
        for _ in 0..5 {
            assert!(call(&mut breaker, SECOND, Ended::Unknown));
        }
        let trials = [(); 3].map(|()| breaker.enter(SECOND));
        assert_eq!(trials.iter().flatten().count(), 2);
        trials.into_iter().flatten().for_each(|life| breaker.leave(SECOND, life, Ended::Failed, Duration::ZERO));
        let to: Vec<_> = breaker.told().iter().map(|told| told.to).collect();
        assert_eq!(to, [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Open]);
    }
}
