//! Tests of the cache layer: repeated outputs, shared loads, and keys that are user code.

use crate::manual_executor::{ManualExecutor, Work, WorkCalls, WorkOutput, WorkTask};
use nanolith::{
    TaskSet,
    layers::{Cache, Layer, Layered},
    prelude::*,
    time::{HOUR, MILLISECOND, MINUTE, MockClock, SECOND},
};
use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

fn cache() -> Cache<Work, u32> {
    Cache::new(
        |task| if let WorkTask::Echo { x } = task { Some(*x) } else { None },
        |output| match output {
            WorkOutput::Echo(13) => panic!("a bad copy"),
            WorkOutput::Echo(x) if *x < 100 => Some(WorkOutput::Echo(*x)),
            _ => None,
        },
    )
}

fn over<K: Hash + Eq + Send + Sync + 'static>(
    executor: &ManualExecutor,
    cache: &Cache<Work, K>,
) -> WorkCalls<Layered<Cache<Work, K>, ManualExecutor>> {
    Work::calls(cache.clone().layer(executor.clone()))
}

#[test]
fn cached_output_is_reused_until_it_expires() {
    let clock = MockClock::new();
    clock.run(|| {
        let (executor, cache) = (ManualExecutor::default(), cache().time_to_live(SECOND).capacity(2));
        let work = over(&executor, &cache);
        for round in 0..2 {
            let job = work.echo(1).submit();
            executor.succeed();
            assert_eq!(job.wait().expect("it ran"), 1, "round {round}");
            assert_eq!(work.echo(1).wait().expect("it is kept"), 1);
            clock.advance(SECOND);
        }
        let jobs = [2, 3].map(|x| work.echo(x).submit());
        executor.succeed();
        executor.succeed();
        assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
        assert_eq!(cache.len(), 2);
        cache.clear();
        assert!(cache.is_empty());
    });
}

#[test]
fn calls_with_one_key_share_one_run() {
    let (executor, cache) = (ManualExecutor::default(), cache());
    let work = over(&executor, &cache);
    let jobs = [(); 3].map(|()| work.echo(1).submit());
    let other = work.echo(2).submit();
    assert_eq!(executor.len(), 2);
    executor.succeed();
    assert!(jobs.into_iter().all(|job| job.wait().expect("one of them ran") == 1));
    executor.fail();
    assert!(other.wait().is_err());
    let jobs = [(); 3].map(|()| work.echo(3).submit());
    executor.fail();
    assert!(jobs.into_iter().all(|job| matches!(job.wait(), Err(CallError::Lost(_)))), "they share an error too");
    let job = work.echo(3).submit();
    executor.succeed();
    assert_eq!(job.wait().expect("which is not kept"), 3);
}

#[test]
fn cancelled_loader_leaves_its_run_to_the_waiters() {
    let (executor, cache) = (ManualExecutor::default(), cache());
    let work = over(&executor, &cache);
    let [first, second, third] = [(); 3].map(|()| work.echo(1).submit());
    second.cancel();
    first.cancel();
    assert_eq!(executor.len(), 1, "the third took over");
    executor.succeed();
    assert_eq!(third.wait().expect("it ran"), 1);
    let lonely = work.echo(2).submit();
    lonely.cancel();
    assert_eq!(executor.len(), 0);
    let job = work.echo(2).submit();
    executor.succeed();
    assert_eq!(job.wait().expect("nothing was left of the other"), 2);
}

pub struct Slow;

#[define]
impl Slow {
    #[task(idempotent)]
    pub async fn echo(begun: Sender<()>, x: u32) -> u32 {
        let _ = begun.send(());
        nanolith::time::sleep(HOUR).await;
        x
    }
}

