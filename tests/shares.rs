//! Tests of a pool's shares, which are executors whose calls get run time by weight: weights, use
//! of idle capacity, and a bound for each share.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Executor, TaskSet,
    executor::{MaxQueue, OnFull},
    pool::{Concurrency, Share},
    prelude::*,
    task::TaskInfo,
    time::MILLISECOND,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

/// The order in which calls ran.
type Log = Arc<Mutex<Vec<u32>>>;

/// An output that queries its pool when it is dropped.
pub struct Curious(Pool);

impl Drop for Curious {
    fn drop(&mut self) {
        let _ = self.0.info().queue_len;
    }
}

pub struct Tenant;

#[define]
impl Tenant {
    /// Reports its start, and returns when it receives a message.
    pub fn hold(begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv_timeout(LONG);
    }

    pub fn note(log: Log, who: u32) {
        log.lock().expect("no holder panics").push(who);
    }

    /// Takes about a millisecond, on a busy machine too.
    pub fn nap(log: Log, who: u32) {
        thread::sleep(MILLISECOND);
        log.lock().expect("no holder panics").push(who);
    }

    pub async fn note_async(log: Log, who: u32) {
        nanolith::time::sleep(MILLISECOND).await;
        log.lock().expect("no holder panics").push(who);
    }

    /// Waits for calls of its own share.
    pub fn down(share: Share, levels: u32) -> Result<u32, CallError> {
        if levels == 0 {
            return Ok(0);
        }
        Self::calls(&share).down(share.clone(), levels - 1).wait()?.map(|below| below + 1)
    }

    pub async fn down_async(share: Share, levels: u32) -> Result<u32, CallError> {
        if levels == 0 {
            return Ok(0);
        }
        Self::calls(&share).down_async(share.clone(), levels - 1).await?.map(|below| below + 1)
    }

    #[task(concurrency = 1)]
    pub fn alone(now: Arc<AtomicUsize>) -> usize {
        let others = now.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        now.fetch_sub(1, Ordering::SeqCst);
        others
    }

    pub fn curious(pool: Pool) -> Curious {
        Curious(pool)
    }

    pub fn whereabouts() -> thread::ThreadId {
        thread::current().id()
    }
}

fn pool(threads: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(threads)).build().expect("sound")
}

fn calls(share: &Share) -> TenantCalls<Share> {
    Tenant::calls(share.clone())
}

/// Submits a call that runs until the test lets it end.
fn hold(tenant: &TenantCalls<Share>) -> (Sender<()>, Handle<Tenant, ()>) {
    let (begun, reports) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let job = tenant.hold(begun, may_go).submit();
    reports.recv_timeout(LONG).expect("it begins");
    (go, job)
}

fn noted(log: &Log) -> Vec<u32> {
    log.lock().expect("no holder panics").clone()
}

// ----- order

#[test]
fn weights_of_three_to_one_share_the_run_time_three_to_one() {
    for threads in [1, 2] {
        let pool = pool(threads);
        let (three, one) = (pool.share("three").weight(3).build().unwrap(), pool.share("one").build().unwrap());
        let log = Log::default();
        pool.pause();
        // The number of calls is such that neither share runs out while the test measures.
        let jobs: Vec<_> = [(&three, 3), (&one, 1)]
            .into_iter()
            .flat_map(|(share, who)| (0..300).map(|_| calls(share).nap(log.clone(), who).submit()).collect::<Vec<_>>())
            .collect();
        pool.resume();
        jobs.into_iter().for_each(|job| job.wait().expect("it runs"));
        let first = noted(&log).into_iter().take(320).filter(|who| *who == 3).count();
        assert!((216..=264).contains(&first), "{first} of 320 on {threads} threads");
        assert!(three.info().run_time >= 300 * MILLISECOND && one.info().run_time >= 300 * MILLISECOND);
    }
}

#[test]
fn single_call_of_a_tenant_precedes_a_flood() {
    let pool = pool(1);
    let (flood, quiet) = (pool.share("flood").build().unwrap(), pool.share("quiet").build().unwrap());
    let (go, job) = hold(&calls(&flood));
    let log = Log::default();
    let flooded: Vec<_> = (0..10_000).map(|_| calls(&flood).note(log.clone(), 0).submit()).collect();
    let one = calls(&quiet).note(log.clone(), 1).submit();
    let info = flood.info();
    assert_eq!((info.queue_len, quiet.info().queue_len, info.in_progress), (10_000, 1, 1));
    drop(go);
    one.wait().expect("it runs");
    job.wait().expect("it runs");
    flooded.into_iter().for_each(|job| job.wait().expect("it runs"));
    assert_eq!(noted(&log)[0], 1);
}

