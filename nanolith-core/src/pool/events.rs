//! What happens to a pool, as a stream: its queue was full or ran empty, a task runs far beyond its time-out.

use super::{
    pool_shared::{Emptied, PoolShared},
    pool_state::PoolState,
};
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

/// What happened to a pool's queue.
///
/// ```
/// use nanolith::{PoolEvent, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).on_full(OnFull::Reject).build()?;
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
    /// A call found no room in the queue, whatever became of it: [`OnFull`](crate::OnFull).
    Full,
    /// A task of this kind runs far beyond its time-out: for as long again as it ran until then, and for a second at least. It
    /// keeps its slot. [`Pool::overrunning`](super::Pool::overrunning) says what can be done.
    Overrun(&'static TaskInfo),
    /// No call was queued, running or suspended, after there was one.
    Drained,
}

/// How often calls found no room and tasks ran far beyond their time-outs, and the waits for that and for the pool's end. Under
/// the pool's lock.
#[derive(Default)]
pub(super) struct FullEvents {
    times: u64,
    overruns: u64,
    /// The task of the last overrun.
    overran: Option<&'static TaskInfo>,
    waiting: WaiterSet,
}

impl FullEvents {
    /// Once more; those that wait are to be woken.
    pub(super) fn record(&mut self) -> WakeList {
        self.times += 1;
        self.watchers()
    }

    /// A task runs far beyond its time-out.
    pub(super) fn note_overrun(&mut self, task: &'static TaskInfo) -> WakeList {
        self.overruns += 1;
        self.overran = Some(task);
        self.watchers()
    }

    pub(super) fn watchers(&mut self) -> WakeList {
        self.waiting.take_all()
    }
}

/// The waits for [`FullEvents`].
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

/// The events that were told, by their counts.
struct Seen {
    fulls: u64,
    overruns: u64,
    emptied: u64,
}

impl Seen {
    /// The next event, if it has come; `None` within after the last.
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

/// A wait for the next event. Dropped, it leaves no waker.
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

/// What happens to a pool's queue from now on: made by [`Pool::events`](super::Pool::events). It ends when the pool was closed
/// and its last call is over.
///
/// It is a `Stream`, and a blocking iterator. What happens again before it was asked is told once, of overruns the last. Of
/// several that happened since, they come in the order of [`PoolEvent`]. While somebody has one, calls take the way through the pool's lock, which costs short ones
/// some of their rate.
///
/// ```
/// use nanolith::{PoolEvent, prelude::*};
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
    /// The wait of the last poll of the stream.
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
        // ORDERING: Relaxed, who finds the queue full at this very moment need not tell us.
        inner.watched.fetch_add(1, Ordering::Relaxed);
        inner.release(core, WakeList::default());
        Self { waits: Waits::new(&inner), inner, seen }
    }

    /// The next event; `None` after the last.
    ///
    /// ```
    /// # use nanolith::{PoolEvent, prelude::*};
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

/// Waits for an event: made by [`PoolEvents::recv`].
#[must_use = "does nothing until awaited or waited on"]
pub struct NextPoolEvent<'a> {
    events: &'a mut PoolEvents,
    waits: Waits,
}

impl NextPoolEvent<'_> {
    /// Blocks until it is there.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// let mut events = pool.events();
    /// pool.close();
    /// assert_eq!(events.recv().wait(), None);
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    #[must_use]
    pub fn wait(self) -> Option<PoolEvent> {
        let host = Backend::id(&*self.events.inner);
        // Where a wait of the pool's last free thread would keep the event from happening, there is none.
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
