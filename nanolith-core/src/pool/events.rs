//! The events of a pool as a stream: a full queue, an empty pool, a task far beyond its time-out.

use super::{drained::Emptied, pool_shared::PoolShared, pool_state::PoolState};
use crate::{
    call::backend::{Backend, ExecutorId},
    event::EventSource,
    meta::task_info::TaskInfo,
    wake::{AfterUnlock, Registration, WaiterHome, WaiterSet, WakeList},
};
use std::{
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
    /// A call found the queue full. [`OnFull`](crate::executor::OnFull) decides what happens to the
    /// call.
    Full,
    /// A task of this kind has run far beyond its time-out: by as long as it ran until then, and by
    /// at least a second. The task keeps its slot.
    /// [`PoolInfo::overrunning`](super::PoolInfo::overrunning) says what can be done.
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

/// The source of a pool's [`Events`](crate::event::Events).
pub(super) struct PoolEvents {
    inner: Arc<PoolShared>,
    seen: Seen,
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
}

impl EventSource<PoolEvent> for PoolEvents {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<PoolEvent>> {
        self.waits.poll_next(&mut self.seen, cx)
    }

    fn try_next(&mut self) -> Poll<Option<PoolEvent>> {
        let next = self.inner.with_waiters(|core, _| self.seen.next(core));
        next.map_or(Poll::Pending, Poll::Ready)
    }

    fn forget_waker(&mut self) {
        self.waits = Waits::new(&self.inner);
    }

    fn executor(&self) -> Option<ExecutorId> {
        Some(Backend::id(&*self.inner))
    }
}

impl Drop for PoolEvents {
    fn drop(&mut self) {
        self.inner.watched.fetch_sub(1, Ordering::Relaxed);
        self.inner.lock().injector.release_exact();
    }
}
