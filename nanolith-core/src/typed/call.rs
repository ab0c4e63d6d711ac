//! [`Call`]: a typed call that has not been submitted yet, and the methods that submit it.

use super::{Flatten, Handle, delayed::Delay};
use crate::context::thread_context;
use crate::{
    call::{
        backend::{self, ExecutorId, WouldDeadlock},
        call_ref::Uninit,
        header::Header,
        slot::EndReason,
    },
    channel::messenger::Messenger,
    context::block_on,
    error::{CallError, ParentCall, SubmitError},
    executor::{Admission, Executor},
    meta::{priority::Priority, task_info::TaskInfo},
    sync::cancel_token::CancelToken,
    task::{Job, TaskSet},
    time::{
        clock,
        timer::{self, TimerAction},
    },
    wake::attachments::Attachments,
};
use std::{
    fmt,
    future::Future,
    mem,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// A typed call. It is lazy: it does nothing until it is awaited, waited on or submitted.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::tasks();
/// assert_eq!(geometry.add(4, 5).wait()?, 9); // blocks
/// # pollster::block_on(async {
/// assert_eq!(geometry.add(4, 5).await?, 9); // on any async runtime
/// # Ok::<(), CallError>(()) })?;
/// let job = geometry.add(4, 5).timeout(MINUTE).submit(); // a `Handle`
/// # assert_eq!(job.wait()?, 9);
/// # Ok::<(), CallError>(())
/// ```
///
/// # Errors
///
/// Every way in which a call can end without its task's output: see [`CallError`].
///
/// # Panics
///
/// As a future, when polled after it was ready.
///
/// # Cancel safety
///
/// If it is dropped before the first poll, nothing has happened. If it is dropped later, the call
/// is cancelled. A queued call never runs. A running task is asked to stop.
#[must_use = "a call does nothing until awaited, waited on or submitted"]
pub struct Call<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    executor: &'a E,
    extract: fn(S::Output) -> Option<T>,
    terms: CallOptions<S>,
    stage: CallState<'a, S, T>,
}

/// A call without the executor that it was made for.
pub(crate) struct UnboundCall<S: TaskSet, T> {
    extract: fn(S::Output) -> Option<T>,
    terms: CallOptions<S>,
    task: S::Task,
}

/// The parts of a call that has no options but a priority.
pub(crate) struct CallParts<'a, S: TaskSet, E: ?Sized, T> {
    pub(crate) executor: &'a E,
    pub(crate) task: S::Task,
    pub(crate) extract: fn(S::Output) -> Option<T>,
    pub(crate) priority: Option<Priority>,
    pub(crate) submitted: &'static Location<'static>,
}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, T> CallParts<'a, S, E, T> {
    pub(crate) fn into_call(self) -> Call<'a, S, E, T> {
        let Self { executor, task, extract, priority, submitted } = self;
        Call { executor, extract, terms: CallOptions { submitted, priority, rare: None }, stage: CallState::Lazy(task) }
    }
}

impl<S: TaskSet, T> UnboundCall<S, T> {
    /// Returns the call, bound to `executor`.
    pub(crate) fn on<E: Executor<S> + ?Sized>(self, executor: &E) -> Call<'_, S, E, T> {
        let Self { extract, terms, task } = self;
        Call { executor, extract, terms, stage: CallState::Lazy(task) }
    }
}

/// The options of a call, beside its task.
struct CallOptions<S: TaskSet> {
    submitted: &'static Location<'static>,
    /// `None` stands for the priority of the submitting task or scope.
    priority: Option<Priority>,
    rare: Option<Box<RareOptions<S>>>,
}

/// The options that few calls have. They are boxed, so that other calls pay for one pointer only.
pub(super) struct RareOptions<S: TaskSet> {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    serve_within: Option<Duration>,
    keep_alive: bool,
    attached: Option<Arc<Attachments>>,
    pub(super) run_timeout: Option<Duration>,
    pub(super) is_unlinked: bool,
    pub(super) tokens: Vec<CancelToken>,
    pub(super) later: Option<Delay<S>>,
}

