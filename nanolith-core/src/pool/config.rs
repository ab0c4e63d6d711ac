//! [`Config`]: the settings of a pool, and their validation. [`BuildError`] is the error of an
//! invalid setting.

use super::queue_config::QueueConfig;
use crate::{
    context::thread_runtime::ThreadRuntime, error::CallError, park::parker, sim_runtime, wake::extensions::Extensions,
};
use std::{error::Error, fmt, io, num::NonZero, sync::Arc, thread, time::Duration};

/// The number of tasks that a pool runs at once, relative to the number of the machine's cores.
///
/// ```
/// use nanolith::{pool::Concurrency, prelude::*};
/// let pool = Pool::builder().concurrency(Concurrency::Half).build()?;
/// assert_eq!(pool.max_concurrency(), Concurrency::Half.tasks());
/// # Ok::<(), nanolith::pool::BuildError>(())
/// ```
///
/// The number of cores is [`std::thread::available_parallelism`]: the cores that this process may
/// use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Concurrency {
    /// A quarter of the cores, at least one.
    Quarter,
    /// Half of the cores, at least one.
    Half,
    /// One task per core.
    #[default]
    X1,
    /// Twice the cores.
    X2,
    /// Four times the cores.
    X4,
    /// Six times the cores.
    X6,
    /// Eight times the cores.
    X8,
    /// Ten times the cores.
    X10,
    /// Exactly this number of tasks: from 1 to 10,000.
    Exact(usize),
}

impl Concurrency {
    /// Returns the number of tasks on this machine.
    ///
    /// ```
    /// use nanolith::pool::Concurrency;
    /// assert_eq!(Concurrency::X2.tasks(), 2 * Concurrency::X1.tasks());
    /// assert!(Concurrency::Quarter.tasks() >= 1);
    /// assert_eq!(Concurrency::Exact(7).tasks(), 7);
    /// ```
    #[must_use]
    pub fn tasks(self) -> usize {
        let simulated = sim_runtime::world().map(|world| world.rules().cores);
        let cores = simulated.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
        match self {
            Self::Quarter => (cores / 4).max(1),
            Self::Half => (cores / 2).max(1),
            Self::X1 => cores,
            Self::X2 => cores * 2,
            Self::X4 => cores * 4,
            Self::X6 => cores * 6,
            Self::X8 => cores * 8,
            Self::X10 => cores * 10,
            Self::Exact(tasks) => tasks,
        }
    }
}

/// A function that a thread of a pool or a service runs when it starts or exits.
pub(crate) type ThreadHandler = Arc<dyn Fn() + Send + Sync>;

/// A function that a pool runs after a panic that no caller receives.
pub(crate) type PanicHandler = Arc<dyn Fn(&CallError) + Send + Sync>;

/// A function that names a thread by its number.
pub(crate) type ThreadName = Arc<dyn Fn(usize) -> String + Send + Sync>;

/// The settings of a pool.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) name: Arc<str>,
    pub(crate) concurrency: Concurrency,
    /// The number of threads that the pool keeps. `None` stands for the concurrency.
    pub(crate) min_concurrency: Option<Concurrency>,
    /// The time for which a thread that the pool does not keep stays without work before it ends.
    pub(crate) idle_timeout: Duration,
    pub(crate) queue: QueueConfig,
    pub(crate) spin: Duration,
    pub(crate) thread_name: Option<ThreadName>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) on_thread_start: Option<ThreadHandler>,
    pub(crate) on_thread_exit: Option<ThreadHandler>,
    pub(crate) runtime: ThreadRuntime,
    pub(crate) on_panic: Option<PanicHandler>,
    pub(crate) max_spares: usize,
    pub(crate) metrics: bool,
    pub(crate) data: Extensions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "nanolith".into(),
            concurrency: Concurrency::default(),
            min_concurrency: None,
            idle_timeout: IDLE,
            queue: QueueConfig::default(),
            spin: parker::IDLE_SPIN,
            thread_name: None,
            stack_size: None,
            on_thread_start: None,
            on_thread_exit: None,
            runtime: ThreadRuntime::default(),
            on_panic: None,
            max_spares: 256,
            metrics: false,
            data: Extensions::default(),
        }
    }
}

/// The default time for which a thread that the pool does not keep stays without work.
const IDLE: Duration = Duration::from_secs(5);

/// The maximum number of tasks that a pool may run at once.
const MAX_CONCURRENCY: usize = 10_000;

