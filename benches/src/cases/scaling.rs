//! Cases scaling, scaling-10us and scaling-children: the throughput by the number of workers. A row
//! runs on machines with as many cores. `nanolith-bench scaling` runs these cases and writes a CSV
//! file.

use super::nested_tasks::{NanolithChildren, ScopeChildren, WithChildren};
use crate::{
    case::{Case, Contender, Unit},
    drive,
    measure::{Lap, Sample},
    peers::{Peer, Start, cores, nanolith::OwnPool, pools::Rayon},
    work::{Micros, turns_a_microsecond},
};

/// The threads that submit, and the calls that are in flight for each worker.
const CALLERS: usize = 4;
const IN_FLIGHT: usize = 1_024;

/// The least number of tasks in a run.
const TASKS: u64 = 100_000;

/// Lists a row of each contender for each number of workers.
macro_rules! rows {
    ($run:ident: $($name:literal $peer:ty),*) => {
        &[$(
            Contender::attempt(concat!($name, ", 1 worker"), $run::<1, $peer>),
            Contender::attempt(concat!($name, ", 2 workers"), $run::<2, $peer>),
            Contender::attempt(concat!($name, ", 4 workers"), $run::<4, $peer>),
            Contender::attempt(concat!($name, ", 8 workers"), $run::<8, $peer>),
            Contender::attempt(concat!($name, ", 16 workers"), $run::<16, $peer>),
            Contender::attempt(concat!($name, ", 32 workers"), $run::<32, $peer>),
            Contender::attempt(concat!($name, ", 64 workers"), $run::<64, $peer>),
        )*]
    };
}

pub(crate) const SCALING: Case = Case {
    name: "scaling",
    what: "tasks of about 1 µs from four threads, by workers",
    unit: Unit::TasksPerMs,
    contenders: rows!(tasks: "nanolith" OwnPool<Micros<1>>, "rayon + oneshot" Rayon<Micros<1>>),
    goals: &[],
    only_named: true,
};

pub(crate) const SCALING_10US: Case = Case {
    name: "scaling-10us",
    what: "tasks of about 10 µs from four threads, by workers",
    contenders: rows!(tasks: "nanolith" OwnPool<Micros<10>>, "rayon + oneshot" Rayon<Micros<10>>),
    ..SCALING
};

pub(crate) const SCALING_CHILDREN: Case = Case {
    name: "scaling-children",
    what: "T3 with children of about 1 µs, one parent at a time, by workers",
    unit: Unit::ChildrenPerMs,
    contenders: rows!(children: "nanolith" NanolithChildren, "rayon scope" ScopeChildren),
    ..SCALING
};

fn tasks<const WORKERS: usize, P: Peer>(lap: &Lap) -> Result<Sample, String> {
    on_cores(WORKERS, || {
        let start = Start { workers: WORKERS, bound: IN_FLIGHT * WORKERS.max(CALLERS), callers: CALLERS };
        drive::rate::<P>(lap, start, TASKS)
    })
}

fn children<const WORKERS: usize, P: WithChildren>(lap: &Lap) -> Result<Sample, String> {
    on_cores(WORKERS, || P::families(lap, WORKERS))
}

/// Runs a row if there are as many cores as it has workers.
fn on_cores(workers: usize, run: impl FnOnce() -> Sample) -> Result<Sample, String> {
    if cores() < workers {
        return Err(format!("needs {workers} cores"));
    }
    turns_a_microsecond();
    Ok(run())
}
