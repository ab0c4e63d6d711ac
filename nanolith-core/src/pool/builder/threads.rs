//! The methods of [`PoolBuilder`] that set up the pool's threads: their number, names, stacks and
//! handlers, and how long they stay without work.

use super::PoolBuilder;
use crate::pool::Concurrency;
use std::{sync::Arc, time::Duration};

/// Settings of the pool's threads.
impl PoolBuilder {
    /// Sets how many threads the pool starts with and keeps: at least 1, at most the concurrency.
    /// The default is the concurrency.
    ///
    /// When work waits and all threads are busy, the pool starts one more thread, up to the
    /// concurrency. A thread that was without work for [`PoolBuilder::idle_timeout`] ends. A
    /// `par_iter` in a task on such a thread runs on that thread alone.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*};
    /// let pool = Pool::builder()
    ///     .min_concurrency(Concurrency::Exact(1))
    ///     .concurrency(Concurrency::Exact(8))
    ///     .build()?;
    /// assert_eq!((pool.info().threads, pool.max_concurrency()), (1, 8));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn min_concurrency(mut self, concurrency: Concurrency) -> Self {
        self.config.min_concurrency = Some(concurrency);
        self
    }

    /// Sets how long a spare thread stays without work before it ends. Spare threads are the
    /// threads beyond [`PoolBuilder::min_concurrency`] and the threads that replaced a waiting one.
    /// The default is 5 s. `Duration::ZERO` ends a spare thread at once, `Duration::MAX` keeps it.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*, time::MINUTE};
    /// let pool = Pool::builder()
    ///     .min_concurrency(Concurrency::Exact(1))
    ///     .concurrency(Concurrency::Exact(8))
    ///     .idle_timeout(MINUTE)
    ///     .build()?;
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.config.idle_timeout = idle;
        self
    }

    /// Sets how long a thread without work looks for more work before it sleeps, at most. The
    /// default is 30 µs, the maximum 10 ms. A longer spin finds more calls while the thread is
    /// awake, which saves their callers the tens of microseconds that waking a thread takes. A
    /// longer spin also uses that much of a core each time the work runs out. With `Duration::ZERO`
    /// the thread sleeps at once.
    ///
    /// On a machine with one core, threads do not spin. A thread that spun a few times in a row
    /// without finding work skips the spin for a while.
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

    /// Sets how many spare threads may replace threads that wait within tasks. The default is 256.
    /// Beyond it, a wait for the same pool that could never end gives
    /// [`CallError::WouldDeadlock`](crate::error::CallError::WouldDeadlock).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().max_spare_threads(16).build()?;
    /// assert_eq!(pool.info().spare_threads, 0); // they start when they are needed
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn max_spare_threads(mut self, threads: usize) -> Self {
        self.config.max_spares = threads;
        self
    }

    /// Sets the function that names each thread by its number, counted from zero. Spare threads
    /// keep the pool's name, for example `nanolith-spare-1`.
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

    /// Sets the stack size of each thread, in bytes: at least 65,536. A spare thread has at least
    /// 262,144 bytes. The default is that of the standard library.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().stack_size(8 * 1024 * 1024).build()?; // for deep recursion
    /// let error = Pool::builder().stack_size(1_024).build().unwrap_err();
    /// assert_eq!(error.to_string(), "`stack_size` must be at least 65,536 bytes");
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = Some(bytes);
        self
    }

    /// Sets a function that runs on each thread when the thread starts. A panic in it is ignored.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let (sender, outcomes) = std::sync::mpsc::channel();
    /// let pool = Pool::builder()
    ///     .on_thread_start(move || drop(sender.send(std::thread::current().id())))
    ///     .build()?;
    /// assert_ne!(outcomes.recv()?, std::thread::current().id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_start(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.config.on_thread_start = Some(Arc::new(handler));
        self
    }

    /// Sets a function that runs on each thread when the thread exits. A panic in it is ignored.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let (sender, outcomes) = std::sync::mpsc::channel();
    /// let pool = Pool::builder().on_thread_exit(move || drop(sender.send(()))).build()?;
    /// drop(pool);
    /// outcomes.recv()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_exit(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.config.on_thread_exit = Some(Arc::new(handler));
        self
    }

    /// Sets the tokio runtime that the pool's threads enter when they start. `async` tasks may then
    /// use that runtime's timers and sockets, and `tokio::spawn`. Needs the cargo feature `tokio`.
    ///
    /// The pool still polls the tasks on its own threads. The runtime's threads only serve the timers
    /// and sockets, so the runtime has to be driven: a runtime of the flavor `current_thread` serves
    /// them while a thread is in its `block_on`. After the shutdown of the runtime, its timers and
    /// sockets panic, which ends the calls that use them as
    /// [`CallError::Panicked`](crate::error::CallError::Panicked).
    ///
    /// A thread enters the runtime once, not once for each poll. Where a full queue runs a call on its
    /// caller's thread ([`OnFull::CallerRuns`](crate::executor::OnFull::CallerRuns)), that thread
    /// enters the runtime for the call.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// #[define]
    /// impl Geometry {
    ///     pub async fn wait_then_add(x: i64, y: i64) -> i64 {
    ///         tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    ///         x + y
    ///     }
    /// }
    /// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    /// let pool = Pool::builder().tokio(runtime.handle().clone()).build()?;
    /// assert_eq!(Geometry::on(&pool).wait_then_add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tokio")]
    pub fn tokio(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.config.runtime = crate::context::thread_runtime::ThreadRuntime::new(runtime);
        self
    }
}