impl Config {
    /// Returns the concurrency as a number, or an error if it is out of range.
    pub(crate) fn tasks(concurrency: Concurrency) -> Result<usize, BuildError> {
        match concurrency.tasks() {
            0 => Err(BuildError::bad("concurrency", "must be at least 1")),
            tasks if tasks > MAX_CONCURRENCY => Err(BuildError::bad("concurrency", "must be at most 10,000")),
            tasks => Ok(tasks),
        }
    }

    /// Returns how many threads the pool keeps to run tasks. More threads start when work waits,
    /// and end when they are idle.
    pub(crate) fn kept(&self, concurrency: usize) -> usize {
        self.min_concurrency.map_or(concurrency, Concurrency::tasks)
    }

    /// Returns the maximum number of spare threads, which run tasks or replace threads that wait.
    pub(crate) fn others(&self, concurrency: usize) -> usize {
        self.max_spares.saturating_add(concurrency.saturating_sub(self.kept(concurrency)))
    }

    /// Checks every setting and returns the concurrency. The error names an invalid setting.
    pub(crate) fn validate(&self) -> Result<usize, BuildError> {
        let tasks = Self::tasks(self.concurrency)?;
        match self.kept(tasks) {
            0 => return Err(BuildError::bad("min_concurrency", "must be at least 1")),
            kept if kept > tasks => {
                return Err(BuildError::bad("min_concurrency", "must be at most the concurrency"));
            }
            _ => {}
        }
        self.queue.validate()?;
        if self.stack_size.is_some_and(|bytes| bytes < MIN_STACK) {
            return Err(BuildError::bad("stack_size", "must be at least 65,536 bytes"));
        }
        check_spin(self.spin)?;
        check_name("name", &self.name)?;
        if let Some(name) = &self.thread_name {
            check_name("thread_name", &name(0))?;
        }
        Ok(tasks)
    }

    /// Returns the name of thread `number`.
    pub(crate) fn thread_name(&self, number: usize) -> String {
        let name = match &self.thread_name {
            Some(name) => name(number),
            None => format!("{}-{number}", self.name),
        };
        name.replace('\0', "")
    }
}

/// The minimum stack size of a thread that this crate starts, in bytes.
pub(crate) const MIN_STACK: usize = 65_536;

/// Checks that the spin of a thread before it sleeps is within its maximum.
pub(crate) fn check_spin(spin: Duration) -> Result<(), BuildError> {
    if spin > parker::MAX_SPIN {
        return Err(BuildError::bad("spin_before_park", "must be at most 10 ms"));
    }
    Ok(())
}

/// Checks that a thread's name contains no NUL byte.
pub(crate) fn check_name(setting: &'static str, name: &str) -> Result<(), BuildError> {
    if name.contains('\0') {
        return Err(BuildError::bad(setting, "must not contain a NUL byte"));
    }
    Ok(())
}

/// The error of building a pool or a service.
///
/// ```
/// use nanolith::{pool::Concurrency, prelude::*};
/// let error = Pool::builder().concurrency(Concurrency::Exact(0)).build().unwrap_err();
/// assert_eq!(error.setting(), Some("concurrency"));
/// assert_eq!(error.to_string(), "`concurrency` must be at least 1");
/// ```
#[derive(Debug)]
pub struct BuildError(Reason);

#[derive(Debug)]
enum Reason {
    Setting(&'static str, &'static str),
    Threads(io::Error),
    AlreadyBuilt,
}

impl BuildError {
    pub(crate) fn bad(name: &'static str, problem: &'static str) -> Self {
        Self(Reason::Setting(name, problem))
    }

    pub(crate) fn threads(error: io::Error) -> Self {
        Self(Reason::Threads(error))
    }

    pub(crate) fn already_built() -> Self {
        Self(Reason::AlreadyBuilt)
    }

    /// Returns the invalid setting. Returns `None` if the system provides no threads, or if the
    /// global pool was built before.
    #[must_use]
    pub fn setting(&self) -> Option<&'static str> {
        match self.0 {
            Reason::Setting(name, _) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Setting(name, problem) => write!(f, "`{name}` {problem}"),
            Reason::Threads(_) => f.write_str("failed to spawn a thread"),
            Reason::AlreadyBuilt => f.write_str("the global pool is already built"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Threads(source) => Some(source),
            _ => None,
        }
    }
}
