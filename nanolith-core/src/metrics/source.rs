//! [`MetricsSource`]: what an exporter reads of an executor. It does not keep the executor open.

use super::{Metrics, Recorder};
use std::sync::Arc;

/// The metrics of one executor.
pub(crate) struct MetricsSource {
    name: Arc<str>,
    recorder: Recorder,
    depth: Box<dyn Fn() -> Option<usize> + Send>,
}

impl MetricsSource {
    /// `depth` returns the number of queued calls, or `None` once the executor is gone.
    pub(crate) fn new(name: Arc<str>, recorder: Recorder, depth: impl Fn() -> Option<usize> + Send + 'static) -> Self {
        Self { name, recorder, depth: Box::new(depth) }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.recorder.is_on()
    }

    pub(crate) fn read(&self) -> Option<Metrics> {
        self.recorder.read(1)
    }

    pub(crate) fn queue_depth(&self) -> Option<usize> {
        (self.depth)()
    }
}
