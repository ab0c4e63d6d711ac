//! Tests of a share's limit, which bounds how many of its calls run at once. A share is an executor
//! whose calls get a weighted part of a pool.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    TaskSet,
    executor::OnFull,
    pool::{Concurrency, Share},
    port::{self, Port},
    prelude::*,
    sim,
    time::{MILLISECOND, MockClock, sleep},
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
    mpsc::{Receiver, Sender, channel},
};

/// The order in which calls did something.
type Log = Arc<Mutex<Vec<u32>>>;

pub struct Tenant;

#[define]
impl Tenant {
    /// Reports its start, and ends when the sender is dropped.
    pub fn hold(begun: Sender<u32>, gate: Receiver<()>, who: u32) {
        let _ = (begun.send(who), gate.recv());
    }

    pub fn note(log: Log, who: u32) {
        log.lock().expect("no holder panics").push(who);
    }

    /// Is pending until a message comes, and then records that it continues.
    pub async fn pend(begun: Sender<u32>, port: Port<(), ()>, log: Log, who: u32) {
        let _ = begun.send(who);
        let _ = port.recv().await;
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

    /// Blocks on a call of its own share by a foreign `block_on`.
    pub fn block_on(share: Share, log: Log) -> Result<(), CallError> {
        pollster::block_on(Self::calls(&share).note(log, 1).submit())
    }

    #[task(concurrency = 1)]
    pub fn alone(begun: Sender<u32>, gate: Receiver<()>, who: u32) {
        let _ = (begun.send(who), gate.recv());
    }
}

fn pool(slots: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(slots)).build().expect("the settings are sound")
}

/// Submits a call that holds a slot of the share until the sender is dropped. It has started.
fn hold(share: &Share, who: u32) -> (Sender<()>, Handle<Tenant, ()>) {
    let ((tell, begun), (open, gate)) = (channel(), channel());
    let job = Tenant::calls(share).hold(tell, gate, who).submit();
    assert_eq!(begun.recv(), Ok(who));
    (open, job)
}

#[test]
fn share_runs_no_more_than_its_limit_on_an_idle_pool() {
    let pool = pool(4);
    let share = pool.share("tenant").max_concurrency(2).build().unwrap();
    let holders = [1, 2].map(|who| hold(&share, who));
    let log = Log::default();
    let third = Tenant::calls(&share).note(log.clone(), 3).submit();
    Tenant::on(&pool).note(log.clone(), 10).wait().expect("the pool has slots");
    Tenant::calls(&pool.share("other").build().unwrap()).note(log.clone(), 11).wait().expect("so has another share");
    let info = share.info();
    assert_eq!((info.queue_len, info.in_progress), (1, 2));
    let [(open, first), second] = holders;
    drop(open);
    first.wait().expect("it ends");
    third.wait().expect("it has a slot");
    assert_eq!(*log.lock().expect("no holder panics"), [10, 11, 3]);
    drop(second);
}

#[test]
fn pending_call_leaves_its_slot_and_precedes_newcomers() {
    let pool = pool(4);
    let share = pool.share("tenant").max_concurrency(1).build().unwrap();
    let (log, (tell, begun), (ours, theirs)) = (Log::default(), channel(), port::pair());
    let pending = Tenant::calls(&share).pend(tell, theirs, log.clone(), 1).submit();
    assert_eq!(begun.recv(), Ok(1));
    let (open, holder) = hold(&share, 2); // in the slot of the pending call
    let newcomer = Tenant::calls(&share).note(log.clone(), 3).submit();
    ours.send(()).wait().expect("it receives");
    Tenant::on(&pool).note(log.clone(), 10).wait().expect("the pool has slots");
    assert!(!pending.is_finished() && !newcomer.is_finished());
    drop(open);
    assert!(holder.wait().is_ok() && pending.wait().is_ok() && newcomer.wait().is_ok());
    assert_eq!(*log.lock().expect("no holder panics"), [10, 1, 3]);
}

