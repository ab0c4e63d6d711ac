//! [`Settings`]: the settings of a service, their defaults, and which values are valid.

use super::{on_panic::PanicHandler, restart::Restart};
use crate::{
    channel::messenger::LagPolicy,
    context::thread_runtime::ThreadRuntime,
    park::parker,
    pool::{BuildError, MIN_STACK, Pool, ThreadHandler, check_name, check_spin, queue_config::QueueConfig},
    task::Forwarder,
    wake::extensions::Extensions,
};
use std::{sync::Arc, time::Duration};

/// The settings, which move to the service's thread.
pub(super) struct Settings {
    pub(super) name: Arc<str>,
    pub(super) queue: QueueConfig,
    pub(super) spin: Duration,
    pub(super) stack_size: Option<usize>,
    pub(super) data: Extensions,
    pub(super) on_panic: Option<PanicHandler>,
    pub(super) restart: Restart,
    pub(super) outbox: LagPolicy,
    /// Takes the events, if the owners are elsewhere.
    pub(super) forwarder: Option<Forwarder>,
    /// Whether handles can receive what the service sends.
    pub(super) has_owners: bool,
    pub(super) keep_alive: bool,
    pub(super) launch_timeout: Option<Duration>,
    pub(super) metrics: bool,
    pub(super) on_thread_start: Option<ThreadHandler>,
    pub(super) on_thread_exit: Option<ThreadHandler>,
    pub(super) runtime: ThreadRuntime,
    /// The pool that the service runs on; `None` for a thread of its own.
    pub(super) pool: Option<Pool>,
}

impl Settings {
    /// Returns the default settings of a service with this name.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            queue: QueueConfig::default(),
            spin: parker::IDLE_SPIN,
            stack_size: None,
            data: Extensions::default(),
            on_panic: None,
            restart: Restart::never(),
            outbox: LagPolicy::default(),
            forwarder: None,
            has_owners: true,
            keep_alive: false,
            launch_timeout: None,
            metrics: false,
            on_thread_start: None,
            on_thread_exit: None,
            runtime: ThreadRuntime::default(),
            pool: None,
        }
    }

    /// Returns the name of the first setting that means nothing in another process.
    pub(super) fn first_local(&self) -> Option<&'static str> {
        let local = [
            (!self.data.is_empty(), "data"),
            (self.on_panic.is_some(), "on_panic"),
            (self.keep_alive, "keep_alive"),
            (self.metrics, "metrics"),
            (self.on_thread_start.is_some(), "on_thread_start"),
            (self.on_thread_exit.is_some(), "on_thread_exit"),
            (self.runtime.is_set(), "tokio"),
            (self.pool.is_some(), "on"),
        ];
        local.into_iter().find_map(|(is_set, name)| is_set.then_some(name))
    }

    /// Returns the name of the first setting that means nothing without a thread of its own.
    pub(super) fn first_of_thread(&self) -> Option<&'static str> {
        let of_thread = [
            (self.stack_size.is_some(), "stack_size"),
            (self.spin != parker::IDLE_SPIN, "spin_before_park"),
            (self.on_thread_start.is_some(), "on_thread_start"),
            (self.on_thread_exit.is_some(), "on_thread_exit"),
            (self.runtime.is_set(), "tokio"),
        ];
        of_thread.into_iter().find_map(|(is_set, name)| is_set.then_some(name))
    }

    /// Returns the error of the first invalid setting.
    pub(super) fn validate(&self) -> Result<(), BuildError> {
        self.queue.validate_one_thread()?;
        if self.stack_size.is_some_and(|bytes| bytes < MIN_STACK) {
            return Err(BuildError::bad("stack_size", "must be at least 65,536 bytes"));
        }
        self.restart.check()?;
        if self.outbox.bound() == Some(0) {
            return Err(BuildError::bad("outbox", "must be at least 1"));
        }
        check_spin(self.spin)?;
        check_name("name", &self.name)
    }
}
