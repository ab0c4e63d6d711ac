//! Tests of the fast path: calls that go through the ring, a lock-free MPMC queue in front of the
//! queue with a lock. They behave as calls that take the lock.
#![allow(missing_docs)] // a test's name documents it

mod common;

use common::{Any, AnyCalls, LONG, gate};
use nanolith::{
    CallError, Handle, Pool, Priority, Service, Wait,
    executor::OnFull,
    pool::{Concurrency, PoolBuilder},
    sync::CancelToken,
};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

/// A limit for a test's steps before the thread sleeps.
const SPIN: Duration = Duration::from_millis(10);

/// Returns a pool whose worker takes calls from the ring. On a machine so busy that short tasks
/// take long, it does not; the tests hold either way.
fn hot(builder: PoolBuilder) -> (Pool, AnyCalls<Pool>) {
    let pool = builder.spin_before_park(SPIN).build().expect("sound");
    let calls = Any::on(pool.clone());
    let until = Instant::now() + LONG / 10;
    while !format!("{pool:?}").contains("open: true") && Instant::now() < until {
        for _ in 0..64 {
            assert_eq!(calls.run(|| 1).wait().expect("it runs"), 1);
        }
    }
    (pool, calls)
}

fn threads(number: usize) -> PoolBuilder {
    Pool::builder().concurrency(Concurrency::Exact(number))
}

/// Returns a service whose thread takes calls from the ring.
fn hot_service() -> Service<Any> {
    let service = Any::service(0).spin_before_park(SPIN).launch().wait().expect("it starts");
    (0..200).for_each(|_| {
        service.calls().change(1).wait().expect("it runs");
    });
    service
}

/// Submits a task that has started and blocks until the test opens its gate.
fn stuck(calls: &AnyCalls<Pool>) -> (mpsc::Sender<()>, Handle<Any, i64>) {
    let (open, wait) = gate();
    let (tell, begun) = mpsc::channel();
    let job = calls
        .run(move || {
            let _ = tell.send(());
            wait();
            7
        })
        .submit();
    begun.recv_timeout(LONG).expect("it begins");
    (open, job)
}

/// Tasks that record their number when they run.
struct Order(Arc<Mutex<Vec<i64>>>);

impl Order {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn note(&self, calls: &AnyCalls<Pool>, number: i64, priority: Priority) -> Handle<Any, i64> {
        let order = self.0.clone();
        let note = move || {
            order.lock().expect("sound").push(number);
            number
        };
        calls.run(note).priority(priority).submit()
    }

    fn seen(&self) -> Vec<i64> {
        self.0.lock().expect("sound").clone()
    }
}

#[test]
fn free_slot_runs_calls_beside_a_stuck_one() {
    let (_pool, calls) = hot(threads(2));
    let (open, job) = stuck(&calls);
    let others: Vec<_> = (0..100).map(|n| calls.run(move || n).submit()).collect();
    for (n, other) in (0..).zip(others) {
        assert_eq!(other.wait_timeout(LONG).expect("the free slot runs it").expect("it runs"), n);
    }
    open.send(()).expect("it waits");
    assert_eq!(job.wait().expect("it runs"), 7);
}

#[test]
fn urgent_call_precedes_calls_in_submission_order() {
    let (_pool, calls) = hot(threads(1));
    let (open, job) = stuck(&calls);
    let order = Order::new();
    let mut jobs: Vec<_> = (1..=50).map(|n| order.note(&calls, n, Priority::Normal)).collect();
    jobs.push(order.note(&calls, 0, Priority::Immediate));
    jobs.extend((51..=60).map(|n| order.note(&calls, n, Priority::Normal)));
    jobs.push(order.note(&calls, 61, Priority::Low));
    open.send(()).expect("it waits");
    jobs.into_iter().chain([job]).for_each(|job| assert!(job.wait().is_ok()));
    assert_eq!(order.seen(), (0..=61).collect::<Vec<_>>());
}

#[test]
fn pause_holds_back_queued_calls() {
    let (pool, calls) = hot(threads(1));
    let (open, job) = stuck(&calls);
    let order = Order::new();
    let jobs: Vec<_> = (0..20).map(|n| order.note(&calls, n, Priority::Normal)).collect();
    pool.pause();
    open.send(()).expect("it waits");
    assert_eq!(job.wait().expect("it runs"), 7);
    assert_eq!((pool.info().queue_len, order.seen().len()), (20, 0));
    pool.resume();
    jobs.into_iter().for_each(|job| assert!(job.wait().is_ok()));
    assert_eq!(order.seen(), (0..20).collect::<Vec<_>>());
}

