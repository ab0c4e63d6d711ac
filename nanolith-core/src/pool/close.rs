//! The methods of [`Pool`] that close it, and wait for its end. The queued calls finish, or all of
//! them are ended. `shutdown` has the close with a time limit.

use super::{
    CloseTimeout, Closed, Drained, Pool,
    pool_item::{OtherItem, PoolItem},
    pool_shared::PoolShared,
    threads::rayon_threads,
};
use crate::{
    call::{end_batch::EndBatch, slot::EndReason},
    util::unwind,
};
use std::{mem, sync::atomic::Ordering, time::Duration};

/// Closing the pool, and waiting for its end.
impl Pool {
    /// Waits for the first moment after this call at which no call is queued, running or suspended.
    /// The wait ends even if new calls arrive immediately after that moment.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let jobs: Vec<_> = (0..100).map(|n| Geometry::on(&pool).add(n, n).submit()).collect();
    /// pool.drained().wait(); // or `.await`
    /// assert!(jobs.iter().all(|job| job.is_finished()));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn drained(&self) -> Drained {
        Drained::new(self.inner().clone())
    }

    /// Waits until the pool is closed, its calls have ended, and its threads have ended. This
    /// method does not close the pool.
    ///
    /// A pool that is only closed keeps its threads until its handles are dropped. This wait ends
    /// the threads once all calls have ended.
    /// [`on_thread_exit`](super::PoolBuilder::on_thread_exit) has then run on each thread. The
    /// returned future holds no handle of the pool.
    ///
    /// ```
    /// # use nanolith::{pool::Concurrency, prelude::*};
    /// # use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
    /// let exits = Arc::new(AtomicUsize::new(0));
    /// let count = exits.clone();
    /// let pool = Pool::builder()
    ///     .concurrency(Concurrency::Exact(3))
    ///     .on_thread_exit(move || { count.fetch_add(1, Ordering::SeqCst); })
    ///     .build()?;
    /// pool.close();
    /// pool.closed().wait(); // or `.await`
    /// assert_eq!(exits.load(Ordering::SeqCst), 3);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn closed(&self) -> Closed {
        Closed::new(self.inner().clone())
    }

    /// Closes the pool: it accepts no more calls, except those of its running tasks. The calls that
    /// it has accepted finish. A paused pool resumes. This method returns at once; wait for the end
    /// with [`Pool::drained`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let accepted = Geometry::on(&pool).add(1, 2).submit();
    /// pool.close();
    /// assert!(matches!(Geometry::on(&pool).add(4, 5).wait(), Err(CallError::Closed(_))));
    /// assert_eq!(accepted.wait()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.inner().close();
    }

    /// Closes the pool like [`Pool::close`], and waits until all calls have ended, for `limit` at
    /// most, counted from now. Calls that have not finished by then are ended. A queued call ends
    /// as [`CallError::Cancelled`](crate::error::CallError::Cancelled), an asynchronous call ends
    /// at its await. A running synchronous task is asked to stop, which its
    /// [`Context`](crate::task::Context::is_cancelled) shows; its caller waits until the task
    /// returns. With a limit of zero, every call that can be ended ends at once.
    ///
    /// ```
    /// # use nanolith::{prelude::*, time::MILLISECOND};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn count(cx: &Context<Self>) -> u64 {
    ///         (0..).take_while(|_| !cx.is_cancelled()).count() as u64
    ///     }
    /// }
    /// # let pool = Pool::builder().build()?;
    /// let endless = Geometry::on(&pool).count().submit();
    /// # while pool.info().queue_len > 0 { std::thread::yield_now() }
    /// let unfinished = pool.close_timeout(10 * MILLISECOND).wait().unwrap_err();
    /// assert_eq!((unfinished.cancelled(), unfinished.running()), (0, 1));
    /// assert!(endless.wait()? > 0); // it was asked to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_timeout(&self, limit: Duration) -> CloseTimeout {
        CloseTimeout::new(self.drained(), limit)
    }

    /// Closes the pool, and ends the queued calls as
    /// [`CallError::Cancelled`](crate::error::CallError::Cancelled). Returns the number of calls
    /// that it ended. Running tasks finish.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pool.pause();
    /// let queued = Geometry::on(&pool).add(4, 5).submit();
    /// assert_eq!(pool.terminate(), 1);
    /// assert!(matches!(queued.wait(), Err(CallError::Cancelled(_))));
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn terminate(&self) -> usize {
        self.inner().shut_down()
    }

    /// Returns whether the pool was closed.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// pool.close();
    /// assert!(pool.is_closed());
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner().lock().closed
    }
}

