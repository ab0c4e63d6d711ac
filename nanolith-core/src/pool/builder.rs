//! Building a pool.

use super::{BuildError, Concurrency, MaxQueue, Pool, config::Config, global::build_global};
use crate::gate::OnFull;
use std::{fmt, sync::Arc};

/// The settings of a pool: made by [`Pool::builder`].
#[derive(Clone)]
#[must_use = "settings do nothing until `build`"]
pub struct PoolBuilder {
    config: Config,
}

impl PoolBuilder {
    pub(super) fn new() -> Self {
        Self { config: Config::default() }
    }

    /// The pool's name, which its threads bear with a number. The default is `nanolith`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.config.name = name.into();
        self
    }

    /// How many tasks run at once. The default is one a core.
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.config.concurrency = concurrency;
        self
    }

    /// How many calls from outside may be queued. The default is 65,536.
    pub fn max_queue(mut self, max_queue: MaxQueue) -> Self {
        self.config.max_queue = max_queue;
        self
    }

    /// How many calls from outside may be queued, running and suspended together. There is no such bound unless it is set.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.config.max_in_flight = calls;
        self
    }

    /// What happens to a call that comes when the queue is full. The default is to wait.
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.config.on_full = on_full;
        self
    }

    /// Names each thread by its number.
    pub fn thread_name(mut self, name: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.config.thread_name = Some(Arc::new(name));
        self
    }

    /// The stack of each thread, in bytes: at least 65,536. The default is the standard library's.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = Some(bytes);
        self
    }

    /// Runs on each thread as it starts. A panic in it is swallowed.
    pub fn on_thread_start(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.config.on_thread_start = Some(Arc::new(handler));
        self
    }

    /// Runs on each thread as it exits. A panic in it is swallowed.
    pub fn on_thread_exit(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.config.on_thread_exit = Some(Arc::new(handler));
        self
    }

    /// How many threads may stand in for those that wait within tasks. The default is 256. Beyond it, a wait for the same
    /// pool that could never end gives [`CallError::WouldDeadlock`](crate::CallError::WouldDeadlock).
    pub fn max_spare_threads(mut self, threads: usize) -> Self {
        self.config.max_spares = threads;
        self
    }

    /// A value for the tasks' contexts, one a type: `cx.data::<T>()`.
    pub fn data<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.config.data.insert(value);
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the setting that cannot work, or says that the system gives no threads.
    pub fn build(self) -> Result<Pool, BuildError> {
        Pool::build(self.config)
    }

    /// Starts the global pool with these settings, before its first use.
    ///
    /// # Errors
    ///
    /// As [`PoolBuilder::build`]; also when the global pool has been started before.
    pub fn build_global(self) -> Result<(), BuildError> {
        build_global(self)
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("name", &self.config.name)
            .field("concurrency", &self.config.concurrency)
            .field("max_queue", &self.config.max_queue)
            .field("on_full", &self.config.on_full)
            .finish_non_exhaustive()
    }
}
