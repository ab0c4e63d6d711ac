//! [`TaskRing`] and [`ServiceRing`]: hand-written rows that show the highest throughput of calls. A
//! ring of slots takes numbers to one worker thread and their answers back, by atomics alone. Each
//! caller has a ring of its own.

use super::{Peer, STOP, Service, Start, TOTAL, spin::until};
use crate::work::{Body, Sum, Tiny, caught};
use crossbeam_utils::CachePadded;
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

/// The questions that are answered before the worker turns to the next ring.
const TURN: usize = 64;

/// A cell of a ring, in a cache line of its own. For ticket `t` its phase is `2t` while it is free,
/// and `2t + 1` while it holds the question. It is `2t + 2` while it holds the answer. Taking the
/// answer frees the cell for the ticket one lap later.
#[repr(align(64))]
struct Place {
    phase: AtomicU64,
    value: AtomicU64,
}

impl Place {
    fn is_in(&self, phase: u64) -> bool {
        // ORDERING: Acquire, pairs with the Release in `enter`: the value of the previous phase is
        // seen.
        self.phase.load(Ordering::Acquire) == phase
    }

    fn enter(&self, phase: u64, value: u64) {
        self.value.store(value, Ordering::Relaxed);
        // ORDERING: Release, pairs with the Acquire in `is_in`: publishes the value.
        self.phase.store(phase, Ordering::Release);
    }

    fn value(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// The ring of one caller.
struct Ring {
    places: Box<[Place]>,
    /// The caller's next ticket.
    next: CachePadded<AtomicU64>,
}

impl Ring {
    fn new(capacity: usize) -> Self {
        let place = |ticket| Place { phase: AtomicU64::new(2 * ticket), value: AtomicU64::new(0) };
        Self { places: (0..capacity as u64).map(place).collect(), next: CachePadded::default() }
    }

    fn place(&self, ticket: u64) -> &Place {
        &self.places[ticket as usize % self.places.len()]
    }

    fn submit(&self, n: u64) -> u64 {
        // Only its caller writes it.
        let ticket = self.next.load(Ordering::Relaxed);
        self.next.store(ticket + 1, Ordering::Relaxed);
        let place = self.place(ticket);
        until(|| place.is_in(2 * ticket));
        place.enter(2 * ticket + 1, n);
        ticket
    }

    fn take(&self, ticket: u64) -> u64 {
        let place = self.place(ticket);
        until(|| place.is_in(2 * ticket + 2));
        let value = place.value();
        place.enter(2 * (ticket + self.places.len() as u64), 0);
        value
    }

    /// Answers the pending questions, at most [`TURN`] of them. Returns whether the worker goes on.
    fn answer_some(&self, ticket: &mut u64, mut answer: impl FnMut(u64) -> u64) -> bool {
        for _ in 0..TURN {
            let place = self.place(*ticket);
            if !place.is_in(2 * *ticket + 1) {
                return true;
            }
            let question = place.value();
            if question == STOP {
                return false;
            }
            place.enter(2 * *ticket + 2, answer(question));
            *ticket += 1;
        }
        true
    }
}

thread_local! {
    /// The number of the caller that this thread is.
    static CALLER: Cell<usize> = const { Cell::new(0) };
}

/// The rings, and the worker thread at their other side.
struct Rings {
    rings: Arc<[Ring]>,
    thread: JoinHandle<()>,
}

impl Rings {
    fn launch(start: &Start, answer: impl FnMut(u64) -> u64 + Send + 'static) -> Self {
        let rings: Arc<[Ring]> = (0..start.callers).map(|_| Ring::new(start.window())).collect();
        let thread = thread::spawn({
            let rings = Arc::clone(&rings);
            move || serve(&rings, answer)
        });
        Self { rings, thread }
    }

    fn mine(&self) -> &Ring {
        if let [ring] = &*self.rings { ring } else { &self.rings[CALLER.get()] }
    }

    fn stop(self) {
        CALLER.set(0);
        self.mine().submit(STOP);
        self.thread.join().expect("it ends");
    }
}

/// Serves one ring after another until it receives the stop number.
fn serve(rings: &[Ring], mut answer: impl FnMut(u64) -> u64) {
    let mut tickets = vec![0; rings.len()];
    let mut turns = rings.iter().enumerate().cycle();
    let mut goes_on = true;
    while goes_on {
        until(|| {
            let Some((index, ring)) = turns.next() else { return true };
            let first = tickets[index];
            goes_on = ring.answer_some(&mut tickets[index], &mut answer);
            !goes_on || tickets[index] != first
        });
    }
}

/// The rings to a worker that runs tasks.
pub(crate) struct TaskRing(Rings);

impl Peer for TaskRing {
    type Handle = u64;

    fn start(start: &Start) -> Self {
        Self(Rings::launch(start, |n| caught(|| Tiny::run(n)).unwrap_or(0)))
    }

    fn enter(&self, caller: usize) {
        CALLER.set(caller);
    }

    fn submit(&self, n: u64) -> u64 {
        self.0.mine().submit(n)
    }

    fn take(&self, handle: u64) -> u64 {
        self.0.mine().take(handle)
    }

    fn stop(self) {
        self.0.stop();
    }
}

/// The rings to a thread with a state.
pub(crate) struct ServiceRing(Rings);

impl Peer for ServiceRing {
    type Handle = u64;

    fn start(start: &Start) -> Self {
        let mut sum = Sum::default();
        let answer = move |n| if n == TOTAL { sum.total() } else { caught(|| sum.add(n)).unwrap_or(0) };
        Self(Rings::launch(start, answer))
    }

    fn enter(&self, caller: usize) {
        CALLER.set(caller);
    }

    fn submit(&self, n: u64) -> u64 {
        self.0.mine().submit(n)
    }

    fn take(&self, handle: u64) -> u64 {
        self.0.mine().take(handle)
    }

    fn stop(self) {
        self.0.stop();
    }
}

impl Service for ServiceRing {
    fn total(&self) -> u64 {
        self.ask(TOTAL)
    }
}
