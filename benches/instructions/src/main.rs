//! The program whose instructions `cargo xtask instructions` counts under callgrind. Marker
//! functions, which are never inlined, stand before and after each side of a call.
//!
//! The count has to be the same in each run, so no part of a round depends on time. While calls are
//! submitted, the executor's one thread is held in a task behind a [`Gate`]. The thread then runs
//! all calls in a row. The caller takes the outcomes after all calls are over. So no thread sleeps,
//! is woken, meets a lock that is held, or asks before there is an answer.
//!
//! The service shows the path without its lock. A pool takes that path only while its tasks take
//! less than some microseconds, and they take longer while instructions are counted. So the pool
//! shows the path through its lock. It is bound to that path, since a task that happens to look
//! short would change the count.
//!
//! A task's calls to its own pool are counted on both paths. The pool without the lock has a clock that
//! stands at one moment, so that its tasks take no time.
//!
//! The caller's side is the cost of `submit_to_service` and the functions like it. The executor's
//! side is the work of its thread from the mark at the end of [`Sums::hold`] to the mark in
//! [`Sums::end`].

mod marks;

use marks::{
    end_of_async_calls, end_of_children, end_of_hold, end_of_limited_calls, end_of_locked_children, end_of_pool_calls,
    end_of_round, end_of_service_calls, end_of_tells, end_of_token_calls, end_of_urgent_calls, end_of_yielding_calls,
};
use nanolith::{
    Handle, Pool,
    pool::Concurrency,
    prelude::*,
    service::ServiceRef,
    sync::CancelToken,
    task::yield_now,
    time::{HOUR, MockClock},
};
use std::{
    error::Error,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// The calls in a round: a multiple of the memory blocks that threads exchange at once, and far
/// fewer than the cells of a ring.
const CALLS: u64 = 256;

/// The rounds of each kind. The first rounds fill caches of memory; the smallest count is used.
const ROUNDS: usize = 8;

/// More calls in a row than a service runs under its lock before it uses the path without it.
const STREAK: u64 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let service = Sums::service().name("counted").launch().wait()?;
    for _ in 0..ROUNDS {
        call_service(&service)?;
        tell(&service)?;
    }
    // A bound on calls in flight requires that each call is counted, and therefore the lock.
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_in_flight(usize::MAX - 1).build()?;
    let pool = Sums::on(&pool);
    let token = CancelToken::new();
    for _ in 0..ROUNDS {
        call_pool(&pool, end_of_pool_calls, |n| submit_to_pool(&pool, n), take_from_pool)?;
        call_pool(&pool, end_of_limited_calls, |n| submit_with_limit(&pool, n), take_with_limit)?;
        call_pool(&pool, end_of_token_calls, |n| submit_with_token(&pool, n, &token), take_with_token)?;
        call_pool(&pool, end_of_urgent_calls, |n| submit_with_priority(&pool, n), take_from_pool)?;
        call_pool(&pool, end_of_async_calls, |n| pool.mix_async(n).submit(), take_from_pool)?;
        call_pool(&pool, end_of_yielding_calls, |n| pool.mix_yielding(n).submit(), take_from_pool)?;
        call_locked_children(&pool)?;
    }
    call_children_without_lock()?;
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

/// Makes a round of calls to the pool. `mark` is the mark after the executor's side.
fn call_pool(
    pool: &OnPool,
    mark: fn(),
    submit: impl Fn(u64) -> Handle<Sums, u64>,
    take: fn(Handle<Sums, u64>) -> Result<u64, CallError>,
) -> Result<(), CallError> {
    let gate = Gate::new();
    pool.hold(gate.clone()).submit().detach();
    gate.await_held();
    let mut handles = Vec::with_capacity(CALLS as usize);
    for n in 0..CALLS {
        handles.push(submit(n));
    }
    let end = pool.end(mark).submit();
    gate.open();
    await_end(end)?;
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(take(handle)?, Sums::mix(n));
    }
    end_of_round();
    Ok(())
}

/// Runs a task that calls its own pool, and waits for each of these calls. A task that is held at
/// `gate` occupies the pool.
fn call_children(pool: &OnPool, gate: &Gate, mark: fn()) -> Result<(), CallError> {
    let end = Gate::new();
    let family = pool.family(pool.clone(), mark, end.clone()).submit();
    gate.open();
    end.await_held();
    assert_eq!(family.wait()??, (0..CALLS).fold(0, |sum, n| sum ^ Sums::mix(n)));
    end_of_round();
    Ok(())
}

fn call_locked_children(pool: &OnPool) -> Result<(), CallError> {
    let gate = Gate::new();
    pool.hold(gate.clone()).submit().detach();
    gate.await_held();
    call_children(pool, &gate, end_of_locked_children)
}

