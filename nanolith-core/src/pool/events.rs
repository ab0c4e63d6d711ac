//! What happens to a pool's queue, as a stream: it was full, it ran empty.

use super::inner::Inner;
use crate::{host::Host, wait, wake::WakeList};
use futures_util::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
};

/// What happened to a pool's queue.
///
/// ```
/// use nanolith::{PoolEvent, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
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
    /// No call was queued, running or suspended, after there was one.
    Drained,
}

/// How often calls found no room, and who waits for that. Under the pool's lock.
#[derive(Default)]
pub(super) struct Fulls {
    times: u64,
    watchers: Vec<Waker>,
}

impl Fulls {
    /// Once more; those who are to hear of it.
    pub(super) fn note(&mut self) -> WakeList {
        self.times += 1;
        self.watchers()
    }

    pub(super) fn watchers(&mut self) -> WakeList {
        WakeList::of(std::mem::take(&mut self.watchers))
    }
}

/// What happens to a pool's queue from now on: made by [`Pool::events`](super::Pool::events). It ends when the pool was closed
/// and its last call is over.
///
/// It is a `Stream`, and a blocking iterator. What happens again before it was asked is told once; of two that happened since,
/// [`PoolEvent::Full`] comes first. While somebody has one, calls take the way through the pool's lock, which costs short ones
/// some of their rate.
///
/// ```
/// use nanolith::{PoolEvent, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
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
    inner: Arc<Inner>,
    /// What it has told of.
    fulls: u64,
    emptied: u64,
}

impl PoolEvents {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let mut core = inner.lock();
        core.front.watch();
        let (fulls, emptied) = (core.fulls.times, core.front.queue.times_emptied());
        // ORDERING: Relaxed, who finds the queue full at this very moment need not tell us.
        inner.watched.fetch_add(1, Ordering::Relaxed);
        inner.release(core, WakeList::default());
        Self { inner, fulls, emptied }
    }

    /// The next event; `None` after the last.
    ///
    /// ```
    /// # use nanolith::{PoolEvent, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
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
        NextPoolEvent { events: self }
    }
}

impl Stream for PoolEvents {
    type Item = PoolEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PoolEvent>> {
        let this = &mut *self;
        let mut core = this.inner.lock();
        if core.fulls.times > this.fulls {
            this.fulls = core.fulls.times;
            return Poll::Ready(Some(PoolEvent::Full));
        }
        if core.front.queue.was_empty_since(this.emptied, cx.waker()) {
            this.emptied = core.front.queue.times_emptied();
            return Poll::Ready(Some(PoolEvent::Drained));
        }
        if core.closed && core.front.queue.in_flight() == 0 {
            return Poll::Ready(None);
        }
        if !core.fulls.watchers.iter().any(|known| known.will_wake(cx.waker())) {
            core.fulls.watchers.push(cx.waker().clone());
        }
        Poll::Pending
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
        self.inner.lock().front.unwatch();
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
        let host = Host::id(&*self.events.inner);
        // Where a wait of the pool's last free thread would keep the event from happening, there is none.
        wait::block_on(self, Some(host)).ok().flatten()
    }
}

impl Future for NextPoolEvent<'_> {
    type Output = Option<PoolEvent>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.events).poll_next(cx)
    }
}

impl fmt::Debug for NextPoolEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextPoolEvent").finish_non_exhaustive()
    }
}
