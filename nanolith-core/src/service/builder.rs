//! [`ServiceBuilder`]: sets the options of a service and launches it.

use super::{
    init::Initializer,
    launch_future::{Launch, LaunchAttempt, LaunchError},
    on_panic::OnPanic,
    on_pool,
    restart::Restart,
    service_thread,
    settings::Settings,
};
use crate::{error::CallError, macro_support::Handed, pool::queue_config::queue_settings, task::TaskSet, util::unwind};
use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

/// The settings of a service. Made by `Counter::service(..)`, whose arguments are those of the
/// set's `#[init]`.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).name("counter").max_queue(1_024).launch().wait()?;
/// assert_eq!(&*counter.info().name, "counter");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a service does nothing until it is launched"]
pub struct ServiceBuilder<S: TaskSet, E, A> {
    pub(super) init: Box<dyn Initializer<S, E, A>>,
    pub(super) settings: Settings,
}

impl<S: TaskSet, E: Send + 'static, A: 'static> ServiceBuilder<S, E, A> {
    pub(super) fn new(init: Box<dyn Initializer<S, E, A>>) -> Self {
        Self { init, settings: Settings::new(S::NAME) }
    }

    /// Sets the name of the service and of its thread. The default is the set's name.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let (left, right) = (Counter::service(1).name("left").launch(), Counter::service(2).launch());
    /// assert_eq!((&*left.wait()?.info().name, &*right.wait()?.info().name), ("left", "Counter"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    queue_settings!(bounds: settings.queue);
    queue_settings!(order: settings.queue);

