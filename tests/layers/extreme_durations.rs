//! Tests of layer settings that are times, at zero and beyond the end of the clock.

use nanolith::{
    TaskSet,
    layers::{Cache, Hedge, Layer, RateLimit, Retry, Timeout},
    pool::Concurrency,
    prelude::*,
    sync::Backoff,
    time::{HOUR, MockClock, SECOND},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub struct Work;

#[define]
impl Work {
    pub fn echo(x: u32) -> u32 {
        x
    }

    #[task(idempotent)]
    pub fn count(counter: Arc<AtomicU64>) -> u64 {
        counter.fetch_add(1, Ordering::Relaxed)
    }

    #[task(idempotent)]
    pub fn count_and_fail(tries: Arc<AtomicU64>) {
        tries.fetch_add(1, Ordering::Relaxed);
        panic!("on purpose");
    }

    #[task(idempotent)]
    pub async fn never() {
        std::future::pending::<()>().await;
    }
}

/// The time after which a clock ends.
const SPAN: Duration = Duration::from_secs(500 * 31_556_952);

fn mocked(f: impl FnOnce(&MockClock)) {
    let clock = MockClock::new();
    clock.run(|| f(&clock));
}

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound")
}

#[test]
fn layer_settings_accept_zero_and_endless_times() {
    mocked(|clock| {
        let pool = pool();
        let work = Work::calls(Timeout::new(Duration::ZERO).layer(pool.clone()));
        assert!(matches!(work.echo(7).wait(), Err(CallError::TimedOut(_))));
        let work = Work::calls(Timeout::new(Duration::MAX).layer(pool.clone()));
        let never = work.never().submit();
        let hedge = Hedge::after(Duration::MAX);
        let hedged = Work::calls(hedge.clone().layer(pool.clone())).never().submit();
        clock.advance(Duration::MAX);
        assert_eq!((never.is_finished(), hedged.is_finished(), hedge.hedged()), (false, false, 0));
        never.cancel();
        hedged.cancel();
    });
    mocked(|clock| {
        let hedge = Hedge::after(Duration::ZERO);
        let hedged = Work::calls(hedge.clone().layer(pool())).never().submit();
        clock.advance(Duration::ZERO);
        assert_eq!(hedge.hedged(), 1);
        hedged.cancel();
    });
    for (first, expected) in [(Duration::ZERO, 3), (Duration::MAX, 1)] {
        let tries = Arc::new(AtomicU64::new(0));
        let retry = Retry::new(3).backoff(Backoff::exponential(first).max_delay(Duration::MAX).jitter(0.0));
        let outcome = Work::calls(retry.layer(pool())).count_and_fail(tries.clone()).wait();
        assert!(matches!(outcome, Err(CallError::Panicked(..))), "the last failure");
        assert_eq!(tries.load(Ordering::Relaxed), expected, "{first:?}");
    }
    mocked(|clock| {
        let key = |task: &WorkTask| matches!(task, WorkTask::Count { .. }).then_some(());
        let copy = |output: &WorkOutput| match output {
            WorkOutput::Count(count) => Some(WorkOutput::Count(*count)),
            _ => None,
        };
        for (time, expected) in [(Duration::ZERO, [0, 1, 2]), (Duration::MAX, [0, 0, 0])] {
            let work = Work::calls(Cache::<Work, ()>::new(key, copy).time_to_live(time).layer(pool()));
            let counter = Arc::new(AtomicU64::new(0));
            let found = [Duration::ZERO, SPAN / 3, SPAN / 3].map(|rest| {
                clock.advance(rest);
                work.count(counter.clone()).wait().expect("it runs")
            });
            assert_eq!(found, expected, "{time:?}");
        }
    });
}

#[test]
fn rate_is_exact_from_no_limit_to_one_burst() {
    mocked(|clock| {
        let taken = |limit: &RateLimit| {
            let work = Work::calls(limit.clone().layer(pool()));
            (0..20).take_while(|n| work.echo(*n).try_submit().is_ok()).count()
        };
        let unlimited = RateLimit::new(1, Duration::ZERO);
        assert_eq!((taken(&unlimited), unlimited.available()), (20, 1));
        let once = RateLimit::new(3, Duration::MAX);
        assert_eq!(taken(&once), 3);
        clock.advance(HOUR);
        assert_eq!((taken(&once), once.available()), (0, 0));
        // Ten calls in 5 ns: two tokens are added each nanosecond, and no more.
        let fast = RateLimit::new(10, Duration::from_nanos(5)).burst(4);
        assert_eq!(taken(&fast), 4);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(taken(&fast), 2);
        // A third of a second has infinitely many digits: none of it is lost.
        let thirds = RateLimit::new(3, SECOND).burst(1);
        assert_eq!(taken(&thirds), 1);
        for _ in 0..30 {
            clock.advance(SECOND / 3 + Duration::from_nanos(1));
            assert_eq!(taken(&thirds), 1);
        }
        let largest = RateLimit::new(u32::MAX, Duration::MAX).burst(u32::MAX);
        assert_eq!((taken(&largest), largest.available()), (20, u32::MAX - 20));
        clock.advance(Duration::MAX);
        assert_eq!(taken(&once), 0, "a token comes each six trillion years");
    });
}