impl<S: TaskSet> Default for RareOptions<S> {
    fn default() -> Self {
        Self {
            timeout: None,
            deadline: None,
            serve_within: None,
            keep_alive: false,
            attached: None,
            run_timeout: None,
            is_unlinked: false,
            tokens: Vec::new(),
            later: None,
        }
    }
}

impl<S: TaskSet> CallOptions<S> {
    fn rare(&mut self) -> &mut RareOptions<S> {
        self.rare.get_or_insert_default()
    }
}

impl<S: TaskSet> RareOptions<S> {
    /// Returns the header of a call that is submitted now.
    #[cold]
    fn meta(&self, caller: ParentCall, priority: Option<Priority>) -> Header {
        let start = self.later.as_ref().map_or_else(|| Some(clock::instant()), Delay::due);
        let limit = self.timeout.and_then(|limit| clock::add(start?, limit));
        let mut meta =
            Header::new(caller, priority, limit.into_iter().chain(self.deadline).min(), thread_context::origin());
        if let Some(timeout) = self.serve_within {
            meta.expire_in(timeout);
        }
        if let Some(limit) = self.run_timeout {
            meta.limit_run(limit);
        }
        if self.is_unlinked {
            meta.unlink_parent();
        }
        if !self.tokens.is_empty() {
            meta.check_tokens();
        }
        meta.set_needs_notify();
        if self.keep_alive {
            meta.keep_alive();
        }
        if let Some(attached) = &self.attached {
            meta.attach(attached.clone());
        }
        meta
    }
}

