//! The builder of a service: its settings, their validation, and the start of its thread.

use super::{
    event_loop,
    init::{InitArgs, Initializer, StateFactory},
    launch::{Launch, LaunchAttempt, LaunchError, Launched},
    restart::Restart,
};
use crate::pool::GlobalSpawner;
use crate::{
    call::policy::{PolicyConfig, QueueOrder},
    channel::messenger::LagPolicy,
    error::CallError,
    executor::admission::OnFull,
    macro_support::Handed,
    meta::priority::Priority,
    park::parker,
    pool::{BuildError, MIN_STACK, ThreadHandler, check_name, check_spin},
    sim_runtime,
    task::{Context, Outbox, TaskSet},
    time::{clock, timer},
    util::{stack, unwind},
    wake::{extensions::Extensions, keep_alive::KeepAlive},
};
use std::{convert::Infallible, fmt, future::Future, sync::Arc, time::Duration};

/// What a service does after one of its tasks panicked. The caller of that task receives
/// [`CallError::Panicked`] in each case.
///
/// After a panic in a `&mut self` task the state may be partly changed. Continue only if that is
/// harmless.
///
/// ```
/// use nanolith::prelude::*;
/// # pub struct Counter { total: i64 }
/// # #[define] impl Counter {
/// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
/// #     pub fn bump(&mut self, by: i64) { self.total = self.total.checked_add(by).expect("the sum fits") }
/// # }
/// let counter = Counter::service(i64::MAX).on_panic(|_| OnPanic::Close).launch().wait()?;
/// assert!(matches!(counter.bump(1).wait(), Err(CallError::Panicked(..))));
/// counter.control().closed().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnPanic {
    /// The service continues with the state as it is.
    #[default]
    Continue,
    /// The service crashes, and its restart policy decides what follows: see [`Restart`]. Without a
    /// policy the service ends, and its calls end as [`CallError::Crashed`].
    Restart,
    /// The service closes. The accepted calls still run, on the state as the panic left it.
    Close,
}

/// A user's handler that decides how the service continues after a panic.
pub(super) type PanicHandler = Box<dyn FnMut(&CallError) -> OnPanic + Send>;

/// The settings, which move to the service's thread.
pub(super) struct Settings {
    pub(super) name: Arc<str>,
    pub(super) max_queue: usize,
    pub(super) on_full: OnFull,
    pub(super) schedule: PolicyConfig,
    pub(super) spin: Duration,
    pub(super) stack_size: Option<usize>,
    pub(super) data: Extensions,
    pub(super) on_panic: Option<PanicHandler>,
    pub(super) restart: Restart,
    pub(super) outbox: LagPolicy,
    pub(super) keep_alive: bool,
    pub(super) launch_timeout: Option<Duration>,
    pub(super) metrics: bool,
    pub(super) on_thread_start: Option<ThreadHandler>,
    pub(super) on_thread_exit: Option<ThreadHandler>,
}

/// The settings of a service. Made by `Counter::service(..)`, whose arguments are those of the
/// set's `#[init]`.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).name("counter").queue(1_024).launch().wait()?;
/// assert_eq!(&*counter.info().name, "counter");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a service does nothing until it is launched"]
pub struct ServiceBuilder<S: TaskSet, E, A> {
    start: Box<dyn Initializer<S, E, A>>,
    pub(super) settings: Settings,
}

impl<S: TaskSet, E: Send + 'static, A: 'static> ServiceBuilder<S, E, A> {
    fn new(args: A, make: StateFactory<S, E, A>) -> Self
    where
        A: Send,
    {
        let settings = Settings {
            name: S::NAME.into(),
            max_queue: 65_536,
            on_full: OnFull::default(),
            schedule: PolicyConfig::default(),
            spin: parker::IDLE_SPIN,
            stack_size: None,
            data: Extensions::default(),
            on_panic: None,
            restart: Restart::never(),
            outbox: LagPolicy::default(),
            keep_alive: false,
            launch_timeout: None,
            metrics: false,
            on_thread_start: None,
            on_thread_exit: None,
        };
        Self { start: Box::new(InitArgs { first: Some(args), next: None, make }), settings }
    }

    /// Creates the builder of a set whose `#[init]` is synchronous, for generated code.
    #[doc(hidden)]
    pub fn init(args: A, make: impl Fn(&Context<S>, A) -> Result<S, E> + Send + 'static) -> Self
    where
        A: Send,
    {
        Self::new(args, StateFactory::Now(Box::new(move |cx, args| make(cx, args).map(Some))))
    }

    /// Creates the builder of a set whose `#[init]` is asynchronous, for generated code.
    #[doc(hidden)]
    pub fn init_async<F: Future<Output = Result<S, E>> + 'static>(
        args: A,
        make: impl Fn(Context<S>, A) -> F + Send + 'static,
    ) -> Self
    where
        A: Send,
    {
        let make = move |cx, args| {
            let state = make(cx, args);
            Box::pin(async move { state.await.map(Some) }) as _
        };
        Self::new(args, StateFactory::Later(Box::new(make)))
    }