impl PoolShared {
    /// Rejects calls from outside from now on. Accepted calls finish, also in a paused pool.
    pub(super) fn close(&self) {
        let mut batch = EndBatch::default();
        self.close_into(&mut batch);
        batch.run();
    }

    /// Like [`PoolShared::close`], with user code added to `batch`.
    pub(super) fn close_into(&self, batch: &mut EndBatch) {
        let mut core = self.lock();
        core.closed = true;
        core.paused = false;
        core.injector.close_ring();
        let wakes = core.injector.queue.wake_all_waiting().and(core.full_events.watchers());
        let wakes = wakes.and(core.limits.shares.dismiss_lines());
        // The waits for the close are among these.
        let wakes = wakes.and(core.injector.queue.drained.take_all());
        self.release_into(core, wakes, batch);
    }

    /// Rejects calls from outside from now on, and starts no queued call until
    /// [`PoolShared::close`].
    pub(super) fn close_paused(&self) {
        let mut core = self.lock();
        core.closed = true;
        core.paused = true;
        core.injector.close_ring();
    }

    /// Closes the pool and ends its queued calls. Returns their number.
    pub(super) fn shut_down(&self) -> usize {
        let mut batch = EndBatch::default();
        self.close_paused();
        let (ended, _) = self.end_queued_into(EndReason::Cancelled, &mut batch);
        self.close_into(&mut batch);
        batch.run();
        ended
    }

    /// Ends the calls and drops the futures that no thread of the pool ran, because the pool's
    /// simulation has ended. The calling thread drops them.
    pub(super) fn abandon(&self) {
        self.end_queued(EndReason::SimulationOver);
        let (threads, rolls, futures) = {
            let mut rayon = self.rayon();
            let mut core = self.lock();
            core.retired = true;
            core.abandoned = true;
            core.rayon.total = 0;
            (rayon.take(), mem::take(&mut core.broadcasts), core.take_resumed())
        };
        futures.into_iter().for_each(|future| unwind::ignore_panics(|| drop(future)));
        unwind::ignore_panics(|| drop(rolls));
        threads.iter().for_each(rayon_threads::abandon);
        unwind::ignore_panics(|| drop(threads));
        self.spares.shutdown();
    }

    /// Ends every queued call for the reason `how`.
    pub(super) fn end_queued(&self, how: EndReason) {
        let mut batch = EndBatch::default();
        self.end_queued_into(how, &mut batch);
        batch.run();
    }

    /// Like [`PoolShared::end_queued`], with user code added to `batch`. Returns the number of the
    /// calls that were ended, and of the calls that are left.
    pub(super) fn end_queued_into(&self, how: EndReason, batch: &mut EndBatch) -> (usize, usize) {
        let mut core = self.lock();
        core.injector.close_ring();
        core.injector.drain_ring();
        let mut resumed = Vec::new();
        let (mut ended, mut wakes) = core.claim_all_waiting();
        while let Some(work) = core.injector.queue.pop() {
            match work {
                PoolItem::Other(OtherItem::Resume(work)) => resumed.push(work),
                PoolItem::Other(OtherItem::Ticket) => {}
                PoolItem::Call(call) if call.claim() => {
                    wakes = wakes.and(core.end_claimed(&call));
                    ended.push(call);
                }
                PoolItem::Call(call) => {
                    wakes = wakes.and(core.injector.skip_stale(&*call));
                    core.injector.discard_stale(PoolItem::Call(call));
                }
            }
        }
        for work in resumed {
            core.injector.queue.on_resume();
            // Calls that have started continue.
            core.injector.queue.resume(0, PoolItem::Other(OtherItem::Resume(work)));
        }
        let (figures, more) = core.injector.figures();
        // ORDERING: Relaxed, a figure.
        let left = figures.in_flight.saturating_sub(self.resting.load(Ordering::Relaxed));
        self.release_into(core, wakes.and(more), batch);
        let number = ended.len();
        batch.count_at(PoolShared::id(self));
        ended.into_iter().for_each(|call| batch.end_claimed(call, how));
        (number, left)
    }
}
