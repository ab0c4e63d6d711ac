//! [`ProcessPoolBuilder`]: the settings of a pool of child processes, and their validation.

use super::{
    ProcessPool, child_settings::child_settings, listeners::Listeners, pool_shared::PoolShared,
    state_source::ServiceState,
};
use crate::{
    build_error::BuildError,
    init::{Role, role},
    served,
    sys::{HAS_CPU_LIMITS, HAS_LISTENERS, HAS_MEMORY_LIMITS},
    wire::MAX_LISTENERS,
};
use nanolith::{
    executor::{JobQueue, JobQueueBuilder, MaxQueue, OnFull},
    task::Priority,
};
use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc, thread, time::Duration};

/// What is wrong with a setting that only other systems have.
const NOT_HERE: &str = "is not available on this system";

/// Where the standard output of a child goes: see [`ProcessPoolBuilder::stdout`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stdout {
    /// To the standard output of this process.
    #[default]
    Inherit,
    /// Nowhere.
    Null,
}

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) name: Arc<str>,
    pub(crate) min_children: usize,
    pub(crate) max_children: usize,
    pub(crate) warm_spare: bool,
    pub(crate) idle_timeout: Duration,
    pub(crate) start_timeout: Duration,
    pub(crate) max_start_failures: u32,
    pub(crate) task_timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) recycle_after: Option<u64>,
    pub(crate) recycle_above: Option<u64>,
    pub(crate) memory: Option<u64>,
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) nice: Option<i32>,
    pub(crate) max_message: usize,
    /// Whether a thread that waits for a process spins before it sleeps.
    pub(super) spins: bool,
    pub(crate) current_dir: Option<PathBuf>,
    pub(crate) env_clear: bool,
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    pub(crate) stdout: Stdout,
    pub(crate) pass_stderr: bool,
    pub(super) listeners: Listeners,
}

impl Default for Config {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            name: "children".into(),
            min_children: 0,
            max_children: cores,
            spins: cores > 1,
            warm_spare: false,
            idle_timeout: Duration::from_secs(60),
            start_timeout: Duration::from_secs(10),
            max_start_failures: 5,
            task_timeout: None,
            grace: Duration::from_millis(100),
            recycle_after: None,
            recycle_above: None,
            memory: None,
            cpu_time: None,
            nice: None,
            max_message: 64 << 20,
            current_dir: None,
            env_clear: false,
            env: Vec::new(),
            stdout: Stdout::Inherit,
            pass_stderr: true,
            listeners: Listeners::default(),
        }
    }
}

/// The settings of a [`ProcessPool`]. Made by [`ProcessPool::builder`].
///
/// A child is the same program, started again with the same user and, unless it is changed, the same
/// environment. The settings are enforced by the parent, unless their text names the system.
///
/// ```standalone_crate
/// use nanolith::{prelude::*, time::SECOND};
/// use nanolith_process::{ProcessPool, Stdout};
///
/// pub struct Shell;
///
/// #[define(wire)]
/// impl Shell {
///     pub fn variable(name: String) -> Option<String> { std::env::var(name).ok() }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Shell,)>();
///     let children = ProcessPool::builder()
///         .name("shell")
///         .max_children(2)
///         .task_timeout(10 * SECOND) // then the task is asked to stop
///         .grace(SECOND) // then its child is killed
///         .recycle_after(1000)
///         .max_queue(100)
///         .max_message(1 << 20)
///         .env_clear()
///         .env("COLOUR", "blue")
///         .stdout(Stdout::Null)
///         .build()?;
///     let shell = Shell::on(&children);
///     assert_eq!(shell.variable("COLOUR".into()).wait()?.as_deref(), Some("blue"));
///     assert_eq!(shell.variable("HOME".into()).wait()?, None);
///     Ok(())
/// }
/// ```
#[must_use = "settings do nothing until `build`"]
pub struct ProcessPoolBuilder {
    pub(super) config: Config,
    queue: JobQueueBuilder,
}

impl ProcessPoolBuilder {
    pub(super) fn new() -> Self {
        Self { config: Config::default(), queue: JobQueue::builder() }
    }

