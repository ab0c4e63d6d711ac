//! Cases T1-window and S2-window: T1 and S2 with few and with many calls in flight. A setting that
//! suits one library does not decide.

use crate::{
    case::{Case, Contender, Unit},
    drive,
    goals::{Bound, Goal},
    measure::{Lap, Sample},
    peers::{
        Peer, Service, Start,
        channels::CrossbeamChannel,
        nanolith::{NanolithService, OwnPool},
        pools::Rayon,
    },
    work::Tiny,
};

/// The least number of tasks or calls in a run.
const TASKS: u64 = 100_000;

pub(crate) const T1_WINDOW: Case = Case {
    name: "T1-window",
    what: "T1 with 4 to 16,384 in flight",
    unit: Unit::TasksPerMs,
    contenders: &[
        Contender::new("rayon + oneshot, 4", tasks::<4, Rayon<Tiny>>),
        Contender::new("rayon + oneshot, 64", tasks::<64, Rayon<Tiny>>),
        Contender::new("rayon + oneshot, 1,024", tasks::<1_024, Rayon<Tiny>>),
        Contender::new("rayon + oneshot, 16,384", tasks::<16_384, Rayon<Tiny>>),
        Contender::new("nanolith, 4", tasks::<4, OwnPool<Tiny>>),
        Contender::new("nanolith, 16", tasks::<16, OwnPool<Tiny>>),
        Contender::new("nanolith, 64", tasks::<64, OwnPool<Tiny>>),
        Contender::new("nanolith, 256", tasks::<256, OwnPool<Tiny>>),
        Contender::new("nanolith, 1,024", tasks::<1_024, OwnPool<Tiny>>),
        Contender::new("nanolith, 4,096", tasks::<4_096, OwnPool<Tiny>>),
        Contender::new("nanolith, 16,384", tasks::<16_384, OwnPool<Tiny>>),
    ],
    goals: &[
        STEADY,
        ahead(&["nanolith, 4"], &["rayon + oneshot, 4"]),
        ahead(&["nanolith, 64"], &["rayon + oneshot, 64"]),
        ahead(&["nanolith, 1,024"], &["rayon + oneshot, 1,024"]),
        ahead(&["nanolith, 16,384"], &["rayon + oneshot, 16,384"]),
    ],
    only_named: false,
};

pub(crate) const S2_WINDOW: Case = Case {
    name: "S2-window",
    what: "S2 with 4 to 16,384 in flight",
    unit: Unit::CallsPerMs,
    contenders: &[
        Contender::new("crossbeam + oneshot, 4", calls::<4, CrossbeamChannel>),
        Contender::new("crossbeam + oneshot, 64", calls::<64, CrossbeamChannel>),
        Contender::new("crossbeam + oneshot, 1,024", calls::<1_024, CrossbeamChannel>),
        Contender::new("crossbeam + oneshot, 16,384", calls::<16_384, CrossbeamChannel>),
        Contender::new("nanolith, 4", calls::<4, NanolithService>),
        Contender::new("nanolith, 16", calls::<16, NanolithService>),
        Contender::new("nanolith, 64", calls::<64, NanolithService>),
        Contender::new("nanolith, 256", calls::<256, NanolithService>),
        Contender::new("nanolith, 1,024", calls::<1_024, NanolithService>),
        Contender::new("nanolith, 4,096", calls::<4_096, NanolithService>),
        Contender::new("nanolith, 16,384", calls::<16_384, NanolithService>),
    ],
    goals: &[
        STEADY,
        ahead(&["nanolith, 4"], &["crossbeam + oneshot, 4"]),
        ahead(&["nanolith, 64"], &["crossbeam + oneshot, 64"]),
        ahead(&["nanolith, 1,024"], &["crossbeam + oneshot, 1,024"]),
        ahead(&["nanolith, 16,384"], &["crossbeam + oneshot, 16,384"]),
    ],
    ..T1_WINDOW
};

/// The worst figure is at most a quarter below the best. With few in flight, both sides mostly wait
/// for each other, so those rows are not compared.
const STEADY: Goal = Goal { ours: OURS, ..Goal::ratio(OURS, Bound::AtLeast(0.75)) };
const OURS: &[&str] = &["nanolith, 64", "nanolith, 256", "nanolith, 1,024", "nanolith, 4,096", "nanolith, 16,384"];

const fn ahead(ours: &'static [&'static str], peers: &'static [&'static str]) -> Goal {
    Goal { ours, ..Goal::ahead(peers) }
}

fn tasks<const WINDOW: usize, P: Peer>(lap: &Lap) -> Sample {
    drive::rate::<P>(lap, Start::bound(WINDOW), TASKS)
}

fn calls<const WINDOW: usize, P: Service>(lap: &Lap) -> Sample {
    drive::service_rate::<P>(lap, Start::bound(WINDOW), TASKS)
}
