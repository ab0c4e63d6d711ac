//! The events of a pool as a stream: a full queue, an empty pool, a task far beyond its time-out.

use super::{drained::Emptied, pool_shared::PoolShared, pool_state::PoolState};
use crate::{
    call::backend::Backend,
    context::block_on,
    meta::task_info::TaskInfo,
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet, WakeList},
};
use futures_util::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

/// An event of a pool's queue.
///
/// ```
/// use nanolith::{executor::OnFull, pool::PoolEvent, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().max_queue(1).on_full(OnFull::Reject).build()?;
/// let mut events = pool.events();
/// pool.pause();
/// let first = Geometry::on(&pool).add(1, 2).submit(); // fills the queue
/// assert!(Geometry::on(&pool).add(4, 5).wait().is_err());
/// assert_eq!(events.recv().wait(), Some(PoolEvent::Full));
/// pool.resume();
/// assert_eq!(events.recv().wait(), Some(PoolEvent::Drained));
/// assert_eq!(first.wait()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A call found the queue full. [`OnFull`](crate::executor::OnFull) decides what happens to the call.
    Full,
    /// A task of this kind has run far beyond its time-out: by as long as it ran until then, and by
    /// at least a second. The task keeps its slot. [`PoolInfo::overrunning`](super::PoolInfo::overrunning)
    /// says what can be done.
    Overrun(&'static TaskInfo),
    /// No call is queued, running or suspended, after there was at least one.
    Drained,
}

/// Counts of full queues and of tasks far beyond their time-outs, with the waiters for these events
/// and for the pool's end. This is protected by the pool's lock.
#[derive(Default)]
pub(super) struct FullEvents {
    times: u64,
    overruns: u64,
    /// The task of the last overrun.
    overran: Option<&'static TaskInfo>,
    waiting: WaiterSet,
}

impl FullEvents {
    /// Records a full queue, and returns the waiters to be woken.
    pub(super) fn record(&mut self) -> WakeList {
        self.times += 1;
        self.watchers()
    }

    /// Records that a task runs far beyond its time-out, and returns the waiters to be woken.
    pub(super) fn note_overrun(&mut self, task: &'static TaskInfo) -> WakeList {
        self.overruns += 1;
        self.overran = Some(task);
        self.watchers()
    }

    pub(super) fn watchers(&mut self) -> WakeList {
        self.waiting.take_all()
    }
}

/// The waiters for [`FullEvents`].
struct Filled(Arc<PoolShared>);

impl WaiterHome for Filled {
    type State = PoolState;

    fn with_state<R>(&self, change: impl FnOnce(&mut PoolState, &mut AfterUnlock) -> R) -> R {
        self.0.with_waiters(change)
    }

    fn waiters(core: &mut PoolState) -> &mut WaiterSet {
        &mut core.full_events.waiting
    }
}

/// The counts of the events that a [`PoolEvents`] has returned.
struct Seen {
    fulls: u64,
    overruns: u64,
    emptied: u64,
}

impl Seen {
    /// Returns the next event if it has happened, and the inner `None` after the last event.
    fn next(&mut self, core: &PoolState) -> Option<Option<PoolEvent>> {
        let (fulls, queue) = (core.full_events.times, &core.injector.queue);
        if fulls > self.fulls {
            self.fulls = fulls;
            return Some(Some(PoolEvent::Full));
        }
        if let Some(task) = core.full_events.overran.filter(|_| core.full_events.overruns > self.overruns) {
            self.overruns = core.full_events.overruns;
            return Some(Some(PoolEvent::Overrun(task)));
        }
        if queue.poll_empty_since(self.emptied) {
            self.emptied = queue.times_emptied();
            return Some(Some(PoolEvent::Drained));
        }
        (core.closed && queue.in_flight() == 0).then_some(None)
    }
}

/// A wait for the next event. Its drop removes its waker.
struct Waits {
    emptied: Registration<Emptied>,
    filled: Registration<Filled>,
}

impl Waits {
    fn new(inner: &Arc<PoolShared>) -> Self {
        Self { emptied: Registration::new(Emptied(inner.clone())), filled: Registration::new(Filled(inner.clone())) }
    }