/// The stage of a call. The handles in it cancel the call when they are dropped.
enum CallState<'a, S: TaskSet, T> {
    Lazy(S::Task),
    /// The call waits for queue room. The handle is declared first, so the call is cancelled before
    /// its admission is dropped.
    Admitting(Handle<S, T>, Admission<'a, S>),
    Submitted(Handle<S, T>),
    Done,
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Unpin for Call<'_, S, E, T> {}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, T> Call<'a, S, E, T> {
    /// Creates a call, for generated code. `extract` takes the task's own output out of the set's.
    #[doc(hidden)]
    #[track_caller]
    #[inline(always)]
    pub fn new(executor: &'a E, task: S::Task, extract: fn(S::Output) -> Option<T>) -> Self {
        let submitted = Location::caller();
        let terms = CallOptions { submitted, priority: None, rare: None };
        Self { executor, extract, terms, stage: CallState::Lazy(task) }
    }

    pub(super) fn rare(&mut self) -> &mut RareOptions<S> {
        self.terms.rare()
    }

    /// Sets the priority of the call. By default it is the priority of the task that submits the
    /// call, or of the scope of [`with_priority`](crate::with_priority). Elsewhere the default is
    /// [`Priority::Normal`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let job = Geometry::tasks().add(4, 5).priority(Priority::UserBlocking).submit();
    /// assert_eq!(job.wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    #[inline]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.terms.priority = Some(priority);
        self
    }

    /// Sets the maximum time for which other calls may overtake this call, counted from its
    /// submission. This overrides its priority: calls that expire earlier run first. It affects the
    /// order only, so the call does not fail when the time passes. A call with `Duration::ZERO`
    /// runs before all calls that are submitted later. A call with `Duration::MAX` runs after all
    /// other calls.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// // after whatever else there is, but within about a minute
    /// let job = Geometry::tasks().add(4, 5).serve_within(MINUTE).submit();
    /// assert_eq!(job.wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    #[inline]
    pub fn serve_within(mut self, timeout: Duration) -> Self {
        self.terms.rare().serve_within = Some(timeout);
        self
    }

    /// Ends the call as [`CallError::TimedOut`] if it is not over after `limit`. The time counts
    /// from its submission and includes a wait for queue room. For a call that is submitted for
    /// [later](Call::after), it counts from the moment when the call is due. See also
    /// [`Call::run_timeout`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub async fn wait_then_add(x: i64, y: i64) -> i64 { nanolith::time::sleep(MINUTE).await; x + y }
    /// # }
    /// let slow = Geometry::tasks().wait_then_add(4, 5); // waits a minute
    /// assert!(matches!(slow.timeout(MILLISECOND).wait(), Err(CallError::TimedOut(_))));
    /// ```
    ///
    /// A synchronous task that runs keeps its slot until it returns. Its caller returns at once.
    /// With a limit of zero the call never begins. `Duration::MAX` is no limit.
    #[inline]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.terms.rare().timeout = Some(limit);
        self
    }

    /// Ends the call as [`CallError::TimedOut`] if it is not over at `deadline`. If the call has a
    /// timeout too, the earlier limit applies.
    ///
    /// The deadline also applies to a call that the call's task submits, unless that call has an
    /// earlier limit or is [`without_parent`](Call::without_parent).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let until = std::time::Instant::now() + MINUTE;
    /// let calls = [(1, 2), (4, 5)].map(|(x, y)| Geometry::tasks().add(x, y).deadline(until).submit());
    /// for job in calls {
    ///     job.wait()?;
    /// }
    /// # Ok::<(), CallError>(())
    /// ```
    #[inline]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.terms.rare().deadline = Some(deadline);
        self
    }

    /// Sets whether the program stays alive until the call is over: see
    /// [`main_guard`](crate::main_guard). The default is `false`.
    ///
    /// ```
    /// # use nanolith::{main_guard, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let guard = main_guard();
    /// let job = Geometry::tasks().add(4, 5).keep_alive(true).submit();
    /// guard.wait()?;
    /// assert!(job.is_finished());
    /// # Ok::<(), nanolith::MainGuardTimeoutError>(())
    /// ```
    #[inline]
    pub fn keep_alive(mut self, keep: bool) -> Self {
        self.terms.rare().keep_alive = keep;
        self
    }

    /// Attaches a messenger to this call. Its task finds it with
    /// [`Context::messenger`](crate::Context::messenger).
    ///
    /// ```
    /// use nanolith::Messenger;
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_and_tell(cx: &Context<Self>, x: i64, y: i64) {
    ///         if let Ok(sums) = cx.messenger("sums") {
    ///             let _ = sums.try_send(x + y);
    ///         }
    ///     }
    /// }
    /// let sums = Messenger::<i64>::named("sums")?;
    /// let mut heard = sums.subscribe();
    /// Geometry::tasks().add_and_tell(4, 5).messenger(&sums).wait()?;
    /// assert_eq!(heard.recv().wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn messenger<M: Clone + Send + Sync + 'static>(mut self, messenger: &Messenger<M>) -> Self {
        self.terms.rare().attached.get_or_insert_default().attach(messenger.attachment());
        self
    }

    /// Returns the task that is called, or `None` once the call was passed to its executor.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let call = Geometry::tasks().add(4, 5);
    /// assert_eq!(call.info().map(|task| task.name()), Some("add"));
    /// ```
    #[must_use]
    pub fn info(&self) -> Option<&'static TaskInfo> {
        match &self.stage {
            CallState::Lazy(task) => Some(S::info(task)),
            _ => None,
        }
    }

    /// Submits the call and blocks until it is over. For a wait within a task, see
    /// [`Handle::wait`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every way in which a call can end without its task's output: see [`CallError`].
    #[inline(always)]
    pub fn wait(self) -> Result<T, CallError> {
        self.submit().wait()
    }

    /// Submits the call. If the executor waits for queue room
    /// ([`OnFull::Wait`](crate::OnFull::Wait)), this blocks until there is room. If the call is
    /// refused, the handle returns the error.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::tasks();
    /// let jobs: Vec<_> = (0..100).map(|n| geometry.add(n, n).submit()).collect();
    /// for (n, job) in (0..).zip(jobs) {
    ///     assert_eq!(job.wait()?, n + n);
    /// }
    /// # Ok::<(), CallError>(())
    /// ```
    #[inline(always)]
    pub fn submit(self) -> Handle<S, T> {
        let Self { executor, extract, terms, stage } = self;
        let CallState::Lazy(task) = stage else { unreachable!("{ONCE}") };
        let CallOptions { submitted, priority, rare } = terms;
        if let Some(rare) = rare {
            return submit_rare(executor, extract, &CallOptions { submitted, priority, rare: Some(rare) }, task);
        }
        let meta =
            Header::new(ParentCall { task: S::info(&task), submitted }, priority, None, thread_context::origin());
        let (job, handle) = new_job(executor, extract, meta, task, None);
        match executor.execute(job) {
            Ok(()) => handle,
            Err(refused) => block_for_admission(executor, refused, handle),
        }
    }

    /// Submits the call without waiting for queue room.
    ///
    /// A full executor may drop a call to make room
    /// ([`OnFull::DropOldest`](crate::OnFull::DropOldest) and `DropNewest`), or run the call on the
    /// caller's own thread (`CallerRuns`). This method does not change that.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).build()?;
    /// let geometry = Geometry::on(&pool);
    /// # pool.pause();
    /// let first = geometry.add(1, 2).try_submit().expect("there is room");
    /// let refused = geometry.add(4, 5).try_submit().expect_err("the queue is full");
    /// # pool.resume();
    /// assert_eq!(first.wait()?, 3);
    /// assert_eq!(refused.into_inner().wait()?, 9); // the same call, which now waits for room
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the call back, whole, with the reason.
    #[allow(clippy::result_large_err)] // the call comes back whole, without an allocation
    pub fn try_submit(self) -> Result<Handle<S, T>, SubmitError<Self>> {
        let Self { executor, extract, terms, stage } = self;
        let CallState::Lazy(task) = stage else { unreachable!("{ONCE}") };
        let (job, handle) = prepare_job(executor, extract, &terms, task);
        let Err(refused) = dispatch(executor, &terms, job) else { return Ok(handle) };
        let (job, error) = refused.into_parts();
        match job.into_task() {
            Some(task) => Err(SubmitError::new(Self { executor, extract, terms, stage: CallState::Lazy(task) }, error)),
            // The call timed out during its submission. The handle returns the error.
            None => Ok(handle),
        }
    }

    /// Submits the call and returns its handle. The returned future waits for queue room without
    /// blocking.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # pollster::block_on(async {
    /// let job = Geometry::tasks().add(4, 5).submit_async().await; // it is queued from here on
    /// assert_eq!(job.await?, 9);
    /// # Ok::<(), CallError>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is ready, the call is cancelled.
    pub fn submit_async(self) -> Submit<'a, S, E, T> {
        Submit { call: self }
    }

    /// Returns the parts of the call, if it has no options but a priority.
    ///
    /// # Errors
    ///
    /// Gives the call back.
    #[inline(always)]
    #[allow(clippy::result_large_err)] // the call comes back whole, without an allocation
    pub(crate) fn into_plain(self) -> Result<CallParts<'a, S, E, T>, Self> {
        match self {
            Self {
                executor,
                extract,
                terms: CallOptions { submitted, priority, rare: None },
                stage: CallState::Lazy(task),
            } => Ok(CallParts { executor, task, extract, priority, submitted }),
            call => Err(call),
        }
    }

    /// Returns the executor that the call is made for.
    pub(crate) fn executor(&self) -> &'a E {
        self.executor
    }

    /// Begins the call, if that has not happened yet. Returns whether the executor has the call.
    /// Otherwise `cx` is woken when there is room.
    pub(crate) fn begin(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_submitted(cx).is_ready()
    }

    /// Begins the call, if that has not happened yet and the queue has room. Returns whether the
    /// executor has the call.
    pub(crate) fn try_begin(&mut self) -> bool {
        let task = match mem::replace(&mut self.stage, CallState::Done) {
            CallState::Lazy(task) => task,
            stage => {
                self.stage = stage;
                return matches!(self.stage, CallState::Submitted(_));
            }
        };
        let (job, handle) = prepare_job(self.executor, self.extract, &self.terms, task);
        match self.executor.execute(job) {
            Ok(()) => {}
            Err(refused) if refused.is_full() => {
                if let Some(task) = refused.into_inner().into_task() {
                    self.stage = CallState::Lazy(task);
                    return false;
                }
            }
            Err(refused) => fail_job(refused),
        }
        self.stage = CallState::Submitted(handle.cancel_on_drop());
        true
    }

    /// Blocks until the call is over.
    pub(crate) fn finish(mut self) -> Result<T, CallError> {
        if let CallState::Lazy(_) = self.stage {
            return self.wait();
        }
        let executor = self.executor;
        if let CallState::Admitting(handle, _) = &self.stage {
            let blocked = handle.begin_blocking_for_room(executor.host());
            let _blocked = match blocked {
                Ok(blocked) => blocked,
                Err(cycle) => {
                    handle.end_in_cycle(cycle);
                    None
                }
            };
            let submitted = std::future::poll_fn(|cx| self.poll_submitted(cx).map(drop));
            let waited = block_on::block_on(submitted, executor.host());
            if let (Err(WouldDeadlock), CallState::Admitting(handle, _)) = (waited, &self.stage) {
                handle.end(EndReason::WouldDeadlock);
            }
        }
        match mem::replace(&mut self.stage, CallState::Done) {
            CallState::Admitting(handle, _) | CallState::Submitted(handle) => handle.wait(),
            _ => panic!("a call was waited for after it was over"),
        }
    }

    /// Separates the call from its executor. Returns `None` if it was polled before.
    pub(crate) fn unbind(self) -> Option<UnboundCall<S, T>> {
        let Self { extract, terms, stage, .. } = self;
        match stage {
            CallState::Lazy(task) => Some(UnboundCall { extract, terms, task }),
            _ => None,
        }
    }

    /// Submits the call, or begins to wait for queue room.
    fn start(&mut self) {
        let CallState::Lazy(task) = mem::replace(&mut self.stage, CallState::Done) else { unreachable!("{ONCE}") };
        let (job, handle) = prepare_job(self.executor, self.extract, &self.terms, task);
        let handle = handle.cancel_on_drop();
        self.stage = match dispatch(self.executor, &self.terms, job) {
            Ok(()) => CallState::Submitted(handle),
            Err(refused) if refused.is_full() => {
                CallState::Admitting(handle, self.executor.admit(refused.into_inner()))
            }
            Err(refused) => {
                fail_job(refused);
                CallState::Submitted(handle)
            }
        };
    }

    /// Polls the call until its executor has it.
    fn poll_submitted(&mut self, cx: &mut Context<'_>) -> Poll<&mut Handle<S, T>> {
        if let CallState::Lazy(_) = self.stage {
            self.start();
        }
        if let CallState::Admitting(handle, admission) = &mut self.stage {
            ready!(Pin::new(&mut Admitting { admission, handle }).poll(cx));
            if let CallState::Admitting(handle, admission) = mem::replace(&mut self.stage, CallState::Done) {
                drop(admission);
                self.stage = CallState::Submitted(handle);
            }
        }
        match &mut self.stage {
            CallState::Submitted(handle) => Poll::Ready(handle),
            _ => panic!("a call was polled after it was ready"),
        }
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Call<'_, S, E, T> {
    /// Polls the call until its executor has it, and returns the handle, once.
    pub(crate) fn poll_submit(&mut self, cx: &mut Context<'_>) -> Poll<Handle<S, T>> {
        ready!(self.poll_submitted(cx));
        match mem::replace(&mut self.stage, CallState::Done) {
            CallState::Submitted(handle) => Poll::Ready(handle.detach_on_drop()),
            _ => unreachable!("it was just seen to be submitted"),
        }
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Future for Call<'_, S, E, T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let handle = ready!(self.poll_submitted(cx));
        let outcome = ready!(Pin::new(handle).poll(cx));
        self.stage = CallState::Done;
        Poll::Ready(outcome)
    }
}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, V, X> Call<'a, S, E, Result<V, X>> {
    /// Combines both kinds of failure in one error: [`TaskError::Call`](crate::TaskError::Call) and
    /// [`TaskError::Task`](crate::TaskError::Task).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # pollster::block_on(async {
    /// let number = Geometry::tasks().parse("7".into()).flatten().await?;
    /// assert_eq!(number, 7);
    /// # Ok::<(), TaskError<std::num::ParseIntError>>(()) }).unwrap();
    /// ```
    pub fn flatten(self) -> Flatten<Self> {
        Flatten::new(self)
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> fmt::Debug for Call<'_, S, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("task", &self.info())
            .field("priority", &self.terms.priority)
            .finish_non_exhaustive()
    }
}