#[test]
fn task_that_waits_for_its_own_share_lends_its_slot() {
    let pool = pool(2);
    let share = pool.share("tenant").max_concurrency(1).build().unwrap();
    let tenant = Tenant::calls(&share);
    assert_eq!(tenant.down(share.clone(), 100).wait().expect("it ends").expect("so do those below"), 100);
    assert_eq!(tenant.down_async(share.clone(), 100).wait().expect("it ends").expect("so do those below"), 100);
    assert!(tenant.block_on(share.clone(), Log::default()).wait().expect("it ends").is_ok());
    // Each slot has been returned.
    let (open, holder) = hold(&share, 1);
    let next = tenant.note(Log::default(), 2).submit();
    let info = share.info();
    assert_eq!((info.queue_len, info.in_progress), (1, 1));
    drop(open);
    assert!(holder.wait().is_ok() && next.wait().is_ok());
}

#[test]
fn raised_call_waits_for_a_slot_and_is_the_next() {
    let pool = pool(4);
    let share = pool.share("tenant").max_concurrency(1).build().unwrap();
    let (open, holder) = hold(&share, 1);
    let log = Log::default();
    let jobs = [2, 3, 4].map(|who| Tenant::calls(&share).note(log.clone(), who).submit());
    jobs[2].raise(Priority::UserBlocking);
    Tenant::on(&pool).note(log.clone(), 10).priority(Priority::Idle).wait().expect("the pool has slots");
    assert_eq!(*log.lock().expect("no holder panics"), [10]);
    drop(open);
    assert!(holder.wait().is_ok() && jobs.into_iter().all(|job| job.wait().is_ok()));
    assert_eq!(*log.lock().expect("no holder panics"), [10, 4, 2, 3]);
}

#[test]
fn cancelled_calls_free_their_slots_and_places() {
    let pool = pool(4);
    let share = pool.share("tenant").max_concurrency(1).build().unwrap();
    let (tenant, log) = (Tenant::calls(&share), Log::default());
    let (open, holder) = hold(&share, 1);
    let [queued, next] = [2, 3].map(|who| tenant.note(log.clone(), who).submit());
    queued.cancel();
    assert!(matches!(queued.wait(), Err(CallError::Cancelled(_))));
    drop(open);
    assert!(holder.wait().is_ok() && next.wait().is_ok());

    // A call that waits for a slot is woken by its cancellation.
    let ((tell, begun), (_ours, theirs)) = (channel(), port::pair());
    let pending = tenant.pend(tell, theirs, log.clone(), 4).submit();
    assert_eq!(begun.recv(), Ok(4));
    let (open, holder) = hold(&share, 5);
    pending.cancel();
    assert!(matches!(pending.wait(), Err(CallError::Cancelled(_))));
    let last = tenant.note(log.clone(), 6).submit();
    drop(open);
    assert!(holder.wait().is_ok() && last.wait().is_ok());
    pool.drained().wait();
    assert_eq!((share.info().in_progress, log.lock().expect("no holder panics").clone()), (0, vec![3, 6]));
}

#[test]
fn higher_limit_lets_calls_begin_at_once() {
    let pool = pool(4);
    let share = pool.share("tenant").max_concurrency(1).build().unwrap();
    let first = hold(&share, 1);
    let (tell, begun) = channel();
    let (gates, jobs): (Vec<_>, Vec<_>) = [2, 3]
        .map(|who| {
            let (open, gate) = channel();
            (open, Tenant::calls(&share).hold(tell.clone(), gate, who).submit())
        })
        .into_iter()
        .unzip();
    assert_eq!(share.info().queue_len, 2);
    let _raised = pool.share("tenant").max_concurrency(3).build().unwrap();
    assert_eq!([begun.recv(), begun.recv()], [Ok(2), Ok(3)]);
    let share = pool.share("tenant").max_concurrency(1).build().unwrap();
    drop((first, gates));
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
    let (open, holder) = hold(&share, 4);
    let next = Tenant::calls(&share).note(Log::default(), 5).submit();
    assert_eq!(share.info().queue_len, 1);
    drop(open);
    assert!(holder.wait().is_ok() && next.wait().is_ok());
}

