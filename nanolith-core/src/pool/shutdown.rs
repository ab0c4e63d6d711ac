//! A close with a limit: what has not ended by then is ended, as far as that can be.
//!
//! A queued call ends. A suspended one is dropped at its await: those are listed while they are suspended. A synchronous one
//! is asked to stop, which its context shows, and its caller waits until it returns.

use super::{drained::Drained, pool_shared::PoolShared};
use crate::{
    call::{
        backend::{Backend, ErasedCall, ExecutorId},
        call_ref::CallRef,
        end_batch::EndBatch,
        slot::EndReason,
    },
    context::block_on,
    time::Limit,
    util::prefetch::PrefetchTarget,
};
use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

/// The suspended calls of a pool, to be ended if need be.
#[derive(Default)]
pub(crate) struct SuspendedCalls {
    listed: Mutex<SuspendedSet>,
}

#[derive(Default)]
struct SuspendedSet {
    calls: HashMap<usize, CallRef<dyn ErasedCall>>,
    /// How they are being ended, and so are those that come.
    stopping: Option<EndReason>,
}

impl SuspendedCalls {
    /// Lists a call; says whether it is to end, and how.
    pub(crate) fn insert(&self, call: &CallRef<dyn ErasedCall>) -> Option<EndReason> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.calls.insert(call.target_ptr().addr(), call.clone());
        listed.stopping
    }

    /// The call is over.
    pub(crate) fn strike_off(&self, call: usize) {
        let gone = self.listed.lock().unwrap_or_else(PoisonError::into_inner).calls.remove(&call);
        drop(gone); // off the lock
    }

    /// Lists the call, or no longer.
    pub(crate) fn list_or_strike_off(&self, call: &CallRef<dyn ErasedCall>, is_listed: bool) {
        if is_listed {
            let _ = self.insert(call);
        } else {
            self.strike_off(call.target_ptr().addr());
        }
    }

    pub(super) fn calls(&self) -> Vec<CallRef<dyn ErasedCall>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).calls.values().cloned().collect()
    }

    /// Ends those that are listed, and from now on those that come.
    pub(crate) fn end_all(&self, host: ExecutorId, how: EndReason, batch: &mut EndBatch) {
        let calls: Vec<_> = {
            let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            listed.stopping = Some(how);
            listed.calls.values().cloned().collect()
        };
        calls.into_iter().for_each(|call| end_suspended(call, host, how, batch));
    }
}

/// A call that a thread of a simulation runs, listed until this is dropped: the end of the simulation ends it, also where the thread
/// does not end.
pub(crate) struct AtWork<'a> {
    list: &'a SuspendedCalls,
    call: usize,
}

impl<'a> AtWork<'a> {
    pub(crate) fn begin(list: &'a SuspendedCalls, host: ExecutorId, call: &CallRef<dyn ErasedCall>) -> Self {
        if let Some(how) = list.insert(call) {
            let mut batch = EndBatch::default();
            end_suspended(call.clone(), host, how, &mut batch);
            batch.run();
        }
        Self { list, call: call.target_ptr().addr() }
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.list.strike_off(self.call);
    }
}

/// Ends a suspended call. Where that is over, a hook after its task may still wait: that looks again.
pub(crate) fn end_suspended(call: CallRef<dyn ErasedCall>, host: ExecutorId, how: EndReason, batch: &mut EndBatch) {
    call.header().wake_on_cancel(batch);
    batch.end_call(call, Some(host), how);
}

impl PoolShared {
    /// A call is suspended for the first time. It ends if the limit of a close has passed.
    pub(super) fn list_suspended(&self, call: &CallRef<dyn ErasedCall>) {
        if let Some(how) = self.suspended.insert(call) {
            let mut batch = EndBatch::default();
            end_suspended(call.clone(), self.id(), how, &mut batch);
            batch.run();
        }
    }

    /// Ends what is queued or suspended, and asks what runs to stop. Tells what there was of it.
    fn stop(&self) -> Result<(), Unfinished> {
        self.stop_as(EndReason::Cancelled)
    }