#[test]
fn cancelled_call_frees_its_place_within_the_bound() {
    let (pool, calls) = hot(threads(1).max_queue(3).on_full(OnFull::Reject));
    let (open, job) = stuck(&calls);
    let mut jobs: Vec<_> = (0..3).map(|n| calls.run(move || n).try_submit().expect("there is room")).collect();
    assert!(calls.run(|| 9).try_submit().is_err_and(|refused| refused.is_full()));
    let info = pool.info();
    assert_eq!((info.queue_len, info.in_flight), (3, 4));
    let cancelled = jobs.remove(1);
    cancelled.cancel();
    assert!(matches!(cancelled.wait(), Err(CallError::Cancelled(_))));
    jobs.push(calls.run(|| 9).try_submit().expect("a place came free"));
    open.send(()).expect("it waits");
    let ended: Vec<_> = jobs.into_iter().chain([job]).map(|job| job.wait().expect("it runs")).collect();
    assert_eq!(ended, [0, 2, 9, 7]);
}

#[test]
fn limits_and_tokens_end_calls_among_others_in_the_ring() {
    let (pool, calls) = hot(threads(1));
    let (open, job) = stuck(&calls);
    let token = CancelToken::new();
    let jobs: Vec<_> = (0..300)
        .map(|n| match n % 3 {
            0 => calls.run(move || n).submit(),
            1 => calls.run(move || n).timeout(Duration::from_millis(5)).submit(),
            _ => calls.run(move || n).cancel_token(&token).submit(),
        })
        .collect();
    token.cancel();
    let mut left = Vec::new();
    for (n, job) in jobs.into_iter().enumerate() {
        match n % 3 {
            0 => left.push(job),
            1 => assert!(matches!(job.wait(), Err(CallError::TimedOut(_)))),
            _ => assert!(matches!(job.wait(), Err(CallError::Cancelled(_)))),
        }
    }
    assert_eq!(pool.info().in_flight, 101, "those that have ended left at once");
    open.send(()).expect("it waits");
    job.wait().expect("it runs");
    let ended: Vec<_> = left.into_iter().map(|job| job.wait().expect("it runs")).collect();
    assert_eq!(ended, (0..300).step_by(3).collect::<Vec<_>>());
    pool.drained().wait();
    assert_eq!((pool.info().in_flight, pool.info().queue_len), (0, 0));
}

#[test]
fn calls_with_a_limit_run_in_the_order_of_their_submission() {
    let (_pool, calls) = hot(threads(1));
    let (open, job) = stuck(&calls);
    let order = Order::new();
    let jobs: Vec<_> = (0..40)
        .map(|n| {
            let seen = order.0.clone();
            let note = calls.run(move || {
                seen.lock().expect("no holder panics").push(n);
                n
            });
            if n % 2 == 0 { note.submit() } else { note.timeout(LONG).submit() }
        })
        .collect();
    open.send(()).expect("it waits");
    assert!(job.wait().is_ok() && jobs.into_iter().all(|job| job.wait().is_ok()));
    assert_eq!(order.seen(), (0..40).collect::<Vec<_>>());
}

#[test]
fn drained_wait_ends_when_all_calls_have_ended() {
    let (pool, calls) = hot(threads(2));
    pool.drained().wait(); // a task that has run is counted by then
    let before = pool.info().completed;
    let jobs: Vec<_> = (0..2_000).map(|n| calls.run(move || n).submit()).collect();
    pool.drained().wait();
    assert!(jobs.iter().all(Handle::is_finished), "nothing was left when it drained");
    // A worker that has found no work a few times is idle.
    let until = Instant::now() + LONG;
    while (pool.info().completed - before, pool.info().in_flight, pool.info().queue_len, pool.info().active)
        != (2_000, 0, 0, 0)
    {
        assert!(Instant::now() < until, "{pool:?}");
        std::thread::yield_now();
    }
}

#[test]
fn shutdown_now_ends_queued_calls() {
    let (pool, calls) = hot(threads(1));
    let (open, job) = stuck(&calls);
    let jobs: Vec<_> = (0..100).map(|n| calls.run(move || n).submit()).collect();
    assert_eq!(pool.terminate(), 100);
    assert!(jobs.into_iter().all(|job| matches!(job.wait(), Err(CallError::Cancelled(_)))));
    open.send(()).expect("it waits");
    assert_eq!(job.wait().expect("what runs finishes"), 7);
}