#[test]
fn calls_within_a_share_run_first_in_first_out() {
    let pool = pool(1);
    let tenant = calls(&pool.share("tenant").build().unwrap());
    let log = Log::default();
    pool.pause();
    let jobs: Vec<_> = (0..1_000).map(|n| tenant.note(log.clone(), n).submit()).collect();
    pool.resume();
    jobs.into_iter().for_each(|job| job.wait().expect("it runs"));
    assert_eq!(noted(&log), (0..1_000).collect::<Vec<_>>());
}

#[test]
fn more_urgent_call_of_any_share_runs_first() {
    let pool = pool(1);
    let (much, little) =
        (calls(&pool.share("much").weight(100).build().unwrap()), calls(&pool.share("little").build().unwrap()));
    let log = Log::default();
    pool.pause();
    let mut jobs: Vec<_> = (0..10).map(|_| much.note(log.clone(), 0).submit()).collect();
    jobs.push(little.note(log.clone(), 2).priority(Priority::UserBlocking).submit());
    jobs.push(little.note(log.clone(), 1).priority(Priority::Immediate).submit());
    assert_eq!(pool.next_task().map(TaskInfo::name), Some("note"));
    pool.resume();
    jobs.into_iter().for_each(|job| job.wait().expect("it runs"));
    assert_eq!(noted(&log)[..2], [1, 2]);
}

#[test]
fn share_calls_keep_their_position_among_pool_calls() {
    let pool = pool(1);
    let (own, tenant) = (Tenant::on(&pool), calls(&pool.share("tenant").build().unwrap()));
    let log = Log::default();
    pool.pause();
    let jobs: Vec<_> = (0..100)
        .map(|n| match n % 2 {
            0 => own.note(log.clone(), n).submit(),
            _ => tenant.note(log.clone(), n).submit(),
        })
        .collect();
    pool.resume();
    jobs.into_iter().for_each(|job| job.wait().expect("it runs"));
    assert_eq!(noted(&log), (0..100).collect::<Vec<_>>());
}

#[test]
fn threads_are_busy_while_one_share_has_calls() {
    let pool = pool(3);
    let (alone, _other) =
        (calls(&pool.share("alone").build().unwrap()), pool.share("other").weight(1_000).build().unwrap());
    let held: Vec<_> = (0..3).map(|_| hold(&alone)).collect();
    assert!(pool.info().is_saturated);
    for (go, job) in held {
        drop(go);
        job.wait().expect("it runs");
    }
}

#[test]
fn async_calls_of_a_share_end_and_are_counted() {
    let pool = pool(2);
    let tenant = pool.share("tenant").weight(2).build().unwrap();
    let log = Log::default();
    let jobs: Vec<_> = (0..100).map(|n| calls(&tenant).note_async(log.clone(), n).submit()).collect();
    jobs.into_iter().for_each(|job| job.wait().expect("it runs"));
    pool.drained().wait();
    let info = tenant.info();
    assert_eq!((info.completed, info.in_progress, info.queue_len), (100, 0, 0));
    assert!(tenant.info().run_time > Duration::ZERO);
}

// ----- bounds

#[test]
fn flood_of_one_share_is_refused_alone() {
    let pool = pool(1);
    let greedy = pool.share("greedy").max_queue(10).on_full(OnFull::Reject).build().unwrap();
    let modest = pool.share("modest").build().unwrap();
    pool.pause();
    let log = Log::default();
    let jobs: Vec<_> = (0..100).map(|_| calls(&greedy).note(log.clone(), 0).submit()).collect();
    let fits = calls(&modest).note(log.clone(), 1).submit();
    let own = Tenant::on(&pool).note(log.clone(), 2).submit();
    assert_eq!((greedy.info().queue_len, modest.info().queue_len), (10, 1));
    let info = pool.info();
    assert_eq!((info.queue_len, info.overflow), (1, 11));
    pool.resume();
    let refused = jobs.into_iter().filter_map(|job| job.wait().err()).collect::<Vec<_>>();
    assert_eq!(refused.len(), 90);
    assert!(refused.iter().all(|error| matches!(error, CallError::Full(_))));
    assert!(fits.wait().is_ok() && own.wait().is_ok());
}

