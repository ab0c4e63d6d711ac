//! Options that end a call early, beside its timeout: a limit on its run, a cancellation token, and
//! independence from its parents.

use super::Call;
use crate::{executor::Executor, sync::cancel_token::CancelToken, task::TaskSet};
use std::time::Duration;

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Call<'_, S, E, T> {
    /// Ends the call as [`CallError::TimedOut`](crate::CallError::TimedOut) when its task has run
    /// for `limit`. The time that the call waited before does not count. If the call has a
    /// [`timeout`](Call::timeout) or a [`deadline`](Call::deadline) too, the earliest limit
    /// applies.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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
    /// as [`CallError::Cancelled`](crate::CallError::Cancelled) and never runs. A call may have
    /// several tokens. The first of them that is cancelled ends it.
    ///
    /// ```
    /// use nanolith::CancelToken;
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
        self.rare().tokens.push(token.clone());
        self
    }

    /// Makes the call independent of the task that submits it: the task's deadline and cancellation
    /// are not passed on to the call. Outside of a task it has no effect.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn clean_up() -> bool { true }
    ///     pub fn spin(cx: &Context<Self>, told: std::sync::mpsc::Sender<bool>) {
    ///         while !cx.is_cancelled() { std::thread::yield_now() }
    ///         let cleaned = Geometry::tasks().clean_up().without_parent().wait();
    ///         let _ = told.send(cleaned.is_ok());
    ///     }
    /// }
    /// let (told, hears) = std::sync::mpsc::channel();
    /// let outcome = Geometry::tasks().spin(told).run_timeout(MILLISECOND).wait();
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
