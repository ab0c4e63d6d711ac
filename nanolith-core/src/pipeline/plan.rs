//! A pipeline that has not started: what will start each of its stages, the last first, so that each has a place to put its
//! results.

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

/// What is there when it starts.
pub(super) struct Starting<'a> {
    pub(super) run: &'a Arc<Driver>,
    pub(super) global: &'static Pool,
}

/// Starts what gives the items of a link.
pub(super) type Start<T> = Box<dyn FnOnce(&Starting<'_>, Settings, Writer<T>) + Send>;

pub(super) struct Plan<T> {
    pub(super) run: Arc<Driver>,
    /// Those of the last stage.
    pub(super) settings: Settings,
    pub(super) gauge: LastGauge,
    /// How many items wait for the consumer.
    pub(super) output: usize,
    start: Start<T>,
}

impl<T: Send + 'static> Plan<T> {
    /// A pipeline without a stage.
    pub(super) fn new(start: impl FnOnce(&Starting<'_>, Writer<T>) + Send + 'static) -> Self {
        let start: Start<T> = Box::new(move |starting, _, out: Writer<T>| {
            starting.run.begin(out.total(), out.to_shut());
            start(starting, out);
        });
        Self { run: Driver::new(), settings: Settings::default(), gauge: None, output: BUFFER, start }
    }

    /// The same with one stage more, which `stage` starts.
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

    /// Starts it. What hinders it comes out as its error.
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
