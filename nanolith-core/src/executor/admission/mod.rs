//! Admission of calls to a bounded queue, with backpressure, for pools and services.
//!
//! [`try_execute`] admits a call without waiting: the call enters the lock-free ring in front of
//! the queue, or the queue under its lock. A call that finds the queue full is subject to
//! [`OnFull`]. [`execute`] and [`poll_admit`] wait for room with a job, and [`poll_room`] waits
//! before there is a job.

mod on_full;
mod one_way;
mod room;
mod wait_for_room;

pub use on_full::OnFull;
pub(crate) use one_way::{nap_for_slack, try_tell};
pub use room::HeldRoom;
pub(crate) use room::{RoomHome, execute_in, poll_room};
pub(crate) use wait_for_room::{cancel_admit, execute, poll_admit};

use crate::{
    call::{
        backend::{Backend, ErasedCall},
        call_ref::CallRef,
        header::Header,
        offload,
    },
    context::thread_context,
    error::{CallError, SubmitError},
    meta::task_info::{TaskInfo, any_limited},
    metrics,
    park::parker,
    sched::{
        injector::{Injector, QueueItem},
        queue::BoundedQueue,
        ring::{Push, Ring, RingItem},
    },
    task::{CallSlot, Job, TaskSet},
    time::{clock, timer},
    trace,
    wake::WakeList,
};

/// An executor with a bounded queue.
pub(crate) trait Admit<S: TaskSet>: Backend {
    /// An entry of its lanes.
    type Item: QueueItem;

    fn on_full(&self) -> OnFull;

    /// Returns the ring that fast-path calls enter.
    fn inbox(&self) -> &Ring<Self::Item>;

    /// Wakes the consumer of the ring, which sleeps with the ring open.
    fn wake_consumer(&self) {}

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

/// Admits the job by the policy of the queue, without waiting.
pub(crate) fn try_execute<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    // A task inside the executor waits for an exempt job, wherever the job comes from. So the job
    // counts as inside.
    let inside = is_inside(gate) || is_exempt(&job);
    if job.slot().header.is_unrouted() { hold(gate, job, inside) } else { execute_from(gate, job, inside) }
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

#[inline(always)]
fn execute_from<S: TaskSet, G: Admit<S> + ?Sized>(
    gate: &G,
    job: Job<S>,
    inside: bool,
) -> Result<(), SubmitError<Job<S>>> {
    let plain = fits_ring(gate, &job);
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
        AdmitResult::Closed(job) => Err(closed(gate, job)),
        AdmitResult::Full(job) => on_full::on_queue_full(gate, job),
    }
}

/// Returns whether the job may pass through the ring now.
#[inline(always)]
fn fits_ring<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: &Job<S>) -> bool {
    if !job.task().is_async() {
        return job.fits_ring();
    }
    let takes_futures = gate.rules().rings_futures();
    if !takes_futures {
        gate.rules().count_lane_future();
    }
    takes_futures && job.fits_ring()
}

/// The result of an attempt to admit a job.
enum AdmitResult<S: TaskSet> {
    In,
    /// The ring has capacity by now, so the attempt is repeated.
    Again(Job<S>),
    Closed(Job<S>),
    Full(Job<S>),
}

/// Puts a fast-path call into the ring, if the ring has capacity.
fn try_ring<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>, inside: bool) -> AdmitResult<S> {
    let mut slot = Some(job.into_slot());
    if !inside {
        await_slack(gate);
    }
    if !gate.inbox().has_credit() {
        return slot.map_or(AdmitResult::In, |slot| AdmitResult::Again(Job::from_slot(slot)));
    }
    slot.iter().for_each(|slot| slot.header.stamp_submitted(|| ring_time(gate.inbox())));
    if let (true, Some(slot)) = (inside, &slot) {
        slot.header.mark_nested();
    }
    let pushed = gate.inbox().try_push(|| slot.take().map(G::item).expect("a place is filled once"));
    if inside {
        gate.inbox().mark_mixed();
    }
    if pushed == Push::Wake {
        gate.wake_consumer();
    }
    match slot {
        Some(slot) if pushed == Push::Full => AdmitResult::Again(Job::from_slot(slot)),
        _ => AdmitResult::In,
    }
}

/// Waits a short time for room in a full ring whose consumer is at work. That is faster than the
/// lock.
#[inline(always)]
fn await_slack<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G) {
    let ring = gate.inbox();
    if ring.is_saturated() && gate.on_full() == OnFull::Wait {
        let has_room = || ring.has_slack() || !ring.has_consumer();
        if *parker::MULTI_CORE {
            parker::spin_until(parker::IDLE_SPIN, has_room);
        } else {
            parker::yield_until(parker::IDLE_SPIN, has_room);
        }
    }
}

/// Returns the moment of a submission through the ring. While a thread takes calls in a row, it
/// keeps the coarse clock up to date.
#[inline(always)]
fn ring_time<T: RingItem>(ring: &Ring<T>) -> u64 {
    if ring.is_untimed() { clock::now() } else { clock::coarse_now() }
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

/// Returns whether a job comes from a thread of the executor itself. A job that the timer brings
/// comes from outside.
fn is_inside<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G) -> bool {
    thread_context::current_executor() == Some(gate.id()) && !timer::on_timer_thread()
}

fn is_exempt<S: TaskSet>(job: &Job<S>) -> bool {
    let may_be = const { any_limited(S::TASKS) };
    may_be && job.slot().header.is_exempt()
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

fn closed<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> SubmitError<Job<S>> {
    let error = job.closed();
    if !job.is_over() {
        note_refusal(gate, &error); // otherwise it ended while it waited for room
    }
    SubmitError::new(job, error)
}

/// Reports that the executor refuses a call, or drops it from the full queue.
#[cold]
fn note_refusal<G: Backend + ?Sized>(gate: &G, error: &CallError) {
    if metrics::is_any_on() {
        gate.count_failure(error.trace().task(), error.outcome(), false);
    }
    if trace::is_on() {
        let (kind, error) = (gate.thread_kind(), error.clone());
        offload::run(Some(gate.id()), move || trace::refused(Some(&kind), &error));
    }
}

#[cfg(all(test, not(loom)))]
#[path = "admission_tests.rs"]
mod tests;