#[test]
fn flood_of_one_share_waits_alone_in_order() {
    let pool = pool(1);
    let greedy = pool.share("greedy").max_queue(1).build().unwrap();
    let (go, job) = hold(&calls(&greedy));
    let log = Log::default();
    let (queued, waits) = (calls(&greedy).note(log.clone(), 0).submit(), calls(&greedy));
    let mut entering: Vec<_> = (1..4).map(|n| Box::pin(waits.note(log.clone(), n))).collect();
    for call in &mut entering {
        assert!(futures_util::FutureExt::now_or_never(call.as_mut()).is_none(), "there is no room");
    }
    assert_eq!(greedy.info().queue_len, 1);
    assert!(calls(&pool.share("modest").build().unwrap()).note(log.clone(), 9).try_submit().is_ok());
    drop(go);
    let ended = pollster::block_on(futures_util::future::join_all(entering));
    assert!(ended.into_iter().all(|end| end.is_ok()) && queued.wait().is_ok() && job.wait().is_ok());
    assert_eq!(noted(&log).into_iter().filter(|n| *n < 9).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn full_share_drops_or_runs_its_own_calls() {
    let pool = pool(1);
    pool.pause();
    let tenant = pool.share("tenant").max_queue(2).on_full(OnFull::DropOldest).build().unwrap();
    let log = Log::default();
    let jobs: Vec<_> = (0..4).map(|n| calls(&tenant).note(log.clone(), n).submit()).collect();
    assert_eq!(tenant.info().queue_len, 2);
    let tenant = pool.share("tenant").on_full(OnFull::DropNewest).build().unwrap();
    assert!(matches!(calls(&tenant).note(log.clone(), 8).wait(), Err(CallError::Dropped(_))));
    let tenant = pool.share("tenant").on_full(OnFull::CallerRuns).build().unwrap();
    assert_eq!(calls(&tenant).whereabouts().wait().expect("the caller runs it"), thread::current().id());
    pool.resume();
    let ends: Vec<_> = jobs.into_iter().map(Handle::wait).collect();
    assert!(ends[..2].iter().all(|end| matches!(end, Err(CallError::Dropped(_)))));
    assert!(ends[2..].iter().all(Result::is_ok));
    pool.drained().wait();
    let info = tenant.info();
    assert_eq!((noted(&log), info.queue_len, info.in_progress, pool.info().in_flight), (vec![2, 3], 0, 0, 0));
}

#[test]
fn full_pool_drops_its_own_calls_and_none_of_a_share() {
    let full = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1);
    let pool = full.on_full(OnFull::DropOldest).build().expect("sound");
    pool.pause();
    let tenant = pool.share("tenant").build().unwrap();
    let log = Log::default();
    let raised = calls(&tenant).note(log.clone(), 0).priority(Priority::Idle).submit();
    raised.raise(Priority::Low);
    let jobs = [1, 2].map(|n| Tenant::on(&pool).note(log.clone(), n).submit());
    let info = pool.info();
    assert_eq!((tenant.info().queue_len, info.queue_len, info.overflow), (1, 1, 1));
    pool.resume();
    assert!(raised.wait().is_ok());
    assert_eq!(jobs.map(|job| job.wait().is_ok()), [false, true]);
    assert_eq!(pool.close_timeout(LONG).wait(), Ok(()));
    let info = tenant.info();
    assert_eq!((noted(&log), info.queue_len, info.in_progress), (vec![2, 0], 0, 0));
}

#[test]
fn dropped_output_may_look_at_its_pool() {
    let pool = pool(1);
    pool.pause();
    let tenant = calls(&pool.share("tenant").build().unwrap());
    let raised = tenant.curious(pool.clone()).priority(Priority::Low).submit();
    raised.raise(Priority::UserBlocking);
    raised.detach();
    let last = tenant.note(Log::default(), 1).priority(Priority::Low).submit();
    pool.resume();
    assert!(matches!(last.wait_timeout(LONG), Ok(Ok(()))));
}

#[test]
fn share_bound_follows_the_concurrency() {
    let pool = pool(2);
    pool.pause();
    let tenant = pool.share("tenant").max_queue(MaxQueue::Auto).on_full(OnFull::Reject).build().unwrap();
    let log = Log::default();
    let submit = || calls(&tenant).note(log.clone(), 0).submit();
    let jobs: Vec<_> = (0..10).map(|_| submit()).collect();
    assert_eq!(tenant.info().queue_len, 4);
    pool.set_concurrency(Concurrency::Exact(3)).expect("sound");
    let more: Vec<_> = (0..10).map(|_| submit()).collect();
    assert_eq!(tenant.info().queue_len, 9);
    pool.resume();
    assert_eq!(jobs.into_iter().chain(more).map(Handle::wait).filter(Result::is_ok).count(), 9);
}

// ----- ends

#[test]
fn share_call_ended_before_its_start_frees_its_place() {
    let pool = pool(1);
    pool.pause();
    let tenant = pool.share("tenant").max_queue(2).on_full(OnFull::Reject).build().unwrap();
    let log = Log::default();
    let first = calls(&tenant).note(log.clone(), 0).submit();
    let late = calls(&tenant).note(log.clone(), 1).timeout(MILLISECOND).submit();
    assert!(matches!(late.wait(), Err(CallError::TimedOut(_))));
    first.cancel();
    let info = pool.info();
    assert_eq!((tenant.info().queue_len, info.overflow, info.in_flight), (0, 0, 0));
    let jobs: Vec<_> = (2..5).map(|n| calls(&tenant).note(log.clone(), n).submit()).collect();
    pool.resume();
    assert_eq!(jobs.into_iter().map(Handle::wait).filter(Result::is_ok).count(), 2);
    assert_eq!(noted(&log), [2, 3]);
}

#[test]
fn hundred_thousand_cancelled_calls_leave_no_entry() {
    let pool = pool(1);
    pool.pause();
    let tenant = calls(&pool.share("tenant").build().unwrap());
    let log = Log::default();
    for n in 0..100_000 {
        drop(tenant.note(log.clone(), n).submit().cancel_on_drop());
    }
    let last = tenant.note(log.clone(), 7).submit();
    assert_eq!(pool.info().in_flight, 1);
    pool.resume();
    last.wait().expect("it runs");
    assert_eq!(noted(&log), [7]);
}

#[test]
fn task_may_wait_for_calls_of_its_own_share() {
    for threads in [1, 3] {
        let pool = pool(threads);
        let share = pool.share("tenant").max_queue(1).build().unwrap();
        assert_eq!(calls(&share).down(share.clone(), 200).wait().expect("it runs").expect("each runs"), 200);
        assert_eq!(calls(&share).down_async(share.clone(), 20).wait().expect("it runs").expect("each runs"), 20);
        pool.drained().wait();
        let info = share.info();
        assert_eq!((info.completed, info.in_progress, info.queue_len, pool.info().in_flight), (222, 0, 0, 0));
    }
}

#[test]
fn close_finishes_share_calls_and_takes_no_more() {
    let pool = pool(1);
    let tenant = pool.share("tenant").max_queue(5).build().unwrap();
    pool.pause();
    let log = Log::default();
    let jobs: Vec<_> = (0..5).map(|n| calls(&tenant).note(log.clone(), n).submit()).collect();
    let in_line = calls(&tenant);
    let mut in_line = Box::pin(in_line.note(log.clone(), 9));
    assert!(futures_util::FutureExt::now_or_never(in_line.as_mut()).is_none());
    pool.close();
    assert!(matches!(pollster::block_on(in_line), Err(CallError::Closed(_))));
    assert!(matches!(calls(&tenant).note(log.clone(), 9).wait(), Err(CallError::Closed(_))));
    jobs.into_iter().for_each(|job| job.wait().expect("it was accepted"));
    assert_eq!(noted(&log), [0, 1, 2, 3, 4]);
}

#[test]
fn shutdown_ends_queued_share_calls() {
    let pool = pool(1);
    let tenant = pool.share("tenant").build().unwrap();
    let (go, job) = hold(&calls(&tenant));
    let log = Log::default();
    let jobs: Vec<_> = (0..5).map(|n| calls(&tenant).note(log.clone(), n).submit()).collect();
    assert_eq!(pool.terminate(), 5);
    assert!(jobs.into_iter().all(|job| matches!(job.wait(), Err(CallError::Cancelled(_)))));
    drop(go);
    job.wait().expect("it finishes");
    pool.drained().wait();
    let info = tenant.info();
    assert_eq!((info.queue_len, info.in_progress, pool.info().in_flight), (0, 0, 0));
}

#[test]
fn share_calls_finish_without_handles_of_share_and_pool() {
    let pool = pool(1);
    pool.pause();
    let log = Log::default();
    let jobs: Vec<_> = {
        let tenant = calls(&pool.share("tenant").build().unwrap());
        (0..5).map(|n| tenant.note(log.clone(), n).submit()).collect()
    };
    drop(pool);
    jobs.into_iter().for_each(|job| job.wait().expect("it was accepted"));
    assert_eq!(noted(&log), [0, 1, 2, 3, 4]);
}

#[test]
fn name_refers_to_one_share_while_it_is_held() {
    let pool = pool(1);
    let first = pool.share("tenant").build().unwrap();
    calls(&first).note(Log::default(), 0).wait().expect("it runs");
    pool.drained().wait();
    let again = pool.share("tenant").build().unwrap();
    assert_eq!((again.info().completed, again.weight(), &*again.name()), (1, 1, "tenant"));
    again.set_weight(7).unwrap();
    assert_eq!(first.weight(), 7);
    drop((first, again));
    assert_eq!(pool.share("tenant").build().unwrap().info().completed, 0);
}

// ----- with other features

pub struct Counter(AtomicI64);

#[define(shared)]
impl Counter {
    pub fn bump(&self, by: i64) -> i64 {
        self.0.fetch_add(by, Ordering::Relaxed) + by
    }
}

#[test]
fn share_takes_a_shared_state_and_is_a_dyn_executor() {
    let pool = pool(2);
    let state = Arc::new(Counter(10.into()));
    let counter = Counter::shared(state).on(&pool.share("tenant").build().unwrap());
    assert_eq!(counter.bump(5).wait().expect("it runs"), 15);
    let any: Arc<dyn Executor<Tenant>> = Arc::new(pool.share("other").build().unwrap());
    assert_ne!(Tenant::calls(any).whereabouts().wait().expect("it runs"), thread::current().id());
}

#[test]
fn task_limit_holds_over_all_shares() {
    let pool = pool(4);
    let now = Arc::new(AtomicUsize::new(0));
    let shares: Vec<_> =
        (1..4).map(|weight| calls(&pool.share(format!("tenant {weight}")).weight(weight).build().unwrap())).collect();
    let jobs: Vec<_> = (0..500)
        .flat_map(|_| shares.iter().map(|tenant| tenant.alone(now.clone()).submit()).collect::<Vec<_>>())
        .chain((0..500).map(|_| Tenant::on(&pool).alone(now.clone()).submit()))
        .collect();
    assert!(jobs.into_iter().all(|job| job.wait().expect("it runs") == 0), "each alone");
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.completed, info.in_flight, info.overflow), (2_000, 0, 0));
}

