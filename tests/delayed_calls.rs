//! Tests of delayed calls: they are submitted now and reach their executor later.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster, Executor, Handle,
    call::SubmitError,
    executor::{Job, OnFull},
    pool::Concurrency,
    prelude::*,
    sync::CancelToken,
    time::{HOUR, MILLISECOND, MINUTE, MockClock, SECOND, now},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

pub struct Work;

#[define]
impl Work {
    pub fn value(n: u32) -> u32 {
        n
    }

    pub fn write(log: Arc<Mutex<Vec<u32>>>, n: u32) {
        log.lock().expect("no holder panics").push(n);
    }

    pub fn count(counter: Arc<AtomicUsize>) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn when() -> Instant {
        now()
    }

    pub fn whose() -> ThreadId {
        thread::current().id()
    }

    pub async fn value_async(n: u32) -> u32 {
        n
    }

    /// Waits within a task for a call of its own pool that is not due.
    pub fn wait_for_later(pool: Pool, delay: Duration) -> u32 {
        Work::on(&pool).value(7).after(delay).wait().expect("it runs while this waits")
    }

    pub fn leave_one_for_later(pool: Pool, without_parent: bool) -> Handle<Work, u32> {
        let work = Work::on(&pool);
        let call = work.value(7).after(HOUR);
        if without_parent { call.without_parent().submit() } else { call.submit() }
    }

    pub fn end_with_it(cx: &Context<Self>, pool: Pool, given: std::sync::mpsc::Sender<Handle<Work, u32>>) {
        let _ = given.send(Work::on(&pool).value(7).after(HOUR).submit());
        while !cx.is_cancelled() {
            thread::yield_now();
        }
    }
}

pub struct Counter(u32);

#[define]
impl Counter {
    #[init]
    fn start() -> Self {
        Self(0)
    }

