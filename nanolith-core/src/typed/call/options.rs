//! The methods of [`Call`] that set its options, such as its priority and its time limit.
//! [`CallOptions`] holds them.

use super::{
    Call, CallState,
    call_options::{CallOptions, CallParts, RareOptions},
};
use crate::{
    call::header::Progress, channel::messenger::Messenger, executor::Executor, meta::priority::Priority,
    sync::cancel_token::CancelToken, task::TaskSet,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, T> Call<'a, S, E, T> {
    /// Sets the priority of the call. By default it is the priority of the task that submits the
    /// call, or of the scope of [`with_priority`](crate::context::with_priority). Elsewhere the
    /// default is [`Priority::Normal`].
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
    /// # use nanolith::{prelude::*, time::MINUTE};
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

    /// Ends the call as [`CallError::TimedOut`](crate::error::CallError::TimedOut) if it is not
    /// over after `limit`. The time counts from its submission and includes a wait for queue room.
    /// For a call that is submitted for [later](Call::after), it counts from the moment when the
    /// call is due. See also [`Call::run_timeout`].
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::{MILLISECOND, MINUTE}};
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
        self.terms.limit = Some(limit);
        self
    }

    /// Ends the call as [`CallError::TimedOut`](crate::error::CallError::TimedOut) if it is not
    /// over at `deadline`. If the call has a timeout too, the earlier limit applies.
    ///
    /// The deadline also applies to a call that the call's task submits, unless that call has an
    /// earlier limit or is [`without_parent`](Call::without_parent).
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MINUTE};
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
    /// [`main_guard`](crate::sync::main_guard). The default is `false`.
    ///
    /// ```
    /// # use nanolith::{prelude::*, sync::main_guard};
    /// # use nanolith_doc_sets::*;
    /// let guard = main_guard();
    /// let job = Geometry::tasks().add(4, 5).keep_alive(true).submit();
    /// guard.join()?;
    /// assert!(job.is_finished());
    /// # Ok::<(), nanolith::sync::MainGuardTimeoutError>(())
    /// ```
    #[inline]
    pub fn keep_alive(mut self, keep: bool) -> Self {
        self.terms.rare().keep_alive = keep;
        self
    }

    /// Attaches a [`Messenger`], which is a typed broadcast channel, to this call. The call's task
    /// finds it by its name with [`Context::messenger`](crate::task::Context::messenger), before
    /// one of the same name that is attached to the executor.
    ///
    /// ```
    /// use nanolith::messenger::Messenger;
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_and_tell(cx: &Context<Self>, x: i64, y: i64) {
    ///         let sums = cx.messenger("sums").expect("the caller attached it");
    ///         sums.try_send(x + y).expect("it has room");
    ///     }
    /// }
    /// let sums = Messenger::<i64>::open("sums")?;
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

    /// Calls `f` with each report that the task makes with
    /// [`Context::progress`](crate::task::Context::progress), on the thread that reports. A second
    /// function replaces the first. To wait for a report, use
    /// [`Handle::progress`](crate::typed::Handle::progress).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn sum(cx: &Context<Self>, of: Vec<i64>) -> i64 {
    ///         let total = of.len() as u64;
    ///         (1..).zip(of).map(|(done, x)| { cx.progress(done, total); x }).sum()
    ///     }
    /// }
    /// let call = Geometry::tasks().sum(vec![2, 3, 4]);
    /// let sum = call.on_progress(|now| println!("{} of {}", now.done, now.total)).wait()?;
    /// assert_eq!(sum, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// The task waits while `f` runs, so `f` should not block. A panic of `f` is ignored. If a layer
    /// runs the task again, `f` gets the reports of each run. An executor that runs the task elsewhere
    /// calls `f` on a thread of its choice.
    #[inline]
    pub fn on_progress(mut self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.terms.rare().on_progress = Some(Arc::new(f));
        self
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
                terms: CallOptions { submitted, priority, limit: None, token: None, rare: None },
                stage: CallState::Lazy(task),
            } => Ok(CallParts { executor, task, extract, priority, submitted }),
            call => Err(call),
        }
    }

    pub(super) fn rare(&mut self) -> &mut RareOptions<S> {
        self.terms.rare()
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Call<'_, S, E, T> {
    /// Ends the call as [`CallError::TimedOut`](crate::error::CallError::TimedOut) when its task
    /// has run for `limit`. The time that the call waited before does not count. If the call has a
    /// [`timeout`](Call::timeout) or a [`deadline`](Call::deadline) too, the earliest limit
    /// applies.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::{MILLISECOND, MINUTE, SECOND}};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn add(x: i64, y: i64) -> i64 { x + y }
    /// #     pub async fn wait_then_add(x: i64, y: i64) -> i64 { nanolith::time::sleep(MINUTE).await; x + y }
    /// # }
    /// # let pool = Pool::builder().build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// let patient = geometry.add(4, 5).run_timeout(SECOND).submit();
    /// std::thread::sleep(2 * MILLISECOND); // in a queue it has all the time in the world
    /// # pool.resume();
    /// assert_eq!(patient.wait()?, 9);
    /// let slow = geometry.wait_then_add(4, 5).run_timeout(MILLISECOND).wait();
    /// assert!(matches!(slow, Err(CallError::TimedOut(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The run of an asynchronous task lasts from its first poll to its end, including its awaits.
    /// A synchronous task keeps its slot until it returns. Its caller returns at once. With a limit
    /// of zero the task never begins. `Duration::MAX` is no limit.
    #[inline]
    pub fn run_timeout(mut self, limit: Duration) -> Self {
        self.rare().run_timeout = Some(limit);
        self
    }

    /// Cancels the call when `token` is cancelled. If the token is already cancelled, the call ends
    /// as [`CallError::Cancelled`](crate::error::CallError::Cancelled) and never runs. A call may
    /// have several tokens. The first of them that is cancelled ends it.
    ///
    /// ```
    /// use nanolith::sync::CancelToken;
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn spin(cx: &Context<Self>) { while !cx.is_cancelled() { std::thread::yield_now() } } }
    /// let token = CancelToken::new();
    /// let jobs = [(); 3].map(|()| Geometry::tasks().spin().cancel_token(&token).submit());
    /// token.cancel();
    /// for job in jobs {
    ///     assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    /// }
    /// ```
    #[inline]
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        match &self.terms.token {
            None => self.terms.token = Some(token.clone()),
            Some(_) => self.rare().tokens.push(token.clone()),
        }
        self
    }

    /// Like [`cancel_token`](Self::cancel_token), and unlinks the call from `token` as soon as the call
    /// is over: [`CancelNode::poll_empty`](crate::call::cancel_tree::CancelNode::poll_empty) waits for
    /// that. Else the handle may unlink it.
    pub(crate) fn linked_to(mut self, token: &CancelToken) -> Self {
        self.rare().tokens.push(token.clone());
        self
    }

    /// Makes the call independent of the task that submits it: the task's deadline and cancellation
    /// are not passed on to the call. Outside of a task it has no effect.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn clean_up() -> bool { true }
    ///     pub fn spin(cx: &Context<Self>, reports: std::sync::mpsc::Sender<bool>) {
    ///         while !cx.is_cancelled() { std::thread::yield_now() }
    ///         let cleaned = Geometry::tasks().clean_up().without_parent().wait();
    ///         let _ = reports.send(cleaned.is_ok());
    ///     }
    /// }
    /// let (reports, hears) = std::sync::mpsc::channel();
    /// let outcome = Geometry::tasks().spin(reports).run_timeout(MILLISECOND).wait();
    /// assert!(matches!(outcome, Err(CallError::TimedOut(_))));
    /// assert!(hears.recv()?);
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    #[inline]
    pub fn without_parent(mut self) -> Self {
        self.rare().is_unlinked = true;
        self
    }
}
