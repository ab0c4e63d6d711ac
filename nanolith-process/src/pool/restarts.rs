//! [`PoolRestarts`]: which children are to be replaced, and by which child. Pure data.

use super::{child::Child, children::Children, restart::PoolRestartError};
use std::sync::{Arc, OnceLock};

/// A restart, and how it ended.
#[derive(Debug)]
pub(super) struct RestartState {
    /// The last child that was started before. Children have ascending numbers.
    last_child: u64,
    pub(super) outcome: OnceLock<Result<(), PoolRestartError>>,
}

/// The restarts that go on.
#[derive(Default)]
pub(super) struct PoolRestarts {
    unfinished: Vec<Arc<RestartState>>,
    /// The child that is started to replace the next one.
    replacement: Option<u64>,
    /// The child that was replaced last. It may have a call to finish.
    retiring: Option<u64>,
}

/// What is to be done for the restarts.
pub(super) enum RestartStep {
    /// Something else happens first.
    Wait,
    /// A restart has ended.
    Ended,
    /// A further child is to be started.
    Start,
    /// This child is to end after its calls.
    Retire(Arc<Child>),
}

impl PoolRestarts {
    pub(super) fn begin(&mut self, last_child: u64) -> Arc<RestartState> {
        let state = Arc::new(RestartState { last_child, outcome: OnceLock::new() });
        self.unfinished.push(state.clone());
        state
    }

    /// Ends all restarts with an error. The children that are left go on. Returns whether there were any.
    pub(super) fn fail(&mut self, error: &PoolRestartError) -> bool {
        (self.replacement, self.retiring) = (None, None);
        let unfinished = std::mem::take(&mut self.unfinished);
        unfinished.iter().for_each(|restart| drop(restart.outcome.set(Err(error.clone()))));
        !unfinished.is_empty()
    }

    pub(super) fn set_replacement(&mut self, child: u64) {
        self.replacement = Some(child);
    }

    pub(super) fn is_replacement(&self, child: u64) -> bool {
        self.replacement == Some(child)
    }
}

impl Children {
    /// Returns the next step of the restarts. One child after another is replaced: a further child
    /// starts, then an old one ends, and when that is gone the next one follows.
    pub(super) fn next_restart_step(&mut self) -> RestartStep {
        let oldest = self.ids().min().unwrap_or(u64::MAX);
        let (ended, unfinished) =
            self.restarts.unfinished.drain(..).partition::<Vec<_>, _>(|restart| restart.last_child < oldest);
        self.restarts.unfinished = unfinished;
        if !ended.is_empty() {
            ended.iter().for_each(|restart| drop(restart.outcome.set(Ok(()))));
            return RestartStep::Ended;
        }
        let Some(last_child) = self.restarts.unfinished.iter().map(|restart| restart.last_child).max() else {
            self.restarts.replacement = None; // all that it could replace are gone
            return RestartStep::Wait;
        };
        if self.restarts.retiring.is_some_and(|retiring| self.get(retiring).is_some()) {
            return RestartStep::Wait;
        }
        let replacement = self.restarts.replacement.filter(|replacement| self.get(*replacement).is_some());
        let Some(replacement) = replacement else { return RestartStep::Start };
        if self.is_starting(replacement) {
            return RestartStep::Wait;
        }
        // A child that was started for one restart is an old one for a later restart.
        let last_child = last_child.min(replacement - 1);
        if let Some(child) = self.replaceable(last_child) {
            (self.restarts.replacement, self.restarts.retiring) = (None, Some(child.id));
            return RestartStep::Retire(child);
        }
        if self.ids().any(|child| child <= last_child) {
            return RestartStep::Wait; // until that child serves
        }
        RestartStep::Start
    }
}