#[test]
fn timed_out_loader_leaves_its_run_to_the_waiters() {
    let clock = MockClock::new();
    clock.run(|| {
        let cache = Cache::<Slow, u32>::new(
            |SlowTask::Echo { x, .. }| Some(*x),
            |SlowOutput::Echo(x)| Some(SlowOutput::Echo(*x)),
        );
        let slow = Slow::calls(cache.layer(Pool::builder().build().expect("the settings are sound")));
        let (tell, begun) = channel();
        let hurried = slow.echo(tell.clone(), 1).run_timeout(MINUTE).submit();
        begun.recv().expect("it begins");
        let patient = slow.echo(tell, 1).submit();
        clock.advance(MINUTE);
        assert!(matches!(hurried.wait(), Err(CallError::TimedOut(_))));
        while !patient.is_finished() {
            clock.advance(HOUR);
            thread::yield_now();
        }
        assert_eq!(patient.wait().expect("it has all the time in the world"), 1);
    });
}

#[test]
fn refused_loader_leaves_no_run_behind() {
    let (executor, cache) = (ManualExecutor::with_room_for(0), cache());
    let work = over(&executor, &cache);
    assert!(work.echo(1).try_submit().expect_err("there is no room").is_full());
    executor.set_room(1);
    let job = work.echo(1).submit();
    executor.succeed();
    assert_eq!(job.wait().expect("nothing was left of the other"), 1);
}

#[test]
fn call_without_key_or_copy_bypasses_the_cache() {
    let (executor, cache) = (ManualExecutor::default(), cache());
    let work = over(&executor, &cache);
    for _ in 0..2 {
        let jobs = [work.check(1).submit().detach(), work.once(1).submit().detach()];
        assert_eq!((executor.len(), jobs.len()), (2, 2));
        executor.succeed();
        executor.succeed();
    }
    for x in [100, 13] {
        let jobs = [(); 2].map(|()| work.echo(x).submit());
        assert_eq!(executor.len(), 1);
        executor.succeed();
        assert_eq!(executor.len(), 1, "the second runs for itself");
        executor.succeed();
        assert!(jobs.into_iter().all(|job| job.wait().expect("it ran") == x));
    }
    assert!(cache.is_empty());
}

#[test]
fn clear_detaches_a_running_load() {
    let (executor, cache) = (ManualExecutor::default(), cache());
    let work = over(&executor, &cache);
    let before = [(); 2].map(|()| work.echo(1).submit());
    cache.clear();
    let after = [(); 2].map(|()| work.echo(1).submit());
    assert_eq!(executor.len(), 2, "the calls after the clear share a load of their own");
    executor.succeed();
    assert!(before.into_iter().all(|job| job.wait().expect("its load ran") == 1));
    assert!(after.iter().all(|job| !job.is_finished()));
    assert!(cache.is_empty(), "the output of the first load is not kept");
    executor.succeed();
    assert!(after.into_iter().all(|job| job.wait().expect("its load ran") == 1));
    assert_eq!(cache.len(), 1);
}

#[test]
fn invalidate_removes_value_and_load_of_its_key_alone() {
    let (executor, cache) = (ManualExecutor::default(), cache());
    let work = over(&executor, &cache);
    let [kept, other] = [1, 2].map(|x| work.echo(x).submit());
    executor.succeed();
    executor.succeed();
    assert!(kept.wait().is_ok() && other.wait().is_ok());
    cache.invalidate(&1);
    assert_eq!((cache.len(), work.echo(2).wait().expect("it is kept")), (1, 2));
    let before = work.echo(1).submit();
    assert_eq!(executor.len(), 1);
    cache.invalidate(&1);
    let after = work.echo(1).submit();
    assert_eq!(executor.len(), 2);
    executor.succeed();
    assert!(before.wait().is_ok());
    assert_eq!(cache.len(), 1);
    executor.succeed();
    assert!(after.wait().is_ok());
    assert_eq!(cache.len(), 2);
}

