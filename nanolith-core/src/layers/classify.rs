//! [`Classifier`]: the user's predicates on outcomes: whether an outcome should be retried, or
//! counts as a failure.

use crate::{
    call::{backend::ExecutorId, offload},
    error::CallError,
    util::unwind,
};
use std::{any::Any, fmt, sync::Arc};

type OfError = Arc<dyn Fn(&CallError) -> bool + Send + Sync>;
type OfOutput = Arc<dyn Fn(&dyn Any) -> bool + Send + Sync>;

/// A predicate on outcomes. A panic of the predicate counts as `false`.
#[derive(Clone)]
pub(super) struct Classifier {
    error: OfError,
    output: Option<OfOutput>,
    /// Whether the program has set a predicate of its own.
    is_custom: bool,
}

impl Classifier {
    pub(super) fn new(error: impl Fn(&CallError) -> bool + Send + Sync + 'static) -> Self {
        Self { error: Arc::new(error), output: None, is_custom: false }
    }

    pub(super) fn on_error(mut self, error: impl Fn(&CallError) -> bool + Send + Sync + 'static) -> Self {
        self.error = Arc::new(error);
        self.is_custom = true;
        self
    }

    /// Sets a predicate on outputs of the type `O`. It is not called for outputs of other types.
    pub(super) fn on_output<O: 'static>(mut self, output: impl Fn(&O) -> bool + Send + Sync + 'static) -> Self {
        self.output = Some(Arc::new(move |any| any.downcast_ref().is_some_and(&output)));
        self.is_custom = true;
        self
    }

    /// Runs `f`, which uses this predicate. If the program has set the predicate, the timer thread
    /// passes `f` to `host`.
    pub(super) fn ask_by(&self, host: impl FnOnce() -> Option<ExecutorId>, f: impl FnOnce() + Send + 'static) {
        if self.is_custom { offload::run(host(), f) } else { f() }
    }

    pub(super) fn matches<O: 'static>(&self, outcome: &Result<O, CallError>) -> bool {
        let ask = || match (outcome, &self.output) {
            (Err(error), _) => (self.error)(error),
            (Ok(output), Some(ask)) => ask(output),
            (Ok(_), None) => false,
        };
        unwind::catch(ask).unwrap_or_else(|panic| {
            std::mem::forget(panic.take_payload());
            false
        })
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier").finish_non_exhaustive()
    }
}