#[test]
fn terminate_frees_the_callers_of_a_service_at_once() {
    let service = hot_service();
    let (open, wait) = gate();
    let (tell, begun) = mpsc::channel();
    let running = service
        .calls()
        .change_with(1, move |_| {
            let _ = tell.send(());
            wait();
        })
        .submit();
    begun.recv_timeout(LONG).expect("it begins");
    let queued = service.calls().change(1).submit();
    let closing = service.terminate();
    assert!(matches!(running.wait(), Err(CallError::Closed(_))), "its task still runs");
    assert!(matches!(queued.wait(), Err(CallError::Closed(_))));
    open.send(()).expect("it waits");
    closing.wait().expect("it ends");
}

#[test]
fn service_counts_each_call_once() {
    let service = hot_service();
    let jobs: Vec<_> = (0..3_000).map(|_| service.calls().change(1).submit()).collect();
    jobs.into_iter().for_each(|job| assert!(job.wait().is_ok()));
    assert_eq!(service.calls().look().wait().expect("it runs"), 3_200);
    // The figure may lag a moment behind the answers.
    let until = Instant::now() + LONG;
    while service.info().completed != 3_201 {
        assert!(Instant::now() < until, "{:?}", service.info());
        std::thread::yield_now();
    }
}

/// Runs a task that submits `children` calls to its pool, and waits for them. Returns whether the ring was
/// open after the first half.
fn family(pool: &Pool, children: i64) -> bool {
    let (seen, inner) = (pool.clone(), Any::on(pool.clone()));
    let parent = Any::on(pool.clone());
    let parent = parent.run(move || {
        let first: Vec<_> = (0..children / 2).map(|n| inner.run(move || n).submit()).collect();
        let is_open = format!("{seen:?}").contains("open: true");
        let second: Vec<_> = (children / 2..children).map(|n| inner.run(move || n).submit()).collect();
        let sum: i64 = first.into_iter().chain(second).map(|child| child.wait().expect("it runs")).sum();
        assert_eq!(sum, (0..children).sum());
        i64::from(is_open)
    });
    parent.wait().expect("it runs") == 1
}

/// Waits until the pool's worker has stopped looking for work.
fn await_rest(pool: &Pool) {
    pool.drained().wait();
    std::thread::yield_now();
}

#[test]
fn parent_after_a_rest_finds_the_ring_open() {
    for (concurrency, least) in [(1, 16), (2, 1)] {
        // The tasks take no time on this clock. So they count as short on a busy machine too.
        let clock = nanolith::time::MockClock::new();
        let build = || threads(concurrency).spin_before_park(Duration::ZERO).build().expect("sound");
        let pool = clock.run(build);
        family(&pool, 200); // from here on, the cost of the tasks is known
        let open = (0..20).filter(|_| {
            await_rest(&pool);
            family(&pool, 200)
        });
        // With several workers, the ring is closed if no call has left it for a millisecond.
        assert!(open.count() >= least, "at a concurrency of {concurrency}");
        pool.drained().wait();
        assert_eq!((pool.info().in_flight, pool.info().completed), (0, 21 * 201));
    }
}

#[test]
fn futures_from_the_ring_are_counted_once() {
    let (pool, calls) = hot(threads(1));
    pool.drained().wait();
    let before = pool.info().completed;
    for _ in 0..3 {
        let later = |n| async move {
            if n % 50 == 0 {
                nanolith::time::sleep(Duration::from_millis(1)).await;
            }
            n
        };
        let jobs: Vec<_> = (0..300).map(|n| calls.later(later(n)).submit()).collect();
        let sum: i64 = jobs.into_iter().map(|job| job.wait().expect("it runs")).sum();
        assert_eq!(sum, (0..300).sum());
    }
    pool.drained().wait();
    let until = Instant::now() + LONG;
    while (pool.info().completed - before, pool.info().in_flight, pool.info().active) != (900, 0, 0) {
        assert!(Instant::now() < until, "{pool:?}");
        std::thread::yield_now();
    }
}

#[test]
fn cancel_ends_a_pending_future_from_the_ring() {
    let (pool, calls) = hot(threads(1));
    let jobs: Vec<_> = (0..20).map(|_| calls.later(std::future::pending()).submit()).collect();
    assert_eq!(calls.run(|| 7).wait().expect("it runs"), 7, "all futures are pending by now");
    jobs.iter().for_each(Handle::cancel);
    assert!(jobs.into_iter().all(|job| matches!(job.wait(), Err(CallError::Cancelled(_)))));
    pool.drained().wait();
    assert_eq!(pool.info().in_flight, 0);
}

#[test]
fn limit_ends_a_pending_future_from_the_ring() {
    let (pool, calls) = hot(threads(1));
    let job = calls.later(std::future::pending()).timeout(Duration::from_millis(2)).submit();
    assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
    pool.drained().wait();
    assert_eq!(pool.info().in_flight, 0);
}
