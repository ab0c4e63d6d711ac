//! A randomized test: stacks of layers around a pool. Each call ends, a task that may run once runs
//! at most once, and nothing is left.

use nanolith::{
    Executor, TaskSet,
    executor::OnFull,
    layers::{
        Cache, CircuitBreaker, ConcurrencyLimit, Fallback, Hedge, Layer, Layered, LoadShed, RateLimit, Retry, Timeout,
        stack,
    },
    pool::Concurrency,
    prelude::*,
    sync::Backoff,
    time::{HOUR, MILLISECOND, MockClock, SECOND, now, sleep},
};
use std::{
    collections::HashSet,
    future::Future,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    thread,
    time::Instant,
};

/// The calls that ran, of the tasks that may run once.
static RAN: Mutex<Option<HashSet<u64>>> = Mutex::new(None);

fn ran(number: u64) {
    let mut ran = RAN.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(ran.get_or_insert_default().insert(number), "call {number} ran twice");
}

pub struct Chaos;

#[define]
impl Chaos {
    #[task(idempotent)]
    pub fn again(number: u64, luck: u8) -> u64 {
        assert!(luck > 60 || fastrand::bool(), "bad luck");
        number
    }

    #[task(idempotent)]
    pub async fn later(number: u64, luck: u8) -> u64 {
        sleep(u32::from(luck) * MILLISECOND).await;
        assert!(luck > 60 || fastrand::bool(), "bad luck");
        number
    }

    pub fn once(number: u64, luck: u8) -> u64 {
        ran(number);
        assert!(luck > 60, "bad luck");
        number
    }
}

type Any = Arc<dyn Executor<Chaos>>;

/// The parts of a stack that are checked at the end.
#[derive(Default)]
struct Built {
    limits: Vec<ConcurrencyLimit>,
    rates: Vec<RateLimit>,
}

fn pool(random: &mut fastrand::Rng) -> Pool {
    let on_full = random.choice([OnFull::Wait, OnFull::Reject, OnFull::DropOldest, OnFull::DropNewest]);
    Pool::builder()
        .concurrency(Concurrency::Exact(random.usize(1..4)))
        .max_queue(random.usize(1..6))
        .on_full(on_full.expect("there are four"))
        .build()
        .expect("sound")
}

/// Adds one more layer.
fn wrap(inner: Any, other: &Pool, random: &mut fastrand::Rng, built: &mut Built) -> Any {
    match random.u8(0..10) {
        0 => Arc::new(Timeout::new(random.u32(1..300) * MILLISECOND).layer(inner)),
        1 => Arc::new(Hedge::after(random.u32(0..100) * MILLISECOND).layer(inner)),
        2 => Arc::new(LoadShed::new().layer(inner)),
        3 => Arc::new(Fallback::to(other.clone()).layer(inner)),
        4 => {
            let breaker =
                CircuitBreaker::new().window_calls(6).min_calls(3).open_duration(30 * MILLISECOND).half_open_calls(1);
            Arc::new(breaker.layer(inner))
        }
        5 => {
            let limit = ConcurrencyLimit::new(random.usize(1..4)).max_waiting(random.usize(0..9));
            built.limits.push(limit.clone());
            Arc::new(limit.layer(inner))
        }
        6 => {
            let limit = RateLimit::new(random.u32(1..5), 20 * MILLISECOND).max_waiting(random.usize(0..9));
            built.rates.push(limit.clone());
            Arc::new(limit.layer(inner))
        }
        7 => {
            let key = |task: &ChaosTask| match task {
                ChaosTask::Again { number, .. } => Some(group(*number)),
                _ => None,
            };
            let copy = |output: &ChaosOutput| match output {
                ChaosOutput::Again(number) => Some(ChaosOutput::Again(*number)),
                _ => None,
            };
            let cache = Cache::<Chaos, u64>::new(key, copy).time_to_live(random.u32(0..20) * MILLISECOND);
            Arc::new(cache.capacity(random.usize(0..3)).layer(inner))
        }
        _ => {
            let backoff = if random.bool() { Backoff::none() } else { Backoff::exponential(5 * MILLISECOND) };
            Arc::new(Retry::new(random.u32(1..4)).backoff(backoff).layer(inner))
        }
    }
}

/// Returns the key under which a cache merges calls.
fn group(number: u64) -> u64 {
    number / 4
}

