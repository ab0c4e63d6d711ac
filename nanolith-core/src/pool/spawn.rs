//! Futures of this crate's own on a pool: the stages of a pipeline, and what runs the user's code for schedules.

use super::Pool;
use crate::{clock, host::Host, priority::Priority};
use async_task::Task;
use std::{future::Future, sync::Arc};

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
pub(super) fn spawn_on<F>(host: Arc<dyn Host>, priority: Priority, future: F) -> Task<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let schedule = move |work| host.clone().resume(host.rules().expirations().of(priority, clock::now()), work);
    let (work, task) = async_task::spawn(future, schedule);
    work.schedule();
    task
}