    /// Creates the builder of a set without state whose `#[init]` is synchronous, for generated
    /// code.
    #[doc(hidden)]
    pub fn init_stateless(args: A, make: impl Fn(&Context<S>, A) -> Result<(), E> + Send + 'static) -> Self
    where
        A: Send,
    {
        Self::new(args, StateFactory::Now(Box::new(move |cx, args| make(cx, args).map(|()| None))))
    }

    /// Creates the builder of a set without state whose `#[init]` is asynchronous, for generated
    /// code.
    #[doc(hidden)]
    pub fn init_stateless_async<F: Future<Output = Result<(), E>> + 'static>(
        args: A,
        make: impl Fn(Context<S>, A) -> F + Send + 'static,
    ) -> Self
    where
        A: Send,
    {
        let make = move |cx, args| {
            let state = make(cx, args);
            Box::pin(async move { state.await.map(|()| None) }) as _
        };
        Self::new(args, StateFactory::Later(Box::new(make)))
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

    /// Sets how many calls from outside may be queued: at least 1. The default is 65,536. A service
    /// that runs no call accepts one more, which begins at once.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).queue(16).launch().wait()?;
    /// # assert_eq!(counter.total().wait()?, 10);
    /// assert!(Counter::service(10).queue(0).launch().wait().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue(mut self, calls: usize) -> Self {
        self.settings.max_queue = calls;
        self
    }

