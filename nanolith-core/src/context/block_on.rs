//! [`block_on`] blocks the current thread on a future. Meanwhile it lends the permit of the running
//! task, which is the right to run a task, to another thread of the executor.
//!
//! Every `.wait()` of this crate goes through this module. So a task that blocks gives its slot to
//! other tasks, whatever it waits for.

use super::{long_wait::LongWait, thread_context};
use crate::{
    call::backend::{ExecutorId, WouldDeadlock},
    meta::thread_kind::ThreadKind,
    park::parker::ThreadParker,
    sim_runtime,
    time::clock,
};
use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Instant,
};

/// Blocks until `future` is ready. No particular executor makes the future ready, so the wait is
/// never refused.
#[cfg_attr(feature = "tokio", track_caller)]
pub(crate) fn block_on_any<F: Future>(future: F) -> F::Output {
    block_on(future, None).unwrap_or_else(|WouldDeadlock| unreachable!("{ANYBODY}"))
}

/// Like [`block_on_any`], but returns `None` if `deadline` passes first.
#[cfg_attr(feature = "tokio", track_caller)]
pub(crate) fn block_on_any_until<F: Future>(future: Pin<&mut F>, deadline: Option<Instant>) -> Option<F::Output> {
    block_until(future, None, deadline).unwrap_or_else(|WouldDeadlock| unreachable!("{ANYBODY}"))
}

const ANYBODY: &str = "only a wait for a host's own work can deadlock with the host";

/// Blocks until `future` is ready. A thread of a pool or a service lends its slot meanwhile.
///
/// `target` is the executor that will make the future ready, if that executor is known.
#[cfg_attr(feature = "tokio", track_caller)]
pub(crate) fn block_on<F: Future>(future: F, target: Option<ExecutorId>) -> Result<F::Output, WouldDeadlock> {
    let mut future = pin!(future);
    block_until(future.as_mut(), target, None).map(|output| output.expect("there is no limit"))
}

/// Like [`block_on`], but returns `None` if `deadline` passes first.
#[cfg_attr(feature = "tokio", track_caller)]
pub(crate) fn block_until<F: Future>(
    mut future: Pin<&mut F>,
    target: Option<ExecutorId>,
    deadline: Option<Instant>,
) -> Result<Option<F::Output>, WouldDeadlock> {
    sim_runtime::switch_point();
    let parking = ThreadParker::of_this_thread();
    let _outer = parking.nest(thread_context::is_blocking());
    let mut cx = Context::from_waker(parking.waker());
    let mut poll = || thread_context::during_block_on(|| future.as_mut().poll(&mut cx));
    if let Poll::Ready(output) = poll() {
        return Ok(Some(output));
    }
    if let Some(host) = thread_context::driven_by_this_thread(target) {
        let mut output = None;
        let mut is_ready = || match poll() {
            Poll::Ready(ready) => {
                output = Some(ready);
                true
            }
            Poll::Pending => false,
        };
        let mut long = LongWait::begin(target);
        let driven = host.drive_until(&mut is_ready, deadline);
        long.report();
        if let Some(driven) = driven {
            return driven.map(|()| output);
        }
    }
    // A raise of the running task wakes this thread. The next poll passes the raise on to the
    // awaited call.
    let mut stop = thread_context::stop_wait();
    let _lent = thread_context::enter_blocking(target)?;
    let _told = sim_runtime::doing(|| describe(target, deadline.is_some()));
    let mut long = LongWait::begin(target);
    loop {
        stop.iter_mut().for_each(|stop| stop.register(parking.waker()));
        if let Poll::Ready(output) = poll() {
            return Ok(Some(output));
        }
        if thread_context::is_stranded(target) {
            return Err(WouldDeadlock);
        }
        // A future that wakes itself all the time never lets the thread sleep. Its limit still
        // applies.
        let is_late = deadline.is_some_and(|deadline| deadline <= clock::instant() || clock::is_over());
        if is_late || !parking.park_until(long.sleeps_until(deadline)) && !long.report() {
            return Ok(None);
        }
    }
}

/// Describes what this thread waits for, for the report of a deadlock.
fn describe(target: Option<ExecutorId>, has_limit: bool) -> String {
    let who =
        thread_context::running_task().map_or("waits".to_owned(), |task| format!("the task `{}` waits", task.name()));
    let whom = target.and_then(ExecutorId::get).map(|host| match host.thread_kind() {
        ThreadKind::Pool(name) => format!(" for the pool `{name}`"),
        ThreadKind::Service(name) => format!(" for the service `{name}`"),
        ThreadKind::Local(name) => format!(" for the local `{name}`"),
        ThreadKind::Outside => String::new(),
    });
    format!("{who}{}{}", whom.unwrap_or_default(), if has_limit { ", with a limit" } else { "" })
}

/// Runs `f`, which may block by means outside this library. Within a task, `f` runs with the task's
/// slot lent to other tasks.
///
/// Outside a task, this function only runs `f`. On the thread of a service it only runs `f`, too: a
/// service has one thread, and no other thread takes over its work.
///
/// ```
/// use nanolith::{pool::Concurrency, prelude::*, task::block_in_place};
/// use std::sync::mpsc::Receiver;
/// # pub struct Geometry;
/// # #[define]
/// impl Geometry {
///     pub fn add_received(x: i64, from: Receiver<i64>) -> i64 {
///         x + block_in_place(|| from.recv()).unwrap_or(0)
///     }
/// #     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
/// let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build()?;
/// let geometry = Geometry::on(&pool);
/// let (give, take) = std::sync::mpsc::channel();
/// let job = geometry.add_received(4, take).submit();
/// assert_eq!(geometry.add(1, 2).wait()?, 3); // runs though the only slot's task waits
/// give.send(5)?;
/// assert_eq!(job.wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    let _lent = thread_context::enter_blocking(None);
    f()
}