#[test]
fn load_moved_to_a_waiter_after_a_clear_stays_detached() {
    let (executor, cache) = (ManualExecutor::default(), cache());
    let work = over(&executor, &cache);
    let [first, second] = [(); 2].map(|()| work.echo(1).submit());
    cache.clear();
    let after = work.echo(1).submit();
    first.cancel();
    assert_eq!(executor.len(), 2, "the second call runs the load of the first");
    executor.succeed(); // the load after the clear
    assert!(after.wait().is_ok());
    assert_eq!(cache.len(), 1);
    cache.clear();
    executor.succeed();
    assert!(second.wait().is_ok());
    assert!(cache.is_empty());
}

pub struct Rows;

static ROW: AtomicU64 = AtomicU64::new(0);

#[define]
impl Rows {
    #[task(idempotent)]
    pub fn read(key: u32) -> u64 {
        let _ = key;
        let row = ROW.load(Ordering::SeqCst);
        (0..20).for_each(|_| thread::yield_now()); // time for a clear
        row
    }
}

#[test]
fn call_after_a_clear_receives_no_older_value() {
    let cache = Cache::<Rows, u32>::new(
        |RowsTask::Read { key }| Some(*key),
        |RowsOutput::Read(row)| Some(RowsOutput::Read(*row)),
    );
    let rows = Rows::calls(cache.clone().layer(Pool::builder().build().expect("the settings are sound")));
    thread::scope(|scope| {
        let readers = [(); 2].map(|()| {
            scope.spawn(|| {
                while ROW.load(Ordering::SeqCst) < 500 {
                    cache.invalidate(&1); // so that a load is in progress most of the time
                    rows.read(1).wait().expect("it reads");
                }
            })
        });
        let stale = (1..=500).find(|&row| {
            ROW.store(row, Ordering::SeqCst);
            match row % 2 {
                0 => cache.clear(),
                _ => cache.invalidate(&1),
            }
            rows.read(1).wait().expect("it reads") < row
        });
        ROW.store(500, Ordering::SeqCst); // ends the readers
        assert_eq!(stale, None);
        readers.into_iter().for_each(|reader| reader.join().expect("it reads"));
    });
}

/// Blocks until the sender is dropped.
pub type Gate = Arc<Mutex<Receiver<()>>>;

fn pass(gate: &Gate) {
    let _ = gate.lock().expect("no holder panics").recv();
}

fn gate() -> (Sender<()>, Gate) {
    let (open, gate) = channel();
    (open, Arc::new(Mutex::new(gate)))
}

pub struct Lookup;

#[define]
impl Lookup {
    #[task(idempotent)]
    pub fn find(key: u32, argument: Arc<()>, begun: Sender<()>, gate: Gate) -> u32 {
        drop(argument);
        let _ = begun.send(());
        pass(&gate);
        key
    }
}

#[test]
fn cancelled_waiter_drops_its_arguments_at_once() {
    let cache = Cache::<Lookup, u32>::new(
        |LookupTask::Find { key, .. }| Some(*key),
        |LookupOutput::Find(key)| Some(LookupOutput::Find(*key)),
    );
    let lookup = Lookup::calls(cache.layer(Pool::builder().build().expect("the settings are sound")));
    let ((tell, begun), (open, gate), argument) = (channel(), gate(), Arc::new(()));
    let find = || lookup.find(1, argument.clone(), tell.clone(), gate.clone());
    let first = find().submit();
    begun.recv().expect("it begins");
    let [cancelled, late, patient] = [find().submit(), find().timeout(MILLISECOND).submit(), find().submit()];
    let count = || Arc::strong_count(&argument);
    cancelled.cancel();
    assert!(matches!(late.wait(), Err(CallError::TimedOut(_))));
    while count() > 2 {
        thread::yield_now(); // the timer's thread has left the drop to the pool
    }
    assert!(!first.is_finished(), "the load is under way");
    let patient = patient.cancel_on_drop();
    drop(patient);
    assert_eq!(count(), 1);
    drop(open);
    assert_eq!(first.wait().expect("it runs"), 1);
}

/// A key whose comparisons run code of the test.
struct Custom {
    key: u32,
    hash: u64,
    compare: Arc<dyn Fn() + Send + Sync>,
}

