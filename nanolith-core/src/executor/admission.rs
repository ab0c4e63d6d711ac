//! Admission of calls to a bounded queue, with backpressure, for pools and services.

use super::Admission;
use crate::{
    call::{
        backend::{Backend, ErasedCall},
        call_ref::CallRef,
        header::Header,
        slot::EndReason,
        wait_graph::Wait,
    },
    context::thread_context,
    deadlock::{self, Keeper},
    error::SubmitError,
    meta::task_info::{TaskInfo, any_limited},
    park::parker,
    sched::{
        injector::{Injector, QueueItem},
        lanes::Evicted,
        queue::BoundedQueue,
        ring::Ring,
    },
    task::{CallSlot, Job, TaskSet},
    time::{clock, timer},
    wake::{AfterUnlock, NewWaker, WaitTicket, WakeList},
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// What happens to a call that is submitted while the queue is full.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).on_full(OnFull::DropNewest).build()?;
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
    /// The call ends as [`CallError::Full`](crate::CallError::Full).
    Reject,
    /// The call runs at once on its caller's thread. This is for pools only, because a service's
    /// tasks run on the service's own thread. A call whose kind has reached its concurrency limit
    /// (`#[task(concurrency = 2)]`) is refused.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn whereabouts() -> std::thread::ThreadId {
    ///         std::thread::current().id()
    ///     }
    /// }
    /// let pool = Pool::builder().max_queue(MaxQueue::Bounded(1)).on_full(OnFull::CallerRuns).build()?;
    /// # pool.pause();
    /// let geometry = Geometry::on(&pool);
    /// geometry.whereabouts().submit().detach(); // fills the queue of a pool that is paused
    /// assert_eq!(geometry.whereabouts().wait()?, std::thread::current().id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    CallerRuns,
    /// The oldest call of the lowest waiting priority is dropped to make room. It ends as
    /// [`CallError::Dropped`](crate::CallError::Dropped).
    DropOldest,
    /// The new call itself ends as [`CallError::Dropped`](crate::CallError::Dropped).
    DropNewest,
}

/// An executor with a bounded queue.
pub(crate) trait Admit<S: TaskSet>: Backend {
    /// An entry of its lanes.
    type Item: QueueItem;

    fn on_full(&self) -> OnFull;

    /// Returns the ring that fast-path calls enter.
    fn inbox(&self) -> &Ring<Self::Item>;

    /// Runs `f` under the lock, with the queue and its ring. `f` gets `None` for a call from
    /// outside once the queue is closed. After the lock is released, wakes what `f` returned and
    /// starts the new calls.
    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Injector<Self::Item>>) -> (R, WakeList)) -> R;

    /// Like [`Admit::with_front`], with the queue alone. The ring is drained first, so the queue
    /// counts every call.
    fn with_queue<R>(&self, inside: bool, f: impl FnOnce(Option<&mut BoundedQueue<Self::Item>>) -> (R, WakeList)) -> R {
        self.with_front(inside, |front| f(front.map(Injector::drain_ring)))
    }

    /// Returns the position of a call that is submitted now, or `None` for the end of its lane. No
    /// lock is held.
    fn place(&self, meta: &Header) -> Option<u64> {
        self.rules().queue_position(meta)
    }

    /// Records that a call found the queue full.
    fn record_full(&self) {}

    fn item(call: CallRef<CallSlot<S>>) -> Self::Item;

    /// Returns the call of an entry that may be dropped.
    fn call(item: &Self::Item) -> Option<CallRef<dyn ErasedCall>>;

    /// Returns whether a call of this task may run under its concurrency limit. If so, it counts as
    /// running from here on. [`Admit::unreserve`] undoes that.
    fn reserve_limit(&self, task: &'static TaskInfo) -> bool {
        let _ = task;
        true
    }

    fn unreserve(&self, task: &'static TaskInfo) {
        let _ = task;
    }

    /// Returns whether a call in the lanes is counted by this queue. A call of a share is counted
    /// by the share's queue instead.
    fn counts(&self, call: &Header) -> bool {
        let _ = call;
        true
    }

    /// Records that a queued call was dropped to make room.
    fn dropped(&self, call: &dyn ErasedCall) {
        let _ = call;
    }

    /// Runs a claimed call on this thread, which is its caller's. The call is already counted as
    /// running.
    fn run_on_caller(&self, call: CallRef<CallSlot<S>>);
}

