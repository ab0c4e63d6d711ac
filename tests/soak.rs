//! Soak test of everything at once, for `NANOLITH_SOAK` seconds: no call is left waiting, no
//! capacity stays reserved, and no slot stays lent by a task that waited.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{executor::OnFull, pool::Concurrency, prelude::*};
use rayon::prelude::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

pub struct Mix;

#[define]
impl Mix {
    pub fn quick(n: u64) -> u64 {
        n
    }

    pub fn panics(n: u64) -> u64 {
        panic!("number {n}")
    }

    pub fn nested(mix: Arc<MixCalls<Pool>>, n: u64) -> u64 {
        let children: Vec<_> = (0..n).map(|child| mix.quick(child).submit()).collect();
        children.into_iter().map(|child| child.wait().unwrap_or(0)).sum()
    }

    pub fn split(mix: Arc<MixCalls<Pool>>, n: u64) -> u64 {
        (0..n).into_par_iter().map(|child| mix.quick(child).wait().unwrap_or(0)).sum()
    }

    pub async fn later(mix: Arc<MixCalls<Pool>>, n: u64) -> u64 {
        nanolith::time::sleep(Duration::from_micros(n)).await;
        mix.quick(n).await.unwrap_or(0)
    }

    pub fn deep(mix: Arc<MixCalls<Pool>>, n: u64) -> u64 {
        if n == 0 { 0 } else { 1 + mix.deep(mix.clone(), n - 1).wait().unwrap_or(0) }
    }
}

pub struct Ledger(u64);

#[define]
impl Ledger {
    pub fn add(&mut self, n: u64) -> u64 {
        self.0 += n;
        self.0
    }

    pub async fn look(&self) -> u64 {
        nanolith::time::sleep(Duration::from_micros(50)).await;
        self.0
    }

    pub async fn add_later(&mut self, n: u64) -> u64 {
        nanolith::time::sleep(Duration::from_micros(50)).await;
        self.0 += n;
        self.0
    }
}

fn pool(random: &mut fastrand::Rng) -> Pool {
    let on_full = [OnFull::Wait, OnFull::Reject, OnFull::CallerRuns, OnFull::DropOldest, OnFull::DropNewest];
    Pool::builder()
        .concurrency(Concurrency::Exact(random.usize(1..4)))
        .max_queue(random.usize(1..200))
        .on_full(on_full[random.usize(..on_full.len())])
        .build()
        .expect("the settings are sound")
}

/// Submits a call of some kind and ends it in some way. Returns whether it gave its output.
fn one(mix: &Arc<MixCalls<Pool>>, random: &mut fastrand::Rng) -> bool {
    let n = random.u64(..60);
    let call = match random.u8(..8) {
        0 => mix.panics(n),
        1 => mix.nested(mix.clone(), n),
        2 => mix.split(mix.clone(), n),
        3 => mix.later(mix.clone(), n),
        4 => mix.deep(mix.clone(), n * 3),
        _ => mix.quick(n),
    };
    let priority = Priority::ALL[random.usize(..5)];
    let call = call.priority(priority);
    match random.u8(..6) {
        0 => call.timeout(Duration::from_micros(random.u64(..500))).wait().is_ok(),
        1 => {
            let job = call.submit();
            job.cancel();
            job.wait().is_ok()
        }
        2 => {
            call.submit().detach();
            false
        }
        3 => call.try_submit().map(|job| job.wait().is_ok()).unwrap_or(false),
        4 => pollster::block_on(call).is_ok(),
        _ => call.wait().is_ok(),
    }
}

fn disturb(pool: &Pool, random: &mut fastrand::Rng) {
    match random.u8(..4) {
        0 => pool.set_concurrency(Concurrency::Exact(random.usize(1..6))).expect("the settings are sound"),
        1 => {
            pool.pause();
            thread::yield_now();
            pool.resume();
        }
        2 => pool.drained().wait(),
        _ => drop((pool.info().queue_len, pool.next_task(), pool.info().active)),
    }
}

/// Creates one pool and one service, which four threads use until `end`, and closes them.
fn round(seed: u64, end: Instant) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let pool = pool(&mut random);
    let ledger = Ledger::service(Ledger(0)).max_queue(random.usize(1..50)).launch().wait().expect("it starts");
    let mix = Arc::new(Mix::on(&pool));
    let done = AtomicU64::new(0);
    let (over, is_over) = mpsc::channel::<()>();
    let (pool_too, ledger_too) = (pool.clone(), ledger.clone());
    thread::spawn(move || {
        let hang = end.saturating_duration_since(Instant::now()) + Duration::from_secs(20);
        if is_over.recv_timeout(hang) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("seed {seed} hangs: {pool_too:?} {ledger_too:?}");
            std::process::abort();
        }
    });
    thread::scope(|scope| {
        for worker in 0..4 {
            let (mix, ledger, pool, done) = (&mix, &ledger, &pool, &done);
            let mut random = fastrand::Rng::with_seed(seed ^ (worker << 32));
            scope.spawn(move || {
                while Instant::now() < end {
                    done.fetch_add(u64::from(one(mix, &mut random)), Ordering::Relaxed);
                    match random.u8(..4) {
                        0 => assert!(ledger.add(1).wait().is_ok()),
                        1 => ledger.look().submit().cancel(),
                        2 => drop(ledger.add_later(1).timeout(Duration::from_micros(80)).wait()),
                        _ => {}
                    }
                    if worker == 0 && random.u8(..8) == 0 {
                        disturb(pool, &mut random);
                    }
                }
            });
        }
    });
    ledger.close().wait().expect("it closes");
    pool.close();
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.in_flight, info.queue_len, info.overflow), (0, 0, 0), "seed {seed}");
    assert_eq!((ledger.info().queue_len, ledger.info().in_progress), (0, 0), "seed {seed}");
    drop(over);
    done.into_inner()
}

#[test]
#[ignore = "runs as long as NANOLITH_SOAK says; `cargo xtask soak`"]
fn soak_leaves_nothing_behind() {
    let seconds = std::env::var("NANOLITH_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    soak(Duration::from_secs(seconds));
}

#[test]
fn short_soak_leaves_nothing_behind() {
    soak(Duration::from_secs(1));
}

fn soak(time: Duration) {
    std::panic::set_hook(Box::new(|panic| {
        // Thousands of panics are on purpose. Any other panic is printed.
        let on_purpose = panic.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with("number "));
        if !on_purpose {
            eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    let end = Instant::now() + time;
    let (mut rounds, mut calls) = (0, 0);
    while Instant::now() < end {
        let seed = fastrand::u64(..);
        calls += round(seed, (Instant::now() + Duration::from_millis(300)).min(end));
        rounds += 1;
    }
    println!("{rounds} rounds, {calls} calls gave their output");
    assert!(calls > 0);
}
