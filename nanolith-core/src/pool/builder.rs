//! Building a pool.

use super::{BuildError, Concurrency, MaxQueue, Pool, config::Config, global::build_global};
use crate::{call::policy::Order, error::CallError, executor::admission::OnFull, meta::priority::Priority};
use std::{fmt, sync::Arc, time::Duration};

/// The settings of a pool: made by [`Pool::builder`].
///
/// ```
/// use nanolith::prelude::*;
/// let settings = Pool::builder().concurrency(Concurrency::Exact(2)).on_full(OnFull::Reject);
/// let (left, right) = (settings.clone().name("left").build()?, settings.name("right").build()?);
/// assert_eq!((left.name(), right.name()), ("left", "right"));
/// # Ok::<(), nanolith::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until `build`"]
pub struct PoolBuilder {
    pub(super) config: Config,
}

impl PoolBuilder {
    pub(super) fn new() -> Self {
        Self { config: Config::default() }
    }

    /// The pool's name, which its threads bear with a number. The default is `nanolith`.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// assert_eq!(Pool::builder().name("pictures").build()?.name(), "pictures");
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.config.name = name.into();
        self
    }

    /// How many tasks run at once: from 1 to 10,000. The default is one a core.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build()?;
    /// assert_eq!(pool.max_concurrency(), 3);
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.config.concurrency = concurrency;
        self
    }

    /// Whether it measures how long calls wait and run: [`Pool::metrics`]. The default is not, and costs nothing.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().metrics(true).build()?;
    /// assert!(pool.metrics().is_some());
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, on: bool) -> Self {
        self.config.metrics = on;
        self
    }

    /// How many threads the pool keeps, and begins with: at least 1, at most the concurrency. The default is as many as the
    /// concurrency.
    ///
    /// When work waits and all threads are busy, the pool starts one more, up to the concurrency; it gives back those that were
    /// without work for [`PoolBuilder::idle_timeout`]. A `par_iter` in a task that runs on such a thread has that thread alone.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder()
    ///     .min_concurrency(Concurrency::Exact(1))
    ///     .concurrency(Concurrency::Exact(8))
    ///     .build()?;
    /// assert_eq!((pool.threads(), pool.max_concurrency()), (1, 8));
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn min_concurrency(mut self, concurrency: Concurrency) -> Self {
        self.config.min_concurrency = Some(concurrency);
        self
    }

    /// How long a thread beyond [`PoolBuilder::min_concurrency`], or one that stood in for a waiting one, stays without work
    /// before it ends. The default is 5 s. `Duration::ZERO` ends it at once, `Duration::MAX` keeps it.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder()
    ///     .min_concurrency(Concurrency::Exact(1))
    ///     .concurrency(Concurrency::Exact(8))
    ///     .idle_timeout(MINUTE)
    ///     .build()?;
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.config.idle_timeout = idle;
        self
    }

    /// How many calls from outside may wait beyond those that free slots will run: at least 1. The default is 65,536.
    ///
    /// A free slot is room. So a call is not refused beside a slot that runs no task, though no thread has taken the calls yet
    /// that came before. A slot is free once its thread has counted its last call, a moment after that call's outcome is there.
    /// [`max_in_flight`](Self::max_in_flight) bounds the calls that run as well.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// geometry.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
    /// assert!(geometry.add(4, 5).try_submit().is_err_and(|refused| refused.is_full()));
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn max_queue(mut self, max_queue: MaxQueue) -> Self {
        self.config.max_queue = max_queue;
        self
    }

    /// How many calls from outside may be queued, running and suspended together: at least 1. There is no such bound
    /// unless it is set.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use std::sync::mpsc::{Receiver, channel};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn add_received(x: i64, from: Receiver<i64>) -> i64 { x + from.recv().unwrap_or(0) }
    /// # }
    /// let pool = Pool::builder().max_in_flight(1).build()?;
    /// let geometry = Geometry::on(&pool);
    /// # let ((give, take), (_never, nothing)) = (channel(), channel());
    /// let job = geometry.add_received(4, take).submit(); // queued or running, it counts
    /// assert!(geometry.add_received(4, nothing).try_submit().is_err());
    /// # give.send(5)?;
    /// assert_eq!(job.wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.config.max_in_flight = calls;
        self
    }

    /// What happens to a call that comes when the queue is full. The default is to wait.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).on_full(OnFull::Reject).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// geometry.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Full(_))));
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.config.on_full = on_full;
        self
    }

    /// How long a thread that has run out of work looks on for more before it sleeps, at most: 30 µs unless it is set,
    /// 10 ms at most. A longer spin finds more calls awake, which saves their callers the tens of microseconds that it takes
    /// to wake a thread, and costs that much of a core each time the work runs out. `Duration::ZERO` sleeps at once.
    ///
    /// On a machine with one core nobody spins, and a thread whose spins came to nothing a few times in a row leaves them
    /// out for a while.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// use std::time::Duration;
    /// let pool = Pool::builder().spin_before_park(Duration::ZERO).build()?; // on battery
    /// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spin_before_park(mut self, spin: Duration) -> Self {
        self.config.spin = spin;
        self
    }

    /// How long work of this priority may be kept waiting by others on this pool, instead of [`Priority::timeout`]: the
    /// earliest expiration goes first. Zero counts, for [`Priority::Immediate`], as expired one millisecond before it comes. With
    /// `Duration::MAX` it goes after all that expires.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().expiration(Priority::Low, 2 * SECOND).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expiration(mut self, priority: Priority, timeout: Duration) -> Self {
        self.config.schedule.expirations.set(priority, timeout);
        self
    }

    /// An order of one's own, over that of priorities: see [`Order`]. Each call then passes the pool's lock, and takes
    /// `O(log n)` to be queued; where a full queue drops the oldest call, `O(n)`.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// use nanolith::Queued;
    /// let by_name = |call: &Queued<'_>| call.task().name().len().try_into().ok(); // short names first
    /// let pool = Pool::builder().order(by_name).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn order(mut self, order: impl Order + 'static) -> Self {
        self.config.schedule.order = Some(Arc::new(order));
        self
    }

    /// How long a task may run before it should give way ([`Context::should_yield`](crate::Context::should_yield)): 5 ms
    /// unless it is set. With `Duration::ZERO` it always should.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().slice(2 * MILLISECOND).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slice(mut self, slice: Duration) -> Self {
        self.config.schedule.slice = slice;
        self
    }

    /// Names each thread by its number, counted from zero. Threads that stand in for waiting ones keep the pool's name,
    /// as `nanolith-spare-1`.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn thread() -> Option<String> {
    ///         std::thread::current().name().map(str::to_owned)
    ///     }
    /// }
    /// let pool = Pool::builder().thread_name(|number| format!("drawing {number}")).build()?;
    /// let thread = Geometry::on(&pool).thread().wait()?;
    /// assert!(thread.is_some_and(|name| name.starts_with("drawing ")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn thread_name(mut self, name: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.config.thread_name = Some(Arc::new(name));
        self
    }

    /// The stack of each thread, in bytes: at least 65,536; a spare thread has at least 262,144. The default is the standard
    /// library's.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().stack_size(8 * 1024 * 1024).build()?; // for deep recursion
    /// let error = Pool::builder().stack_size(1_024).build().unwrap_err();
    /// assert_eq!(error.to_string(), "`stack_size` must be at least 65,536 bytes");
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = Some(bytes);
        self
    }

    /// Runs on each thread as it starts. A panic in it is swallowed.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let pool = Pool::builder()
    ///     .on_thread_start(move || drop(tell.send(std::thread::current().id())))
    ///     .build()?;
    /// assert_ne!(told.recv()?, std::thread::current().id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_start(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.config.on_thread_start = Some(Arc::new(handler));
        self
    }

    /// Runs on each thread as it exits. A panic in it is swallowed.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let pool = Pool::builder().on_thread_exit(move || drop(tell.send(()))).build()?;
    /// drop(pool);
    /// told.recv()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_exit(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.config.on_thread_exit = Some(Arc::new(handler));
        self
    }

    /// Hears of each panic of a task that no caller gets: of a call that was detached, or whose handle was dropped unread, and of
    /// one that had been cancelled or timed out before. The error is a [`CallError::Panicked`](crate::CallError::Panicked).
    ///
    /// It runs on the thread on which the task panicked, or on which the handle is dropped, with no lock held. It may block and
    /// submit. A panic in it is swallowed. The default does nothing: the panic hook of the program has printed the panic.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let (send, receive) = std::sync::mpsc::channel();
    /// let pool = Pool::builder().on_panic(move |error| drop(send.send(error.to_string()))).build()?;
    /// pool.spawn(|| panic!("the disk is full")).detach();
    /// assert!(receive.recv()?.contains("the disk is full"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_panic(mut self, handler: impl Fn(&CallError) + Send + Sync + 'static) -> Self {
        self.config.on_panic = Some(Arc::new(handler));
        self
    }

    /// How many threads may stand in for those that wait within tasks. The default is 256. Beyond it, a wait for the
    /// same pool that could never end gives [`CallError::WouldDeadlock`](crate::CallError::WouldDeadlock).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().max_spare_threads(16).build()?;
    /// assert_eq!(pool.spare_threads(), 0); // they start when they are needed
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn max_spare_threads(mut self, threads: usize) -> Self {
        self.config.max_spares = threads;
        self
    }

    /// A value for the tasks' contexts, one a type: `cx.data::<T>()`. A later one of the same type takes its place.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_offset(cx: &Context<Self>, x: i64) -> i64 {
    ///         x + cx.data().copied().unwrap_or(0_i64)
    ///     }
    /// }
    /// let pool = Pool::builder().data(5_i64).build()?;
    /// assert_eq!(Geometry::on(&pool).add_offset(4).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn data<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.config.data.insert(value);
        self
    }

    /// Starts the pool.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().build()?;
    /// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the setting that cannot work, or says that the system gives no threads.
    pub fn build(self) -> Result<Pool, BuildError> {
        Pool::build(self.config)
    }

    /// Starts the global pool with these settings, before its first use.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// Pool::builder().concurrency(Concurrency::Exact(2)).build_global()?;
    /// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
    /// assert!(Pool::builder().build_global().is_err(), "it was built before");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