/// The result of an attempt to admit a job.
enum AdmitResult<S: TaskSet> {
    In,
    /// The ring has capacity by now, so the attempt is repeated.
    Again(Job<S>),
    Closed(Job<S>),
    Full(Job<S>),
}

/// Puts the job into its lane, unless its call has ended or is about to end: see
/// [`Backend::on_removed`]. In that case the queue room goes to the next waiter.
///
/// The job goes to the position `place`, if there is one.
fn enter<S: TaskSet, G: Admit<S> + ?Sized>(
    queue: &mut BoundedQueue<G::Item>,
    job: Job<S>,
    inside: bool,
    place: Option<u64>,
) -> WakeList {
    let slot = job.into_slot();
    if !slot.is_queued() {
        queue.discard_stale(G::item(slot)); // the last reference drops wakers
        return queue.regrant();
    }
    slot.header.mark_counted(inside);
    let (priority, came) = (slot.header.priority(), slot.header.submitted_at());
    match place {
        None => queue.push(priority, came, inside, G::item(slot)),
        Some(expires) => queue.push_at(priority, expires, inside, G::item(slot)),
    }
    WakeList::default()
}

/// Admits the job by the policy of the queue, without waiting.
pub(crate) fn execute<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    // A task inside the executor waits for an exempt job, wherever the job comes from. So the job
    // counts as inside.
    let inside = is_inside(gate) || is_exempt(&job);
    if job.slot().header.is_unrouted() { hold(gate, job, inside) } else { execute_from(gate, job, inside) }
}

/// Returns whether a job comes from a thread of the executor itself. A job that the timer brings
/// comes from outside.
fn is_inside<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G) -> bool {
    thread_context::current_executor() == Some(gate.id()) && !timer::on_timer_thread()
}

fn is_exempt<S: TaskSet>(job: &Job<S>) -> bool {
    let may_be = const { any_limited(S::TASKS) };
    may_be && job.slot().header.is_exempt()
}

/// Admits a job whose handle does not know the executor.
#[cold]
fn hold<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>, inside: bool) -> Result<(), SubmitError<Job<S>>> {
    if !is_still_queued(gate, &job) {
        drop(job.into_slot()); // the thread that ends the call also wakes its waiter
        return Ok(());
    }
    execute_from(gate, job, inside).map_err(|refused| {
        let (job, error) = refused.into_parts();
        job.slot().header.set_executor(None);
        SubmitError::new(job, error)
    })
}

/// Admits a job that another executor had accepted before it ended. The job may exceed the queue's
/// bound.
pub(crate) fn adopt<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    if !is_still_queued(gate, &job) {
        drop(job.into_slot());
        return Ok(());
    }
    execute_from(gate, job, true)
}

/// Records this executor in the job, if its handle does not know it. Returns `false` if its call is
/// about to end.
fn is_still_queued<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: &Job<S>) -> bool {
    let slot = job.slot();
    if slot.header.is_unrouted() {
        slot.header.set_executor(Some(gate.id()));
    }
    slot.is_queued()
}

#[inline(always)]
fn execute_from<S: TaskSet, G: Admit<S> + ?Sized>(
    gate: &G,
    job: Job<S>,
    inside: bool,
) -> Result<(), SubmitError<Job<S>>> {
    let plain = job.is_plain();
    let mut passed = AdmitResult::Again(job);
    while let AdmitResult::Again(job) = passed {
        passed = match plain {
            true => try_ring(gate, job, inside),
            false => AdmitResult::Again(job),
        };
        if let AdmitResult::Again(job) = passed {
            job.slot().header.stamp_submitted(clock::now);
            let place = gate.place(&job.slot().header);
            passed = gate.with_front(inside, |front| enqueue_locked::<S, G>(front, job, inside, plain, place));
        }
    }
    match passed {
        AdmitResult::In | AdmitResult::Again(_) => Ok(()),
        AdmitResult::Closed(job) => Err(closed(job)),
        AdmitResult::Full(job) => on_queue_full(gate, job),
    }
}