/// Does the same on a pool that takes the path without its lock.
fn call_children_without_lock() -> Result<(), Box<dyn Error>> {
    let clock = MockClock::new();
    let pool = clock.run(|| Pool::builder().concurrency(Concurrency::Exact(1)).build())?;
    let pool = Sums::on(&pool);
    for _ in 0..ROUNDS {
        let (first, second) = (Gate::new(), Gate::new());
        pool.hold(first.clone()).submit().detach();
        first.await_held();
        // After a streak of short tasks, the worker takes calls without the lock.
        let streak: Vec<_> = (0..STREAK).map(|n| pool.mix(n).submit()).collect();
        pool.hold(second.clone()).submit().detach();
        first.open();
        second.await_held();
        for handle in streak {
            handle.wait()?;
        }
        call_children(&pool, &second, end_of_children)?;
    }
    Ok(())
}

/// Holds the service in a task while new calls need no lock. The service reaches that state after a
/// streak of calls, which are submitted while another task holds it.
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

/// Waits for `end`. Each call before it is then over, and its executor has released it.
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
    assert!(service.add(n).tell().is_ok());
}

#[inline(never)]
fn submit_to_pool(pool: &OnPool, n: u64) -> Handle<Sums, u64> {
    pool.mix(n).submit()
}

/// Does the same as `take_from_service`. It is a function of its own, so that it is counted apart.
#[inline(never)]
fn take_from_pool(handle: Handle<Sums, u64>) -> Result<u64, CallError> {
    black_box(());
    handle.wait()
}

#[inline(never)]
fn submit_with_limit(pool: &OnPool, n: u64) -> Handle<Sums, u64> {
    pool.mix(n).timeout(HOUR).submit()
}

#[inline(never)]
fn take_with_limit(handle: Handle<Sums, u64>) -> Result<u64, CallError> {
    black_box(1);
    handle.wait()
}

#[inline(never)]
fn submit_with_token(pool: &OnPool, n: u64, token: &CancelToken) -> Handle<Sums, u64> {
    pool.mix(n).cancel_token(token).submit()
}

#[inline(never)]
fn take_with_token(handle: Handle<Sums, u64>) -> Result<u64, CallError> {
    black_box(2);
    handle.wait()
}

#[inline(never)]
fn submit_with_priority(pool: &OnPool, n: u64) -> Handle<Sums, u64> {
    pool.mix(n).priority(Priority::UserBlocking).submit()
}

// ----- marks: each has a number of its own, so that the compiler does not merge them

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

    pub(crate) async fn mix_async(n: u64) -> u64 {
        Self::mix(n)
    }

    pub(crate) async fn mix_yielding(n: u64) -> u64 {
        yield_now().await;
        Self::mix(n)
    }

    #[inline(never)]
    pub(crate) fn add(&mut self, n: u64) -> u64 {
        self.total = self.total.wrapping_add(n);
        self.total
    }

    /// Calls the pool on which it runs, and waits for the calls. The last call comes to the mark, after
    /// the executor has passed the entries of the others.
    pub(crate) fn family(pool: OnPool, mark: fn(), end: Arc<Gate>) -> Result<u64, CallError> {
        let mut handles = Vec::with_capacity(CALLS as usize);
        for n in 0..CALLS {
            handles.push(submit_to_pool(&pool, n));
        }
        let mut sum = 0;
        for handle in handles {
            sum ^= take_from_pool(handle)?;
        }
        pool.end_family(mark, end).submit().detach();
        Ok(sum)
    }

    /// Runs after all calls of a round.
    pub(crate) fn end_family(mark: fn(), end: Arc<Gate>) {
        mark();
        // ORDERING: Relaxed, as in `Gate`.
        end.held.store(true, Ordering::Relaxed);
    }

    /// Holds the executor's thread until the gate is opened.
    pub(crate) fn hold(gate: Arc<Gate>) {
        gate.stand();
        end_of_hold();
    }

    /// Runs after all calls of a round.
    pub(crate) fn end(mark: fn()) {
        mark();
    }
}

/// A gate that holds a task until another thread opens it.
#[derive(Default)]
pub(crate) struct Gate {
    held: AtomicBool,
    open: AtomicBool,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Waits until the gate is open.
    fn stand(&self) {
        // ORDERING: Relaxed. The flag publishes no other data. The same holds for the flags below.
        self.held.store(true, Ordering::Relaxed);
        while !self.open.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }

    fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Waits until a task is held at the gate.
    fn await_held(&self) {
        while !self.held.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }
}