/// Makes a call in a random way, and checks that it ends.
fn call(chaos: &ChaosCalls<Any>, random: &mut fastrand::Rng) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let luck = random.u8(..);
    let call = match random.u8(0..3) {
        0 => chaos.again(number, luck),
        1 => chaos.later(number, luck),
        _ => chaos.once(number, luck),
    };
    let call = if random.u8(0..4) == 0 { call.timeout(random.u32(0..100) * MILLISECOND) } else { call };
    let outcome = match random.u8(0..6) {
        0 => {
            let job = call.submit();
            job.cancel();
            job.wait()
        }
        1 => match call.try_submit() {
            Ok(job) => job.wait(),
            Err(refused) if random.bool() => refused.into_inner().wait(),
            Err(_) => return,
        },
        2 => {
            let mut call = Box::pin(call);
            let mut cx = std::task::Context::from_waker(Waker::noop());
            let _ = call.as_mut().poll(&mut cx); // and dropped
            return;
        }
        3 => pollster::block_on(call),
        4 => return call.submit().detach(),
        _ => call.wait(),
    };
    if let Ok(output) = outcome {
        assert_eq!(group(output), group(number), "the outcome of another call");
    }
}

fn play(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let clock = MockClock::new();
    let _within = clock.enter();
    let (here, there) = (pool(&mut random), pool(&mut random));
    let mut built = Built::default();
    let mut stack: Any = Arc::new(here.clone());
    for _ in 0..random.usize(1..6) {
        stack = wrap(stack, &there, &mut random, &mut built);
    }
    let chaos = Arc::new(Chaos::calls(stack));
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let (clock, chaos, mut random) = (clock.clone(), chaos.clone(), random.fork());
            thread::spawn(move || clock.run(|| (0..15).for_each(|_| call(&chaos, &mut random))))
        })
        .collect();
    let closes = random.u8(0..4) == 0;
    let begun = Instant::now();
    let go_on = |what: &str| {
        assert!(begun.elapsed().as_secs() < 60, "seed {seed} hangs: {what}; {:?} {:?}", built.limits, built.rates);
        clock.advance(MILLISECOND);
        thread::yield_now();
    };
    for moves in 0.. {
        if callers.iter().all(thread::JoinHandle::is_finished) {
            break;
        }
        if closes && moves == 20 {
            here.close();
        }
        go_on("a caller waits");
    }
    callers.into_iter().for_each(|caller| caller.join().unwrap_or_else(|_| panic!("seed {seed}: a caller panicked")));
    // A detached or cancelled call runs to its end.
    while here.info().in_flight + there.info().in_flight > 0 || clock.next_alarm().is_some() {
        go_on("a call is left");
    }
    for limit in &built.limits {
        while limit.in_flight() + limit.waiting() > 0 {
            go_on("a place is kept");
        }
    }
    clock.advance(HOUR);
    assert!(built.rates.iter().all(|rate| rate.waiting() == 0 && rate.available() > 0), "seed {seed}");
    assert_eq!(clock.next_alarm(), None, "seed {seed}");
}

#[test]
fn each_call_ends_once_through_every_stack() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        if !text.contains("bad luck") {
            eprintln!("{text}");
        }
    }));
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("NANOLITH_SEED").unwrap_or(0); // repeats a run, or continues from there
    let seeds = first..first + number("NANOLITH_SEEDS").unwrap_or(150);
    seeds.for_each(play);
}

type Twice = Layered<Timeout, Layered<Retry, Pool>>;

static NESTED: OnceLock<NestedCalls<Twice>> = OnceLock::new();
static TRIES: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

pub struct Nested;

#[define]
impl Nested {
    pub fn pause_and_wait(pool: Pool) -> u8 {
        pool.pause();
        NESTED.get().expect("it is set").seven().wait().expect("it runs on top of this")
    }

    #[task(idempotent)]
    pub fn seven() -> u8 {
        7
    }

    pub fn wait_for_the_second_try() -> u8 {
        NESTED.get().expect("it is set").at_the_second_try().wait().expect("the second try")
    }

    #[task(idempotent)]
    pub fn at_the_second_try() -> u8 {
        let mut tries = TRIES.lock().unwrap_or_else(PoisonError::into_inner);
        tries.push(now());
        assert!(tries.len() > 1, "bad luck");
        7
    }
}

#[test]
fn task_that_waits_through_layers_runs_its_retry_when_due() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
        let retry = Retry::new(2).backoff(Backoff::exponential(SECOND).jitter(0.0));
        let nested = NESTED.get_or_init(|| Nested::calls(stack().timeout(HOUR).retry(retry).wrap(pool.clone())));
        assert_eq!(nested.pause_and_wait(pool.clone()).wait().expect("it ends, in a paused pool"), 7);
        pool.resume();
        let job = nested.wait_for_the_second_try().submit();
        while !job.is_finished() {
            let has_failed = TRIES.lock().unwrap_or_else(PoisonError::into_inner).len() == 1;
            if has_failed && clock.next_alarm().is_some_and(|left| left <= SECOND) {
                clock.advance(100 * MILLISECOND);
            }
            thread::yield_now();
        }
        assert_eq!(job.wait().expect("it ends"), 7);
        let tries = TRIES.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(tries[1] - tries[0] >= SECOND, "it rested, though a caller waited");
    });
}
