//! Cases T3 and T3-1us: the throughput of nested tasks. A task submits a thousand children to its
//! own pool and waits for all of them. Its tasks may run on the thread that waits for them.

use crate::{
    case::{Case, Contender, Unit},
    goals::{Bound, Goal},
    measure::{Lap, Meter, Sample},
    peers::{cores, nanolith_tasks::Numbers, pools::rayon_pool, pools::rusty_pool, runtime},
    work::{Body, Micros, Tiny, caught, check_value, turns_a_microsecond},
};
use futures_util::future::join_all;
use nanolith::{pool::Concurrency, prelude::*};
use std::{future::Future, sync::mpsc};

/// The children of each parent.
const CHILDREN: u64 = 1_000;

/// The parents before the measured section, and the least number in it.
const WARM_UP: u64 = 10;
const PARENTS: u64 = 100;

/// The least number of parents whose children take about a microsecond.
const LONG_PARENTS: u64 = 20;

pub(crate) const T3: Case = Case {
    name: "T3",
    what: "a task of the pool submits 1,000 children and waits for all of them",
    unit: Unit::ChildrenPerMs,
    contenders: &[
        Contender::new("rayon scope", rayon_scope),
        Contender::new("tokio spawn, await each", |lap| on_tokio(lap, await_each)),
        Contender::new("tokio join_all", |lap| on_tokio(lap, await_all)),
        Contender::new("rusty_pool", on_rusty_pool),
        Contender::new("threadpool + channel", on_threadpool),
        Contender::new("limit: rayon join tree", rayon_join),
        Contender::new("nanolith join tree", on_nanolith_join),
        Contender::new("nanolith", on_nanolith),
    ],
    goals: &[
        Goal::cpu(&["nanolith"], &["rayon scope"], Bound::AtMost(0.5)),
        Goal::cpu(&["nanolith"], &["limit: rayon join tree"], Bound::AtMost(3.0)),
        Goal::ratio(&["rayon scope"], Bound::AtLeast(0.8)).on_one_core(),
        Goal { ours: &["nanolith join tree"], ..Goal::ratio(&["limit: rayon join tree"], Bound::AtLeast(1.0)) },
        Goal {
            ours: &["nanolith join tree"],
            ..Goal::ratio(&["limit: rayon join tree"], Bound::AtLeast(0.8)).on_one_core()
        },
    ],
    only_named: false,
};

pub(crate) const T3_1US: Case = Case {
    name: "T3-1us",
    what: "T3 with children of about 1 µs, by one worker and by two",
    contenders: &[
        Contender::new("rayon scope, one worker", |lap| ScopeChildren::families(lap, 1)),
        Contender::new("rayon scope, two workers", |lap| ScopeChildren::families(lap, 2)),
        Contender::new("nanolith, one worker", |lap| NanolithChildren::families(lap, 1)),
        Contender::new("nanolith, two workers", |lap| NanolithChildren::families(lap, 2)),
    ],
    goals: &[Goal {
        ours: &["nanolith, two workers"],
        over: Some(("nanolith, one worker", "rayon scope, one worker")),
        ..Goal::ratio(&["rayon scope, two workers"], Bound::AtLeast(0.9))
    }],
    ..T3
};

/// Parents with children of about a microsecond, on a number of workers.
pub(super) trait WithChildren {
    fn families(lap: &Lap, workers: usize) -> Sample;
}

pub(super) struct ScopeChildren;
pub(super) struct NanolithChildren;

impl WithChildren for ScopeChildren {
    fn families(lap: &Lap, workers: usize) -> Sample {
        turns_a_microsecond();
        let pool = rayon_pool(workers);
        families(lap, LONG_PARENTS, || pool.install(|| check_all(scope(child::<Micros<1>>))))
    }
}

impl WithChildren for NanolithChildren {
    fn families(lap: &Lap, workers: usize) -> Sample {
        turns_a_microsecond();
        let pool = Pool::builder().concurrency(Concurrency::Exact(workers)).build().expect("it starts");
        let numbers = Numbers::on(&pool);
        let sample = families(lap, LONG_PARENTS, || {
            let parent = numbers.family_1us(pool.clone(), CHILDREN).wait();
            assert_eq!(parent.expect("it runs"), CHILDREN);
        });
        pool.close();
        sample
    }
}

/// Measures families, at least `least` of them. The parent of each runs on the pool.
fn families(lap: &Lap, least: u64, mut family: impl FnMut()) -> Sample {
    (0..WARM_UP).for_each(|_| family());
    let pace = lap.rounds(least);
    let meter = Meter::start(lap);
    let parents = pace.map(|_| family()).count() as u64;
    meter.rate(parents * CHILDREN)
}