    pub fn bump(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound")
}

fn mocked(f: impl FnOnce(&MockClock)) {
    let clock = MockClock::new();
    clock.run(|| f(&clock));
}

#[test]
fn delayed_call_reaches_its_executor_when_due() {
    mocked(|clock| {
        let (pool, begun) = (pool(), now());
        let work = Work::on(&pool);
        let job = work.when().after(HOUR).submit();
        let other = work.when().at(begun + HOUR + SECOND).submit();
        clock.advance(HOUR - Duration::from_nanos(1));
        assert!(!job.is_finished());
        let info = pool.info();
        assert_eq!((info.queue_len, info.in_flight), (0, 0));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(job.wait().expect("it runs"), begun + HOUR);
        clock.advance(SECOND);
        assert_eq!(other.wait().expect("it runs"), begun + HOUR + SECOND);
    });
}

#[test]
fn past_moment_is_due_now_and_a_far_moment_never() {
    mocked(|clock| {
        let pool = pool();
        let work = Work::on(&pool);
        assert_eq!(work.value(7).at(now() - SECOND).wait().expect("it runs"), 7);
        assert_eq!(work.value(7).after(Duration::ZERO).wait().expect("it runs"), 7);
        let never = work.value(7).after(Duration::MAX).submit();
        clock.advance(1_000_000 * HOUR);
        assert!(!never.is_finished());
        never.cancel();
        assert!(matches!(never.wait(), Err(CallError::Cancelled(_))));
        let limited = work.value(7).after(Duration::MAX).deadline(now() + SECOND).submit();
        clock.advance(SECOND);
        assert!(matches!(limited.wait(), Err(CallError::TimedOut(_))));
    });
}

#[test]
fn delayed_calls_run_in_the_order_of_their_due_times() {
    mocked(|clock| {
        let (pool, log) = (pool(), Arc::new(Mutex::new(Vec::new())));
        pool.pause();
        let work = Work::on(&pool);
        let jobs: Vec<_> =
            [(3, 30), (1, 10), (2, 20)].map(|(n, s)| work.write(log.clone(), n).after(s * SECOND).submit()).into();
        let at_once = work.write(log.clone(), 0).submit();
        clock.advance(MINUTE);
        let last = work.write(log.clone(), 4).submit();
        pool.resume();
        for job in jobs.into_iter().chain([at_once, last]) {
            job.wait().expect("it runs");
        }
        assert_eq!(*log.lock().expect("no holder panics"), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn expiration_counts_from_the_due_time() {
    mocked(|clock| {
        let (pool, log) = (pool(), Arc::new(Mutex::new(Vec::new())));
        pool.pause();
        let work = Work::on(&pool);
        // Low expires after ten seconds, normal after five. The low call was submitted first, and
        // is due last.
        let low = work.write(log.clone(), 2).priority(Priority::Low).after(8 * SECOND).submit();
        let first = work.write(log.clone(), 0).after(SECOND).submit();
        clock.advance(8 * SECOND);
        let normal = work.write(log.clone(), 1).submit();
        clock.advance(SECOND);
        pool.resume();
        for job in [low, normal, first] {
            job.wait().expect("it runs");
        }
        assert_eq!(*log.lock().expect("no holder panics"), [0, 1, 2]);
    });
}

#[test]
fn time_out_counts_from_the_due_time() {
    mocked(|clock| {
        let pool = pool();
        pool.pause();
        let work = Work::on(&pool);
        let job = work.value(7).timeout(MINUTE).after(HOUR).submit();
        clock.advance(HOUR + MINUTE - MILLISECOND);
        assert!(!job.is_finished());
        assert_eq!(pool.info().queue_len, 1);
        clock.advance(MILLISECOND);
        assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
        assert_eq!(pool.info().queue_len, 0);
        let error = work.value(7).after(HOUR).deadline(now() + MINUTE).submit();
        clock.advance(MINUTE);
        match error.wait() {
            Err(CallError::TimedOut(at)) => assert_eq!(at.waited(), Duration::ZERO),
            other => unreachable!("a deadline is a moment, but {other:?}"),
        }
        clock.advance(2 * HOUR);
        assert_eq!(pool.info().queue_len, 0);
        assert_eq!(clock.next_alarm(), None);
    });
}

/// Counts the calls that reach it.
#[derive(Clone)]
struct Seen(Pool, Arc<AtomicUsize>);

impl Executor<Work> for Seen {
    fn try_execute(&self, job: Job<Work>) -> Result<(), SubmitError<Job<Work>>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.try_execute(job)
    }
}

#[test]
fn cancelled_delayed_call_never_reaches_its_executor() {
    use nanolith::TaskSet;
    mocked(|clock| {
        let (seen, counter) = (Seen(pool(), Arc::default()), Arc::new(AtomicUsize::new(0)));
        let (work, token) = (Work::calls(seen.clone()), CancelToken::new());
        let job = work.count(counter.clone()).after(HOUR).submit();
        job.cancel();
        job.cancel();
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
        let with_token = work.count(counter.clone()).after(HOUR).cancel_token(&token).submit();
        token.cancel();
        assert!(matches!(with_token.wait(), Err(CallError::Cancelled(_))));
        drop(work.count(counter.clone()).after(HOUR).submit().cancel_on_drop());
        assert_eq!((clock.next_alarm(), Arc::strong_count(&counter)), (None, 1));
        clock.advance(HOUR);
        assert_eq!(seen.1.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn cancel_after_the_due_time_leaves_the_queue() {
    mocked(|clock| {
        let pool = pool();
        pool.pause();
        let job = Work::on(&pool).value(7).after(HOUR).submit();
        clock.advance(HOUR);
        assert_eq!(pool.info().queue_len, 1);
        job.cancel();
        let info = pool.info();
        assert_eq!((info.queue_len, info.in_flight), (0, 0));
    });
}

#[test]
fn every_way_to_wait_starts_a_delayed_call() {
    mocked(|clock| {
        let pool = pool();
        let go_on = || {
            while !clock.advance_to_next() {
                thread::yield_now();
            }
        };
        let work = Work::on(&pool);
        thread::scope(|scope| {
            let waits = scope.spawn(|| clock.run(|| work.value(7).after(HOUR).wait()));
            go_on();
            assert_eq!(waits.join().expect("no panic").expect("it runs"), 7);
            let awaits = scope.spawn(|| clock.run(|| pollster::block_on(work.value(7).after(HOUR))));
            go_on();
            assert_eq!(awaits.join().expect("no panic").expect("it runs"), 7);
        });
        let tried = work.value(7).after(HOUR).try_submit().expect("the call does not ask for room");
        let submitted = pollster::block_on(work.value_async(7).after(HOUR).submit_async());
        clock.advance(HOUR);
        assert_eq!((tried.wait().expect("it runs"), submitted.wait().expect("it runs")), (7, 7));
        let unpolled = work.value(7).after(HOUR);
        drop(unpolled);
        assert_eq!(clock.next_alarm(), None);
    });
}

#[test]
fn task_may_wait_for_a_delayed_call_of_its_pool() {
    mocked(|clock| {
        let pool = pool();
        let job = Work::on(&pool).wait_for_later(pool.clone(), HOUR).submit();
        while clock.next_alarm().is_none() {
            thread::yield_now();
        }
        for _ in 0..1_000 {
            thread::yield_now();
        }
        assert!(!job.is_finished(), "the call is not run before it is due");
        clock.advance(HOUR);
        assert_eq!(job.wait().expect("it runs"), 7);
    });
}

#[test]
fn delayed_call_is_cancelled_with_its_parent() {
    mocked(|clock| {
        let pool = pool();
        let work = Work::on(&pool);
        let (give, given) = std::sync::mpsc::channel();
        let parent = work.end_with_it(pool.clone(), give).submit();
        let child = given.recv().expect("it submits");
        parent.cancel();
        assert!(matches!(child.wait(), Err(CallError::Cancelled(_))));
        assert_eq!(clock.next_alarm(), None);
        // A parent that ends normally cancels nothing. Its deadline still holds, unless the child
        // is unlinked.
        let tied = work.leave_one_for_later(pool.clone(), false).timeout(MINUTE).wait().expect("it runs");
        let free = work.leave_one_for_later(pool.clone(), true).timeout(MINUTE).wait().expect("it runs");
        let normal = work.leave_one_for_later(pool.clone(), false).wait().expect("it runs");
        clock.advance(HOUR);
        assert!(matches!(tied.wait(), Err(CallError::TimedOut(_))));
        assert_eq!((free.wait().expect("it runs"), normal.wait().expect("it runs")), (7, 7));
    });
}

fn full(on_full: OnFull) -> Pool {
    let builder = Pool::builder().concurrency(Concurrency::Exact(1));
    builder.max_queue(1).on_full(on_full).build().expect("the settings are sound")
}

#[test]
fn due_call_waits_for_room_without_a_thread() {
    mocked(|clock| {
        let pool = full(OnFull::Wait);
        pool.pause();
        let work = Work::on(&pool);
        let jobs: Vec<_> = (0..1_000).map(|n| work.value(n).after(HOUR).submit()).collect();
        clock.advance(HOUR);
        assert_eq!((pool.info().queue_len, jobs.iter().filter(|job| job.is_finished()).count()), (1, 0));
        jobs.iter().skip(1).step_by(2).for_each(Handle::cancel);
        pool.resume();
        for (n, job) in (0..).zip(jobs) {
            match job.wait() {
                Ok(value) => assert_eq!((value, n % 2), (n, 0)),
                Err(error) => assert!(matches!(error, CallError::Cancelled(_)) && n % 2 == 1),
            }
        }
        pool.drained().wait();
        let info = pool.info();
        assert_eq!((info.queue_len, info.in_flight), (0, 0));
    });
}

#[test]
fn many_ended_delayed_calls_need_no_deep_stack() {
    mocked(|clock| {
        let pool = full(OnFull::Wait);
        pool.pause();
        let work = Work::on(&pool);
        let jobs: Vec<_> = (0..50_000).map(|n| work.value(n).after(HOUR).submit()).collect();
        clock.advance(HOUR);
        jobs.iter().skip(1).for_each(Handle::cancel);
        let last = work.value(7).after(HOUR).submit();
        clock.advance(HOUR);
        pool.resume();
        assert_eq!(last.wait().expect("it runs"), 7);
    });
}

#[test]
fn refusal_of_a_delayed_call_arrives_at_its_handle() {
    mocked(|clock| {
        let pool = full(OnFull::Reject);
        pool.pause();
        let work = Work::on(&pool);
        let [first, second] = [1, 2].map(|n| work.value(n).after(HOUR).submit());
        clock.advance(HOUR);
        assert!(matches!(second.wait(), Err(CallError::Full(_))));
        pool.resume();
        assert_eq!(first.wait().expect("it runs"), 1);
    });
}

#[test]
fn due_call_never_runs_on_the_timer_thread() {
    mocked(|clock| {
        let pool = full(OnFull::CallerRuns);
        pool.pause();
        let work = Work::on(&pool);
        let fills = work.value(1).submit();
        let later = work.whose().after(HOUR).submit();
        clock.advance(HOUR);
        assert!(!later.is_finished());
        pool.resume();
        assert_ne!(later.wait().expect("it runs"), thread::current().id());
        fills.wait().expect("it runs");
    });
}

#[test]
fn delayed_call_keeps_its_pool_and_fails_on_a_closed_one() {
    mocked(|clock| {
        let dropped = pool();
        let job = Work::on(&dropped).value(7).after(HOUR).submit();
        drop(dropped);
        clock.advance(HOUR);
        assert_eq!(job.wait().expect("the call has kept it open"), 7);
        let closed = pool();
        let job = Work::on(&closed).value(7).after(HOUR).submit();
        closed.close();
        closed.drained().wait();
        clock.advance(HOUR);
        assert!(matches!(job.wait(), Err(CallError::Closed(_))));
    });
}

#[test]
fn service_and_cluster_take_delayed_calls_until_closed() {
    mocked(|clock| {
        let service = Counter::service().launch().wait().expect("sound");
        let job = service.bump().after(HOUR).submit();
        clock.advance(HOUR);
        assert_eq!(job.wait().expect("it runs"), 1);
        let refused = service.bump().after(HOUR).submit();
        service.close().wait().expect("it closes");
        clock.advance(HOUR);
        assert!(matches!(refused.wait(), Err(CallError::Closed(_))));
        let kept = Counter::service().launch().wait().expect("sound");
        let job = kept.bump().after(HOUR).submit();
        drop(kept);
        clock.advance(HOUR);
        assert_eq!(job.wait().expect("the call has kept it open"), 1);
        let cluster = Cluster::launch(2, Counter::service).wait().expect("sound");
        let jobs: Vec<_> = (0..10).map(|_| cluster.bump().after(HOUR).submit()).collect();
        jobs.iter().skip(5).for_each(Handle::cancel);
        clock.advance(HOUR);
        assert_eq!(jobs.into_iter().filter_map(|job| job.wait().ok()).count(), 5);
    });
}

#[test]
fn terminated_pool_ends_every_delayed_call_once() {
    mocked(|clock| {
        let pool = full(OnFull::Wait);
        pool.pause();
        let work = Work::on(&pool);
        let jobs: Vec<_> = (1..=20).map(|n| work.value(n).after(n * MINUTE).submit()).collect();
        clock.advance(10 * MINUTE);
        pool.terminate();
        clock.advance(HOUR);
        for job in jobs {
            assert!(matches!(job.wait(), Err(CallError::Closed(_) | CallError::Cancelled(_))));
        }
        pool.drained().wait();
    });
}

#[test]
fn hundred_thousand_delayed_calls_run() {
    mocked(|clock| {
        let (pool, counter) = (pool(), Arc::new(AtomicUsize::new(0)));
        let work = Work::on(&pool);
        let jobs: Vec<_> =
            (0..100_000u32).map(|n| work.count(counter.clone()).after((n % 977) * SECOND + SECOND).submit()).collect();
        jobs.iter().step_by(2).for_each(Handle::cancel);
        clock.advance(HOUR);
        let done = jobs.into_iter().filter_map(|job| job.wait().ok()).count();
        assert_eq!((done, counter.load(Ordering::Relaxed)), (50_000, 50_000));
    });
}

#[test]
fn delayed_calls_run_by_the_system_clock() {
    let (pool, begun) = (pool(), Instant::now());
    let work = Work::on(&pool);
    let jobs: Vec<_> = (0..10).map(|n| work.value(n).after(n * MILLISECOND).submit()).collect();
    for (n, job) in (0..).zip(jobs) {
        assert_eq!(job.wait().expect("it runs"), n);
        assert!(begun.elapsed() >= n * MILLISECOND);
    }
}
