//! How calls come into a bounded queue: the same for a pool and a service.

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
    error::Refused,
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

/// What happens to a call that comes when the queue is full.
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
/// A call that a running task of the same executor submits is always taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnFull {
    /// It waits for room, first come first served.
    #[default]
    Wait,
    /// It ends as [`CallError::Full`](crate::CallError::Full).
    Reject,
    /// It runs on its caller's thread, at once. For pools only: a service's tasks run on its own thread. One of a kind of which
    /// as many run as may (`#[task(concurrency = 2)]`) is refused.
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
    /// The oldest call of the lowest waiting priority makes room and ends as
    /// [`CallError::Dropped`](crate::CallError::Dropped).
    DropOldest,
    /// It ends as [`CallError::Dropped`](crate::CallError::Dropped) itself.
    DropNewest,
}

/// An executor with a queue.
pub(crate) trait Admit<S: TaskSet>: Backend {
    /// An entry of its lanes.
    type Item: QueueItem;

    fn on_full(&self) -> OnFull;

    /// Where plain calls come in.
    fn inbox(&self) -> &Ring<Self::Item>;

    /// Runs `f` with the queue and its inbox, which are `None` for calls from outside once they are closed; then, off the
    /// lock, wakes whom `f` says and starts what came in.
    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Injector<Self::Item>>) -> (R, WakeList)) -> R;

    /// The same with the queue alone, in which every call is counted.
    fn with_queue<R>(&self, inside: bool, f: impl FnOnce(Option<&mut BoundedQueue<Self::Item>>) -> (R, WakeList)) -> R {
        self.with_front(inside, |front| f(front.map(Injector::drain_ring)))
    }

    /// Where a call is to stand that comes now, if not at the end of its lane. No lock is held.
    fn place(&self, meta: &Header) -> Option<u64> {
        self.rules().queue_position(meta)
    }

    /// A call found no room.
    fn record_full(&self) {}

    fn item(call: CallRef<CallSlot<S>>) -> Self::Item;

    /// The call of an entry that may be dropped.
    fn call(item: &Self::Item) -> Option<CallRef<dyn ErasedCall>>;

    /// Whether a call of this task may run beside those that run, and counts as one from here on; [`Admit::unreserve`] undoes
    /// it.
    fn reserve_limit(&self, task: &'static TaskInfo) -> bool {
        let _ = task;
        true
    }

    fn unreserve(&self, task: &'static TaskInfo) {
        let _ = task;
    }

    /// Whether a call in its lanes is counted by its queue, and not by another in front of it.
    fn counts(&self, call: &Header) -> bool {
        let _ = call;
        true
    }

    /// A queued call is dropped to make room, and is counted.
    fn dropped(&self, call: &dyn ErasedCall) {
        let _ = call;
    }

    /// Runs a claimed call on this thread, which is its caller's; it counts as entered.
    fn run_on_caller(&self, call: CallRef<CallSlot<S>>);
}

/// What became of a job at the gate.
enum AdmitResult<S: TaskSet> {
    In,
    /// There is a place in the inbox by now.
    Again(Job<S>),
    Closed(Job<S>),
    Full(Job<S>),
}

/// Puts the job into its lane, unless its call was ended already, or is being ended: see [`Backend::on_removed`]. The place
/// that was meant for it then goes to who is next.
///
/// It goes to its own `place`, if it has one.
fn enter<S: TaskSet, G: Admit<S> + ?Sized>(
    queue: &mut BoundedQueue<G::Item>,
    job: Job<S>,
    inside: bool,
    place: Option<u64>,
) -> WakeList {
    let slot = job.into_slot();
    if !slot.is_queued() {
        queue.discard_stale(G::item(slot)); // the last owner drops wakers
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

/// Takes the job by the rules of the queue, without waiting.
pub(crate) fn execute<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), Refused<Job<S>>> {
    // A task within waits for one that is exempt, wherever that comes from.
    let inside = is_inside(gate) || is_exempt(&job);
    if job.slot().header.is_unrouted() { hold(gate, job, inside) } else { execute_from(gate, job, inside) }
}

/// Whether a job comes from a thread of the executor itself. What an alarm brings comes from outside.
fn is_inside<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G) -> bool {
    thread_context::current_executor() == Some(gate.id()) && !timer::on_timer_thread()
}

fn is_exempt<S: TaskSet>(job: &Job<S>) -> bool {
    let may_be = const { any_limited(S::TASKS) };
    may_be && job.slot().header.is_exempt()
}

/// The same for a job whose handle does not know whom it is brought to.
#[cold]
fn hold<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>, inside: bool) -> Result<(), Refused<Job<S>>> {
    if !is_still_queued(gate, &job) {
        drop(job.into_slot()); // whoever ends it tells
        return Ok(());
    }
    execute_from(gate, job, inside).map_err(|refused| {
        let (job, error) = refused.into_parts();
        job.slot().header.set_executor(None);
        Refused::new(job, error)
    })
}

