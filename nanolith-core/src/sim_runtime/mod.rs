//! Simulated threads: real threads that run one at a time, in an order that a seed chooses.
//!
//! They are the base of [deterministic simulation]. The seed chooses the next thread at every place
//! where a thread blocks or may be interrupted.
//!
//! Code that starts, blocks or wakes a thread first asks this module whether the thread is a
//! simulated one.
//!
//! Outside of a simulation that costs one load of a flag ([`clock::is_any_mocked`]).
//!
//! [deterministic simulation]: https://apple.github.io/foundationdb/testing.html

mod rng;
mod scheduler;
mod shutdown;
mod threads;
mod trace;
mod turns;

pub use self::trace::{Switch, Trace};
pub(crate) use self::{
    scheduler::{Failure, Scheduler},
    shutdown::{EndListener, EndStep},
};

use crate::{error::Unwind, time::clock, util::per_thread::per_thread};
use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

/// The settings of a simulation.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) seed: u64,
    /// The probability that a thread is interrupted at a switch point.
    pub(crate) switch: f64,
    /// The maximum number of switch points.
    pub(crate) steps: u64,
    /// The time for which the clock goes on after the closure has returned.
    pub(crate) grace: Duration,
    /// The number of cores that the machine seems to have.
    pub(crate) cores: usize,
}

/// A simulated thread.
#[derive(Clone)]
pub(crate) struct SimThread {
    world: Arc<Scheduler>,
    id: usize,
}

per_thread! {
    static HERE: RefCell<Option<SimThread>> = RefCell::new(None);
}

/// Returns the simulated thread that this thread is, if it is one.
#[inline]
pub(crate) fn here() -> Option<SimThread> {
    if clock::is_any_mocked() { seat() } else { None }
}

#[cold]
fn seat() -> Option<SimThread> {
    HERE.with(|here| here.borrow().clone())
}

#[inline]
pub(crate) fn is_here() -> bool {
    clock::is_any_mocked() && HERE.with(|here| here.borrow().is_some())
}

/// Returns the simulation that this thread belongs to.
#[inline]
pub(crate) fn world() -> Option<Arc<Scheduler>> {
    here().map(|seat| seat.world)
}

/// Returns whether this thread belongs to a simulation whose grace period is over, so that the rest
/// of the simulation ends.
pub(crate) fn is_past_grace() -> bool {
    world().is_some_and(|world| world.is_past_grace())
}

/// Returns a number that tells simulations, and the world outside of them, apart. A name is known
/// within one realm.
#[inline]
pub(crate) fn realm() -> u64 {
    world().map_or(0, |world| world.clock().number())
}

/// A switch point: other simulated threads may run in this thread's place. The caller holds no
/// lock.
#[inline]
pub(crate) fn switch_point() {
    if let Some(seat) = here() {
        seat.world.switch_point(seat.id);
    }
}

/// A [`switch_point`] for a thread that may poll in a loop.
#[inline]
pub(crate) fn poll_point() {
    if let Some(seat) = here() {
        seat.world.poll_point(seat.id);
    }
}

/// Lets other simulated threads run first.
pub(crate) fn yield_now() {
    if let Some(seat) = here() {
        seat.world.yield_now(seat.id);
    }
}

impl SimThread {
    /// Wakes the thread.
    pub(crate) fn wake(&self) {
        self.world.wake(self.id);
    }

    /// Sleeps until the thread is woken.
    pub(crate) fn park(&self) {
        self.world.park(self.id);
    }

    pub(crate) fn poll_point(&self) {
        self.world.poll_point(self.id);
    }
}

/// Records what the thread waits for, until the returned guard is dropped. A report of a deadlock
/// shows it.
pub(crate) fn doing(what: impl FnOnce() -> String) -> Doing {
    let seat = here();
    if let Some(seat) = &seat {
        seat.world.describe(seat.id, Some(what()));
    }
    Doing(seat)
}

#[must_use = "the registration ends when this is dropped"]
pub(crate) struct Doing(Option<SimThread>);

impl Drop for Doing {
    fn drop(&mut self) {
        if let Some(seat) = &self.0 {
            seat.world.describe(seat.id, None);
        }
    }
}

// ----- the life of a thread

/// A reservation for a thread that is about to be started.
pub(crate) struct Ticket(Option<SimThread>);

impl Scheduler {
    /// Adds a thread to the simulation. The thread [enters](Ticket::enter) as it starts.
    pub(crate) fn ticket(self: &Arc<Self>, name: &str) -> Ticket {
        let id = self.add(name.into());
        Ticket(Some(SimThread { world: self.clone(), id }))
    }

    /// Runs `f` as the first thread of the simulation, on this thread, and runs all that `f` leaves
    /// to its end.
    ///
    /// Returns the result of `f`, and what was left: see [`Scheduler::end`].
    pub(crate) fn run<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> (R, Vec<String>, usize) {
        self.begin();
        let root = Ticket(Some(SimThread { world: self.clone(), id: threads::ROOT }));
        root.enter();
        let result = f();
        let (left, given_up) = self.end();
        HERE.with(RefCell::take);
        (result, left, given_up)
    }

    /// Runs the thread that rings the simulation's alarms, until the simulation is over.
    pub(crate) fn run_clock(self: &Arc<Self>) {
        scheduler::keep_time(self);
        HERE.with(|here| here.replace(Some(SimThread { world: self.clone(), id: threads::CLOCK })));
        self.serve_clock();
        HERE.with(RefCell::take);
    }
}

impl Ticket {
    /// Makes this thread a thread of the simulation from now on, and waits for its turn.
    pub(crate) fn enter(mut self) {
        let Some(seat) = self.0.take() else { return };
        scheduler::keep_time(&seat.world);
        HERE.with(|here| here.replace(Some(seat.clone())));
        seat.world.enter(seat.id);
    }
}

impl Drop for Ticket {
    /// Removes the thread, which could not be started.
    fn drop(&mut self) {
        if let Some(seat) = &self.0 {
            seat.world.leave(seat.id);
        }
    }
}

/// Ends this simulated thread. Other threads go on.
pub(crate) fn leave() {
    if let Some(seat) = HERE.with(RefCell::take) {
        seat.world.leave(seat.id);
    }
}

/// Runs the body of a thread. Catches the panic payload that unwinds threads at the end of a
/// simulation.
pub(crate) fn bounded(body: impl FnOnce()) {
    if !is_here() {
        return body();
    }
    if let Err(thrown) = panic::catch_unwind(AssertUnwindSafe(body)) {
        if !thrown.is::<Unwind>() {
            panic::resume_unwind(thrown);
        }
    }
}

/// A guard that calls [`leave`] when it is dropped.
pub(crate) struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        leave();
    }
}
