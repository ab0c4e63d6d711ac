//! Tests of scopes and task groups, which start calls and wait for all of them.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    BoxError, Handle, Local, TaskGroup,
    group::{Joined, try_scope},
    pool::Concurrency,
    prelude::*,
    scope,
    time::{HOUR, MILLISECOND, MINUTE, MockClock, SECOND, sleep},
};
use std::{
    num::ParseIntError,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
};

pub struct Work;

#[define]
impl Work {
    pub fn value(n: u32) -> u32 {
        n
    }

    pub async fn value_later(n: u32) -> u32 {
        sleep(n * SECOND).await;
        n
    }

    pub fn parse(text: String) -> Result<u32, ParseIntError> {
        text.parse()
    }

    pub fn count(counter: Arc<AtomicUsize>) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn spin(cx: &Context<Self>) {
        while !cx.is_cancelled() {
            thread::yield_now();
        }
    }

    pub async fn never() {
        std::future::pending::<()>().await;
    }

    pub fn fail() -> u32 {
        panic!("on purpose")
    }

    /// Opens a scope within a task, on the task's own pool.
    pub fn scope_within(pool: Pool, depth: u32) -> u32 {
        let work = Work::on(&pool);
        if depth == 0 {
            return 1;
        }
        let counter = Arc::new(AtomicUsize::new(0));
        let sums = scope(|scope| {
            (0..10).for_each(|_| scope.spawn(work.count(counter.clone())).detach());
            [(); 2].map(|()| scope.spawn(work.scope_within(pool.clone(), depth - 1)))
        });
        assert_eq!(counter.load(Ordering::Relaxed), 10);
        sums.into_iter().map(|sum| sum.wait().expect("it is over")).sum()
    }

    pub fn group_within(pool: Pool, by_await: bool) -> u32 {
        let mut group = TaskGroup::new();
        for n in 0..10 {
            group.spawn(Work::on(&pool).value(n));
        }
        let mut sum = 0;
        loop {
            let next = if by_await { pollster::block_on(group.join_next()) } else { group.join_next().wait() };
            match next {
                Some(value) => sum += value.expect("it runs"),
                None => return sum,
            }
        }
    }

    pub async fn group_of_many(pool: Pool, calls: u32) -> usize {
        let mut group = TaskGroup::new();
        (0..calls).for_each(|n| group.spawn(Work::on(&pool).value(n)));
        let mut joined = 0;
        while group.join_next().await.is_some() {
            joined += 1;
        }
        joined
    }

    pub async fn group_within_async(pool: Pool) -> u32 {
        let mut group = TaskGroup::new();
        for n in 0..10 {
            group.spawn_async(Work::on(&pool).value_later(0)).await;
            group.spawn(Work::on(&pool).value(n));
        }
        group.join_all().await.into_iter().map(|value| value.expect("it runs")).sum()
    }

    pub fn try_scope_within(pool: Pool) -> bool {
        let work = Work::on(&pool);
        let outcome = try_scope(|scope| {
            let spins = scope.spawn(work.spin());
            let fails = scope.spawn(work.fail());
            spins.wait()?;
            fails.wait()
        });
        matches!(outcome, Err(CallError::Panicked(..)))
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

    pub fn call_oneself(&mut self, own: Service<Counter>, given: Sender<bool>) {
        let job = scope(|scope| scope.spawn(own.bump()));
        let scoped = matches!(job.wait(), Err(CallError::WouldDeadlock(_)));
        let mut group = TaskGroup::new();
        group.spawn(own.bump());
        let grouped = matches!(group.join_next().wait(), Some(Err(CallError::WouldDeadlock(_))));
        let _ = given.send(scoped && grouped);
    }
}

fn pool(concurrency: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(concurrency)).build().expect("the settings are sound")
}

fn mocked(f: impl FnOnce(&MockClock)) {
    let clock = MockClock::new();
    clock.run(|| f(&clock));
}

// ----- scopes