/// Takes a job that was taken before, by another executor which came to its end: it finds room beyond the bound.
pub(crate) fn adopt<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), Refused<Job<S>>> {
    if !is_still_queued(gate, &job) {
        drop(job.into_slot());
        return Ok(());
    }
    execute_from(gate, job, true)
}

/// Notes that the job is brought here, if its handle does not know. Says false if its call is being ended.
fn is_still_queued<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: &Job<S>) -> bool {
    let slot = job.slot();
    if slot.header.is_unrouted() {
        slot.header.set_executor(Some(gate.id()));
    }
    slot.is_queued()
}

#[inline(always)]
fn execute_from<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>, inside: bool) -> Result<(), Refused<Job<S>>> {
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

/// Puts a plain call into the inbox, if it has a place.
fn try_ring<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>, inside: bool) -> AdmitResult<S> {
    let mut slot = Some(job.into_slot());
    if !inside && gate.inbox().is_saturated() && gate.on_full() == OnFull::Wait {
        // Whoever takes from it is at it, and the two go faster so than by the lock.
        parker::spin_until(parker::IDLE_SPIN, || gate.inbox().has_slack() || !gate.inbox().has_consumer());
    }
    if !gate.inbox().has_credit() {
        return slot.map_or(AdmitResult::In, |slot| AdmitResult::Again(Job::from_slot(slot)));
    }
    // Somebody serves, and tells the time.
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

/// The same under the lock.
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

fn closed<S: TaskSet>(job: Job<S>) -> Refused<Job<S>> {
    let error = job.closed();
    Refused::new(job, error)
}

/// The queue had no room for the job.
fn on_queue_full<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), Refused<Job<S>>> {
    gate.record_full();
    match gate.on_full() {
        OnFull::CallerRuns if !timer::on_timer_thread() && gate.reserve_limit(job.info()) => run_on_caller(gate, job),
        OnFull::Wait | OnFull::Reject | OnFull::CallerRuns => return Err(full_error(job)),
        OnFull::DropOldest => evict_for(gate, job),
        OnFull::DropNewest => job.end(EndReason::Dropped),
    }
    Ok(())
}

fn full_error<S: TaskSet>(job: Job<S>) -> Refused<Job<S>> {
    let error = job.full();
    Refused::new(job, error)
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

/// The oldest call of the lowest priority goes; where all that wait are from inside, the newest.
fn evict_for<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) {
    let mut dropped = None;
    let place = gate.place(&job.slot().header);
    let left = gate.with_queue(true, |queue| {
        let Some(queue) = queue else { return (Some(job), WakeList::default()) };
        let fits = |item: &G::Item, priority| {
            let meta = item.call().map(ErasedCall::header);
            // One that was raised is no longer where its older entry is, and those of a share are counted by that. None of
            // this changes back.
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
        // The newcomer comes in first, so that nobody in line is granted the place.
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

/// Waits for room where the queue does so; else what happens happens at once.
pub(crate) fn admit<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Admission<'_, S> {
    let waits = gate.on_full() == OnFull::Wait || gate.on_full() == OnFull::CallerRuns && timer::on_timer_thread();
    // One from inside is taken at once, as where a layer had it wait before it comes here.
    let inside = is_inside(gate) || is_exempt(&job);
    if waits && !inside {
        Box::pin(WaitForRoom { gate, job: Some(job), ticket: None })
    } else {
        Box::pin(std::future::ready(execute(gate, job)))
    }
}

/// A job in line.
struct WaitForRoom<'a, S: TaskSet, G: Admit<S> + ?Sized> {
    gate: &'a G,
    job: Option<Job<S>>,
    ticket: Option<WaitTicket>,
}

impl<S: TaskSet, G: Admit<S> + ?Sized> Future for WaitForRoom<'_, S, G> {
    type Output = Result<(), Refused<Job<S>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { gate, job, ticket } = self.get_mut();
        let poll = poll_admit(*gate, job, ticket, cx.waker());
        poll.map(|()| job.take().map_or(Ok(()), |job| Err(closed(job))))
    }
}

/// Takes the job once there is room for it; `waker` is woken then. Ready with the job still there, the gate is closed or the
/// call is over. Whoever stops asking, while there is a ticket, says [`cancel_admit`].
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
                // It ended while it stood in line; whoever is next has its place.
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
        // It is not in the queue yet, and nobody is to look for it there.
        Some(job) if poll.is_pending() && job.slot().header.is_unrouted() => job.slot().header.set_executor(None),
        _ => {}
    }
    if poll.is_ready() {
        *ticket = None;
    }
    poll
}

/// Gives up the place in line; whoever is next has it.
pub(crate) fn cancel_admit<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, ticket: &mut Option<WaitTicket>) {
    if let Some(ticket) = ticket.take() {
        let mut after = AfterUnlock::default();
        gate.with_queue(true, |queue| {
            ((), queue.map_or_else(WakeList::default, |queue| queue.cancel_wait(ticket, &mut after)))
        });
    }
}

/// Whether there is room now; else the waiter with this ticket waits. `None` if that takes a new waker, which is missing.
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