    /// The simulation is over that the pool is of.
    pub(super) fn end_with_simulation(&self) {
        let _ = self.stop_as(EndReason::SimulationOver);
        let mut batch = EndBatch::default();
        self.at_work.end_all(Backend::id(self), EndReason::SimulationOver, &mut batch);
        batch.run();
    }

    /// The same with this end for the calls.
    fn stop_as(&self, how: EndReason) -> Result<(), Unfinished> {
        let id = Backend::id(self);
        let mut batch = EndBatch::default();
        self.close_paused();
        let (cancelled, running) = self.end_queued_into(how, &mut batch);
        self.ask_to_stop();
        self.close_into(&mut batch);
        self.suspended.end_all(id, how, &mut batch);
        batch.run();
        if cancelled + running == 0 { Ok(()) } else { Err(Unfinished { cancelled, running }) }
    }
}

/// What had not finished within the limit of [`Pool::close_within`](super::Pool::close_within), of
/// [`Service::close_within`](crate::Service::close_within) or of [`Cluster::close_within`](crate::Cluster::close_within).
///
/// ```
/// use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub async fn wait_then_add(x: i64, y: i64) -> i64 { nanolith::time::sleep(MINUTE).await; x + y } }
/// let pool = Pool::builder().build()?;
/// let slow = Geometry::on(&pool).wait_then_add(4, 5).submit(); // waits a minute
/// # while pool.queue_len() > 0 { std::thread::yield_now() }
/// let unfinished = pool.close_within(MILLISECOND).wait().unwrap_err();
/// assert_eq!((unfinished.cancelled(), unfinished.running()), (0, 1));
/// assert!(matches!(slow.wait(), Err(CallError::Cancelled(_))));
/// # Ok::<(), nanolith::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    cancelled: usize,
    running: usize,
}

impl Unfinished {
    pub(crate) fn new(cancelled: usize, running: usize) -> Self {
        Self { cancelled, running }
    }

    /// Adds what another executor had.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { cancelled: self.cancelled + other.cancelled, running: self.running + other.running }
    }

    /// Calls that were queued, and were ended as [`CallError::Cancelled`](crate::CallError::Cancelled).
    #[must_use]
    pub fn cancelled(&self) -> usize {
        self.cancelled
    }

    /// Calls that had begun, and were asked to stop. [`Pool::drained`](super::Pool::drained) or
    /// [`Control::closed`](crate::Control::closed) tells when they have.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cancelled, running } = self;
        write!(
            f,
            "the limit was reached: {cancelled} queued calls were cancelled, {running} running ones asked to stop"
        )
    }
}

impl std::error::Error for Unfinished {}

/// Ends when all calls of a closed pool are over, or at the limit: made by
/// [`Pool::close_within`](super::Pool::close_within), which has closed it.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// # let pool = Pool::builder().build()?;
/// let job = Geometry::on(&pool).add(4, 5).submit();
/// # pollster::block_on(async {
/// pool.close_within(MINUTE).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// assert!(job.is_finished());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancel safety
///
/// Dropped, the pool stays closed, and nothing is ended.
#[must_use = "the pool is closed; what does not finish is ended only by awaiting this, or waiting on it"]
pub struct CloseWithin {
    drained: Drained,
    limit: Limit,
}

impl CloseWithin {
    pub(super) fn new(drained: Drained, limit: Duration) -> Self {
        drained.inner().close();
        Self { drained, limit: Limit::new(limit) }
    }

    /// Blocks until then.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.close_within(MINUTE).wait()?; // nothing was left to do
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unfinished`] tells what did not finish within the limit. A task of the pool that waits for this is itself among that.
    pub fn wait(self) -> Result<(), Unfinished> {
        let inner = self.drained.inner().clone();
        // Where the wait could never end, it does so at the limit, which is now.
        block_on::block_on(self, Some(inner.id())).unwrap_or_else(|_| inner.stop())
    }
}

impl Future for CloseWithin {
    type Output = Result<(), Unfinished>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.drained.has_been_empty(cx.waker()) {
            return Poll::Ready(Ok(()));
        }
        self.limit.poll(cx).map(|()| self.drained.inner().stop())
    }
}

impl fmt::Debug for CloseWithin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseWithin").finish_non_exhaustive()
    }
}
