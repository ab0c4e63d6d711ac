//! Case `roots`: the throughput of square roots, each a task of its own, beside the same tasks on
//! worker threads of Node.js.

use crate::{
    case::{Case, Contender, Unit},
    drive::WARM_UP,
    goals::{Bound, Figure, Goal},
    measure::{Lap, Meter, Sample},
    node_js,
    pace::Pace,
    peers::nanolith_tasks::Numbers,
    work::thread_number,
};
use nanolith::Wait;
use std::{collections::VecDeque, hint::black_box};

const ROOTS: u64 = 1_000_000;

/// The handles that are held at once.
const IN_FLIGHT: usize = 4_096;

pub(crate) const ROOTS_CASE: Case = Case {
    name: "roots",
    what: "a million square roots, each a task, 4,096 in flight; on Node's threads 40,000",
    unit: Unit::TasksPerMs,
    contenders: &[
        Contender::attempt("Piscina", |lap| node_js::sample(lap, node_js::PISCINA)),
        Contender::attempt("Node's worker_threads", |lap| node_js::sample(lap, node_js::WORKER_THREADS)),
        Contender::new("nanolith", on_nanolith),
    ],
    goals: &[Goal::ratio(&["Piscina"], Bound::AtLeast(100.0)), Goal::absolute(Figure::PeakMemory, Bound::Below(12.0))],
    only_named: false,
};

fn on_nanolith(lap: &Lap) -> Sample {
    roots(Pace::exactly(WARM_UP));
    let meter = Meter::start(lap);
    roots(Pace::exactly(ROOTS));
    meter.rate(ROOTS)
}

fn roots(pace: Pace) {
    let numbers = Numbers::tasks();
    let mut window = VecDeque::with_capacity(IN_FLIGHT);
    let mut taken = 0;
    let mut settle = |handle: ::nanolith::Handle<Numbers, (f64, u64)>| {
        check(taken, handle.wait().expect("it runs"));
        taken += 1;
    };
    for n in pace {
        if window.len() == IN_FLIGHT {
            window.pop_front().into_iter().for_each(&mut settle);
        }
        window.push_back(numbers.root(n).submit());
    }
    window.into_iter().for_each(settle);
}

/// Squares the root. Two roundings make a relative error of at most one and a half times the
/// machine's epsilon.
fn check(n: u64, (root, thread): (f64, u64)) {
    let exact = n as f64;
    let root = black_box(root);
    assert!((root * root - exact).abs() <= exact * 1.5 * f64::EPSILON, "{root} is not the square root of {n}");
    assert_ne!(thread, thread_number(), "root {n} ran on its caller's thread");
}