    /// Sets the name of the pool and of its thread. The default is `children`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.config.name = name.into();
        self
    }

    // ----- children

    /// Sets the number of children that are kept, at work or idle. The default is 0. They start with
    /// the pool.
    pub fn min_children(mut self, children: usize) -> Self {
        self.config.min_children = children;
        self
    }

    /// Sets the number of children that run at once: at least 1. Each runs one call at a time. The
    /// default is the number of processors. A child starts when a call waits and no child is idle.
    pub fn max_children(mut self, children: usize) -> Self {
        self.config.max_children = children;
        self
    }

    /// Sets how long a child beyond `min_children` stays idle before it ends. The default is a
    /// minute.
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.config.idle_timeout = idle;
        self
    }

    /// Sets after how many children that failed to start, without one that answered a call between
    /// them, the pool gives up: at least 1. The default is 5. A child that dies idle, before its first
    /// call, counts too. Between the attempts, the pool waits for 10 ms, then twice as long each
    /// time, at most a second. A pool that has given up is closed: each of its calls ends as
    /// [`CallError::NotStarted`](nanolith::CallError::NotStarted).
    pub fn max_start_failures(mut self, failures: u32) -> Self {
        self.config.max_start_failures = failures;
        self
    }

    // ----- the end of a child

    /// Replaces a child after this number of calls, at least 1, and up to a tenth more, chosen for
    /// each child at random. So not all children are replaced at once.
    pub fn recycle_after(mut self, calls: u64) -> Self {
        self.config.recycle_after = Some(calls);
        self
    }

    /// Replaces a child after a call if its resident memory is above this number of bytes. Linux
    /// only: elsewhere `build` fails.
    pub fn recycle_above(mut self, bytes: u64) -> Self {
        self.config.recycle_above = Some(bytes);
        self
    }

    child_settings!(config);

    // ----- the queue

    /// Sets how many calls may wait for a child: see
    /// [`PoolBuilder::max_queue`](nanolith::pool::PoolBuilder::max_queue).
    pub fn max_queue(mut self, calls: impl Into<MaxQueue>) -> Self {
        self.queue = self.queue.max_queue(calls);
        self
    }

    /// Sets how many calls may wait and run together: see
    /// [`PoolBuilder::max_in_flight`](nanolith::pool::PoolBuilder::max_in_flight).
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.queue = self.queue.max_in_flight(calls);
        self
    }

    /// Sets what happens to a call that finds the queue full. The default is to wait.
    /// [`OnFull::CallerRuns`] is refused by `build`.
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.queue = self.queue.on_full(on_full);
        self
    }

    /// Sets how long calls of this priority may be kept waiting by others: see
    /// [`PoolBuilder::max_wait`](nanolith::pool::PoolBuilder::max_wait).
    pub fn max_wait(mut self, priority: Priority, limit: Duration) -> Self {
        self.queue = self.queue.max_wait(priority, limit);
        self
    }

    /// Creates the pool, and starts `min_children`.
    ///
    /// ```
    /// let error = nanolith_process::ProcessPool::builder().max_children(0).build().unwrap_err();
    /// assert_eq!(error.to_string(), "the setting `max_children` must be at least 1");
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] if a setting is invalid or cannot be enforced on this system, if `main` did not
    /// begin with [`serve`](crate::Init::serve), or if the pool's thread cannot start.
    pub fn build(self) -> Result<ProcessPool, BuildError> {
        self.config.start(self.queue, None)
    }
}

impl Config {
    /// Returns the settings of the one child of a service.
    pub(crate) fn of_service() -> Self {
        Self { min_children: 1, max_children: 1, ..Self::default() }
    }

    /// Starts a pool, or the one child of a service.
    pub(crate) fn start(
        mut self,
        queue: JobQueueBuilder,
        state: Option<ServiceState>,
    ) -> Result<ProcessPool, BuildError> {
        self.validate()?;
        if role() == Role::Child && served::served().is_none() {
            return Err(BuildError::in_child());
        }
        if served::served().is_none() {
            return Err(BuildError::not_served());
        }
        self.listeners.prepare().map_err(|error| BuildError::system("a listening socket", error))?;
        let queue = queue.name(self.name.clone()).build().map_err(BuildError::queue)?;
        PoolShared::start(self, queue, state).map(ProcessPool::of)
    }

    fn validate(&self) -> Result<(), BuildError> {
        let (has_memory, has_cpu, has_listeners) = (HAS_MEMORY_LIMITS, HAS_CPU_LIMITS, HAS_LISTENERS);
        let wrong = [
            (self.max_children == 0, "max_children", "must be at least 1"),
            (self.min_children > self.max_children, "min_children", "must not be above `max_children`"),
            (self.start_timeout.is_zero(), "start_timeout", "must not be zero"),
            (self.max_start_failures == 0, "max_start_failures", "must be at least 1"),
            (self.task_timeout.is_some_and(|limit| limit.is_zero()), "task_timeout", "must not be zero"),
            (self.recycle_after == Some(0), "recycle_after", "must be at least 1"),
            (self.recycle_above.is_some() && !has_memory, "recycle_above", NOT_HERE),
            (self.memory.is_some() && !has_memory, "memory_limit", NOT_HERE),
            (self.cpu_time.is_some() && !has_cpu, "cpu_time", NOT_HERE),
            (self.nice.is_some() && !has_cpu, "nice", NOT_HERE),
            (self.cpu_time.is_some_and(|limit| limit.as_secs() == 0), "cpu_time", "must be at least a second"),
            (self.listeners.len() > 0 && !has_listeners, "listener", NOT_HERE),
            (self.listeners.len() > MAX_LISTENERS, "listener", "must be set at most 16 times"),
            (!(1024..=1 << 30).contains(&self.max_message), "max_message", "must be from 1 KiB to 1 GiB"),
        ];
        match wrong.into_iter().find(|(is_wrong, ..)| *is_wrong) {
            Some((_, name, what)) => Err(BuildError::setting(name, what)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets.
        f.debug_struct("ProcessPoolBuilder")
            .field("name", &self.config.name)
            .field("max_children", &self.config.max_children)
            .field("task_timeout", &self.config.task_timeout)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