/// A future that submits a call and waits for queue room. [`Call::submit_async`] creates it.
///
/// ```
/// use nanolith::{Submit, prelude::*};
/// # use nanolith_doc_sets::*;
/// # pollster::block_on(async {
/// let geometry = Geometry::tasks();
/// let entering: Submit<'_, _, _, i64> = geometry.add(4, 5).submit_async();
/// assert_eq!(entering.await.await?, 9); // room first, then the outcome
/// # Ok::<(), CallError>(()) }).unwrap();
/// ```
///
/// # Cancel safety
///
/// If it is dropped before it is ready, the call is cancelled.
#[must_use = "does nothing until awaited"]
pub struct Submit<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    call: Call<'a, S, E, T>,
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Future for Submit<'_, S, E, T> {
    type Output = Handle<S, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Handle<S, T>> {
        self.call.poll_submit(cx)
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> fmt::Debug for Submit<'_, S, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submit").field("call", &self.call).finish()
    }
}

/// A wait for queue room that also ends when the call ends, for example by its timeout.
struct Admitting<'a, 'b, S: TaskSet, T> {
    admission: &'a mut Admission<'b, S>,
    handle: &'a mut Handle<S, T>,
}

impl<S: TaskSet, T> Future for Admitting<'_, '_, S, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.admission.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(refused)) => {
                fail_job(refused);
                Poll::Ready(())
            }
            Poll::Pending if self.handle.watch(cx) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}