    /// Sets what happens to a call that arrives when the queue is full. The default is to wait.
    /// `CallerRuns` is for pools only.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).queue(16).on_full(OnFull::Reject).launch().wait()?;
    /// # assert_eq!(counter.total().wait()?, 10);
    /// assert!(Counter::service(10).on_full(OnFull::CallerRuns).launch().wait().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.settings.on_full = on_full;
        self
    }

    /// Sets how long the thread spins for more work before it sleeps. The default is 30 µs; the
    /// maximum is 10 ms. See
    /// [`PoolBuilder::spin_before_park`](crate::PoolBuilder::spin_before_park).
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

    /// Sets how long work of this priority may be overtaken by other work on this service, instead
    /// of [`Priority::timeout`]. The earliest expiration runs first. For [`Priority::Immediate`],
    /// zero counts as expired one millisecond before the call arrives.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().expiration(Priority::Low, 2 * SECOND).launch().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expiration(mut self, priority: Priority, timeout: Duration) -> Self {
        self.settings.schedule.expirations.set(priority, timeout);
        self
    }

    /// Sets a custom order, which takes precedence over the order of priorities: see [`QueueOrder`].
    /// Each call then takes the service's lock, and `O(log n)` time to be queued. If a full queue
    /// drops the oldest call, it takes `O(n)`.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// use nanolith::QueuedCall;
    /// let by_name = |call: &QueuedCall<'_>| call.task().name().len().try_into().ok(); // short names first
    /// let geometry = Geometry::service().order(by_name).launch().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn order(mut self, order: impl QueueOrder + 'static) -> Self {
        self.settings.schedule.order = Some(Arc::new(order));
        self
    }

    /// Sets how long a task may run before it should yield
    /// ([`Context::should_yield`](crate::Context::should_yield)). The default is 5 ms. With
    /// `Duration::ZERO` a task should always yield.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().slice(2 * MILLISECOND).launch().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slice(mut self, slice: Duration) -> Self {
        self.settings.schedule.slice = slice;
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
    /// # use nanolith::prelude::*;
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub fn total(&self) -> i64 { self.total }
    /// #     pub fn fail(&self) { panic!("no luck") }
    /// # }
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let counter = Counter::service(10)
    ///     .on_panic(move |error| { drop(tell.send(error.to_string())); OnPanic::Continue })
    ///     .launch().wait()?;
    /// assert!(counter.fail().wait().is_err());
    /// assert!(told.recv()?.starts_with("`Counter::fail` panicked"));
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
    /// # use nanolith::{Restart, prelude::*};
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
        if let Some(args) = self.start.args().cloned() {
            self.start.set_args(Box::new(move || args.clone()));
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
    /// # use nanolith::{Restart, prelude::*};
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
        self.start.set_args(Box::new(args));
        self.settings.restart = restart;
        self
    }

    /// Sets whether the service measures how long calls wait and run:
    /// [`ServiceControl::metrics`](super::ServiceControl::metrics). The default is `false`, which costs nothing.
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
    /// [`main_guard`](crate::main_guard). The default is `false`.
    ///
    /// ```
    /// # use nanolith::{main_guard, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let guard = main_guard();
    /// let counter = Counter::service(10).keep_alive(true).launch().wait()?;
    /// let job = counter.bump(5).submit();
    /// drop(counter); // it closes, and its calls finish
    /// guard.wait()?;
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
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let starting = Counter::service(10).on_thread_start(move || drop(tell.send(std::thread::current().id())));
    /// let counter = starting.launch().wait()?;
    /// assert_eq!(told.recv()?, counter.info().thread_id);
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
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let counter = Counter::service(10).on_thread_exit(move || drop(tell.send(()))).launch().wait()?;
    /// counter.close().wait()?;
    /// told.recv()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_thread_exit(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.settings.on_thread_exit = Some(Arc::new(handler));
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
    /// # use nanolith::{LaunchError, prelude::*};
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
    pub fn launch(self) -> Launch<S, E> {
        unwind::install_hook();
        let (tell, answer) = flume::bounded(1);
        let (limit, attempt) = (self.settings.launch_timeout, Arc::<LaunchAttempt>::default());
        if let Err(error) = self.start(tell.clone(), attempt.clone()) {
            // The send cannot fail: the channel is empty and `answer` is its receiver.
            let _ = tell.send(Err(LaunchError::Build(error)));
        }
        Launch::new(answer, limit, attempt)
    }

    fn start(self, tell: flume::Sender<Launched<S, E>>, attempt: Arc<LaunchAttempt>) -> Result<(), BuildError> {
        let Self { start, mut settings } = self;
        validate(&settings)?;
        timer::start().map_err(BuildError::threads)?;
        GlobalSpawner::take_offloaded_work();
        settings.data.share();
        settings.data.insert(Outbox::new(settings.outbox));
        let mut builder = std::thread::Builder::new().name(settings.name.to_string());
        if let Some(bytes) = settings.stack_size {
            builder = builder.stack_size(bytes);
        }
        let alive = settings.keep_alive.then(KeepAlive::new);
        let clock = clock::source();
        let stack_size = sim_runtime::world().is_none().then(|| stack::size(settings.stack_size));
        let ticket = sim_runtime::world().map(|world| world.ticket(&settings.name));
        let body = move || {
            let _leave = sim_runtime::Leave; // dropped last
            ticket.into_iter().for_each(sim_runtime::Ticket::enter);
            clock::enter(clock).for_ever();
            stack::mark_base(stack_size);
            let _alive = alive;
            let live = || {
                event_loop::run_service(settings, start, &attempt, move |launched| {
                    // If the launch was dropped, so is the handle in `launched`, which closes the
                    // service.
                    let _ = tell.send(launched);
                });
            };
            sim_runtime::bounded(live);
        };
        builder.spawn(body).map(drop).map_err(BuildError::threads)
    }
}

impl<S: TaskSet + Handed> ServiceBuilder<S, Infallible, S> {
    /// Creates the builder of a set without `#[init]`, from the state, for generated code.
    #[doc(hidden)]
    pub fn with_state(state: S) -> Self {
        Self::new(state, StateFactory::Now(Box::new(|_, state| Ok(Some(state)))))
    }
}

impl<S: TaskSet> ServiceBuilder<S, Infallible, ()> {
    /// Creates the builder of a set without state and without `#[init]`, for generated code.
    #[doc(hidden)]
    pub fn stateless() -> Self {
        Self::new((), StateFactory::Now(Box::new(|_, ()| Ok(None))))
    }
}

fn validate(settings: &Settings) -> Result<(), BuildError> {
    if settings.max_queue == 0 {
        return Err(BuildError::bad("queue", "must be at least 1, or no call would ever be taken"));
    }
    if settings.on_full == OnFull::CallerRuns {
        return Err(BuildError::bad("on_full", "cannot be `CallerRuns`: a service's tasks run on its own thread"));
    }
    if settings.stack_size.is_some_and(|bytes| bytes < MIN_STACK) {
        return Err(BuildError::bad("stack_size", "must be at least 65,536 bytes"));
    }
    settings.restart.check()?;
    if settings.outbox.bound() == Some(0) {
        return Err(BuildError::bad("outbox", "must be at least 1"));
    }
    check_spin(settings.spin)?;
    check_name("name", &settings.name)
}

impl<S: TaskSet, E, A> fmt::Debug for ServiceBuilder<S, E, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBuilder").field("name", &self.settings.name).finish_non_exhaustive()
    }
}