#[test]
fn scope_returns_after_all_its_calls() {
    let (pool, counter) = (pool(2), Arc::new(AtomicUsize::new(0)));
    let work = Work::on(&pool);
    let jobs = scope(|scope| {
        (0..500).for_each(|_| scope.spawn(work.count(counter.clone())).detach());
        drop(scope.spawn(work.spin()).cancel_on_drop());
        let token = scope.token();
        (vec![scope.spawn(work.value(7)), scope.spawn(work.value_later(0))], token)
    });
    assert_eq!(counter.load(Ordering::Relaxed), 500);
    assert!(jobs.0.iter().all(Handle::is_finished) && !jobs.1.is_cancelled());
}

#[test]
fn scope_that_panics_cancels_its_calls_and_waits_for_them() {
    let pool = pool(2);
    let work = Work::on(&pool);
    let mut job = None;
    let payload = catch_unwind(AssertUnwindSafe(|| {
        scope(|scope| {
            job = Some((scope.spawn(work.spin()), scope.spawn(work.never())));
            panic!("on purpose");
        })
    }));
    assert_eq!(payload.expect_err("it panics").downcast_ref::<&str>(), Some(&"on purpose"));
    let (spins, never) = job.expect("they were spawned");
    assert!(matches!((spins.wait(), never.wait()), (Err(CallError::Cancelled(_)), Err(CallError::Cancelled(_)))));
    pool.drained().wait();
}

#[test]
fn cancelled_scope_starts_no_more_calls() {
    let pool = pool(1);
    let work = Work::on(&pool);
    let late = scope(|scope| {
        scope.spawn(work.never()).detach();
        scope.cancel();
        scope.spawn(work.value(7))
    });
    assert!(matches!(late.wait(), Err(CallError::Cancelled(_))));
}

#[test]
fn scopes_within_tasks_of_one_pool_do_not_deadlock() {
    let pool = pool(1);
    assert_eq!(Work::on(&pool).scope_within(pool.clone(), 5).wait().expect("it goes on"), 32);
}

#[test]
fn service_that_waits_for_itself_in_a_group_fails() {
    let service = Counter::service().launch().wait().expect("sound");
    let (give, given) = channel();
    service.call_oneself(service.clone(), give).wait().expect("it goes on");
    assert!(given.recv().expect("it tells"));
}

#[test]
fn try_scope_returns_the_first_error_and_cancels_the_rest() {
    let pool = pool(3);
    let work = Work::on(&pool);
    let outcome: Result<(), CallError> = try_scope(|scope| {
        let waits = [scope.spawn(work.spin()), scope.spawn(work.never())];
        scope.spawn(work.fail()).detach();
        waits.into_iter().try_for_each(Joined::wait)
    });
    assert!(matches!(outcome, Err(CallError::Panicked(..))), "not that of one that was cancelled for it");
    pool.drained().wait();
}

#[test]
fn try_scope_returns_the_error_of_a_detached_call() {
    let pool = pool(2);
    let work = Work::on(&pool);
    let outcome: Result<u32, BoxError> = try_scope(|scope| {
        scope.spawn(work.parse("seven".into()).flatten()).detach();
        Ok(7)
    });
    assert!(outcome.expect_err("a call failed").to_string().contains("invalid digit"));
}

#[test]
fn error_of_the_scope_closure_cancels_and_is_returned() {
    let pool = pool(2);
    let work = Work::on(&pool);
    let outcome: Result<(), BoxError> = try_scope(|scope| {
        scope.spawn(work.spin()).detach();
        Err("enough".into())
    });
    assert_eq!(outcome.expect_err("it failed").to_string(), "enough");
}

#[test]
fn try_scope_without_errors_returns_its_value() {
    let pool = pool(1);
    let work = Work::on(&pool);
    let sum: Result<u32, BoxError> = try_scope(|scope| {
        let parts: Vec<_> = (0..10).map(|n| scope.spawn(work.parse(n.to_string()).flatten())).collect();
        let other = scope.spawn(work.value(5));
        let mut sum = pollster::block_on(other)?;
        for part in parts {
            sum += part.wait()?;
        }
        Ok(sum)
    });
    assert_eq!(sum.expect("all went well"), 50);
}