fn child<B: Body>(n: u64) -> u64 {
    caught(|| B::run(n)).expect("it does not panic")
}

/// Checks children in the order of their numbers.
fn check_all(results: impl IntoIterator<Item = u64>) {
    let checked = (0..).zip(results).map(|(n, result)| check_value(n, result)).count();
    assert_eq!(checked as u64, CHILDREN);
}

fn rayon_scope(lap: &Lap) -> Sample {
    let pool = rayon_pool(cores());
    families(lap, PARENTS, || {
        pool.install(|| check_all(scope(child::<Tiny>)));
    })
}

fn scope(child: fn(u64) -> u64) -> Vec<u64> {
    let mut results = vec![0; CHILDREN as usize];
    rayon::scope(|scope| {
        for (n, result) in (0..).zip(&mut results) {
            scope.spawn(move |_| *result = child(n));
        }
    });
    results
}

fn rayon_join(lap: &Lap) -> Sample {
    let pool = rayon_pool(cores());
    families(lap, PARENTS, || {
        pool.install(|| {
            let mut results = vec![0; CHILDREN as usize];
            join_tree(0, &mut results);
            check_all(results);
        });
    })
}

/// Runs each half on a thread of its own, if one is free.
fn join_tree(first: u64, results: &mut [u64]) {
    match results {
        [] => {}
        [result] => *result = child::<Tiny>(first),
        _ => {
            let (left, right) = results.split_at_mut(results.len() / 2);
            let middle = first + left.len() as u64;
            rayon::join(|| join_tree(first, left), || join_tree(middle, right));
        }
    }
}

fn on_tokio<F: Future<Output = ()> + Send + 'static>(lap: &Lap, parent: fn() -> F) -> Sample {
    let runtime = runtime(cores());
    families(lap, PARENTS, || runtime.block_on(runtime.spawn(parent())).expect("the parent ends"))
}

fn spawned() -> Vec<tokio::task::JoinHandle<u64>> {
    (0..CHILDREN).map(|n| tokio::spawn(async move { Tiny::run(n) })).collect()
}

async fn await_each() {
    for (n, job) in (0..).zip(spawned()) {
        check_value(n, job.await.expect("it runs"));
    }
}

async fn await_all() {
    check_all(join_all(spawned()).await.into_iter().map(|result| result.expect("it runs")));
}

/// Returns at least two workers, since the parent occupies one thread.
fn two_or_more() -> usize {
    cores().max(2)
}

fn on_rusty_pool(lap: &Lap) -> Sample {
    let pool = rusty_pool(two_or_more());
    let sample = families(lap, PARENTS, || {
        let inner = pool.clone();
        let parent = pool.evaluate(move || {
            let jobs: Vec<_> = (0..CHILDREN).map(|n| inner.evaluate(move || Tiny::run(n))).collect();
            check_all(jobs.into_iter().map(rusty_pool::JoinHandle::await_complete));
        });
        parent.await_complete();
    });
    pool.shutdown_join();
    sample
}

fn on_threadpool(lap: &Lap) -> Sample {
    let pool = threadpool::ThreadPool::new(two_or_more());
    let sample = families(lap, PARENTS, || {
        let (tell, outcomes) = mpsc::channel();
        let inner = pool.clone();
        pool.execute(move || tell.send(threadpool_parent(&inner)).expect("it is awaited"));
        check_all(outcomes.recv().expect("the parent ends"));
    });
    pool.join();
    sample
}

/// Collects the children in any order, each with its number.
fn threadpool_parent(pool: &threadpool::ThreadPool) -> Vec<u64> {
    let (tell, outcomes) = mpsc::channel();
    for n in 0..CHILDREN {
        let tell = tell.clone();
        pool.execute(move || tell.send((n, child::<Tiny>(n))).expect("it is awaited"));
    }
    drop(tell);
    let mut results = vec![0; CHILDREN as usize];
    outcomes.into_iter().for_each(|(n, result)| results[n as usize] = result);
    results
}

fn on_nanolith(lap: &Lap) -> Sample {
    families(lap, PARENTS, || {
        let parent = Numbers::tasks().family(CHILDREN).wait();
        assert_eq!(parent.expect("it runs"), CHILDREN);
    })
}

fn on_nanolith_join(lap: &Lap) -> Sample {
    families(lap, PARENTS, || {
        let parent = Numbers::tasks().branch(0, CHILDREN).wait();
        assert_eq!(parent.expect("it runs"), CHILDREN);
    })
}
