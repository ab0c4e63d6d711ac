//! Case mixed: tasks of 1 µs to 10 ms through one pool. The rate is that of all tasks, many in
//! flight. The 99th percentile is that of the short ones at a load that the pool can serve, from
//! the submission to the end of the task.

use crate::{
    case::{Case, Contender, Unit},
    goals::Goal,
    measure::{Lap, Meter, Sample, Times},
    mixed::Mixed,
    peers::{BlockOn, Peer, Start, nanolith::GlobalPool, pools::Rayon, runtimes::SpawnBlocking},
    work::{check, turns_a_microsecond},
};
use std::{collections::VecDeque, thread, time::Duration};

/// The handles that are held at once while the rate is measured. While the oldest task runs for 10
/// ms, the other workers have enough of them.
const IN_FLIGHT: usize = 1_024;

/// The tasks of each phase. All runs have the same, so that a run has its share of long ones.
const WARM_UP: u64 = 1_000;
const TASKS: u64 = 20_000;
const PACED: u64 = 10_000;

/// The load of the paced phase, as a part of what the workers can serve.
const LOAD: f64 = 0.6;

/// The time between two looks at the clock in the paced phase.
const TICK: Duration = Duration::from_micros(200);

pub(crate) const MIXED: Case = Case {
    name: "mixed",
    what: "tasks of 1 µs to 10 ms, 1,024 in flight; the p99 is of those below 10 µs at a load of 0.6",
    unit: Unit::TasksPerMs,
    contenders: &[
        Contender::new("rayon + oneshot", mixed::<Rayon<Mixed>>),
        Contender::new("tokio spawn_blocking", mixed::<BlockOn<SpawnBlocking<Mixed>>>),
        Contender::new("nanolith", mixed::<GlobalPool<Mixed>>),
    ],
    goals: &[Goal::ahead(PEERS), Goal::ahead(PEERS).on_one_core()],
    only_named: false,
};

const PEERS: &[&str] = &["rayon + oneshot", "tokio spawn_blocking"];

fn mixed<P: Peer>(lap: &Lap) -> Sample {
    turns_a_microsecond();
    let start = Start::bound(IN_FLIGHT);
    let peer = P::start(&start);
    pipelined(&peer, WARM_UP);
    let short = paced(&peer, start.workers);
    let meter = Meter::start(lap);
    pipelined(&peer, TASKS);
    let sample = meter.rate_with_p99(TASKS, short);
    peer.stop();
    sample
}

fn pipelined<P: Peer>(peer: &P, count: u64) {
    let mut handles = VecDeque::with_capacity(IN_FLIGHT);
    for n in 0..count {
        if handles.len() == IN_FLIGHT {
            take(peer, &mut handles);
        }
        handles.push_back((n, peer.submit(n)));
    }
    while !handles.is_empty() {
        take(peer, &mut handles);
    }
}

fn take<P: Peer>(peer: &P, handles: &mut VecDeque<(u64, P::Handle)>) {
    if let Some((n, handle)) = handles.pop_front() {
        check(n, peer.take(handle));
    }
}

/// Submits each task when it is due, and returns the times of the short ones. At most as many tasks
/// are pending as their ends are kept.
fn paced<P: Peer>(peer: &P, workers: usize) -> Times {
    let gap = Mixed::MEAN_NANOS as f64 / workers as f64 / LOAD;
    let (mut times, mut pending) = (Times::of(PACED as usize), VecDeque::new());
    let began = Mixed::now();
    let mut next = 0;
    while next < PACED {
        let due = ((Mixed::now() - began) as f64 / gap) as u64;
        while next < due.min(PACED) {
            pending.push_back((next, Mixed::now(), peer.submit(next)));
            next += 1;
            if pending.len() > IN_FLIGHT {
                settle(peer, &mut pending, &mut times);
            }
        }
        thread::sleep(TICK);
    }
    while !pending.is_empty() {
        settle(peer, &mut pending, &mut times);
    }
    times
}

/// Takes the oldest answer, and the time of its task.
fn settle<P: Peer>(peer: &P, pending: &mut VecDeque<(u64, u64, P::Handle)>, times: &mut Times) {
    let Some((n, submitted, handle)) = pending.pop_front() else { return };
    check(n, peer.take(handle));
    if Mixed::is_short(n) {
        times.push(Duration::from_nanos(Mixed::ended(n) - submitted));
    }
}
