//! Case options: what a time limit, a cancel token, a priority and an asynchronous task add to a call,
//! beside the same with tokio.

use crate::{
    case::{Case, Contender, Unit},
    drive, drive_async,
    goals::{Bound, Goal},
    measure::{Lap, Sample},
    peers::{
        AsyncPeer, Peer, Start,
        nanolith::OwnPool,
        nanolith_options::{Asynchronous, Prioritized, Timed, Tokened, Yielding},
        runtimes::{TokioSpawn, TokioTimed, TokioYielding},
    },
    work::Tiny,
};

const IN_FLIGHT: usize = 1_024;

/// The least number of tasks in a run.
const TASKS: u64 = 100_000;

pub(crate) const OPTIONS: Case = Case {
    name: "options",
    what: "tiny tasks with options, 1,024 in flight",
    unit: Unit::TasksPerMs,
    contenders: &[
        Contender::new("tokio spawn", tiny_async::<TokioSpawn<Tiny>>),
        Contender::new("tokio spawn, timeout", tiny_async::<TokioTimed>),
        Contender::new("tokio spawn that yields", tiny_async::<TokioYielding>),
        Contender::new("nanolith", tiny::<OwnPool<Tiny>>),
        Contender::new("nanolith, timeout", tiny::<Timed>),
        Contender::new("nanolith, cancel token", tiny::<Tokened>),
        Contender::new("nanolith, priority", tiny::<Prioritized>),
        Contender::new("nanolith, async task", tiny::<Asynchronous>),
        Contender::new("nanolith, async task that yields", tiny::<Yielding>),
    ],
    goals: &[
        Goal::cpu(&["nanolith, timeout"], &["nanolith"], Bound::AtMost(1.3)),
        Goal::cpu(&["nanolith, cancel token"], &["nanolith"], Bound::AtMost(1.3)),
        Goal::cpu(&["nanolith, priority"], &["nanolith"], Bound::AtMost(1.3)),
        Goal::cpu(&["nanolith, async task"], &["tokio spawn"], Bound::AtMost(1.0)),
        Goal::cpu(&["nanolith, async task that yields"], &["tokio spawn that yields"], Bound::AtMost(1.0)),
    ],
    only_named: false,
};

fn tiny<P: Peer>(lap: &Lap) -> Sample {
    drive::rate::<P>(lap, Start::bound(IN_FLIGHT), TASKS)
}

fn tiny_async<P: AsyncPeer>(lap: &Lap) -> Sample {
    drive_async::rate::<P>(lap, Start::bound(IN_FLIGHT), TASKS)
}
