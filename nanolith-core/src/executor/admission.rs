//! How calls come into a bounded queue: the same for a pool and a service.

use super::Admission;
use crate::{
    call::{
        backend::{Host, Runnable},
        call_ref::Shared,
        header::Meta,
        slot::End,
    },
    context::thread_context,
    deadlock::{self, Keeper, Wait},
    error::Refused,
    meta::task_info::{TaskInfo, any_limited},
    park::parker,
    sched::{
        injector::{Entry, Front},
        lanes::Evicted,
        queue::Queue,
        ring::Inbox,
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
pub(crate) trait Gate<S: TaskSet>: Host {
    /// An entry of its lanes.
    type Item: Entry;

    fn on_full(&self) -> OnFull;

    /// Where plain calls come in.
    fn inbox(&self) -> &Inbox<Self::Item>;

    /// Runs `f` with the queue and its inbox, which are `None` for calls from outside once they are closed; then, off the
    /// lock, wakes whom `f` says and starts what came in.
    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Front<Self::Item>>) -> (R, WakeList)) -> R;

    /// The same with the queue alone, in which every call is counted.
    fn with_queue<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Queue<Self::Item>>) -> (R, WakeList)) -> R {
        self.with_front(inside, |front| f(front.map(Front::sort_out)))
    }

    /// Where a call is to stand that comes now, if not at the end of its lane. No lock is held.
    fn place(&self, meta: &Meta) -> Option<u64> {
        self.rules().place(meta)
    }

    /// A call found no room.
    fn note_full(&self) {}

    fn item(call: Shared<CallSlot<S>>) -> Self::Item;

    /// The call of an entry that may be dropped.
    fn call(item: &Self::Item) -> Option<Shared<dyn Runnable>>;

    /// Whether a call of this task may run beside those that run, and counts as one from here on; [`Gate::unreserve`] undoes
    /// it.
    fn reserve(&self, task: &'static TaskInfo) -> bool {
        let _ = task;
        true
    }

    fn unreserve(&self, task: &'static TaskInfo) {
        let _ = task;
    }

    /// Whether a call in its lanes is counted by its queue, and not by another in front of it.
    fn counts(&self, call: &Meta) -> bool {
        let _ = call;
        true
    }

    /// A queued call is dropped to make room, and is counted.
    fn dropped(&self, call: &dyn Runnable) {
        let _ = call;
    }

    /// Runs a claimed call on this thread, which is its caller's; it counts as entered.
    fn run_here(&self, call: Shared<CallSlot<S>>);
}

/// What became of a job at the gate.
enum Passed<S: TaskSet> {
    In,
    /// There is a place in the inbox by now.
    Again(Job<S>),
    Closed(Job<S>),
    Full(Job<S>),
}

/// Puts the job into its lane, unless its call was ended already, or is being ended: see [`Host::left_queue`]. The place
/// that was meant for it then goes to who is next.
///
/// It goes to its own `place`, if it has one.
fn enter<S: TaskSet, G: Gate<S> + ?Sized>(
    queue: &mut Queue<G::Item>,
    job: Job<S>,
    inside: bool,
    place: Option<u64>,
) -> WakeList {
    let slot = job.into_slot();
    if !slot.is_queued() {
        queue.spend(G::item(slot)); // the last owner drops wakers
        return queue.pass_on();
    }
    slot.meta.accept(inside);
    let (priority, came) = (slot.meta.priority(), slot.meta.submitted_at());
    match place {
        None => queue.enter(priority, came, inside, G::item(slot)),
        Some(expires) => queue.enter_placed(priority, expires, inside, G::item(slot)),
    }
    WakeList::default()
}

/// Takes the job by the rules of the queue, without waiting.
pub(crate) fn execute<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), Refused<Job<S>>> {
    // A task within waits for one that is exempt, wherever that comes from.
    let inside = is_inside(gate) || is_exempt(&job);
    if job.slot().meta.seeks_holder() { hold(gate, job, inside) } else { execute_from(gate, job, inside) }
}

/// Whether a job comes from a thread of the executor itself. What an alarm brings comes from outside.
fn is_inside<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G) -> bool {
    thread_context::host_id() == Some(gate.id()) && !timer::is_ringing()
}

fn is_exempt<S: TaskSet>(job: &Job<S>) -> bool {
    let may_be = const { any_limited(S::TASKS) };
    may_be && job.slot().meta.is_exempt()
}

/// The same for a job whose handle does not know whom it is brought to.
#[cold]
fn hold<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: Job<S>, inside: bool) -> Result<(), Refused<Job<S>>> {
    if !is_still_queued(gate, &job) {
        drop(job.into_slot()); // whoever ends it tells
        return Ok(());
    }
    execute_from(gate, job, inside).map_err(|refused| {
        let (job, error) = refused.into_parts();
        job.slot().meta.hold(None);
        Refused::new(job, error)
    })
}

