//! Tests of waits within tasks: no wait deadlocks, no stack grows with them, and the number of
//! threads stays bounded.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it
#![allow(clippy::disallowed_methods)] // no destructor uses a thread-local of this test

mod common;

use common::{Any, AnyCalls, LONG, gate};
use nanolith::{CallError, Pool, Wait, pool::Concurrency, task::block_in_place};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

fn pool(concurrency: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(concurrency)).build().expect("the settings are sound")
}

fn calls(pool: &Pool) -> Arc<AnyCalls<Pool>> {
    Arc::new(Any::on(pool.clone()))
}

/// Returns how many threads of this process have a name that starts with `prefix`.
fn threads_named(prefix: &str) -> usize {
    std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| name.starts_with(prefix))
        .count()
}

fn nest(calls: &Arc<AnyCalls<Pool>>, depth: i64) -> i64 {
    if depth == 0 {
        return 0;
    }
    let inner = calls.clone();
    1 + calls.run(move || nest(&inner, depth - 1)).wait().expect("it runs")
}

#[test]
fn thousand_nested_waits_end_at_any_concurrency() {
    for concurrency in [1, 2, 4] {
        let pool = Pool::builder().name("deep").concurrency(Concurrency::Exact(concurrency)).build().expect("sound");
        assert_eq!(nest(&calls(&pool), 1_000), 1_000);
        assert!(pool.info().spare_threads <= 256);
        assert!(threads_named("deep") <= concurrency + 256);
    }
}

#[test]
fn ten_thousand_children_of_one_task_end() {
    for concurrency in [1, 3] {
        let pool = pool(concurrency);
        let (outer, inner) = (calls(&pool), calls(&pool));
        let sum = outer.run(move || {
            let children: Vec<_> = (0..10_000).map(|n| inner.run(move || n).submit()).collect();
            children.into_iter().map(|child| child.wait().expect("it runs")).sum()
        });
        assert_eq!(sum.wait().expect("it runs"), (0..10_000).sum::<i64>());
        assert!(pool.info().spare_threads <= 256);
    }
}

#[test]
fn children_awaited_in_reverse_order_end() {
    let pool = pool(1);
    let (outer, inner) = (calls(&pool), calls(&pool));
    let sum = outer.run(move || {
        let mut children: Vec<_> = (0..1_000).map(|n| inner.run(move || n).submit()).collect();
        children.reverse();
        children.into_iter().map(|child| child.wait().expect("it runs")).sum()
    });
    assert_eq!(sum.wait().expect("it runs"), 499_500);
}

#[test]
fn lock_held_across_an_unrelated_wait_does_not_deadlock() {
    let pool = pool(1);
    let calls = calls(&pool);
    let lock = Arc::new(Mutex::new(0_i64));
    let (open, opened) = gate();
    // The unrelated call runs on another pool, so the slot of the lock's holder goes to a task that
    // waits for the lock.
    let elsewhere = Arc::new(Any::on(self::pool(1)));
    let (held, holds) = mpsc::channel();
    let holder = {
        let (lock, elsewhere) = (lock.clone(), elsewhere.clone());
        calls
            .run(move || {
                let mut guard = lock.lock().expect("sound");
                held.send(()).expect("heard");
                *guard += elsewhere
                    .run(move || {
                        opened();
                        1
                    })
                    .wait()
                    .expect("it runs");
                *guard
            })
            .submit()
    };
    holds.recv_timeout(LONG).expect("it holds the lock");
    let wanting: Vec<_> = (0..20)
        .map(|_| {
            let lock = lock.clone();
            calls
                .run(move || {
                    *lock.lock().expect("sound") += 1;
                    0
                })
                .submit()
        })
        .collect();
    open.send(()).expect("it waits");
    assert_eq!(holder.wait().expect("it runs"), 1);
    wanting.into_iter().for_each(|job| assert_eq!(job.wait().expect("it runs"), 0));
    assert_eq!(*lock.lock().expect("sound"), 21);
}

#[test]
fn lock_held_across_par_iter_does_not_deadlock() {
    use rayon::prelude::*;
    for concurrency in [1, 2] {
        let pool = pool(concurrency);
        let calls = calls(&pool);
        let lock = Arc::new(Mutex::new(0_u64));
        let jobs: Vec<_> = (0..1_000)
            .map(|n| {
                let lock = lock.clone();
                calls
                    .run(move || {
                        let mut guard = lock.lock().expect("sound");
                        if n % 50 == 0 {
                            *guard += (0..10_000_u64).into_par_iter().map(|n| n % 7).sum::<u64>() & 1;
                        } else {
                            *guard += 1;
                        }
                        1
                    })
                    .submit()
            })
            .collect();
        assert_eq!(jobs.into_iter().map(|job| job.wait().expect("it runs")).sum::<i64>(), 1_000);
    }
}