/// Puts a fast-path call into the ring, if the ring has capacity.
fn try_ring<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>, inside: bool) -> AdmitResult<S> {
    let mut slot = Some(job.into_slot());
    if !inside && gate.inbox().is_saturated() && gate.on_full() == OnFull::Wait {
        // A consumer is at work on the ring. A short spin is faster than the lock here.
        parker::spin_until(parker::IDLE_SPIN, || gate.inbox().has_slack() || !gate.inbox().has_consumer());
    }
    if !gate.inbox().has_credit() {
        return slot.map_or(AdmitResult::In, |slot| AdmitResult::Again(Job::from_slot(slot)));
    }
    // A worker is running, so the coarse clock is up to date.
    slot.iter().for_each(|slot| slot.header.stamp_submitted(clock::coarse_now));
    if let (true, Some(slot)) = (inside, &slot) {
        slot.header.mark_nested();
    }
    let took = gate.inbox().try_push(|| slot.take().map(G::item).expect("a place is filled once"));
    if inside {
        gate.inbox().mark_mixed();
    }
    match slot {
        Some(slot) if !took => AdmitResult::Again(Job::from_slot(slot)),
        _ => AdmitResult::In,
    }
}

/// Admits the job under the lock.
fn enqueue_locked<S: TaskSet, G: Admit<S> + ?Sized>(
    front: Option<&mut Injector<G::Item>>,
    job: Job<S>,
    inside: bool,
    plain: bool,
    place: Option<u64>,
) -> (AdmitResult<S>, WakeList) {
    let Some(front) = front else { return (AdmitResult::Closed(job), WakeList::default()) };
    if plain && front.has_credit() {
        return (AdmitResult::Again(job), WakeList::default());
    }
    let swept = front.stop_accepting();
    if inside || front.has_room() {
        let wakes = enter::<S, G>(&mut front.queue, job, inside, place);
        return (AdmitResult::In, if let Some(swept) = swept { swept.and(wakes) } else { wakes });
    }
    (AdmitResult::Full(job), swept.unwrap_or_default())
}

fn closed<S: TaskSet>(job: Job<S>) -> SubmitError<Job<S>> {
    let error = job.closed();
    SubmitError::new(job, error)
}

/// Applies the executor's [`OnFull`] policy to a job.
fn on_queue_full<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    gate.record_full();
    match gate.on_full() {
        OnFull::CallerRuns if !timer::on_timer_thread() && gate.reserve_limit(job.info()) => run_on_caller(gate, job),
        OnFull::Wait | OnFull::Reject | OnFull::CallerRuns => return Err(full_error(job)),
        OnFull::DropOldest => evict_for(gate, job),
        OnFull::DropNewest => job.end(EndReason::Dropped),
    }
    Ok(())
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
        call.discard(EndReason::Dropped);
    }
    if let Some(job) = left {
        job.end(EndReason::Dropped);
    }
}

/// Waits for queue room, if the executor's policy is to wait. Otherwise admits or refuses the job
/// at once.
pub(crate) fn admit<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Admission<'_, S> {
    let waits = gate.on_full() == OnFull::Wait || gate.on_full() == OnFull::CallerRuns && timer::on_timer_thread();
    // A job from inside is admitted at once, even if a layer delayed it before.
    let inside = is_inside(gate) || is_exempt(&job);
    if waits && !inside {
        Box::pin(WaitForRoom { gate, job: Some(job), ticket: None })
    } else {
        Box::pin(std::future::ready(execute(gate, job)))
    }
}

/// A future of a job that waits in line for queue room.
struct WaitForRoom<'a, S: TaskSet, G: Admit<S> + ?Sized> {
    gate: &'a G,
    job: Option<Job<S>>,
    ticket: Option<WaitTicket>,
}

