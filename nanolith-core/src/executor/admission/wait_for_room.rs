//! [`WaitForRoom`]: the wait of a call for room in a bounded queue, first come first served.

use super::{Admit, OnFull, closed, enter, is_exempt, is_inside, is_still_queued, note_refusal, try_execute};
use crate::{
    call::wait_graph::WaitTarget,
    deadlock::{self, Keeper},
    error::SubmitError,
    executor::Admission,
    sched::queue::BoundedQueue,
    task::{Job, TaskSet},
    time::{clock, timer},
    wake::{AfterUnlock, NewWaker, WaitTicket, WakeList},
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Waits for queue room, if the executor's policy is to wait. Otherwise admits or refuses the job
/// at once.
pub(crate) fn execute<S: TaskSet, G: Admit<S> + ?Sized>(gate: &G, job: Job<S>) -> Admission<'_, S> {
    let waits = gate.on_full() == OnFull::Wait || gate.on_full() == OnFull::CallerRuns && timer::on_timer_thread();
    // A job from inside is admitted at once, even if a layer delayed it before.
    let inside = is_inside(gate) || is_exempt(&job);
    if waits && !inside {
        Box::pin(WaitForRoom { gate, job: Some(job), ticket: None })
    } else {
        let taken = try_execute(gate, job);
        // The first refusal of a full queue is not reported, because the submitter may wait.
        Box::pin(std::future::ready(taken.inspect_err(|refused| {
            if refused.is_full() {
                note_refusal(gate, refused.error());
            }
        })))
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
        poll.map(|()| job.take().map_or(Ok(()), |job| Err(closed(*gate, job))))
    }
}

impl<S: TaskSet, G: Admit<S> + ?Sized> Drop for WaitForRoom<'_, S, G> {
    fn drop(&mut self) {
        cancel_admit(self.gate, &mut self.ticket);
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
        let wait = || WaitTarget::Room { host: gate.id(), call: job.slot().clone().erase(), is_message: false };
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
