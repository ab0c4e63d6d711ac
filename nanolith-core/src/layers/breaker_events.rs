//! [`Transitions`]: the stream of a circuit breaker's changes of state: closed, open or half-open.

use super::breaker_state::Transition;
use crate::{
    context::block_on,
    wake::subscribers::{Subscribers, Subscription},
};
use futures_util::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// The transitions of a [`CircuitBreaker`](super::CircuitBreaker) from now on: an endless `Stream`,
/// and a blocking iterator.
///
/// After its open time, a breaker turns half-open when the first call comes or the state is read.
/// It checks the time limit of half-open calls at the same moments. So both transitions are
/// published only then.
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
#[must_use = "it tells what happens when it is iterated, polled or asked"]
pub struct Transitions {
    events: Subscription<Transition>,
}

impl Transitions {
    /// Waits for the next transition.
    ///
    /// # Cancel safety
    ///
    /// No transition is lost.
    pub fn recv(&mut self) -> NextTransition<'_> {
        NextTransition { transitions: self }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Transition> {
        match Pin::new(&mut self.events).poll_next(cx) {
            Poll::Ready(Some(transition)) => Poll::Ready(transition),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Stream for Transitions {
    type Item = Transition;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        self.poll(cx).map(Some)
    }
}

impl Iterator for Transitions {
    type Item = Transition;

    fn next(&mut self) -> Option<Transition> {
        Some(self.recv().wait())
    }
}

impl fmt::Debug for Transitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transitions").finish_non_exhaustive()
    }
}

/// A future that waits for a transition. [`Transitions::recv`] creates it.
#[must_use = "does nothing until awaited or waited on"]
pub struct NextTransition<'a> {
    transitions: &'a mut Transitions,
}

impl NextTransition<'_> {
    /// Blocks until the next transition.
    #[must_use]
    pub fn wait(self) -> Transition {
        block_on::block_on_any(self)
    }
}

/// The drop removes the waker that a poll has stored.
impl Drop for NextTransition<'_> {
    fn drop(&mut self) {
        self.transitions.events.forget_waker();
    }
}

impl Future for NextTransition<'_> {
    type Output = Transition;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Transition> {
        self.transitions.poll(cx)
    }
}

impl fmt::Debug for NextTransition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextTransition").finish_non_exhaustive()
    }
}

/// The publisher of a breaker's transitions.
pub(super) struct Watchers(Subscribers<Transition>);

impl Default for Watchers {
    fn default() -> Self {
        Self(Subscribers::new())
    }
}

impl Watchers {
    pub(super) fn join(&self) -> Transitions {
        Transitions { events: self.0.subscribe() }
    }

    pub(super) fn tell(&self, transitions: &[Transition]) {
        transitions.iter().for_each(|transition| self.0.publish(transition));
    }
}