#[test]
fn calls_that_par_iter_waits_for_end() {
    use rayon::prelude::*;
    for concurrency in [1, 2, 4] {
        let pool = pool(concurrency);
        let (outer, inner) = (calls(&pool), calls(&pool));
        let sum = outer
            .run(move || (0..1_000_i64).into_par_iter().map(|n| inner.run(move || n).wait().expect("it runs")).sum());
        assert_eq!(sum.wait().expect("it runs"), 499_500);
    }
}

thread_local! {
    static IN_A_PIECE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn spin_until(flag: &AtomicBool) {
    while !flag.load(Ordering::SeqCst) {
        thread::yield_now();
    }
}

#[test]
fn no_task_starts_within_a_waiting_piece_of_par_iter() {
    let pool = pool(2);
    let calls = calls(&pool);
    let (nested, released) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (is_nested, is_released) = (nested.clone(), released.clone());
    let splits = calls.run(move || {
        let (outer_stolen, inner_stolen) = (AtomicBool::new(false), AtomicBool::new(false));
        // The other thread steals a piece, and this thread steals a piece of that piece. So the
        // other thread waits within its piece.
        rayon::join(
            || spin_until(&outer_stolen),
            || {
                outer_stolen.store(true, Ordering::SeqCst);
                IN_A_PIECE.set(true);
                rayon::join(
                    || spin_until(&inner_stolen),
                    || {
                        inner_stolen.store(true, Ordering::SeqCst);
                        is_nested.store(true, Ordering::SeqCst);
                        spin_until(&is_released);
                    },
                );
                IN_A_PIECE.set(false);
            },
        );
        0
    });
    let splits = splits.submit();
    spin_until(&nested);
    // rayon gives the start of a second worker to the thread that waits within its piece.
    for _ in 0..10 {
        assert_eq!(calls.run(|| i64::from(IN_A_PIECE.get())).wait().expect("it runs"), 0);
    }
    released.store(true, Ordering::SeqCst);
    assert_eq!(splits.wait().expect("it runs"), 0);
}

#[test]
fn waiting_helper_frees_a_slot() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("sound");
    pool.set_concurrency(Concurrency::Exact(1)).expect("sound");
    let (outer, inner) = (calls(&pool), calls(&pool));
    // The task itself waits in rayon, which the pool does not see. Its piece waits in a handle, on
    // a thread that holds no slot.
    let waits = outer.run(move || {
        let stolen = AtomicBool::new(false);
        let piece = || {
            stolen.store(true, Ordering::SeqCst);
            let pause = nanolith::time::sleep(std::time::Duration::from_millis(1));
            let later = inner.later(async move {
                pause.await;
                7
            });
            later.wait().expect("it runs")
        };
        rayon::join(|| spin_until(&stolen), piece).1
    });
    assert_eq!(waits.submit().wait_timeout(LONG).expect("it ends").expect("it runs"), 7);
}

#[test]
fn tasks_without_waits_need_no_spare_thread() {
    let pool = pool(4);
    let calls = calls(&pool);
    for _ in 0..50 {
        let jobs: Vec<_> = (0..200).map(|n| calls.run(move || n).submit()).collect();
        jobs.into_iter().for_each(|job| assert!(job.wait().is_ok(), "it runs"));
        pool.drained().wait();
    }
    assert_eq!(pool.info().spare_threads, 0);
}

#[test]
fn waiting_pieces_of_par_iter_end() {
    use rayon::prelude::*;
    let pool = pool(1);
    pool.set_concurrency(Concurrency::Exact(4)).expect("sound");
    pool.set_concurrency(Concurrency::Exact(1)).expect("sound");
    // Four rayon threads run the pieces, and there is only one permit.
    let (outer, inner) = (calls(&pool), calls(&pool));
    let sum = outer.run(move || {
        (0..40_i64)
            .into_par_iter()
            .map(|n| {
                let pause = nanolith::time::sleep(std::time::Duration::from_micros(100));
                let later = inner.later(async move {
                    pause.await;
                    n
                });
                nest(&inner, 100) - 100 + later.wait().expect("it runs")
            })
            .sum()
    });
    assert_eq!(sum.submit().wait_timeout(LONG).expect("it ends").expect("it runs"), 780);
}

