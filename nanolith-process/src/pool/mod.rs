//! [`ProcessPool`]: an executor whose tasks run in child processes.
//!
//! - `builder`, `child_settings`, `listeners`, `warm_spare`: the settings.
//! - `pool_shared`: the data, and the way of a call to an idle child. `closed`: the end.
//! - `io_thread`: the pool's thread. `child_events`: what it does when a child answers or dies.
//! - `children`, `child`: which children there are, and one of them. `link`: the calls that it has.
//! - `deliveries`, `delivery`: what was read from a child, and the order in which it is handled.
//! - `read_for`: the read of a thread that blocks for a call.
//! - `spawn`: the start of a child. `restart`, `restarts`: the replacement of all.
//! - `running_task`: a call with its types erased. `wait`: the thread that blocks for it.
//! - `stderr`, `poller`: the output of children, and waiting for their sockets.

mod builder;
mod child;
mod child_events;
mod child_settings;
#[cfg(test)]
mod child_tests;
mod children;
mod closed;
mod deliveries;
mod delivery;
mod io_thread;
mod link;
mod listeners;
mod poller;
mod pool_shared;
mod read_for;
mod restart;
mod restarts;
mod running_task;
mod spawn;
mod state_source;
mod stderr;
mod wait;
mod warm_spare;

pub(crate) use builder::Config;
pub use builder::{ProcessPoolBuilder, Stdout};
pub(crate) use child_settings::child_settings;
pub use closed::Closed;
pub use restart::{PoolRestart, PoolRestartError};
pub(crate) use state_source::{BlockedEvent, EventSink, LaunchStage, ServiceState, StateSource};

use crate::{event::ProcessEvent, served::ProcessSet};
use nanolith::{
    CallError, Executor,
    call::SubmitError,
    event::Events,
    executor::{Admission, Job},
};
use pool_shared::PoolShared;
use running_task::{LAYER, Outgoing};
use std::{fmt, sync::Arc, task::Waker};
use wait::Wait;

/// A pool of child processes, each of which runs one call at a time.
///
/// A `ProcessPool` is a handle: clones share one pool. When the last clone is dropped, the pool
/// closes: accepted calls are still run, and then the children end. When this process ends, however
/// it does, its children are killed.
///
/// A child leads a process group. The processes that its tasks started die with it, unless they have
/// left the group.
///
/// See the [crate's page](crate) for an example.
#[derive(Clone)]
pub struct ProcessPool {
    last: Arc<Last>,
}