const ONCE: &str = "a call is submitted once, since that takes it by value";

/// Creates the job and the handle of a call, and arms its timeout.
#[inline(always)]
fn prepare_job<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    extract: fn(S::Output) -> Option<T>,
    terms: &CallOptions<S>,
    task: S::Task,
) -> (Job<S>, Handle<S, T>) {
    let caller = ParentCall { task: S::info(&task), submitted: terms.submitted };
    match &terms.rare {
        None => {
            new_job(executor, extract, Header::new(caller, terms.priority, None, thread_context::origin()), task, None)
        }
        Some(rare) => new_job(executor, extract, rare.meta(caller, terms.priority), task, Some(rare)),
    }
}

/// Creates the job and the handle of a call with this header.
#[inline(always)]
fn new_job<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    extract: fn(S::Output) -> Option<T>,
    meta: Header,
    task: S::Task,
    rare: Option<&RareOptions<S>>,
) -> (Job<S>, Handle<S, T>) {
    let is_heir = meta.inherit_limits(S::HOOKS.are_async() || meta.task().is_async());
    let (job, slot) = Job::with_owner(Uninit::new(), task, executor.shared(), meta);
    let host = executor.host();
    if host.is_none() {
        job.slot().header.mark_unrouted();
    }
    if rare.is_some() || is_heir {
        link_cancellation(&job, host, rare);
    }
    (job, Handle::new(slot, host, extract))
}

