//! Cases T1-crowd and S2-crowd: the throughput under contention, from one, four and sixteen callers
//! at once. A pool has four workers on each core.

use crate::{
    case::{Case, Contender, Unit},
    drive,
    goals::{Bound, Goal},
    measure::{Lap, Sample},
    peers::{
        Peer, Service, Start,
        channels::CrossbeamChannel,
        cores,
        nanolith::{NanolithService, OwnPool},
        pools::{Crossbeam, Rayon},
    },
    work::Tiny,
};

/// The least number of tasks or calls in a run, over all callers.
const TASKS: u64 = 200_000;

pub(crate) const T1_CROWD: Case = Case {
    name: "T1-crowd",
    what: "T1 from 1, 4 and 16 threads, 4,096 in flight over all, four workers a core",
    unit: Unit::TasksPerMs,
    contenders: &[
        Contender::new("rayon + oneshot x1", tasks::<1, Rayon<Tiny>>),
        Contender::new("rayon + oneshot x4", tasks::<4, Rayon<Tiny>>),
        Contender::new("rayon + oneshot x16", tasks::<16, Rayon<Tiny>>),
        Contender::new("crossbeam + slot x1", tasks::<1, Crossbeam>),
        Contender::new("crossbeam + slot x4", tasks::<4, Crossbeam>),
        Contender::new("crossbeam + slot x16", tasks::<16, Crossbeam>),
        Contender::new("nanolith x1", tasks::<1, OwnPool<Tiny>>),
        Contender::new("nanolith x4", tasks::<4, OwnPool<Tiny>>),
        Contender::new("nanolith x16", tasks::<16, OwnPool<Tiny>>),
    ],
    goals: STEADY,
    only_named: false,
};

pub(crate) const S2_CROWD: Case = Case {
    name: "S2-crowd",
    what: "S2 from 1, 4 and 16 threads, 1,024 in flight over all",
    unit: Unit::CallsPerMs,
    contenders: &[
        Contender::new("crossbeam + oneshot x1", calls::<1, CrossbeamChannel>),
        Contender::new("crossbeam + oneshot x4", calls::<4, CrossbeamChannel>),
        Contender::new("crossbeam + oneshot x16", calls::<16, CrossbeamChannel>),
        Contender::new("nanolith x1", calls::<1, NanolithService>),
        Contender::new("nanolith x4", calls::<4, NanolithService>),
        Contender::new("nanolith x16", calls::<16, NanolithService>),
    ],
    ..T1_CROWD
};

/// The figure of sixteen callers is close to the best.
const STEADY: &[Goal] = &[Goal { ours: &["nanolith x16"], ..Goal::ratio(OURS, Bound::AtLeast(0.85)) }];
const OURS: &[&str] = &["nanolith x1", "nanolith x4", "nanolith x16"];

fn start(callers: usize, bound: usize) -> Start {
    Start { workers: 4 * cores(), bound, callers }
}

fn tasks<const CALLERS: usize, P: Peer>(lap: &Lap) -> Sample {
    drive::rate::<P>(lap, start(CALLERS, 4_096), TASKS)
}

fn calls<const CALLERS: usize, P: Service>(lap: &Lap) -> Sample {
    drive::service_rate::<P>(lap, start(CALLERS, 1_024), TASKS)
}