    fn poll_next(&mut self, seen: &mut Seen, cx: &Context<'_>) -> Poll<Option<PoolEvent>> {
        if let Poll::Ready(event) = self.emptied.poll_with(cx.waker(), |core, _| seen.next(core)) {
            self.filled.finish();
            return Poll::Ready(event);
        }
        let event = self.filled.poll_with(cx.waker(), |core, _| seen.next(core));
        if event.is_ready() {
            self.emptied.finish();
        }
        event
    }
}

/// A stream of what happens to a pool's queue, made by [`Pool::events`](super::Pool::events). The
/// stream ends when the pool is closed and its last call has ended.
///
/// This is a `Stream` and a blocking iterator. An event that happens several times between two
/// reads is returned once; for overruns, the last one is returned. Different events between two
/// reads are returned in the order of [`PoolEvent`].
///
/// While a `PoolEvents` exists, every call passes the pool's lock. That lowers the rate of short
/// calls.
///
/// ```
/// use nanolith::{pool::PoolEvent, prelude::*};
/// # use nanolith_doc_sets::*;
/// # let pool = Pool::builder().build()?;
/// let events = pool.events();
/// let job = Geometry::on(&pool).add(4, 5).submit();
/// pool.close();
/// assert_eq!(events.collect::<Vec<_>>(), [PoolEvent::Drained]);
/// assert_eq!(job.wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it tells what happens when it is iterated, polled or asked"]
pub struct PoolEvents {
    inner: Arc<PoolShared>,
    seen: Seen,
    /// The wait of the stream's last poll.
    waits: Waits,
}

impl PoolEvents {
    pub(super) fn new(inner: Arc<PoolShared>) -> Self {
        let mut core = inner.lock();
        core.injector.require_exact();
        let seen = Seen {
            fulls: core.full_events.times,
            overruns: core.full_events.overruns,
            emptied: core.injector.queue.times_emptied(),
        };
        // ORDERING: Relaxed, a call that finds the queue full at this moment need not be reported.
        // The load is in `record_full`.
        inner.watched.fetch_add(1, Ordering::Relaxed);
        inner.release(core, WakeList::default());
        Self { waits: Waits::new(&inner), inner, seen }
    }

    /// Returns the next event, or `None` after the last event.
    ///
    /// ```
    /// # use nanolith::{pool::PoolEvent, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pollster::block_on(async {
    /// let mut events = pool.events();
    /// Geometry::on(&pool).add(4, 5).await?;
    /// assert_eq!(events.recv().await, Some(PoolEvent::Drained));
    /// # Ok::<(), CallError>(()) }).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// No event is lost.
    pub fn recv(&mut self) -> NextPoolEvent<'_> {
        NextPoolEvent { waits: Waits::new(&self.inner), events: self }
    }
}

impl Stream for PoolEvents {
    type Item = PoolEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PoolEvent>> {
        let this = &mut *self;
        this.waits.poll_next(&mut this.seen, cx)
    }
}

impl Iterator for PoolEvents {
    type Item = PoolEvent;

    fn next(&mut self) -> Option<PoolEvent> {
        self.recv().wait()
    }
}

impl Drop for PoolEvents {
    fn drop(&mut self) {
        self.inner.watched.fetch_sub(1, Ordering::Relaxed);
        self.inner.lock().injector.release_exact();
    }
}

impl fmt::Debug for PoolEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolEvents").finish_non_exhaustive()
    }
}

/// The future that waits for the next event, made by [`PoolEvents::recv`].
#[must_use = "does nothing until awaited or waited on"]
pub struct NextPoolEvent<'a> {
    events: &'a mut PoolEvents,
    waits: Waits,
}

impl NextPoolEvent<'_> {
    /// Blocks the thread until the next event has happened.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// let mut events = pool.events();
    /// pool.close();
    /// assert_eq!(events.recv().wait(), None);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[must_use]
    pub fn wait(self) -> Option<PoolEvent> {
        let host = Backend::id(&*self.events.inner);
        // A wait that blocks the pool's last free thread would prevent the event. It returns
        // `None`.
        block_on::block_on(self, Some(host)).ok().flatten()
    }
}

impl Future for NextPoolEvent<'_> {
    type Output = Option<PoolEvent>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.waits.poll_next(&mut this.events.seen, cx)
    }
}

impl fmt::Debug for NextPoolEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextPoolEvent").finish_non_exhaustive()
    }
}
