//! Case `bulk`: the throughput of ten million square roots, each a task, through `each`, and
//! through `map` from a `Vec`.

use crate::{
    case::{Case, Contender, Unit},
    drive::WARM_UP,
    goals::{Bound, Goal},
    measure::{Lap, Meter, Sample},
    peers::{cores, nanolith_tasks::Numbers, pools::rayon_pool},
};
use ::nanolith::{
    bulk::{each, map},
    pool::Concurrency,
    prelude::*,
};
use rayon::prelude::*;
use std::{collections::VecDeque, hint::black_box};

const ROOTS: u32 = 10_000_000;

/// The number of roots for the contenders that take long.
const FEWER: u32 = 1_000_000;
const FEWEST: u32 = 100_000;

/// The handles that are held at once, the same number as in the case `roots`.
const IN_FLIGHT: usize = 4_096;

pub(crate) const BULK: Case = Case {
    name: "bulk",
    what: "ten million square roots: each a task, fewer of those one by one; and over a `Vec`",
    unit: Unit::ItemsPerMs,
    contenders: &[
        Contender::new("one by one", |lap| roots(lap, FEWEST, one_by_one)),
        Contender::new("4,096 in flight", |lap| roots(lap, FEWER, in_flight)),
        Contender::new("each", |lap| roots(lap, ROOTS, in_order)),
        Contender::new("each, unordered", |lap| roots(lap, ROOTS, unordered)),
        Contender::new("par_iter", |lap| {
            over_vec(
                lap,
                |pool, roots| pool.install(|| roots.into_par_iter().map(f64::sqrt).collect()),
                &rayon_pool(cores()),
            )
        }),
        Contender::new("map", |lap| {
            over_vec(lap, |pool, roots| map(pool, roots, f64::sqrt).wait().expect("it runs"), &pool())
        }),
    ],
    goals: &[
        Goal { ours: &["each"], ..Goal::ratio(&["one by one"], Bound::AtLeast(8.0)) },
        Goal { ours: &["each"], ..Goal::ratio(&["4,096 in flight"], Bound::AtLeast(8.0)) },
        Goal { ours: &["map"], ..Goal::ratio(&["par_iter"], Bound::AtLeast(0.5)) },
    ],
    only_named: false,
};

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(cores())).build().expect("it starts")
}

/// Warms up, then measures.
fn roots(lap: &Lap, count: u32, run: fn(u32)) -> Sample {
    run(WARM_UP as u32);
    let meter = Meter::start(lap);
    run(count);
    meter.rate(count.into())
}

/// Warms up, then measures a run over all of a `Vec`.
fn over_vec<P>(lap: &Lap, run: impl Fn(&P, Vec<f64>) -> Vec<f64>, pool: &P) -> Sample {
    let values = || (0..ROOTS).map(f64::from).collect();
    drop(run(pool, values()));
    let values = values();
    let meter = Meter::start(lap);
    let roots = run(pool, values);
    let sample = meter.rate(ROOTS.into());
    (0..).zip(roots).for_each(|(n, root)| check(n, root));
    sample
}

fn one_by_one(count: u32) {
    let numbers = Numbers::tasks();
    (0..count).for_each(|n| check(n, numbers.square_root(n.into()).wait().expect("it runs")));
}

fn in_flight(count: u32) {
    let numbers = Numbers::tasks();
    let mut window = VecDeque::with_capacity(IN_FLIGHT);
    let mut taken = 0;
    let mut settle = |handle: Handle<Numbers, f64>| {
        check(taken, handle.wait().expect("it runs"));
        taken += 1;
    };
    for n in 0..count {
        if window.len() == IN_FLIGHT {
            window.pop_front().into_iter().for_each(&mut settle);
        }
        window.push_back(numbers.square_root(n.into()).submit());
    }
    window.into_iter().for_each(settle);
}

fn in_order(count: u32) {
    let roots = each(Numbers::tasks(), 0..count, |numbers, n| numbers.square_root(n.into()));
    (0..).zip(roots).for_each(|(n, root)| check(n, root.expect("it runs")));
}

fn unordered(count: u32) {
    let mut sum = 0.0;
    for root in each(Numbers::tasks(), 0..count, |numbers, n| numbers.square_root(n.into())).unordered() {
        let root = root.expect("it runs");
        sum += root * root;
    }
    let exact = f64::from(count) * (f64::from(count) - 1.0) / 2.0;
    assert!((sum - exact).abs() <= exact * 1e-9, "{sum} is not {exact}");
}

/// Squares the root. Two roundings make a relative error of at most one and a half times the
/// machine's epsilon.
fn check(n: u32, root: f64) {
    let exact = f64::from(n);
    let root = black_box(root);
    assert!((root * root - exact).abs() <= exact * 1.5 * f64::EPSILON, "{root} is not the square root of {n}");
}
