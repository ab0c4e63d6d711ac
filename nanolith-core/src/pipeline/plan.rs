//! [`Plan`]: a pipeline that has not started. It holds the closure that starts each stage. The last
//! stage starts first, so that each stage has a queue for its results.

use super::{
    channel::{self, Reader, Writer},
    config::{BUFFER, LastGauge, Settings},
    driver::Driver,
    error::Cause,
    output::Output,
    stage_stats::StageMetrics,
};
use crate::pool::{GlobalPool, Pool};
use std::sync::Arc;

/// The context in which a stage starts.
pub(super) struct Starting<'a> {
    pub(super) run: &'a Arc<Driver>,
    pub(super) global: &'static Pool,
}

/// The closure that starts the producer of a queue.
pub(super) type Start<T> = Box<dyn FnOnce(&Starting<'_>, Settings, Writer<T>) + Send>;

pub(super) struct Plan<T> {
    pub(super) run: Arc<Driver>,
    /// The settings of the last stage.
    pub(super) settings: Settings,
    pub(super) gauge: LastGauge,
    /// The maximum number of results that wait for the consumer.
    pub(super) output: usize,
    start: Start<T>,
}

impl<T: Send + 'static> Plan<T> {
    /// Makes a pipeline without a stage.
    pub(super) fn new(start: impl FnOnce(&Starting<'_>, Writer<T>) + Send + 'static) -> Self {
        let start: Start<T> = Box::new(move |starting, _, out: Writer<T>| {
            starting.run.begin(out.total(), out.to_shut());
            start(starting, out);
        });
        Self { run: Driver::new(), settings: Settings::default(), gauge: None, output: BUFFER, start }
    }

    /// Adds a stage, which the closure `stage` starts.
    pub(super) fn add<O: Send + 'static>(
        self,
        settings: Settings,
        gauge: Arc<StageMetrics>,
        stage: impl FnOnce(&Starting<'_>, &Settings, &Arc<StageMetrics>, Reader<T>, Writer<O>) + Send + 'static,
    ) -> Plan<O> {
        let Self { run, settings: before, start, output, .. } = self;
        let own = gauge.clone();
        let start: Start<O> = Box::new(move |starting, settings, out| {
            let (to_stage, input) = channel::link(settings.places(), own.clone());
            stage(starting, &settings, &own, input, out);
            start(starting, before, to_stage);
        });
        Plan { run, settings, gauge: Some(gauge), output, start }
    }

    /// Starts the pipeline. If it cannot start, its output is the error.
    pub(super) fn start(self) -> Output<T> {
        let Self { run, settings, output, start, .. } = self;
        let (out, results) = channel::link(output, StageMetrics::new("output"));
        match GlobalPool.get() {
            Ok(global) => start(&Starting { run: &run, global }, settings, out),
            Err(error) => run.on_panic(&run.input, 0, Cause::not_started(error)),
        }
        Output::new(run, results)
    }
}