impl<S: TaskSet, G: Admit<S> + ?Sized> Future for WaitForRoom<'_, S, G> {
    type Output = Result<(), SubmitError<Job<S>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { gate, job, ticket } = self.get_mut();
        let poll = poll_admit(*gate, job, ticket, cx.waker());
        poll.map(|()| job.take().map_or(Ok(()), |job| Err(closed(job))))
    }
}

/// Admits the job once the queue has room for it, and wakes `waker` then. If the result is ready
/// and the job is still in `job`, the executor is closed or the call is over. A caller that stops
/// polling while it holds a ticket calls [`cancel_admit`].
pub(crate) fn poll_admit<S: TaskSet, G: Admit<S> + ?Sized>(
    gate: &G,
    job: &mut Option<Job<S>>,
    ticket: &mut Option<WaitTicket>,
    waker: &Waker,
) -> Poll<()> {
    let live = job.as_ref().is_some_and(|job| is_still_queued(gate, job));
    let place = job.as_ref().filter(|_| live).and_then(|job| {
        job.slot().header.stamp_submitted(clock::now);
        gate.place(&job.slot().header)
    });
    let (mut new, mut after) = (None, AfterUnlock::default());
    let poll = loop {
        let poll = gate.with_queue(false, |queue| match queue {
            None => (Some(Poll::Ready(())), WakeList::default()),
            Some(queue) if !live => {
                // The call ended while it waited in line. Its room goes to the next waiter.
                let wakes = ticket.take().map(|ticket| queue.cancel_wait(ticket, &mut after));
                (Some(Poll::Ready(())), wakes.unwrap_or_default())
            }
            Some(queue) => match has_turn(ticket, queue, waker, &mut new) {
                Some(true) => {
                    let wakes = job.take().map(|job| enter::<S, G>(queue, job, false, place));
                    (Some(Poll::Ready(())), wakes.unwrap_or_default())
                }
                may => (may.map(|_| Poll::Pending), WakeList::default()),
            },
        });
        match poll {
            Some(poll) => break poll,
            None => new = Some(NewWaker::of(waker)), // outside of the lock
        }
    };
    if let (Some(job), true) = (&*job, poll.is_pending()) {
        let wait = || Wait::Room { host: gate.id(), call: job.slot().clone().erase(), is_message: false };
        deadlock::pending(waker, Keeper::Line, wait);
    }
    match job {
        // The call is not in the queue yet, so its header must not name this executor.
        Some(job) if poll.is_pending() && job.slot().header.is_unrouted() => job.slot().header.set_executor(None),
        _ => {}
    }
    if poll.is_ready() {
        *ticket = None;
    }
    poll
}

/// Gives up the position in line. A granted room goes to the next waiter.
pub(crate) fn cancel_admit<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, ticket: &mut Option<WaitTicket>) {
    if let Some(ticket) = ticket.take() {
        let mut after = AfterUnlock::default();
        gate.with_queue(true, |queue| {
            ((), queue.map_or_else(WakeList::default, |queue| queue.cancel_wait(ticket, &mut after)))
        });
    }
}

/// Returns whether the queue has room now. If not, the waiter with this ticket waits. Returns
/// `None` if a new waker is needed for that and `new` has none.
fn has_turn<T>(
    ticket: &mut Option<WaitTicket>,
    queue: &mut BoundedQueue<T>,
    waker: &Waker,
    new: &mut Option<NewWaker>,
) -> Option<bool> {
    match (*ticket, new) {
        (Some(held), None) => queue.redeem_known(held, waker),
        (Some(held), Some(new)) => Some(queue.redeem(held, new)),
        (None, _) if queue.has_room() => Some(true),
        (None, new) => {
            *ticket = Some(queue.wait_for_room(new.as_mut()?));
            Some(false)
        }
    }
}

impl<S: TaskSet, G: Admit<S> + ?Sized> Drop for WaitForRoom<'_, S, G> {
    fn drop(&mut self) {
        cancel_admit(self.gate, &mut self.ticket);
    }
}

#[cfg(all(test, not(loom)))]
#[path = "admission_tests.rs"]
mod tests;