#[test]
fn try_scope_works_within_a_task_of_its_pool() {
    let pool = pool(2); // the waiting task runs the one that spins
    assert!(Work::on(&pool).try_scope_within(pool.clone()).wait().expect("it goes on"));
}

// ----- groups

#[test]
fn group_joins_calls_in_the_order_in_which_they_end() {
    mocked(|clock| {
        let pool = pool(1);
        let mut group = TaskGroup::new();
        [3, 1, 2].into_iter().for_each(|n| group.spawn(Work::on(&pool).value_later(n)));
        assert_eq!(group.len(), 3);
        while pool.info().queue_len > 0 || pool.info().active > 0 {
            thread::yield_now(); // until all of them sleep
        }
        for n in 1..=3 {
            assert!(group.try_join_next().is_none());
            clock.advance(SECOND);
            assert_eq!(group.join_next().wait().expect("one is left").expect("it runs"), n);
        }
        assert!(group.is_empty() && group.join_next().wait().is_none());
    });
}

#[test]
fn dropped_group_cancels_its_calls() {
    let (pool, counter) = (pool(1), Arc::new(AtomicUsize::new(0)));
    let mut group = TaskGroup::new();
    group.spawn(Work::on(&pool).spin());
    (0..10).for_each(|_| group.spawn(Work::on(&pool).count(counter.clone())));
    drop(group);
    pool.drained().wait();
    assert_eq!(counter.load(Ordering::Relaxed), 0);
}

#[test]
fn group_cancels_the_rest_at_the_first_error_if_asked() {
    let pool = pool(2);
    let work = Work::on(&pool);
    let mut group = TaskGroup::<u32, BoxError>::default().cancel_on_error();
    group.spawn_map(work.never(), |()| 0);
    group.spawn_map(work.spin(), |()| 0);
    group.spawn(work.parse("seven".into()).flatten());
    let first = group.join_next().wait().expect("one is left").expect_err("it fails");
    assert!(first.to_string().contains("invalid digit"), "{first}");
    assert!(group.join_all().wait().into_iter().all(|outcome| outcome.is_err()));
    let mut group = TaskGroup::new();
    group.spawn(work.fail());
    assert!(group.join_next().wait().expect("one is left").is_err());
    group.spawn(work.value(7));
    assert_eq!(group.join_next().wait().expect("one is left").expect("no call asked for it"), 7);
}

#[test]
fn cancelled_group_joins_its_calls_and_takes_new_ones() {
    let pool = pool(2);
    let work = Work::on(&pool);
    let mut group = TaskGroup::new();
    group.spawn_map(work.never(), |()| 1);
    group.cancel_all();
    group.spawn(work.value(7));
    let mut outcomes = group.join_all().wait();
    outcomes.sort_by_key(Result::is_ok);
    assert!(matches!(&outcomes[..], [Err(CallError::Cancelled(_)), Ok(7)]));
    let mut group = TaskGroup::new();
    (0..5).for_each(|_| group.spawn(work.never()));
    pollster::block_on(group.shutdown());
    assert!(group.is_empty());
}

#[test]
fn detached_calls_outlive_their_group() {
    let (pool, counter) = (pool(1), Arc::new(AtomicUsize::new(0)));
    pool.pause();
    let mut group = TaskGroup::new();
    (0..10).for_each(|_| group.spawn(Work::on(&pool).count(counter.clone())));
    group.detach_all();
    assert!(group.is_empty());
    drop(group);
    pool.resume();
    pool.drained().wait();
    assert_eq!(counter.load(Ordering::Relaxed), 10);
}