/// Takes a job that was taken before, by another executor which came to its end: it finds room beyond the bound.
pub(crate) fn take_over<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), Refused<Job<S>>> {
    if !is_still_queued(gate, &job) {
        drop(job.into_slot());
        return Ok(());
    }
    execute_from(gate, job, true)
}

/// Notes that the job is brought here, if its handle does not know. Says false if its call is being ended.
fn is_still_queued<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: &Job<S>) -> bool {
    let slot = job.slot();
    if slot.meta.seeks_holder() {
        slot.meta.hold(Some(gate.id()));
    }
    slot.is_queued()
}

#[inline(always)]
fn execute_from<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: Job<S>, inside: bool) -> Result<(), Refused<Job<S>>> {
    let plain = job.is_plain();
    let mut passed = Passed::Again(job);
    while let Passed::Again(job) = passed {
        passed = match plain {
            true => step_in(gate, job, inside),
            false => Passed::Again(job),
        };
        if let Passed::Again(job) = passed {
            job.slot().meta.submit(clock::now);
            let place = gate.place(&job.slot().meta);
            passed = gate.with_front(inside, |front| take_in::<S, G>(front, job, inside, plain, place));
        }
    }
    match passed {
        Passed::In | Passed::Again(_) => Ok(()),
        Passed::Closed(job) => Err(closed(job)),
        Passed::Full(job) => full(gate, job),
    }
}

/// Puts a plain call into the inbox, if it has a place.
fn step_in<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: Job<S>, inside: bool) -> Passed<S> {
    let mut slot = Some(job.into_slot());
    if !inside && gate.inbox().is_crowded() && gate.on_full() == OnFull::Wait {
        // Whoever takes from it is at it, and the two go faster so than by the lock.
        parker::look_on(parker::LINGER, || gate.inbox().is_roomy() || !gate.inbox().is_in_use());
    }
    if !gate.inbox().has_place() {
        return slot.map_or(Passed::In, |slot| Passed::Again(Job::from_slot(slot)));
    }
    // Somebody serves, and tells the time.
    slot.iter().for_each(|slot| slot.meta.submit(clock::recent));
    if let (true, Some(slot)) = (inside, &slot) {
        slot.meta.mark_inside();
    }
    let took = gate.inbox().push(|| slot.take().map(G::item).expect("a place is filled once"));
    if inside {
        gate.inbox().mark_mixed();
    }
    match slot {
        Some(slot) if !took => Passed::Again(Job::from_slot(slot)),
        _ => Passed::In,
    }
}

/// The same under the lock.
fn take_in<S: TaskSet, G: Gate<S> + ?Sized>(
    front: Option<&mut Front<G::Item>>,
    job: Job<S>,
    inside: bool,
    plain: bool,
    place: Option<u64>,
) -> (Passed<S>, WakeList) {
    let Some(front) = front else { return (Passed::Closed(job), WakeList::default()) };
    if plain && front.has_place() {
        return (Passed::Again(job), WakeList::default());
    }
    let swept = front.hold();
    if inside || front.has_room() {
        let wakes = enter::<S, G>(&mut front.queue, job, inside, place);
        return (Passed::In, if let Some(swept) = swept { swept.and(wakes) } else { wakes });
    }
    (Passed::Full(job), swept.unwrap_or_default())
}

fn closed<S: TaskSet>(job: Job<S>) -> Refused<Job<S>> {
    let error = job.closed();
    Refused::new(job, error)
}

/// The queue had no room for the job.
fn full<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), Refused<Job<S>>> {
    gate.note_full();
    match gate.on_full() {
        OnFull::CallerRuns if !timer::is_ringing() && gate.reserve(job.info()) => run_here(gate, job),
        OnFull::Wait | OnFull::Reject | OnFull::CallerRuns => return Err(no_room(job)),
        OnFull::DropOldest => make_room(gate, job),
        OnFull::DropNewest => job.end(End::Dropped),
    }
    Ok(())
}

fn no_room<S: TaskSet>(job: Job<S>) -> Refused<Job<S>> {
    let error = job.full();
    Refused::new(job, error)
}

fn run_here<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: Job<S>) {
    let call = job.into_slot();
    if call.claim() {
        gate.with_queue(true, |queue| {
            queue.into_iter().for_each(Queue::enter_running);
            ((), WakeList::default())
        });
        gate.run_here(call);
    } else {
        gate.unreserve(call.meta.task());
    }
}

