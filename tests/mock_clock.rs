//! Tests of `MockClock`, the clock that is moved by hand.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    prelude::*,
    service::{OnPanic, Restart},
    sync::Backoff,
    time::{HOUR, MILLISECOND, MockClock, now, sleep, timeout},
};
use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    task, thread,
    time::Instant,
};

pub struct Sleeper;

#[define]
impl Sleeper {
    pub async fn sleep_an_hour() -> Instant {
        sleep(HOUR).await;
        now()
    }

    pub fn sleep_as_a_thread() -> Instant {
        sleep(HOUR).wait();
        now()
    }

    pub fn never(cx: &Context<Self>) {
        pollster::block_on(cx.cancelled());
    }
}

/// Advances the clock once a thread sleeps.
fn go_on(clock: &MockClock) {
    while !clock.advance_to_next() {
        thread::yield_now();
    }
}

#[test]
fn hour_on_a_pool_passes_at_once() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().build().expect("sound");
        let begun = now();
        let later = Sleeper::on(&pool).sleep_an_hour().submit();
        go_on(&clock);
        assert_eq!(later.wait().expect("it runs") - begun, HOUR);
        let blocking = Sleeper::on(&pool).sleep_as_a_thread().submit();
        go_on(&clock);
        assert_eq!(blocking.wait().expect("it runs") - begun, 2 * HOUR);
    });
}

#[test]
fn service_uses_the_mock_clock() {
    let clock = MockClock::new();
    clock.run(|| {
        let service = Sleeper::service().launch().wait().expect("sound");
        let begun = now();
        let job = service.sleep_as_a_thread().submit();
        go_on(&clock);
        assert_eq!(job.wait().expect("it runs") - begun, HOUR);
    });
}

#[test]
fn time_outs_and_limits_follow_the_mock_clock() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().build().expect("sound");
        let job = Sleeper::on(&pool).never().timeout(HOUR).submit();
        clock.advance(HOUR - MILLISECOND);
        assert!(!job.is_finished());
        clock.advance(MILLISECOND);
        assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
        pool.drained().wait(); // until the task returns, its report is an alarm too
        assert_eq!(clock.next_alarm(), None);
        let begun = now();
        let limited = thread::scope(|scope| {
            let waits = scope.spawn(|| clock.run(|| pollster::block_on(timeout(HOUR, std::future::pending::<()>()))));
            go_on(&clock);
            waits.join().expect("it does not panic")
        });
        assert!(limited.is_err());
        assert_eq!(now() - begun, HOUR);
    });
}

#[test]
fn blocking_wait_timeout_follows_the_mock_clock() {
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().build().expect("sound");
        pool.pause();
        let job = Sleeper::on(&pool).sleep_as_a_thread().submit();
        thread::scope(|scope| {
            let waits = scope.spawn(|| clock.run(|| job.wait_timeout(HOUR).is_err()));
            go_on(&clock);
            assert!(waits.join().expect("it does not panic"), "no thread runs it");
        });
    });
}

#[test]
fn thread_that_left_the_mock_clock_has_the_system_time() {
    let before = Instant::now();
    let clock = MockClock::new();
    clock.run(|| clock.advance(1_000 * HOUR));
    assert!(now() - before < HOUR);
    assert_eq!(clock.elapsed(), 1_000 * HOUR);
    assert_eq!(clock.next_alarm(), None);
}

/// A thread that sleeps repeatedly arms an alarm and disarms it.
#[test]
fn advance_to_a_disarmed_alarm_moves_nothing() {
    let clock = MockClock::new();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            clock.run(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let mut sleep = std::pin::pin!(sleep(HOUR));
                    let _ = sleep.as_mut().poll(&mut task::Context::from_waker(task::Waker::noop()));
                }
            });
        });
        let moves = (0..200_000).map(|_| {
            let before = clock.elapsed();
            (clock.advance_to_next(), clock.elapsed() > before)
        });
        let moves: Vec<_> = moves.filter(|(has_rung, has_moved)| *has_rung || *has_moved).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(!moves.is_empty(), "it has met an alarm");
        assert!(moves.iter().all(|(has_rung, has_moved)| has_rung == has_moved));
    });
}

pub struct Fragile(u8);

#[define]
impl Fragile {
    #[init]
    fn start() -> Self {
        Self(7)
    }

    pub fn fall(&mut self) {
        panic!("it breaks {}", self.0);
    }

    pub fn value(&self) -> u8 {
        self.0
    }
}

#[test]
fn restart_backoff_follows_the_mock_clock() {
    let clock = MockClock::new();
    clock.run(|| {
        let service = Fragile::service()
            .restart(Restart::on_panic().except_in_tasks().backoff(Backoff::exponential(HOUR).max_delay(HOUR)))
            .on_panic(|_| OnPanic::Restart)
            .launch()
            .wait()
            .expect("sound");
        assert!(service.fall().wait().is_err());
        let value = service.value().submit();
        go_on(&clock);
        assert_eq!(value.wait().expect("it lives again"), 7);
        assert!(clock.elapsed() >= HOUR / 2, "{:?}", clock.elapsed());
    });
}