#[test]
fn join_all_within_a_synchronous_task_ends() {
    let pool = pool(1);
    let (outer, inner) = (calls(&pool), calls(&pool));
    let sum = outer.run(move || {
        // The pending calls come first: a later one that is ready must not take the slot back from
        // them.
        let pause = || nanolith::time::sleep(std::time::Duration::from_millis(1));
        let later = (0..10).map(|n| {
            let pause = pause();
            inner.later(async move {
                pause.await;
                n
            })
        });
        let now = (0..10).map(|n| inner.run(move || n));
        let all = futures_util::future::join_all(later.chain(now));
        pollster::block_on(all).into_iter().map(|outcome| outcome.expect("it runs")).sum()
    });
    assert_eq!(sum.submit().wait_timeout(LONG).expect("it ends").expect("it runs"), 90);
}

#[test]
fn par_iter_on_a_spare_thread_needs_no_other_thread() {
    use rayon::prelude::*;
    let pool = pool(1);
    let (outer, inner, elsewhere) = (calls(&pool), calls(&pool), calls(&self::pool(1)));
    let (open, opened) = gate();
    // The only rayon thread waits, so the next task runs on a spare thread, and so does each call
    // of its pieces.
    let waits = outer.run(move || {
        let unrelated = elsewhere.run(move || {
            opened();
            1
        });
        unrelated.wait().expect("it runs")
    });
    let waits = waits.submit();
    let sum = outer.run(move || {
        (0..100_i64).into_par_iter().map(|n| inner.later(async move { n }).wait().expect("it runs")).sum()
    });
    assert_eq!(sum.submit().wait_timeout(LONG).expect("it ends").expect("it runs"), 4_950);
    open.send(()).expect("it waits");
    assert_eq!(waits.wait().expect("it runs"), 1);
}

#[test]
fn foreign_block_on_within_a_task_lends_its_slot() {
    let pool = pool(1);
    let (outer, inner) = (calls(&pool), calls(&pool));
    let sum = outer.run(move || {
        // Queued children, and one whose future is pending. A foreign `block_on` drives them.
        let children: Vec<_> = (0..100).map(|n| inner.run(move || n).submit()).collect();
        let later = inner
            .later(async {
                nanolith::time::sleep(std::time::Duration::from_millis(5)).await;
                50
            })
            .submit();
        let later = pollster::block_on(later).expect("it runs");
        children.into_iter().map(|child| pollster::block_on(child).expect("it runs")).sum::<i64>() + later
    });
    assert_eq!(sum.wait().expect("it runs"), 5_000);
}

#[test]
fn waiting_task_lends_its_slot() {
    let pool = pool(1);
    let (calls, elsewhere) = (calls(&pool), calls(&self::pool(1)));
    let (open, opened) = gate();
    let waiting = calls
        .run(move || {
            elsewhere
                .run(move || {
                    opened();
                    1
                })
                .wait()
                .expect("it runs")
        })
        .submit();
    // It runs while the first call waits.
    assert_eq!(calls.run(|| 2).wait().expect("it runs"), 2);
    open.send(()).expect("it waits");
    assert_eq!(waiting.wait().expect("it runs"), 1);
}

#[test]
fn block_in_place_lends_the_slot() {
    let pool = pool(1);
    let calls = calls(&pool);
    let (open, opened) = gate();
    let waiting = calls
        .run(move || {
            block_in_place(|| {
                opened();
                1
            })
        })
        .submit();
    assert_eq!(calls.run(|| 2).wait().expect("it runs"), 2);
    open.send(()).expect("it waits");
    assert_eq!(waiting.wait().expect("it runs"), 1);
}

#[test]
fn wait_beyond_the_thread_cap_fails_with_would_deadlock() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_spare_threads(0).build().expect("sound");
    let (outer, inner) = (calls(&pool), calls(&pool));
    let job = outer.run(move || {
        // The call's future would need the only thread to continue.
        let never = inner.later(std::future::pending()).submit();
        inner.run(|| 0).wait().expect("a queued child is run right here");
        // The pending call can never end, whether or not the child's round has started it.
        i64::from(matches!(never.wait(), Err(CallError::WouldDeadlock(_))))
    });
    assert_eq!(job.wait().expect("it runs"), 1);
}