impl Hash for Custom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert_ne!(self.key, 66, "no hash for this key");
        state.write_u64(self.hash);
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        (self.compare)();
        self.key == other.key
    }
}

impl Eq for Custom {}

fn custom(hash: u64, compare: impl Fn() + Send + Sync + 'static) -> Cache<Work, Custom> {
    let compare: Arc<dyn Fn() + Send + Sync> = Arc::new(compare);
    Cache::new(
        move |task| match task {
            WorkTask::Echo { x } => Some(Custom { key: *x, hash, compare: compare.clone() }),
            _ => None,
        },
        |output| if let WorkOutput::Echo(x) = output { Some(WorkOutput::Echo(*x)) } else { None },
    )
}

#[test]
fn keys_with_one_hash_are_distinguished() {
    let (executor, cache) = (ManualExecutor::default(), custom(7, || ()));
    let work = over(&executor, &cache);
    let jobs = [1, 2, 3, 1, 2, 3].map(|x| work.echo(x).submit());
    assert_eq!(executor.len(), 3);
    (0..3).for_each(|_| executor.succeed());
    assert_eq!(jobs.map(|job| job.wait().expect("its load ran")), [1, 2, 3, 1, 2, 3]);
    assert_eq!((cache.len(), work.echo(2).wait().expect("it is kept")), (3, 2));
    cache.invalidate(&Custom { key: 2, hash: 7, compare: Arc::new(|| ()) });
    assert_eq!(cache.len(), 2);
}

#[test]
fn comparison_of_keys_may_use_the_cache() {
    let this = Arc::new(OnceLock::<Cache<Work, Custom>>::new());
    let other = this.clone();
    let cache = custom(7, move || other.get().into_iter().for_each(Cache::clear));
    assert!(this.set(cache.clone()).is_ok());
    let executor = ManualExecutor::default();
    let work = over(&executor, &cache);
    let jobs = [1, 1, 2].map(|x| work.echo(x).submit());
    assert_eq!(executor.len(), 3, "each comparison has cleared the cache");
    (0..3).for_each(|_| executor.succeed());
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
}

#[test]
fn blocking_comparison_delays_no_other_call() {
    let ((tell, compares), (open, gate), executor) = (channel(), gate(), ManualExecutor::default());
    let cache = custom(7, move || {
        let _ = tell.send(());
        pass(&gate);
    });
    let work = Arc::new(over(&executor, &cache));
    let first = work.echo(1).submit();
    let blocked = {
        let work = work.clone();
        thread::spawn(move || work.echo(1).submit().wait())
    };
    compares.recv().expect("it compares");
    assert_eq!(cache.len(), 0, "the lock is free");
    executor.succeed();
    assert_eq!((first.wait().expect("its load ran"), cache.len()), (1, 1));
    drop(open);
    assert_eq!(blocked.join().expect("it waits").expect("the output is kept"), 1);
}

#[test]
fn call_whose_key_panics_bypasses_the_cache() {
    let fails = Arc::new(AtomicU64::new(0));
    let (flag, executor) = (fails.clone(), ManualExecutor::default());
    let cache = custom(7, move || assert_eq!(flag.load(Ordering::SeqCst), 0, "no comparison"));
    let work = over(&executor, &cache);
    let first = work.echo(1).submit();
    fails.store(1, Ordering::SeqCst);
    let through = [1, 66].map(|x| work.echo(x).submit());
    assert_eq!(executor.len(), 3);
    fails.store(0, Ordering::SeqCst);
    let shared = work.echo(1).submit();
    assert_eq!(executor.len(), 3, "the cache is as it was");
    (0..3).for_each(|_| executor.succeed());
    assert_eq!(through.map(|job| job.wait().expect("it ran")), [1, 66]);
    assert_eq!([first, shared].map(|job| job.wait().expect("its load ran")), [1, 1]);
    assert_eq!(cache.len(), 1);
}
