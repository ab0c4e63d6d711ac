//! Case `scaling`: the throughput of tasks of about a microsecond from four threads, by the number
//! of workers. It runs on machines with eight cores or more.

use crate::{
    case::{Case, Contender, Unit},
    drive,
    measure::{Lap, Sample},
    peers::{Peer, Start, cores, nanolith::OwnPool, pools::Rayon},
    work::{Micros, turns_a_microsecond},
};

/// The least number of cores for this case. With fewer cores there is little to see.
const LEAST_CORES: usize = 8;

const TASKS: u64 = 100_000;

pub(crate) const SCALING: Case = Case {
    name: "scaling",
    what: "tasks of about 1 µs from four threads, by workers, on eight cores or more",
    unit: Unit::TasksPerMs,
    contenders: &[
        Contender::attempt("nanolith, 1 worker", tasks::<1, OwnPool<Micros<1>>>),
        Contender::attempt("nanolith, 2 workers", tasks::<2, OwnPool<Micros<1>>>),
        Contender::attempt("nanolith, 4 workers", tasks::<4, OwnPool<Micros<1>>>),
        Contender::attempt("nanolith, 8 workers", tasks::<8, OwnPool<Micros<1>>>),
        Contender::attempt("nanolith, 16 workers", tasks::<16, OwnPool<Micros<1>>>),
        Contender::attempt("nanolith, 32 workers", tasks::<32, OwnPool<Micros<1>>>),
        Contender::attempt("rayon + oneshot, 1 worker", tasks::<1, Rayon<Micros<1>>>),
        Contender::attempt("rayon + oneshot, 2 workers", tasks::<2, Rayon<Micros<1>>>),
        Contender::attempt("rayon + oneshot, 4 workers", tasks::<4, Rayon<Micros<1>>>),
        Contender::attempt("rayon + oneshot, 8 workers", tasks::<8, Rayon<Micros<1>>>),
        Contender::attempt("rayon + oneshot, 16 workers", tasks::<16, Rayon<Micros<1>>>),
        Contender::attempt("rayon + oneshot, 32 workers", tasks::<32, Rayon<Micros<1>>>),
    ],
    goals: &[],
    only_named: false,
};

fn tasks<const WORKERS: usize, P: Peer>(lap: &Lap) -> Result<Sample, String> {
    if cores() < LEAST_CORES.max(WORKERS) {
        return Err(format!("needs {} cores", LEAST_CORES.max(WORKERS)));
    }
    turns_a_microsecond();
    Ok(drive::rate::<P>(lap, Start { workers: WORKERS, bound: 4_096, callers: 4 }, TASKS))
}