/// The oldest call of the lowest priority goes; where all that wait are from inside, the newest.
fn make_room<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: Job<S>) {
    let mut dropped = None;
    let place = gate.place(&job.slot().meta);
    let left = gate.with_queue(true, |queue| {
        let Some(queue) = queue else { return (Some(job), WakeList::default()) };
        let fits = |item: &G::Item, priority| {
            let meta = item.call().map(Runnable::meta);
            // One that was raised is no longer where its older entry is, and those of a share are counted by that. None of
            // this changes back.
            meta.is_some_and(|meta| !meta.is_inside() && meta.priority() == priority && gate.counts(meta))
        };
        while let Some(evicted) = queue.evict(fits) {
            dropped = G::call(evicted.item()).filter(|call| call.claim());
            match evicted {
                Evicted::Out(entry) => queue.spend(entry),
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
        call.discard(End::Dropped);
    }
    if let Some(job) = left {
        job.end(End::Dropped);
    }
}

/// Waits for room where the queue does so; else what happens happens at once.
pub(crate) fn admit<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, job: Job<S>) -> Admission<'_, S> {
    let waits = gate.on_full() == OnFull::Wait || gate.on_full() == OnFull::CallerRuns && timer::is_ringing();
    // One from inside is taken at once, as where a layer had it wait before it comes here.
    let inside = is_inside(gate) || is_exempt(&job);
    if waits && !inside {
        Box::pin(Admit { gate, job: Some(job), ticket: None })
    } else {
        Box::pin(std::future::ready(execute(gate, job)))
    }
}

/// A job in line.
struct Admit<'a, S: TaskSet, G: Gate<S> + ?Sized> {
    gate: &'a G,
    job: Option<Job<S>>,
    ticket: Option<WaitTicket>,
}

impl<S: TaskSet, G: Gate<S> + ?Sized> Future for Admit<'_, S, G> {
    type Output = Result<(), Refused<Job<S>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { gate, job, ticket } = self.get_mut();
        let poll = poll_enter(*gate, job, ticket, cx.waker());
        poll.map(|()| job.take().map_or(Ok(()), |job| Err(closed(job))))
    }
}

/// Takes the job once there is room for it; `waker` is woken then. Ready with the job still there, the gate is closed or the
/// call is over. Whoever stops asking, while there is a ticket, says [`leave_line`].
pub(crate) fn poll_enter<S: TaskSet, G: Gate<S> + ?Sized>(
    gate: &G,
    job: &mut Option<Job<S>>,
    ticket: &mut Option<WaitTicket>,
    waker: &Waker,
) -> Poll<()> {
    let live = job.as_ref().is_some_and(|job| is_still_queued(gate, job));
    let place = job.as_ref().filter(|_| live).and_then(|job| {
        job.slot().meta.submit(clock::now);
        gate.place(&job.slot().meta)
    });
    let (mut new, mut after) = (None, AfterUnlock::default());
    let poll = loop {
        let poll = gate.with_queue(false, |queue| match queue {
            None => (Some(Poll::Ready(())), WakeList::default()),
            Some(queue) if !live => {
                // It ended while it stood in line; whoever is next has its place.
                let wakes = ticket.take().map(|ticket| queue.leave_line(ticket, &mut after));
                (Some(Poll::Ready(())), wakes.unwrap_or_default())
            }
            Some(queue) => match may_enter(ticket, queue, waker, &mut new) {
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
        Some(job) if poll.is_pending() && job.slot().meta.seeks_holder() => job.slot().meta.hold(None),
        _ => {}
    }
    if poll.is_ready() {
        *ticket = None;
    }
    poll
}

/// Gives up the place in line; whoever is next has it.
pub(crate) fn leave_line<S: TaskSet, G: Gate<S> + ?Sized>(gate: &G, ticket: &mut Option<WaitTicket>) {
    if let Some(ticket) = ticket.take() {
        let mut after = AfterUnlock::default();
        gate.with_queue(true, |queue| {
            ((), queue.map_or_else(WakeList::default, |queue| queue.leave_line(ticket, &mut after)))
        });
    }
}

/// Whether there is room now; else the waiter with this ticket waits. `None` if that takes a new waker, which is missing.
fn may_enter<T>(
    ticket: &mut Option<WaitTicket>,
    queue: &mut Queue<T>,
    waker: &Waker,
    new: &mut Option<NewWaker>,
) -> Option<bool> {
    match (*ticket, new) {
        (Some(held), None) => queue.redeem_known(held, waker),
        (Some(held), Some(new)) => Some(queue.redeem(held, new)),
        (None, _) if queue.has_room() => Some(true),
        (None, new) => {
            *ticket = Some(queue.stand_in_line(new.as_mut()?));
            Some(false)
        }
    }
}

impl<S: TaskSet, G: Gate<S> + ?Sized> Drop for Admit<'_, S, G> {
    fn drop(&mut self) {
        leave_line(self.gate, &mut self.ticket);
    }
}

#[cfg(all(test, not(loom)))]
#[path = "admission_tests.rs"]
mod tests;