#[test]
fn waits_too_deep_for_the_thread_cap_fail() {
    fn chain(calls: &Arc<AnyCalls<Pool>>, depth: i64, deadlocks: &Arc<AtomicUsize>) -> i64 {
        if depth == 0 {
            return 0;
        }
        let (inner, seen) = (calls.clone(), deadlocks.clone());
        match calls.run(move || chain(&inner, depth - 1, &seen)).wait() {
            Ok(reached) => reached + 1,
            Err(CallError::WouldDeadlock(_)) => {
                deadlocks.fetch_add(1, Ordering::Relaxed);
                0
            }
            Err(other) => panic!("not {other}"),
        }
    }
    for spares in [0, 2] {
        let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_spare_threads(spares).build().expect("sound");
        let deadlocks = Arc::new(AtomicUsize::new(0));
        let reached = chain(&calls(&pool), 2_000, &deadlocks);
        assert!((60..2_000).contains(&reached), "{reached}");
        assert_eq!(deadlocks.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn many_waits_for_one_gate_stay_within_the_thread_cap() {
    let pool =
        Pool::builder().name("capped").concurrency(Concurrency::Exact(2)).max_spare_threads(8).build().expect("sound");
    let calls = calls(&pool);
    let elsewhere = calls_elsewhere();
    let (open, opened) = gate();
    let slow = Arc::new(Mutex::new(Some(
        elsewhere
            .run(move || {
                opened();
                1
            })
            .submit(),
    )));
    let most = Arc::new(AtomicUsize::new(0));
    let jobs: Vec<_> = (0..100)
        .map(|_| {
            let (slow, most, elsewhere) = (slow.clone(), most.clone(), elsewhere.clone());
            calls
                .run(move || {
                    most.fetch_max(threads_named("capped"), Ordering::Relaxed);
                    let first = slow.lock().expect("sound").take();
                    match first {
                        Some(job) => job.wait().expect("it runs"),
                        None => elsewhere.run(|| 1).wait().expect("it runs"),
                    }
                })
                .submit()
        })
        .collect();
    open.send(()).expect("it waits");
    assert_eq!(jobs.into_iter().map(|job| job.wait().expect("it runs")).sum::<i64>(), 100);
    assert!(most.load(Ordering::Relaxed) <= 10, "{} threads", most.load(Ordering::Relaxed));
}

fn calls_elsewhere() -> Arc<AnyCalls<Pool>> {
    calls(&pool(1))
}

#[test]
fn waits_between_two_pools_end() {
    let (left, right) = (calls(&pool(1)), calls(&pool(1)));
    fn ping(left: &Arc<AnyCalls<Pool>>, right: &Arc<AnyCalls<Pool>>, depth: i64) -> i64 {
        if depth == 0 {
            return 0;
        }
        let (there, back) = (right.clone(), left.clone());
        1 + left.run(move || ping(&there, &back, depth - 1)).wait().expect("it runs")
    }
    assert_eq!(ping(&left, &right, 200), 200);
}

#[test]
fn paused_pool_runs_calls_that_a_running_task_waits_for() {
    let pool = pool(1);
    let (calls, inner, asynchronous) = (calls(&pool), calls(&pool), calls(&pool));
    let pausing = pool.clone();
    let job = calls.run(move || {
        pausing.pause();
        let later = inner.clone();
        inner.run(move || later.later(async { 1 }).wait().expect("it runs")).wait().expect("it runs")
    });
    assert_eq!(job.wait().expect("it runs"), 1);
    pool.resume();
    let pausing = pool.clone();
    let child = asynchronous.clone();
    let job = asynchronous.later(async move {
        pausing.pause();
        child.run(|| 2).await.expect("it runs")
    });
    let job = job.submit();
    assert_eq!(job.wait_timeout(LONG).expect("it ends").expect("it runs"), 2);
    pool.resume();
}

#[test]
fn task_that_ends_after_a_pending_poll_returns_its_slot() {
    let pool = pool(1);
    let (calls, elsewhere) = (calls(&pool), calls(&self::pool(1)));
    let (open, opened) = gate();
    let job = calls.run(move || {
        let mut other = elsewhere
            .run(move || {
                opened();
                1
            })
            .submit();
        let polled = std::pin::Pin::new(&mut other).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        i64::from(polled.is_pending())
    });
    assert_eq!(job.wait().expect("it runs"), 1);
    let _ = open.send(());
    pool.drained().wait();
    // If the slot were still lent, or returned twice, the pool would run two tasks at once, or
    // none.
    let running = Arc::new(AtomicUsize::new(0));
    let jobs: Vec<_> = (0..50)
        .map(|_| {
            let running = running.clone();
            calls
                .run(move || {
                    let together = running.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    together as i64
                })
                .submit()
        })
        .collect();
    assert_eq!(jobs.into_iter().map(|job| job.wait().expect("it runs")).max(), Some(0));
}

#[test]
fn error_names_the_parents_of_its_call() {
    let pool = pool(1);
    let (outer, inner) = (calls(&pool), calls(&pool));
    let (send, receive) = mpsc::channel();
    let job = outer.run(move || {
        send.send(inner.run(|| panic!("deep")).wait().expect_err("it panics")).expect("heard");
        0
    });
    job.wait().expect("it runs");
    let error = receive.recv().expect("it was sent");
    let parents: Vec<_> = error.trace().parents().iter().map(|parent| parent.task().name()).collect();
    assert_eq!(parents, ["run"]);
    assert!(error.to_string().contains("within `Any::run` from"), "{error}");
}
