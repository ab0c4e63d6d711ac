//! Case T1 and its variants: the throughput of tasks that are submitted to a pool one by one, many
//! in flight. A handle returns each result.

use crate::{
    case::{Case, Contender, Unit},
    drive, drive_async,
    goals::{Bound, Figure, Goal},
    measure::{Lap, Meter, Sample},
    pace::Pace,
    peers::{
        AsyncPeer, Peer, Start, Within, cores,
        nanolith::{AsyncGlobalPool, GlobalPool, MeasuredPool, OwnPool},
        pools::{Crossbeam, Rayon, RustyPool, ThreadPool, rayon_pool},
        ring::TaskRing,
        runtimes::{RayonTokio, Smol, SpawnBlocking, TokioSpawn},
    },
    work::{Body, Micros, Tiny, caught, check, turns_a_microsecond},
};
use rayon::prelude::*;

/// The handles that are held at once.
const IN_FLIGHT: usize = 4_096;

/// The least number of tasks in a run.
const TASKS: u64 = 200_000;

pub(crate) const T1: Case = Case {
    name: "T1",
    what: "tiny tasks submitted one by one from outside, 4,096 in flight, every result taken by its handle",
    unit: Unit::TasksPerMs,
    contenders: &[
        Contender::new("rayon + oneshot", tiny::<Rayon<Tiny>>),
        Contender::new("threadpool", tiny::<ThreadPool<Tiny>>),
        Contender::new("rusty_pool", tiny::<RustyPool<Tiny>>),
        Contender::new("tokio spawn", tiny_async::<TokioSpawn<Tiny>>),
        Contender::new("tokio spawn_blocking", tiny_async::<SpawnBlocking<Tiny>>),
        Contender::new("smol", tiny_async::<Smol<Tiny>>),
        Contender::new("crossbeam + slot", tiny::<Crossbeam>),
        Contender::new("limit: ring of slots", tiny::<TaskRing>),
        Contender::new("nanolith", tiny::<GlobalPool<Tiny>>),
    ],
    goals: &[
        Goal::ratio(&["rayon + oneshot"], Bound::AtLeast(3.0)),
        Goal::ratio(LIBRARIES, Bound::AtLeast(1.7)),
        Goal::ratio(&["rayon + oneshot"], Bound::AtLeast(1.2)).on_one_core(),
        // The allocations of the window and the pool are spread over all tasks.
        Goal::absolute(Figure::Allocations, Bound::AtMost(1.01)),
    ],
    only_named: false,
};

/// The peers of T1 that are not limits.
const LIBRARIES: &[&str] =
    &["rayon + oneshot", "threadpool", "rusty_pool", "tokio spawn", "tokio spawn_blocking", "smol", "crossbeam + slot"];

pub(crate) const T1_1US: Case = Case {
    name: "T1-1us",
    what: "tasks of about 1 µs, submitted one by one from outside, 4,096 in flight",
    contenders: BODIES_1US,
    goals: &[
        Goal::ratio(&["rayon par_iter"], Bound::AtLeast(0.8)),
        Goal::ratio(&["tokio spawn"], Bound::AtLeast(1.3)),
        Goal::ahead(&["rayon + oneshot"]),
    ],
    ..T1
};

pub(crate) const T1_10US: Case = Case {
    name: "T1-10us",
    what: "tasks of about 10 µs, submitted one by one from outside, 4,096 in flight",
    contenders: BODIES_10US,
    goals: &[
        Goal::ratio(&["rayon par_iter"], Bound::AtLeast(0.95)),
        Goal::ratio(&["tokio spawn"], Bound::AtLeast(1.1)),
        Goal::ahead(&["rayon + oneshot"]),
    ],
    ..T1
};

pub(crate) const T1_METRICS: Case = Case {
    name: "T1-metrics",
    what: "the same, by a pool that measures how long calls wait and run, and by one that does not",
    contenders: &[
        Contender::new("not measured", tiny::<OwnPool<Tiny>>),
        Contender::new("nanolith", tiny::<MeasuredPool<Tiny>>),
    ],
    goals: &[Goal::ratio(&["not measured"], Bound::AtLeast(0.97))],
    ..T1
};

const BODIES_1US: &[Contender] = &[
    Contender::new("rayon + oneshot", body::<1, Rayon<Micros<1>>>),
    Contender::new("rayon par_iter", par_iter::<1>),
    Contender::new("tokio spawn", body_async::<1, TokioSpawn<Micros<1>>>),
    Contender::new("nanolith", body::<1, GlobalPool<Micros<1>>>),
];

const BODIES_10US: &[Contender] = &[
    Contender::new("rayon + oneshot", body::<10, Rayon<Micros<10>>>),
    Contender::new("rayon par_iter", par_iter::<10>),
    Contender::new("tokio spawn", body_async::<10, TokioSpawn<Micros<10>>>),
    Contender::new("nanolith", body::<10, GlobalPool<Micros<10>>>),
];

pub(crate) const T1_ASYNC: Case = Case {
    name: "T1a",
    what: "the same tiny tasks, submitted and awaited by a task of tokio's multi-thread runtime",
    contenders: &[
        Contender::new("rayon + tokio oneshot", tiny_within::<RayonTokio<Tiny>>),
        Contender::new("tokio spawn", tiny_within::<TokioSpawn<Tiny>>),
        Contender::new("tokio spawn_blocking", tiny_within::<SpawnBlocking<Tiny>>),
        Contender::new("nanolith", tiny_within::<AsyncGlobalPool>),
    ],
    goals: &[Goal::ahead(&["rayon + tokio oneshot", "tokio spawn", "tokio spawn_blocking"])],
    ..T1
};

fn tiny<P: Peer>(lap: &Lap) -> Sample {
    drive::rate::<P>(lap, Start::bound(IN_FLIGHT), TASKS)
}

fn tiny_async<P: AsyncPeer>(lap: &Lap) -> Sample {
    drive_async::rate::<P>(lap, Start::bound(IN_FLIGHT), TASKS)
}

fn tiny_within<P: Within>(lap: &Lap) -> Sample {
    drive_async::rate_within::<P>(lap, Start::bound(IN_FLIGHT), TASKS)
}

/// Returns the number of tasks: fewer if they take longer.
const fn tasks_of(micros: u64) -> u64 {
    TASKS / 2 / micros
}

fn body<const MICROS: u64, P: Peer>(lap: &Lap) -> Sample {
    turns_a_microsecond();
    drive::rate::<P>(lap, Start::bound(IN_FLIGHT), tasks_of(MICROS))
}

fn body_async<const MICROS: u64, P: AsyncPeer>(lap: &Lap) -> Sample {
    turns_a_microsecond();
    drive_async::rate::<P>(lap, Start::bound(IN_FLIGHT), tasks_of(MICROS))
}

/// Runs all items at once, which suits rayon best.
fn par_iter<const MICROS: u64>(lap: &Lap) -> Sample {
    turns_a_microsecond();
    let pool = rayon_pool(cores());
    let items = tasks_of(MICROS);
    let mut results = Vec::with_capacity(items as usize);
    let mut run = |count: u64| {
        let each = (0..count as usize).into_par_iter().map(|n| caught(|| Micros::<MICROS>::run(n as u64)));
        pool.install(|| each.collect_into_vec(&mut results));
        (0..).zip(&results).for_each(|(n, result)| check(n, result.expect("it does not panic")));
    };
    run(drive::WARM_UP.min(items));
    let pace = Pace::lasting(lap.duration, 1, 1);
    let meter = Meter::start(lap);
    let rounds = pace.map(|_| run(items)).count() as u64;
    meter.rate(rounds * items)
}