#[test]
fn share_limit_and_task_limit_hold_together() {
    let pool = pool(4);
    let share = pool.share("tenant").max_concurrency(2).build().unwrap();
    let (tell, begun) = channel();
    let start = |who, calls: &TenantCalls<Pool>| {
        let (open, gate) = channel();
        (open, calls.alone(tell.clone(), gate, who).submit())
    };
    let outside = start(1, &Tenant::on(&pool));
    assert_eq!(begun.recv(), Ok(1));
    // The task's limit holds this call, so it takes no slot of the share.
    let (open, gate) = channel();
    let held = Tenant::calls(&share).alone(tell.clone(), gate, 2).submit();
    let holders = [3, 4].map(|who| hold(&share, who));
    drop(outside.0);
    outside.1.wait().expect("it ends");
    // Now the share's limit holds it.
    Tenant::on(&pool).note(Log::default(), 10).wait().expect("the pool has slots");
    assert!(begun.try_recv().is_err());
    let [(first, _), second] = holders;
    drop(first);
    assert_eq!(begun.recv(), Ok(2));
    drop((open, second));
    held.wait().expect("it ends");
}

#[test]
fn full_share_runs_on_its_caller_only_within_the_limit() {
    let pool = pool(4);
    let share = pool.share("tenant").max_concurrency(1).max_queue(1).on_full(OnFull::CallerRuns).build().unwrap();
    let (tenant, log) = (Tenant::calls(&share), Log::default());
    let (open, holder) = hold(&share, 1);
    let queued = tenant.note(log.clone(), 2).submit();
    let full = tenant.note(log.clone(), 3).try_submit();
    assert!(full.is_err_and(|refused| refused.is_full()), "the only slot is taken");
    drop(open);
    assert!(holder.wait().is_ok() && queued.wait().is_ok());
    pool.drained().wait(); // a call leaves its slot shortly after its output is there
    pool.pause();
    let queued = tenant.note(log.clone(), 4).submit();
    tenant.note(log.clone(), 5).wait().expect("it runs here, in the slot");
    pool.resume();
    queued.wait().expect("it ends");
    assert_eq!(*log.lock().expect("no holder panics"), [2, 5, 4]);
}

#[test]
fn close_timeout_ends_calls_that_wait_for_slots() {
    let pool = pool(4);
    let share = pool.share("tenant").max_concurrency(1).build().unwrap();
    let (log, (tell, begun), (ours, theirs)) = (Log::default(), channel(), port::pair());
    let pending = Tenant::calls(&share).pend(tell, theirs, log.clone(), 1).submit();
    assert_eq!(begun.recv(), Ok(1));
    let (open, holder) = hold(&share, 2);
    let queued = Tenant::calls(&share).note(log.clone(), 3).submit();
    ours.send(()).wait().expect("it receives"); // now it waits for the slot
    let unfinished = pool.close_timeout(std::time::Duration::ZERO).wait().expect_err("the limit is reached");
    assert_eq!((unfinished.cancelled(), unfinished.running()), (1, 2));
    assert!(matches!(queued.wait(), Err(CallError::Cancelled(_))));
    assert!(matches!(pending.wait(), Err(CallError::Cancelled(_))));
    drop(open);
    holder.wait().expect("it was let go");
    pool.drained().wait();
}

#[test]
fn weights_count_among_shares_with_limits() {
    // The clock does not move, so each call is charged the same time.
    let log = MockClock::new().run(|| {
        let (pool, log) = (pool(1), Log::default());
        let [heavy, light] = [("heavy", 3), ("light", 1)]
            .map(|(name, weight)| pool.share(name).weight(weight).max_concurrency(1).build().unwrap());
        pool.pause();
        let jobs: Vec<_> = (0..400)
            .map(|n| Tenant::calls(if n % 2 == 0 { &heavy } else { &light }).note(log.clone(), n % 2).submit())
            .collect();
        pool.resume();
        assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
        log
    });
    let log = log.lock().expect("no holder panics");
    let heavy = log[..200].iter().filter(|who| **who == 0).count();
    assert!((148..=152).contains(&heavy), "three of four: {heavy} of 200");
}

