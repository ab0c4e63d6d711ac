//! Simulated threads: real ones, of which one runs at a time, chosen by a seed at every place where they block or may be
//! interrupted. All that starts a thread, blocks it or wakes it asks here first whether it is such a one.
//!
//! Outside of a simulation that costs one look at a flag ([`clock::is_any_mocked`]).

mod rng;
mod scheduler;
mod shutdown;
mod threads;
mod trace;

pub(crate) use self::scheduler::{EndListener, EndStep, Failure, Scheduler};
pub use self::trace::{Switch, Trace};

use crate::{error::Unwind, time::clock, util::per_thread::per_thread};
use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

/// What a simulation goes by.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) seed: u64,
    /// How probable it is that a thread is interrupted where it may be.
    pub(crate) switch: f64,
    /// Switch points at most.
    pub(crate) steps: u64,
    /// How long the clock goes on when the closure has returned.
    pub(crate) grace: Duration,
    /// What it says of the machine.
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

/// Which simulated thread this is, if it is one.
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

/// The simulation that this thread is of.
#[inline]
pub(crate) fn world() -> Option<Arc<Scheduler>> {
    here().map(|seat| seat.world)
}

/// Whether this thread is of a simulation whose grace is over, so that what is left of it ends.
pub(crate) fn is_past_grace() -> bool {
    world().is_some_and(|world| world.is_past_grace())
}

/// Tells simulations, and what is outside of them, apart: what goes by a name has it within one of these.
#[inline]
pub(crate) fn realm() -> u64 {
    world().map_or(0, |world| world.clock().number())
}

/// Others may go on here in this thread's place. No lock is held.
#[inline]
pub(crate) fn switch_point() {
    if let Some(seat) = here() {
        seat.world.switch_point(seat.id);
    }
}

/// The same where the thread may be one that polls.
#[inline]
pub(crate) fn poll_point() {
    if let Some(seat) = here() {
        seat.world.poll_point(seat.id);
    }
}

/// Others go first.
pub(crate) fn yield_now() {
    if let Some(seat) = here() {
        seat.world.yield_now(seat.id);
    }
}

impl SimThread {
    /// Somebody calls the thread.
    pub(crate) fn wake(&self) {
        self.world.wake(self.id);
    }

    /// Sleeps until it is called.
    pub(crate) fn park(&self) {
        self.world.park(self.id);
    }

    pub(crate) fn poll_point(&self) {
        self.world.poll_point(self.id);
    }
}

/// What the thread waits for, for whoever wonders, until this is dropped.
pub(crate) fn doing(what: impl FnOnce() -> String) -> Doing {
    let seat = here();
    if let Some(seat) = &seat {
        seat.world.describe(seat.id, Some(what()));
    }
    Doing(seat)
}

#[must_use = "it is told until this is dropped"]
pub(crate) struct Doing(Option<SimThread>);

impl Drop for Doing {
    fn drop(&mut self) {
        if let Some(seat) = &self.0 {
            seat.world.describe(seat.id, None);
        }
    }
}

// ----- the life of a thread

/// A place for a thread that is about to be started.
pub(crate) struct Ticket(Option<SimThread>);

impl Scheduler {
    /// One more thread of the simulation, which [enters](Ticket::enter) as it starts.
    pub(crate) fn ticket(self: &Arc<Self>, name: &str) -> Ticket {
        let id = self.add(name.into());
        Ticket(Some(SimThread { world: self.clone(), id }))
    }

    /// Runs `f` as the first thread of the simulation, on this thread, and all that it leaves to the end.
    ///
    /// Gives what is left: see [`Scheduler::end`].
    pub(crate) fn run<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> (R, Vec<String>, usize) {
        self.begin();
        let root = Ticket(Some(SimThread { world: self.clone(), id: threads::ROOT }));
        root.enter();
        let result = f();
        let (left, given_up) = self.end();
        HERE.with(RefCell::take);
        (result, left, given_up)
    }

    /// The thread that rings the simulation's alarms, until it is over.
    pub(crate) fn run_clock(self: &Arc<Self>) {
        scheduler::keep_time(self);
        HERE.with(|here| here.replace(Some(SimThread { world: self.clone(), id: threads::CLOCK })));
        self.serve_clock();
        HERE.with(RefCell::take);
    }
}

impl Ticket {
    /// This thread is the simulation's from now on: it waits for its turn.
    pub(crate) fn enter(mut self) {
        let Some(seat) = self.0.take() else { return };
        scheduler::keep_time(&seat.world);
        HERE.with(|here| here.replace(Some(seat.clone())));
        seat.world.enter(seat.id);
    }
}

impl Drop for Ticket {
    /// The thread could not be started.
    fn drop(&mut self) {
        if let Some(seat) = &self.0 {
            seat.world.leave(seat.id);
        }
    }
}

/// This thread ends: others go on.
pub(crate) fn leave() {
    if let Some(seat) = HERE.with(RefCell::take) {
        seat.world.leave(seat.id);
    }
}

/// Runs a thread's body; what makes it unwind at the end of a simulation stays here.
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

/// Leaves when it is dropped.
pub(crate) struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        leave();
    }
}
