//! [`Transitions`]: the stream of a circuit breaker's changes of state: closed, open or half-open.

use super::breaker_state::Transition;
use crate::{event::Events, wake::subscribers::Subscribers};

/// The publisher of a breaker's transitions.
pub(super) struct Watchers(Subscribers<Transition>);

impl Default for Watchers {
    fn default() -> Self {
        Self(Subscribers::new())
    }
}

impl Watchers {
    pub(super) fn join(&self) -> Events<Transition> {
        Events::of(&self.0)
    }

    pub(super) fn tell(&self, transitions: &[Transition]) {
        transitions.iter().for_each(|transition| self.0.publish(transition));
    }
}
