//! Case `idle`: the CPU time that idle threads of a pool and of ten services use, some time after
//! their last work.

use crate::{
    case::{Case, Contender, Unit},
    goals::{Bound, Figure, Goal},
    measure::{Lap, Sample, cpu_time},
    peers::{
        Peer, Service, Start,
        channels::CrossbeamChannel,
        nanolith::{GlobalPool, NanolithService},
        pools::Rayon,
    },
    work::{Tiny, check},
};
use std::{
    thread,
    time::{Duration, Instant},
};

const SERVICES: usize = 10;

/// The calls of each contender before it is idle.
const CALLS: u64 = 1_000;

/// The time for spinning to end.
const SETTLING: Duration = Duration::from_millis(100);
const REST: Duration = Duration::from_secs(2);

pub(crate) const IDLE: Case = Case {
    name: "idle",
    what: "a pool and ten services, 0.1 s after their last work, over 2 s",
    unit: Unit::PercentOfCore,
    contenders: &[
        Contender::new("rayon and ten threads on crossbeam", rest::<Rayon<Tiny>, CrossbeamChannel>),
        Contender::new("nanolith", rest::<GlobalPool<Tiny>, NanolithService>),
    ],
    goals: &[Goal::absolute(Figure::Median, Bound::Below(0.1))],
    only_named: false,
};

fn rest<P: Peer, S: Service>(_: &Lap) -> Sample {
    let (pool, start) = (P::start(&Start::bound(1_024)), Start::bound(1_024));
    let services: Vec<_> = (0..SERVICES).map(|_| S::start(&start)).collect();
    (0..CALLS).for_each(|n| check(n, pool.ask(n)));
    services.iter().for_each(|service| (0..CALLS).for_each(|n| check(n, service.ask(n))));
    let figure = cpu_at_rest();
    services.into_iter().for_each(Peer::stop);
    pool.stop();
    Sample { figure, ..Sample::default() }
}

/// Returns the CPU time of the whole process, in percent of a core.
fn cpu_at_rest() -> f64 {
    thread::sleep(SETTLING);
    let (cpu, began) = (cpu_time(), Instant::now());
    thread::sleep(REST);
    (cpu_time() - cpu).as_secs_f64() / began.elapsed().as_secs_f64() * 100.0
}
