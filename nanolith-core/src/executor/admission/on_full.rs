//! [`OnFull`]: what happens to a call that finds the queue full: it waits, is rejected, runs on its
//! caller's thread, or is dropped.

use super::{Admit, enter, note_refusal};
use crate::{
    call::{
        backend::{Backend, ErasedCall},
        header::Header,
        slot::EndReason,
    },
    error::SubmitError,
    metrics,
    sched::{injector::QueueItem, lanes::Evicted, queue::BoundedQueue},
    task::{Job, TaskSet},
    time::timer,
    trace,
    wake::WakeList,
};

/// What happens to a call that is submitted while the queue is full.
///
/// ```
/// # use nanolith::{executor::OnFull, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().max_queue(1).on_full(OnFull::DropNewest).build()?;
/// # pool.pause();
/// let geometry = Geometry::on(&pool);
/// let first = geometry.add(1, 2).submit(); // fills the queue of a pool that is paused
/// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Dropped(_))));
/// # pool.resume();
/// assert_eq!(first.wait()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A call that a running task of the same executor submits is always accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnFull {
    /// The call waits for queue room, first come first served.
    #[default]
    Wait,
    /// The call ends as [`CallError::Full`](crate::error::CallError::Full).
    Reject,
    /// The call runs at once on its caller's thread. This is for pools only, because a service's
    /// tasks run on the service's own thread. A call whose kind has reached its concurrency limit
    /// (`#[task(concurrency = 2)]`) is refused.
    ///
    /// ```
    /// # use nanolith::{executor::OnFull, prelude::*};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn whereabouts() -> std::thread::ThreadId {
    ///         std::thread::current().id()
    ///     }
    /// }
    /// let pool = Pool::builder().max_queue(1).on_full(OnFull::CallerRuns).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// geometry.whereabouts().submit().detach(); // fills the queue of a pool that is paused
    /// assert_eq!(geometry.whereabouts().wait()?, std::thread::current().id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    CallerRuns,
    /// The oldest call of the lowest waiting priority is dropped to make room. It ends as
    /// [`CallError::Dropped`](crate::error::CallError::Dropped).
    DropOldest,
    /// The new call itself ends as [`CallError::Dropped`](crate::error::CallError::Dropped).
    DropNewest,
}

/// Applies the executor's [`OnFull`] policy to a job.
pub(super) fn on_queue_full<S: TaskSet, G: Admit<S> + ?Sized>(
    gate: &G,
    job: Job<S>,
) -> Result<(), SubmitError<Job<S>>> {
    gate.record_full();
    match gate.on_full() {
        OnFull::CallerRuns if !timer::on_timer_thread() && gate.reserve_limit(job.task()) => run_on_caller(gate, job),
        OnFull::Wait | OnFull::Reject | OnFull::CallerRuns => return Err(full_error(job)),
        OnFull::DropOldest => evict_for(gate, job),
        OnFull::DropNewest => drop_job(gate, job),
    }
    Ok(())
}

/// Ends a job that finds no room.
fn drop_job<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) {
    note_drop(gate, &job.slot().header);
    job.end(EndReason::Dropped);
}

fn note_drop<G: Backend + ?Sized>(gate: &G, call: &Header) {
    if metrics::is_any_on() || trace::is_on() {
        note_refusal(gate, &call.error(EndReason::Dropped));
    }
}

fn full_error<S: TaskSet>(job: Job<S>) -> SubmitError<Job<S>> {
    let error = job.full();
    SubmitError::new(job, error)
}

fn run_on_caller<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) {
    let call = job.into_slot();
    if call.claim() {
        gate.with_queue(true, |queue| {
            queue.into_iter().for_each(BoundedQueue::count_running);
            ((), WakeList::default())
        });
        gate.run_on_caller(call);
    } else {
        gate.unreserve(call.header.task());
    }
}

/// Evicts the oldest call of the lowest priority and admits the job. If all waiting calls are from
/// inside, the job itself is dropped.
fn evict_for<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) {
    let mut dropped = None;
    let place = gate.place(&job.slot().header);
    let left = gate.with_queue(true, |queue| {
        let Some(queue) = queue else { return (Some(job), WakeList::default()) };
        let fits = |item: &G::Item, priority| {
            let meta = item.call().map(ErasedCall::header);
            // A raised call has left the position of its older entry, and a call of a share is
            // counted by the share. Neither fact changes back.
            meta.is_some_and(|meta| !meta.is_nested() && meta.priority() == priority && gate.counts(meta))
        };
        while let Some(evicted) = queue.evict(fits) {
            dropped = G::call(evicted.item()).filter(|call| call.claim());
            match evicted {
                Evicted::Out(entry) => queue.discard_stale(entry),
                Evicted::Left(_) => queue.count_stale(),
            }
            if dropped.is_some() {
                break;
            }
        }
        if dropped.is_none() && !queue.has_room() {
            return (Some(job), WakeList::default());
        }
        // The new call enters first, so that no waiter is granted the room.
        let wakes = enter::<S, G>(queue, job, false, place);
        let freed = dropped.is_some().then(|| queue.discarded(false));
        (None, wakes.and(freed.unwrap_or_default()))
    });
    if let Some(call) = dropped {
        gate.dropped(&*call);
        note_drop(gate, call.header());
        call.discard(EndReason::Dropped);
    }
    if let Some(job) = left {
        drop_job(gate, job);
    }
}
