//! [`Pool::spawn`] and [`Pool::spawn_async`]: run a closure or a future on a pool, without a task
//! set. [`GlobalPool`] has the same two methods. [`spawn`] does so for this crate's own futures.

use super::{GlobalPool, Pool};
use crate::{
    call::backend::Backend,
    meta::priority::Priority,
    task::{self, Work},
    time::clock,
    typed::{Call, Handle},
    util::unwind,
    wake::EndWait,
};
use async_task::Task;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

/// Runs `future` on the threads of `pool`, which stays open until the future ends. The future must
/// not panic. Dropping the returned task cancels the future.
pub(crate) fn spawn<F>(pool: &Pool, priority: Priority, future: F) -> Task<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let kept_open = pool.clone();
    let future = async move {
        future.await;
        drop(kept_open);
    };
    spawn_on(pool.inner().clone(), priority, future)
}

/// Runs `future` on the threads of `host`, which may close before the future ends.
pub(super) fn spawn_on<F>(host: Arc<dyn Backend>, priority: Priority, future: F) -> Task<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let future = until_end(host.end_wait(), future);
    let schedule = move |work| host.clone().schedule(host.rules().expirations().of(priority, clock::now()), work);
    let (work, task) = async_task::spawn(future, schedule);
    work.schedule();
    task
}

/// Runs `future` until it ends, or until the end of a simulation, which drops the future here.
pub(crate) async fn until_end(end: Option<EndWait>, future: impl Future<Output = ()>) {
    let Some(mut end) = end else { return future.await };
    let mut future = pin!(Some(future));
    poll_fn(|cx| {
        let Some(running) = future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        if end.poll_futures_over(cx.waker()).is_pending() {
            return running.poll(cx);
        }
        unwind::ignore_panics(|| future.set(None));
        Poll::Ready(())
    })
    .await;
}

impl Pool {
    /// Submits a closure, without a task set. The returned handle is like the handle of any other
    /// call: it can be awaited, waited on, cancelled or detached. Dropping the handle detaches the
    /// call.
    ///
    /// The closure is submitted like [`Call::submit`](crate::typed::Call::submit): if the queue is
    /// full, [`OnFull`](crate::executor::OnFull) decides what happens. A named task of a set can
    /// have a priority, a time limit and a name of its own.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// let pool = Pool::builder().build()?;
    /// let text = String::from("plain functions");
    /// let words = pool.spawn(move || text.split(' ').count());
    /// assert_eq!(words.wait()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The handle returns every error with which a call can end: see
    /// [`CallError`](crate::error::CallError). A panic of the closure is
    /// [`CallError::Panicked`](crate::error::CallError::Panicked).
    #[track_caller]
    pub fn spawn<T: Send + 'static>(&self, run: impl FnOnce() -> T + Send + 'static) -> Handle<Work, T> {
        Call::new(self, task::closure(run), task::downcast_output).submit()
    }

    /// Submits a future, without a task set. The pool's threads poll the future. While the future
    /// is pending, it takes no slot.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// let pool = Pool::builder().build()?;
    /// let sum = pool.spawn_async(async {
    ///     nanolith::time::sleep(MILLISECOND).await;
    ///     4 + 5
    /// });
    /// assert_eq!(sum.wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`spawn`](Self::spawn).
    ///
    /// # Cancel safety
    ///
    /// A call that is cancelled or times out drops the future at its next `.await`.
    #[track_caller]
    pub fn spawn_async<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Handle<Work, T> {
        Call::new(self, task::future(future), task::downcast_output).submit()
    }
}

impl GlobalPool {
    /// Submits a closure to the global pool, without a task set, like [`Pool::spawn`].
    ///
    /// ```
    /// use nanolith::{pool::GlobalPool, prelude::*};
    /// let text = String::from("plain functions");
    /// let words = GlobalPool.spawn(move || text.split(' ').count());
    /// assert_eq!(words.wait()?, 2);
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The handle returns the errors of [`Pool::spawn`], and
    /// [`CallError::NotStarted`](crate::error::CallError::NotStarted) if the pool cannot be started.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(self, run: impl FnOnce() -> T + Send + 'static) -> Handle<Work, T> {
        Call::new(&self, task::closure(run), task::downcast_output).submit()
    }

    /// Submits a future to the global pool, without a task set, like [`Pool::spawn_async`].
    ///
    /// ```
    /// use nanolith::{pool::GlobalPool, prelude::*, time::MILLISECOND};
    /// let sum = GlobalPool.spawn_async(async {
    ///     nanolith::time::sleep(MILLISECOND).await;
    ///     4 + 5
    /// });
    /// assert_eq!(sum.wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`spawn`](Self::spawn).
    ///
    /// # Cancel safety
    ///
    /// A call that is cancelled or times out drops the future at its next `.await`.
    #[track_caller]
    pub fn spawn_async<T: Send + 'static>(self, future: impl Future<Output = T> + Send + 'static) -> Handle<Work, T> {
        Call::new(&self, task::future(future), task::downcast_output).submit()
    }
}
