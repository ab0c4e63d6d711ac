//! [`HeldRoom`]: queue room that a caller waits for before it has a job, and that is kept for it.

use super::{Admit, OnFull, cancel_admit, closed, is_inside, poll_admit, try_execute};
use crate::{
    error::SubmitError,
    task::{Job, TaskSet},
    wake::{NewWaker, WaitTicket, WakeList},
};
use std::{
    fmt,
    sync::Arc,
    task::{Poll, Waker},
};

/// The turn of a caller that waits for room in a queue, or the room that was granted to it. Dropping
/// it passes the room on to the next waiter.
#[derive(Default)]
pub struct HeldRoom {
    turn: Option<(WaitTicket, Arc<dyn RoomHome>)>,
}

/// An executor whose queue has the turn of a [`HeldRoom`].
pub(crate) trait RoomHome: Send + Sync {
    /// Gives up the turn.
    fn leave_line(&self, ticket: WaitTicket);
}

impl Drop for HeldRoom {
    fn drop(&mut self) {
        if let Some((ticket, home)) = self.turn.take() {
            home.leave_line(ticket);
        }
    }
}

impl fmt::Debug for HeldRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldRoom").field("waits_or_has_room", &self.turn.is_some()).finish()
    }
}

/// Waits until the queue has room for a call from outside, first come first served among the calls
/// that wait. The result is ready at once where a full queue takes calls by other means: from a
/// thread of the executor itself, and by the policies that drop calls or run them on their caller's
/// thread. It is also ready if the executor is closed, since a call then ends at once.
pub(crate) fn poll_room<S, G>(gate: &Arc<G>, room: &mut HeldRoom, waker: &Waker) -> Poll<()>
where
    S: TaskSet,
    G: Admit<S> + RoomHome + 'static,
{
    let takes_all = !matches!(Admit::<S>::on_full(&**gate), OnFull::Wait | OnFull::Reject);
    if takes_all || is_inside::<S, G>(gate) || room.turn.is_none() && Admit::<S>::inbox(&**gate).has_credit() {
        return Poll::Ready(());
    }
    let mut new = None;
    loop {
        let ticket = room.turn.as_ref().map(|(ticket, _)| *ticket);
        let (has_room, joined) = Admit::<S>::with_queue(&**gate, false, |queue| {
            let Some(queue) = queue else { return ((Some(true), None), WakeList::default()) };
            let answer = match (ticket, &mut new) {
                (Some(ticket), _) if queue.is_granted(ticket) => (Some(true), None),
                (Some(ticket), None) => (queue.redeem_known(ticket, waker), None),
                (Some(ticket), Some(new)) => (Some(queue.redeem(ticket, new)), None),
                (None, _) if queue.has_room() => (Some(true), None),
                (None, Some(new)) => (Some(false), Some(queue.wait_for_room(new))),
                (None, None) => (None, None),
            };
            (answer, WakeList::default())
        });
        if let Some(ticket) = joined {
            room.turn = Some((ticket, gate.clone()));
        }
        match has_room {
            Some(true) => return Poll::Ready(()),
            Some(false) => return Poll::Pending,
            None => new = Some(NewWaker::of(waker)), // outside of the lock
        }
    }
}

/// Admits the job into the room that was granted to its caller, if there is some. Otherwise admits
/// the job like [`try_execute`].
pub(crate) fn execute_in<S: TaskSet, G: Admit<S> + ?Sized>(
    gate: &G,
    job: Job<S>,
    room: &mut HeldRoom,
) -> Result<(), SubmitError<Job<S>>> {
    let mut ticket = room.turn.take().map(|(ticket, _)| ticket);
    let Some(held) = ticket else { return try_execute(gate, job) };
    let has_turn = gate.with_queue(false, |queue| {
        let is_granted = queue.is_none_or(|queue| queue.is_granted(held)); // a closed queue has no room
        (is_granted, WakeList::default())
    });
    if !has_turn {
        cancel_admit(gate, &mut ticket);
        return try_execute(gate, job);
    }
    let mut job = Some(job);
    let admitted = poll_admit(gate, &mut job, &mut ticket, Waker::noop());
    cancel_admit(gate, &mut ticket); // nothing is left of a turn that was used
    match (admitted, job) {
        (_, None) => Ok(()),
        (Poll::Ready(()), Some(job)) => Err(closed(gate, job)),
        (Poll::Pending, Some(job)) => try_execute(gate, job),
    }
}
