//! Closures and futures on a pool without a task set: the program's, and this crate's own (the stages of a pipeline, what runs the
//! user's code for schedules).

use super::Pool;
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

/// Runs `future` on the threads of `pool`, which stays open meanwhile. It panics nowhere. Dropping the task cancels it.
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

/// The same on the threads of `host`, which may close.
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

/// Runs `future` until it is done, or until the end of a simulation: then it is dropped here.
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
    /// Submits one closure, without a task set. The handle is that of any other call: it is awaited, waited on, cancelled or
    /// detached, and dropping it detaches the call.
    ///
    /// It is submitted as [`Call::submit`](crate::Call::submit) does: where the queue is full, [`OnFull`](crate::OnFull) says
    /// what happens. A named task of a set can carry a priority, a limit of time and a name of its own.
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
    /// The handle gives every way in which a call can end: see [`CallError`](crate::CallError). A panic of the closure is
    /// [`CallError::Panicked`](crate::CallError::Panicked).
    #[track_caller]
    pub fn spawn<T: Send + 'static>(&self, run: impl FnOnce() -> T + Send + 'static) -> Handle<Work, T> {
        Call::new(self, task::closure(run), task::downcast_output).submit()
    }

    /// The same with a future. The pool's threads poll it; while it is pending it takes no slot.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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
    /// As [`spawn`](Self::spawn).
    ///
    /// # Cancel safety
    ///
    /// A call that is cancelled or times out drops the future at its next `.await`.
    #[track_caller]
    pub fn spawn_async<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Handle<Work, T> {
        Call::new(self, task::future(future), task::downcast_output).submit()
    }
}