#[cold]
fn submit_rare<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    extract: fn(S::Output) -> Option<T>,
    terms: &CallOptions<S>,
    task: S::Task,
) -> Handle<S, T> {
    let (job, handle) = prepare_job(executor, extract, terms, task);
    match dispatch(executor, terms, job) {
        Ok(()) => handle,
        Err(refused) => block_for_admission(executor, refused, handle),
    }
}

/// Blocks until the executor has room, if it refused the job because it is full. Otherwise ends the
/// call with the refusal.
#[cold]
fn block_for_admission<S: TaskSet, E: Executor<S> + ?Sized, T>(
    executor: &E,
    refused: SubmitError<Job<S>>,
    mut handle: Handle<S, T>,
) -> Handle<S, T> {
    if refused.is_full() {
        let _blocked = match handle.begin_blocking_for_room(executor.host()) {
            Ok(blocked) => blocked,
            Err(cycle) => {
                handle.end_in_cycle(cycle);
                return handle;
            }
        };
        let mut admission = executor.admit(refused.into_inner());
        let entering = Admitting { admission: &mut admission, handle: &mut handle };
        if let Err(WouldDeadlock) = block_on::block_on(entering, executor.host()) {
            // The call is over here. So it has no effect that the drop of the admission drops the
            // job.
            handle.end(EndReason::WouldDeadlock);
        }
    } else {
        fail_job(refused);
    }
    handle
}

