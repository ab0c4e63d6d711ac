//! Case T2 and its variants: the latency of a task on a pool. The caller submits a task and waits
//! for it before the next.

use crate::{
    case::{Case, Contender, Unit},
    drive, drive_async,
    goals::{Bound, Figure, Goal},
    measure::{Lap, Sample},
    peers::{
        AsyncPeer, Peer, Start, Within,
        handover::TwoLines,
        nanolith::{AsyncGlobalPool, GlobalPool},
        pools::{Crossbeam, Rayon, RustyPool, ThreadPool},
        runtimes::{RayonTokio, SpawnBlocking, TokioSpawn},
    },
    work::Tiny,
};
use std::time::Duration;

pub(crate) const T2: Case = Case {
    name: "T2",
    what: "submit a tiny task from outside and wait for it, one at a time",
    unit: Unit::Nanos,
    contenders: &[
        Contender::new("rayon + oneshot", one::<Rayon<Tiny>>),
        Contender::new("tokio spawn + block_on", one_async::<TokioSpawn<Tiny>>),
        Contender::new("tokio spawn_blocking", one_async::<SpawnBlocking<Tiny>>),
        Contender::new("rusty_pool", one::<RustyPool<Tiny>>),
        Contender::new("threadpool + oneshot", one::<ThreadPool<Tiny>>),
        Contender::new("crossbeam + slot", one::<Crossbeam>),
        Contender::new("limit: two cache lines", one::<TwoLines>),
        Contender::new("nanolith", one::<GlobalPool<Tiny>>),
    ],
    goals: &[
        Goal::below(LIBRARIES),
        Goal { figure: Figure::P99, ..Goal::below(LIBRARIES) },
        Goal::below(&["rayon + oneshot"]).on_one_core(),
    ],
    only_named: false,
};

/// The peers of T2 that sleep while no call comes.
const LIBRARIES: &[&str] =
    &["rayon + oneshot", "tokio spawn + block_on", "tokio spawn_blocking", "rusty_pool", "threadpool + oneshot"];

/// The idle time between two calls.
const GAP: Duration = Duration::from_millis(1);

/// The number of calls with a gap.
const CALLS: u64 = 200;

pub(crate) const T2_GAP: Case = Case {
    name: "T2-gap",
    what: "the same with 1 ms between the calls",
    contenders: &[
        Contender::new("rayon + oneshot", |lap| drive::rested_latency::<Rayon<Tiny>>(lap, Start::bound(1), GAP, CALLS)),
        Contender::new("tokio spawn + block_on", |lap| {
            drive_async::rested_latency::<TokioSpawn<Tiny>>(lap, Start::bound(1), GAP, CALLS)
        }),
        Contender::new("nanolith", |lap| drive::rested_latency::<GlobalPool<Tiny>>(lap, Start::bound(1), GAP, CALLS)),
    ],
    goals: &[
        Goal::ratio(&["rayon + oneshot"], Bound::AtMost(0.6)),
        Goal::cpu(&["nanolith"], &["rayon + oneshot"], Bound::AtMost(0.3)),
    ],
    ..T2
};

pub(crate) const T2_ASYNC: Case = Case {
    name: "T2a",
    what: "the same, awaited by a task of tokio's multi-thread runtime",
    contenders: &[
        Contender::new("rayon + tokio oneshot", one_within::<RayonTokio<Tiny>>),
        Contender::new("tokio spawn", one_within::<TokioSpawn<Tiny>>),
        Contender::new("tokio spawn_blocking", one_within::<SpawnBlocking<Tiny>>),
        Contender::new("nanolith", one_within::<AsyncGlobalPool>),
    ],
    goals: &[Goal::below(&["rayon + tokio oneshot", "tokio spawn_blocking"])],
    ..T2
};

fn one<P: Peer>(lap: &Lap) -> Sample {
    drive::latency::<P>(lap, Start::bound(1))
}

fn one_async<P: AsyncPeer>(lap: &Lap) -> Sample {
    drive_async::latency::<P>(lap, Start::bound(1))
}

fn one_within<P: Within>(lap: &Lap) -> Sample {
    drive_async::latency_within::<P>(lap, Start::bound(1))
}