// ----- any program

/// The number of a share's calls at work, and the limit of that number.
pub struct Limited {
    share: Share,
    limit: usize,
    at_work: AtomicUsize,
    most: AtomicUsize,
}

impl Limited {
    /// Runs `f` as work of the share. The test counts it, and may interrupt it at any time.
    fn work<R>(&self, f: impl FnOnce() -> R) -> R {
        let at_work = self.at_work.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(at_work, Ordering::SeqCst);
        assert!(at_work <= self.limit, "{at_work} are at work, and {} may be", self.limit);
        sim::yield_now();
        let result = f();
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

pub type Shares = Arc<Vec<Limited>>;

pub struct Any;

fn below(most: u64) -> u64 {
    sim::random() % most
}

/// Submits a call to a random share.
fn submit(shares: &Shares, levels: u32) -> Handle<Any, ()> {
    let at = below(shares.len() as u64) as usize;
    let calls = Any::calls(&shares[at].share);
    let (shares, priority) = (shares.clone(), Priority::ALL[below(5) as usize]);
    match below(3) {
        0 => calls.compute(shares, at).priority(priority).submit(),
        1 => calls.wait(shares, at, levels).priority(priority).submit(),
        _ => calls.pend(shares, at, levels).priority(priority).submit(),
    }
}

#[define]
impl Any {
    pub fn compute(shares: Shares, at: usize) {
        shares[at].work(|| ());
    }

    /// Waits for a call of a random share. It counts as at work only before the wait, since it
    /// continues after the wait without a slot.
    pub fn wait(shares: Shares, at: usize, levels: u32) {
        let job = shares[at].work(|| (levels > 0).then(|| submit(&shares, levels - 1)));
        if let Some(job) = job {
            drop(job.wait());
        }
    }

    /// Is sometimes pending, for a time or for a call of a random share.
    pub async fn pend(shares: Shares, at: usize, levels: u32) {
        for _ in 0..below(4) {
            let job = shares[at].work(|| (levels > 0 && below(2) == 0).then(|| submit(&shares, levels - 1)));
            match job {
                Some(job) => drop(job.await),
                None => sleep(MILLISECOND * below(3) as u32).await,
            }
        }
        shares[at].work(|| ());
    }
}

#[test]
fn random_programs_exceed_no_share_limit_and_never_hang() {
    let reached = AtomicUsize::new(0);
    sim::explore(0..150, || {
        let pool = Pool::builder().concurrency(Concurrency::Exact(1 + below(4) as usize)).build().expect("sound");
        let share = |nth: u64| {
            let limit = 1 + below(3) as usize;
            let share =
                pool.share(format!("share {nth}")).weight(1 + below(3) as u32).max_concurrency(limit).build().unwrap();
            Limited { share, limit, at_work: AtomicUsize::new(0), most: AtomicUsize::new(0) }
        };
        let shares: Shares = Arc::new((0..1 + below(3)).map(share).collect());
        let jobs: Vec<_> = (0..4 + below(12)).map(|_| submit(&shares, 3)).collect();
        for job in jobs {
            match below(8) {
                0 => job.cancel(),
                1 => job.raise(Priority::UserBlocking),
                2 => shares[0].share.set_weight(1 + below(4) as u32).unwrap(),
                _ => {}
            }
            match job.wait() {
                Ok(()) | Err(CallError::Cancelled(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        pool.drained().wait();
        for share in shares.iter() {
            assert_eq!((share.at_work.load(Ordering::SeqCst), share.share.info().in_progress), (0, 0));
            reached.fetch_add(usize::from(share.most.load(Ordering::SeqCst) == share.limit), Ordering::SeqCst);
        }
    });
    assert!(reached.load(Ordering::SeqCst) > 100, "limits are reached, so they hold");
}