/// Ends the call of a refused job with the reason of the refusal. Its handle returns that error.
pub(crate) fn fail_job<S: TaskSet>(refused: SubmitError<Job<S>>) {
    let (job, error) = refused.into_parts();
    job.answer(Err(error));
}

/// Passes the job to its executor, now or later.
#[inline(always)]
fn dispatch<S: TaskSet, E: Executor<S> + ?Sized>(
    executor: &E,
    terms: &CallOptions<S>,
    job: Job<S>,
) -> Result<(), SubmitError<Job<S>>> {
    match &terms.rare {
        Some(rare) => dispatch_delayed(executor, rare, job),
        None => executor.execute(job),
    }
}

#[cold]
fn dispatch_delayed<S: TaskSet, E: Executor<S> + ?Sized>(
    executor: &E,
    rare: &RareOptions<S>,
    job: Job<S>,
) -> Result<(), SubmitError<Job<S>>> {
    match &rare.later {
        // The call ended before its executor had it, for example by a token. Its handle returns the
        // error.
        _ if job.is_over() => Ok(()),
        Some(later) => later.keep(job),
        None => executor.execute(job),
    }
}

/// Links the call to its parents and tokens, which can cancel it, and arms its time limit.
#[cold]
fn link_cancellation<S: TaskSet>(job: &Job<S>, host: Option<ExecutorId>, rare: Option<&RareOptions<S>>) {
    let meta = &job.slot().header;
    let tokens = rare.into_iter().flat_map(|rare| &rare.tokens).map(CancelToken::stop);
    for stop in tokens.chain(meta.parent_node()) {
        if !meta.link(stop, || job.slot().clone().erase(), host) {
            job.slot().end_call(EndReason::Cancelled);
            return;
        }
    }
    let waits = rare.and_then(|rare| rare.later.as_ref()).is_some_and(|later| later.is_before(meta.deadline()));
    if !waits {
        arm(job, host);
    }
}

/// Arms a timer that ends the call at its deadline, if it has one.
#[cold]
pub(super) fn arm<S: TaskSet>(job: &Job<S>, host: Option<ExecutorId>) {
    let Some(deadline) = job.slot().header.deadline() else { return };
    if deadline <= clock::instant() {
        job.slot().end_call(EndReason::TimedOut); // it never begins
        return;
    }
    let call = job.slot().clone();
    let ring = Box::new(move || {
        backend::end(&*call, host, EndReason::by_alarm());
    });
    job.slot().header.keep_timer(timer::arm(deadline, TimerAction::RunAlways(ring)));
}
