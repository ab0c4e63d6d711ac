//! What `cargo xtask instructions` counts: each side of a call, between functions that are never inlined.
//!
//! The count is to be the same in every run, so nothing in a round rests on time. While calls come in, the executor's one
//! thread is held in a task, behind a [`Gate`]; then it runs them all in a row, and outcomes are taken when all are over.
//! So nobody sleeps, is woken, meets a lock that is held, or asks before there is an answer.
//!
//! The service shows the way without its lock. A pool goes that way only while its tasks take less than some microseconds,
//! and where instructions are counted they take longer. What the pool shows is the way through its lock; it is bound to
//! that way, since a task that happens to look short would change the count.
//!
//! The caller's side is what is spent within `submit_to_service` and its like. The executor's side is all that its thread
//! does from one mark, at the end of [`Sums::hold`], to the next, in [`Sums::end`].

use nanolith::{Concurrency, Handle, Pool, ServiceRef, prelude::*};
use std::{
    error::Error,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Calls in a round: whole stacks of the memory blocks that threads exchange, and far fewer than an inbox has cells.
const CALLS: u64 = 256;

/// Rounds of each kind. The first ones fill what keeps memory; the least of all counts.
const ROUNDS: usize = 8;

/// More calls in a row than a service runs under its lock before it goes on without.
const STREAK: u64 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let service = Sums::service().name("counted").launch().wait()?;
    for _ in 0..ROUNDS {
        call_service(&service)?;
        tell(&service)?;
    }
    // A bound on calls in flight needs every call counted, and so the lock.
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_in_flight(usize::MAX - 1).build()?;
    let pool = Sums::on(&pool);
    for _ in 0..ROUNDS {
        call_pool(&pool)?;
    }
    let sum = (0..CALLS).sum::<u64>();
    let warmed_up = (0..STREAK).sum::<u64>();
    assert_eq!(service.add(0).wait()?, 2 * ROUNDS as u64 * (sum + warmed_up), "every call ran once");
    Ok(())
}

type OnService = SumsCalls<ServiceRef<Sums>>;
type OnPool = SumsCalls<Pool>;

// ----- rounds

fn call_service(service: &OnService) -> Result<(), CallError> {
    let gate = hold_service(service)?;
    let mut handles = Vec::with_capacity(CALLS as usize);
    for n in 0..CALLS {
        handles.push(submit_to_service(service, n));
    }
    let end = service.end(end_of_service_calls).submit();
    gate.open();
    await_end(end)?;
    for handle in handles {
        take_from_service(handle)?;
    }
    end_of_round();
    Ok(())
}

fn tell(service: &OnService) -> Result<(), CallError> {
    let gate = hold_service(service)?;
    for n in 0..CALLS {
        tell_service(service, n);
    }
    let end = service.end(end_of_tells).submit();
    gate.open();
    await_end(end)?;
    end_of_round();
    Ok(())
}

fn call_pool(pool: &OnPool) -> Result<(), CallError> {
    let gate = Gate::new();
    pool.hold(gate.clone()).submit().detach();
    gate.await_held();
    let mut handles = Vec::with_capacity(CALLS as usize);
    for n in 0..CALLS {
        handles.push(submit_to_pool(pool, n));
    }
    let end = pool.end(end_of_pool_calls).submit();
    gate.open();
    await_end(end)?;
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(take_from_pool(handle)?, Sums::mix(n));
    }
    end_of_round();
    Ok(())
}

/// Holds the service in a task while newcomers need no lock: after a streak of calls, which came in while it was held in
/// another.
fn hold_service(service: &OnService) -> Result<Arc<Gate>, CallError> {
    let (first, second) = (Gate::new(), Gate::new());
    service.hold(first.clone()).submit().detach();
    first.await_held();
    let streak: Vec<_> = (0..STREAK).map(|n| service.add(n).submit()).collect();
    service.hold(second.clone()).submit().detach();
    first.open();
    second.await_held();
    for handle in streak {
        handle.wait()?;
    }
    Ok(second)
}

/// Every call that came before `end` is over by then, and its executor has let go of it.
fn await_end(end: Handle<Sums, ()>) -> Result<(), CallError> {
    while !end.is_finished() {
        thread::yield_now();
    }
    end.wait()
}

// ----- the caller's side

#[inline(never)]
fn submit_to_service(service: &OnService, n: u64) -> Handle<Sums, u64> {
    service.add(n).submit()
}

#[inline(never)]
fn take_from_service(handle: Handle<Sums, u64>) -> Result<u64, CallError> {
    handle.wait()
}

#[inline(never)]
fn tell_service(service: &OnService, n: u64) {
    service.add(n).submit().detach();
}

#[inline(never)]
fn submit_to_pool(pool: &OnPool, n: u64) -> Handle<Sums, u64> {
    pool.mix(n).submit()
}

/// The same as `take_from_service`, and kept apart from it.
#[inline(never)]
fn take_from_pool(handle: Handle<Sums, u64>) -> Result<u64, CallError> {
    black_box(());
    handle.wait()
}

// ----- marks, of which each has its own number, so that none is taken for another

/// From here on the executor's thread runs calls.
#[inline(never)]
fn end_of_hold() {
    black_box(1);
}

#[inline(never)]
fn end_of_service_calls() {
    black_box(2);
}

#[inline(never)]
fn end_of_tells() {
    black_box(3);
}

#[inline(never)]
fn end_of_pool_calls() {
    black_box(4);
}

/// The caller's side is complete.
#[inline(never)]
fn end_of_round() {
    black_box(5);
}

// ----- the executor's side

struct Sums {
    total: u64,
}

#[define]
impl Sums {
    #[init]
    fn start() -> Self {
        Self { total: 0 }
    }

    #[inline(never)]
    pub(crate) fn mix(n: u64) -> u64 {
        black_box(n.rotate_left(7) ^ n)
    }

    #[inline(never)]
    pub(crate) fn add(&mut self, n: u64) -> u64 {
        self.total = self.total.wrapping_add(n);
        self.total
    }

    /// Keeps the executor's thread until the gate is opened.
    pub(crate) fn hold(gate: Arc<Gate>) {
        gate.stand();
        end_of_hold();
    }

    /// Comes after all calls of a round.
    pub(crate) fn end(mark: fn()) {
        mark();
    }
}

/// Where a task stands until somebody lets it go on.
#[derive(Default)]
pub(crate) struct Gate {
    held: AtomicBool,
    open: AtomicBool,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Stands until it is open.
    fn stand(&self) {
        // ORDERING: Relaxed, nothing else is told by it; and so below.
        self.held.store(true, Ordering::Relaxed);
        while !self.open.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }

    fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Waits until a task stands here.
    fn await_held(&self) {
        while !self.held.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }
}