/// A guard that closes the pool when the last handle is dropped.
struct Last(Arc<PoolShared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl ProcessPool {
    fn of(shared: Arc<PoolShared>) -> Self {
        Self { last: Arc::new(Last(shared)) }
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::new()
    }

    fn shared(&self) -> &Arc<PoolShared> {
        &self.last.0
    }

    /// Returns the name of the pool.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared().config.name
    }

    /// Returns the counts of the pool at this moment.
    #[must_use]
    pub fn info(&self) -> ProcessPoolInfo {
        let queue = self.shared().queue.info();
        let children = self.shared().children();
        ProcessPoolInfo {
            name: self.shared().config.name.clone(),
            children: children.len(),
            idle: children.idle_len(),
            queue_len: queue.queue_len,
            in_flight: queue.in_flight,
            completed: queue.completed,
            started: children.figures.started,
            crashed: children.figures.crashed,
            killed: children.figures.killed,
            recycled: children.figures.recycled,
            restarted: children.figures.restarted,
            is_closed: queue.is_closed,
        }
    }

    /// Looks how far the first start of the pool's service is. If it has not ended, the waker is woken
    /// when it has.
    pub(crate) fn poll_launch(&self, waiter: &mut Option<u64>, waker: Waker) -> LaunchStage {
        let mut children = self.shared().children();
        let stage = match &mut children.launch {
            LaunchStage::Starting => LaunchStage::Starting,
            LaunchStage::Done => LaunchStage::Done,
            LaunchStage::Failed(error) => LaunchStage::Failed(error.take()),
        };
        let is_over = !matches!(stage, LaunchStage::Starting);
        let unused = if is_over { Some(waker) } else { children.wait(waiter, waker) };
        drop(children);
        drop(unused); // user code, after the lock
        stage
    }

    /// Removes the waker of such a look.
    pub(crate) fn forget_waiter(&self, waiter: Option<u64>) {
        let waker = waiter.and_then(|waiter| self.shared().children().waiting.remove(&waiter));
        drop(waker); // user code, after the lock
    }

    /// Returns the number of calls that were accepted and have not ended.
    pub(crate) fn load(&self) -> usize {
        self.shared().queue.info().in_flight
    }

    /// Returns how often the pool's service was restarted.
    pub(crate) fn restarts(&self) -> u64 {
        self.shared().children().figures.restarts
    }

    /// Returns the ids of the child processes.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.shared().children().all().iter().map(|child| child.pid).collect()
    }

    /// Returns a stream of what happens to children from now on. The stream ends when the pool is closed
    /// and its children are gone.
    ///
    /// The newest 256 unread events are kept, and earlier ones are lost, so that a stream that is not
    /// read takes no more memory. A [`Pool`](nanolith::Pool) keeps the newest event of each kind.
    /// [`info`](Self::info) counts every child.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::{ExitReason, ProcessEvent, ProcessPool};
    ///
    /// # pub struct Geometry;
    /// # #[define(wire)]
    /// # impl Geometry {
    /// #     pub fn add(x: i64, y: i64) -> i64 { x + y }
    /// # }
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().serve::<(Geometry,)>();
    ///     let children = ProcessPool::builder().max_children(1).build()?;
    ///     let events = children.events();
    ///     assert_eq!(Geometry::on(&children).add(4, 5).wait()?, 9);
    ///     children.close();
    ///     let last = events.last(); // a stream is an iterator, too
    ///     assert!(matches!(last, Some(ProcessEvent::Exit { reason: ExitReason::Closed, .. })));
    ///     Ok(())
    /// }
    /// ```
    pub fn events(&self) -> Events<ProcessEvent> {
        self.shared().events.subscribe()
    }

    /// Replaces all children, one after another, without a refused or a lost call. The future ends when
    /// each child that lived at the call is gone. It can be waited on, awaited or dropped: the restart
    /// goes on.
    ///
    /// A new child starts and serves before an old one gets no more calls. An old child finishes the
    /// calls that it has, however long they take; [`is_retiring`](crate::is_retiring) is true in it. When
    /// it is gone, the next one follows. So there is at most one child more than without a restart, also
    /// beyond `max_children`, and no more than `max_children` run calls.
    ///
    /// The program that runs is the one of this process, also if its file was replaced. A restart helps
    /// against leaks, and makes children read their settings again.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::ProcessPool;
    ///
    /// pub struct Worker;
    ///
    /// #[define(wire)]
    /// impl Worker {
    ///     pub fn pid() -> u32 { std::process::id() }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().serve::<(Worker,)>();
    ///     let children = ProcessPool::builder().max_children(1).build()?;
    ///     let worker = Worker::on(&children);
    ///     let before = worker.pid().wait()?;
    ///     children.restart().wait()?;
    ///     assert_ne!(worker.pid().wait()?, before);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PoolRestartError::NotStarted`] if a new child fails to start: the children that were not yet
    /// replaced go on. [`PoolRestartError::Closed`] if the pool is or becomes closed.
    pub fn restart(&self) -> PoolRestart {
        PoolRestart::begin(self.shared().clone())
    }

    /// Closes the pool: it accepts no more calls. Accepted calls are still run. Then the children
    /// end. [`closed`](Self::closed) waits for that.
    pub fn close(&self) {
        self.shared().close();
    }

    /// Closes the pool, ends the queued calls as [`CallError::Cancelled`], and kills the children: the
    /// calls that they run end as [`CallError::Killed`]. Returns the number of queued calls.
    pub fn terminate(&self) -> usize {
        let queued = self.shared().queue.terminate();
        // A close asks idle children to end, so the kill comes first.
        self.shared().kill_all();
        self.shared().close();
        queued
    }

    /// Waits until the pool is closed, its calls are over, and its children are gone. This does not
    /// close the pool.
    pub fn closed(&self) -> Closed {
        Closed::new(self.shared().clone())
    }

    /// Returns whether the pool is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().queue.is_closed()
    }

    /// Encodes the task of a job, or returns the job with the error.
    fn encode<S: ProcessSet>(&self, job: Job<S>) -> Result<(Job<S>, Outgoing), SubmitError<Job<S>>> {
        let failed = self.shared().children().failed.clone();
        if let Some(crash) = failed.filter(|_| self.shared().state.is_none()) {
            let error = CallError::NotStarted(crash, job.trace());
            return Err(SubmitError::new(job, error));
        }
        match Outgoing::encode(&job, self.shared().config.max_message) {
            Ok(outgoing) => Ok((job, outgoing)),
            Err(error) => {
                let error = CallError::Rejected(LAYER, job.trace().caused_by(error));
                Err(SubmitError::new(job, error))
            }
        }
    }
}

impl<S: ProcessSet> Executor<S> for ProcessPool {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        let wait = Wait::take();
        let (job, outgoing) = self.encode(job)?;
        self.shared().queue.try_push(job, outgoing.waited_by(wait))?;
        self.shared().dispatch_for(wait);
        Ok(())
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        match self.encode(job) {
            Ok((job, outgoing)) => Box::pin(async move {
                self.shared().queue.push(job, outgoing).await?;
                self.shared().dispatch();
                Ok(())
            }),
            Err(refused) => Box::pin(std::future::ready(Err(refused))),
        }
    }

    fn accepts_calls(&self) -> bool {
        !self.is_closed()
    }

    fn will_block(&self, is_submitting: bool) {
        if is_submitting {
            Wait::announce();
        } else {
            Wait::take(); // a call that is delayed, or ended before, was not submitted
        }
    }

    fn host(&self) -> Option<nanolith::__private::ExecutorId> {
        Some(self.shared().queue.id())
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPool").field("info", &self.info()).finish_non_exhaustive()
    }
}

/// The name and the counts of a [`ProcessPool`] at one moment, from [`ProcessPool::info`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProcessPoolInfo {
    /// The name of the pool.
    pub name: Arc<str>,
    /// The number of child processes.
    pub children: usize,
    /// The number of children that run no call.
    pub idle: usize,
    /// The number of calls that wait for a child.
    pub queue_len: usize,
    /// The number of calls that were accepted and have not ended.
    pub in_flight: usize,
    /// The number of calls that were started and have ended.
    pub completed: u64,
    /// The number of children that were ever started.
    pub started: u64,
    /// The number of children that died by themselves or were killed from outside.
    pub crashed: u64,
    /// The number of children that the pool killed to end a task.
    pub killed: u64,
    /// The number of children that were replaced because of `recycle_after` or `recycle_above`.
    pub recycled: u64,
    /// The number of children that [`restart`](ProcessPool::restart) replaced.
    pub restarted: u64,
    /// Whether the pool is closed.
    pub is_closed: bool,
}
