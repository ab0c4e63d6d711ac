//! A limit: rings of slots, each of which takes a number to one worker thread and its answer back, by atomics alone. Every
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

/// Questions that are answered before the next ring is looked at.
const TURN: usize = 64;

/// A place in a ring, of a cache line. Its phase of ticket `t` is `2t` while it is free for it, `2t + 1` while it holds
/// the question, `2t + 2` while it holds the answer; taking that makes it free for the ticket one lap on.
#[repr(align(64))]
struct Place {
    phase: AtomicU64,
    value: AtomicU64,
}

impl Place {
    fn is_in(&self, phase: u64) -> bool {
        // ORDERING: Acquire, pairs with the Release in `enter`: the value of the phase before is seen.
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

/// One caller's.
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

    /// What the worker does: answers what is there, up to a turn of it. Says whether it goes on.
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
    /// Which caller this thread is.
    static CALLER: Cell<usize> = const { Cell::new(0) };
}

/// A worker thread at the other side of all rings.
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

/// Goes from ring to ring until it is told to stop.
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

/// Rings to a worker that runs tasks.
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

/// Rings to a thread with a state.
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