#[test]
fn groups_within_tasks_of_one_pool_do_not_deadlock() {
    let pool = pool(1);
    let work = Work::on(&pool);
    for by_await in [false, true] {
        assert_eq!(work.group_within(pool.clone(), by_await).wait().expect("it goes on"), 45);
    }
    assert_eq!(work.group_within_async(pool.clone()).wait().expect("it goes on"), 45);
}

/// Runs a wait on a thread of its own, since a failing test would hang otherwise.
fn apart(f: impl FnOnce() + Send + 'static) {
    let (tell, reports) = channel();
    thread::spawn(move || {
        f();
        let _ = tell.send(());
    });
    reports.recv_timeout(20 * SECOND).expect("it comes to its end");
}

#[test]
fn scope_drives_the_locals_of_its_owner_at_its_end() {
    apart(|| {
        let (one, other, pool) = (Local::new(), Local::new(), pool(1));
        let value = scope(|scope| {
            scope.spawn(Work::on(&one).value(1)).detach();
            scope.spawn(Work::on(&pool).value(2)).detach();
            scope.spawn(Work::on(&other).value_later(0))
        });
        assert_eq!((value.is_finished(), one.info().completed, other.info().completed), (true, 1, 1));
        let sum = try_scope(|scope| {
            scope.spawn(Work::on(&other).value(1)).detach();
            scope.spawn(Work::on(&one).value_later(0)).wait()
        });
        assert_eq!(sum.map_err(|error: CallError| error.to_string()), Ok(0));
        assert_eq!((one.info().completed, other.info().completed), (2, 2));
    });
}

#[test]
fn group_drives_the_locals_of_its_owner_while_joining() {
    apart(|| {
        let (local, pool) = (Local::new(), pool(1));
        let mut group = TaskGroup::new();
        for n in 0..50 {
            group.spawn(Work::on(&pool).value(n));
            group.spawn(Work::on(&local).value(n));
        }
        assert!(matches!(group.join_next().wait(), Some(Ok(_))));
        group.spawn(Work::on(&local).value_later(0));
        group.spawn(Work::on(&local).value(7).after(MILLISECOND));
        assert_eq!(group.join_all().wait().into_iter().filter(Result::is_ok).count(), 101);
    });
}

#[test]
fn group_finds_each_of_many_calls_without_a_search() {
    let pool = pool(1);
    let joined = Work::on(&pool).group_of_many(pool.clone(), 20_000).timeout(MINUTE).wait();
    assert_eq!(joined.expect("there is time enough"), 20_000);
}

#[test]
fn group_waits_for_room_without_blocking() {
    let builder = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1);
    let pool = builder.build().expect("the settings are sound");
    pool.pause();
    let mut group = TaskGroup::new();
    let work = Work::on(&pool);
    pollster::block_on(group.spawn_async(work.value(1)));
    {
        let mut waits = std::pin::pin!(group.spawn_async(work.value(2)));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        pool.resume();
        pollster::block_on(waits);
    }
    let sum: u32 = group.join_all().wait().into_iter().map(|value| value.expect("it runs")).sum();
    assert_eq!(sum, 3);
}

#[test]
fn many_groups_and_threads_lose_no_outcome() {
    let pool = pool(2);
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..20 {
                    let mut group = TaskGroup::new();
                    (0..200).for_each(|n| group.spawn(Work::on(&pool).value(n)));
                    let mut joined = 0;
                    while let Some(value) = group.join_next().wait() {
                        value.expect("it runs");
                        joined += 1;
                    }
                    assert_eq!(joined, 200);
                }
            });
        }
    });
}

#[test]
fn scope_waits_for_a_delayed_call() {
    mocked(|clock| {
        let pool = pool(1);
        let work = Work::on(&pool);
        thread::scope(|threads| {
            let waits = threads.spawn(|| clock.run(|| scope(|scope| scope.spawn(work.value(7).after(HOUR)))));
            while !clock.advance_to_next() {
                thread::yield_now();
            }
            assert_eq!(waits.join().expect("no panic").wait().expect("it runs"), 7);
        });
    });
}