#[test]
fn every_call_of_many_shares_ends_in_random_programs() {
    let pool = pool(2);
    let log = Log::default();
    let threads: Vec<_> = (0..4_u32)
        .map(|thread| {
            let (pool, log) = (pool.clone(), log.clone());
            thread::spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread.into());
                for _ in 0..300 {
                    let share = pool
                        .share(format!("tenant {}", random.u8(..6)))
                        .weight(random.u32(1..5))
                        .max_queue(random.usize(1..50))
                        .build()
                        .unwrap();
                    let tenant = calls(&share);
                    let priority = Priority::ALL[random.usize(..5)];
                    let jobs: Vec<_> = (0..random.usize(..20))
                        .map(|_| match random.u8(..4) {
                            0 => tenant.note_async(log.clone(), 0).priority(priority).submit(),
                            _ => tenant.note(log.clone(), 0).priority(priority).submit(),
                        })
                        .collect();
                    match random.u8(..8) {
                        0 => pool.set_concurrency(Concurrency::Exact(random.usize(1..4))).expect("sound"),
                        1 => {
                            pool.pause();
                            pool.resume();
                        }
                        _ => share.set_weight(random.u32(1..9)).unwrap(),
                    }
                    for job in jobs {
                        if random.bool() { job.cancel() } else { job.wait().expect("it runs") }
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("every call ends"));
    pool.drained().wait();
    let info = pool.info();
    assert_eq!((info.queue_len, info.overflow, info.in_flight), (0, 0, 0));
}
