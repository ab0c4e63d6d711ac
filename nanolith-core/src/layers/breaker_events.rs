//! Who hears of it when a circuit breaker opens and closes.

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

/// What a [`CircuitBreaker`](super::CircuitBreaker) does from now on: a `Stream` without an end, and a blocking iterator.
///
/// The breaker turns half-open as the first call comes, or the state is asked for, after it was open for its time. It opens since
/// a half-open call took too long at such a look too. So both transitions come then.
///
/// ```
/// use nanolith::layers::{BreakerState, CircuitBreaker};
/// let breaker = CircuitBreaker::new();
/// let mut transitions = breaker.transitions();
/// breaker.trip();
/// breaker.reset();
/// let states: Vec<_> = transitions.by_ref().take(2).map(|told| told.to).collect();
/// assert_eq!(states, [BreakerState::Open, BreakerState::Closed]);
/// ```
#[must_use = "it tells what happens when it is iterated, polled or asked"]
pub struct Transitions {
    events: Subscription<Transition>,
}

impl Transitions {
    /// The next one.
    ///
    /// # Cancel safety
    ///
    /// None is lost.
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

/// Waits for a transition: made by [`Transitions::recv`].
#[must_use = "does nothing until awaited or waited on"]
pub struct NextTransition<'a> {
    transitions: &'a mut Transitions,
}

impl NextTransition<'_> {
    /// Blocks until it is there.
    #[must_use]
    pub fn wait(self) -> Transition {
        block_on::block_on_any(self)
    }
}

/// It leaves no waker.
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

/// Publishes what a breaker does.
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