    /// Sets how long the thread spins for more work before it sleeps. The default is 30 µs; the
    /// maximum is 10 ms. See
    /// [`PoolBuilder::spin_before_park`](crate::pool::PoolBuilder::spin_before_park).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// use std::time::Duration;
    /// let counter = Counter::service(0).spin_before_park(Duration::from_micros(200)).launch().wait()?;
    /// assert_eq!(counter.bump(9).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spin_before_park(mut self, spin: Duration) -> Self {
        self.settings.spin = spin;
        self
    }

    /// Sets how long a task may run before it should yield
    /// ([`Context::should_yield`](crate::task::Context::should_yield)). The default is 5 ms. With
    /// `Duration::ZERO` a task should always yield.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().slice(2 * MILLISECOND).launch().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slice(mut self, slice: Duration) -> Self {
        self.settings.queue.policy.slice = slice;
        self
    }

    /// Sets the stack size of the service's thread, in bytes: at least 65,536. The default is the
    /// standard library's.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).stack_size(128 * 1024).launch().wait()?;
    /// # assert_eq!(counter.total().wait()?, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = Some(bytes);
        self
    }

    /// Sets the exception handler. The handler receives each panic of a task or a hook, on the
    /// service's thread. It decides how the service continues, in place of the [restart
    /// policy](Restart). Without a handler and a policy the service continues with the state as it
    /// is. If the handler panics, the service closes.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::OnPanic};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// #     pub fn fail(&self) { panic!("no luck") }
    /// # }
    /// let (sender, errors) = std::sync::mpsc::channel();
    /// let counter = Counter::service(10)
    ///     .on_panic(move |error| { drop(sender.send(error.to_string())); OnPanic::Continue })
    ///     .launch().wait()?;
    /// assert!(counter.fail().wait().is_err());
    /// assert!(errors.recv()?.starts_with("`Counter::fail` panicked"));
    /// assert_eq!(counter.total().wait()?, 10); // it goes on
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_panic(mut self, handler: impl FnMut(&CallError) -> OnPanic + Send + 'static) -> Self {
        self.settings.on_panic = Some(Box::new(handler));
        self
    }

    /// Sets when the service restarts. A restart uses the same settings and a clone of the
    /// arguments of `#[init]`. The default is [`Restart::never`]: a task's panic then leaves the
    /// state as it is.
    ///
    /// Queued calls stay queued meanwhile, and run after the restart. Calls that had begun end as
    /// [`CallError::Crashed`].
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::Restart, time::MINUTE};
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10)
    ///     .restart(Restart::on_panic().limit(5, MINUTE))
    ///     .launch().wait()?;
    /// assert_eq!(counter.bump(5).wait()?, 15);
    /// assert!(counter.bump(i64::MAX).wait().is_err()); // panics
    /// assert_eq!(counter.bump(1).wait()?, 11); // it began at 10 again
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restart(mut self, restart: Restart) -> Self
    where
        A: Clone + Send,
    {
        if let Some(args) = self.init.args().cloned() {
            self.init.set_args(Box::new(move || args.clone()));
        }
        self.settings.restart = restart;
        self
    }

    /// Sets the restart policy, and a closure that returns the arguments of each restart. Use this
    /// if the arguments cannot be cloned, or should differ each time. `args` returns them as a
    /// tuple in the order of `#[init]`'s parameters. For a set without `#[init]` it returns the
    /// state.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::Restart};
    /// # use nanolith_doc_sets::*;
    /// let mut starts = 0;
    /// let again = move || { starts += 100; (starts,) };
    /// let counter = Counter::service(10)
    ///     .restart_with(Restart::on_panic(), again)
    ///     .launch().wait()?;
    /// assert!(counter.bump(i64::MAX).wait().is_err()); // panics
    /// assert_eq!(counter.bump(1).wait()?, 101);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restart_with(mut self, restart: Restart, args: impl FnMut() -> A + Send + 'static) -> Self {
        self.init.set_args(Box::new(args));
        self.settings.restart = restart;
        self
    }

    /// Sets whether the service measures how long calls wait and run:
    /// [`ServiceControl::metrics`](super::ServiceControl::metrics). The default is `false`, which
    /// costs nothing.
    ///
    /// ```
    /// use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().metrics(true).launch().wait()?;
    /// assert!(geometry.control().metrics().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, on: bool) -> Self {
        self.settings.metrics = on;
        self
    }

    /// Sets whether the program stays alive until the service has ended: see
    /// [`main_guard`](crate::sync::main_guard). The default is `false`.
    ///
    /// ```
    /// # use nanolith::{prelude::*, sync::main_guard};
    /// # use nanolith_doc_sets::*;
    /// let guard = main_guard();
    /// let counter = Counter::service(10).keep_alive(true).launch().wait()?;
    /// let job = counter.bump(5).submit();
    /// drop(counter); // it closes, and its calls finish
    /// guard.join()?;
    /// assert!(job.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_alive(mut self, keep: bool) -> Self {
        self.settings.keep_alive = keep;
        self
    }

    /// Adds a value for the tasks' contexts, at most one for each type: `cx.data::<T>()`. `#[init]`
    /// can read the value too.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// pub struct Counter { step: i64 }
    /// #[define]
    /// impl Counter {
    ///     #[init]
    ///     fn start(cx: &Context<Self>) -> Self {
    ///         Self { step: cx.data().copied().unwrap_or(1) }
    ///     }
    ///     pub fn step(&self) -> i64 { self.step }
    /// }
    /// let counter = Counter::service().data(5_i64).launch().wait()?;
    /// assert_eq!(counter.step().wait()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn data<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.settings.data.insert(value);
        self
    }

    /// Sets a function that runs on the service's thread when the thread starts, before `#[init]`.
    /// A panic of the function is ignored.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let (sender, threads) = std::sync::mpsc::channel();
    /// let starting = Counter::service(10).on_thread_start(move || drop(sender.send(std::thread::current().id())));
    /// let counter = starting.launch().wait()?;
    /// assert_eq!(Some(threads.recv()?), counter.info().thread_id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_start(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.settings.on_thread_start = Some(Arc::new(handler));
        self
    }

    /// Sets a function that runs on the service's thread when the thread exits. A panic of the
    /// function is ignored.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let (sender, exits) = std::sync::mpsc::channel();
    /// let counter = Counter::service(10).on_thread_exit(move || drop(sender.send(()))).launch().wait()?;
    /// counter.close().wait()?;
    /// exits.recv()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_exit(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.settings.on_thread_exit = Some(Arc::new(handler));
        self
    }

    /// Sets the tokio runtime that the service's thread enters when it starts, before `#[init]`.
    /// `async` tasks, hooks and `#[init]` may then use that runtime's timers and sockets, and
    /// `tokio::spawn`. See [`PoolBuilder::tokio`](crate::pool::PoolBuilder::tokio) for the details.
    /// Needs the cargo feature `tokio`.
    ///
    /// The members of a cluster are built by service builders, so this sets the runtime of a member
    /// too.
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
    /// let geometry = Geometry::service().tokio(runtime.handle().clone()).launch().wait()?;
    /// assert_eq!(geometry.wait_then_add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tokio")]
    pub fn tokio(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.settings.runtime = crate::context::thread_runtime::ThreadRuntime::new(runtime);
        self
    }

    /// Sets how long `#[init]` may take, at the launch and at each restart. The default is no
    /// limit.
    ///
    /// After that time the launch ends as [`LaunchError::TimedOut`], and a restart fails as
    /// [`Crash::InitTimedOut`](super::Crash::InitTimedOut). An asynchronous `#[init]` is dropped at
    /// its next await. A synchronous `#[init]` runs on: a launched service closes when `#[init]`
    /// returns, and a late restart succeeds. A cluster also waits no longer than this for a new
    /// member.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::LaunchError, time::MILLISECOND};
    /// pub struct Feed;
    /// #[define]
    /// impl Feed {
    ///     #[init]
    ///     async fn start() -> Self {
    ///         std::future::pending().await // a connection that does not come
    ///     }
    /// #   pub fn nothing() {}
    /// }
    /// let late = Feed::service().launch_timeout(MILLISECOND).launch().wait();
    /// assert!(matches!(late, Err(LaunchError::TimedOut)));
    /// ```
    pub fn launch_timeout(mut self, limit: Duration) -> Self {
        self.settings.launch_timeout = Some(limit);
        self
    }

    /// Starts the service's thread, which makes the state. The returned [`Launch`] yields the
    /// service.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?; // or `.await?`
    /// assert_eq!(counter.total().wait()?, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`Launch`] yields them: see [`LaunchError`].
    pub fn launch(mut self) -> Launch<S, E> {
        unwind::install_hook();
        let (tell, answer) = flume::bounded(1);
        let (limit, attempt) = (self.settings.launch_timeout, Arc::<LaunchAttempt>::default());
        let (pool, given) = (self.settings.pool.take(), attempt.clone());
        let spawned = match pool {
            Some(pool) => on_pool::spawn(pool, self.settings, self.init, tell.clone(), given),
            None => service_thread::spawn(self.settings, self.init, tell.clone(), given),
        };
        if let Err(error) = spawned {
            // The send cannot fail: the channel is empty and `answer` is its receiver.
            let _ = tell.send(Err(LaunchError::Build(error)));
        }
        Launch::new(answer, limit, attempt)
    }
}

// In this file, so that a compiler error names this function by the path of the type.
impl<S: TaskSet + Handed> ServiceBuilder<S, Infallible, S> {
    /// Creates the builder of a set without `#[init]`, from the state, for generated code.
    #[doc(hidden)]
    pub fn with_state(state: S) -> Self {
        Self::from_state(state)
    }
}

impl<S: TaskSet, E, A> fmt::Debug for ServiceBuilder<S, E, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBuilder").field("name", &self.settings.name).finish_non_exhaustive()
    }
}
