//! Case P1: the throughput of a pipeline of three unequal stages over bounded links. Each stage has
//! a thread or a task of its own.

use crate::{
    case::{Case, Contender, Unit},
    drive::WARM_UP,
    goals::{Bound, Goal},
    measure::{Lap, Meter, Sample},
    pace::Pace,
    peers::{cores, pools::rayon_pool, runtime},
    work::{grind, mix, turns_a_microsecond},
};
use nanolith::{Pool, Wait, pipeline::Pipeline, pool::Concurrency};
use rayon::prelude::*;
use std::{hint::black_box, thread};
use tokio::{sync::mpsc, task};

/// The items that a link holds.
const BOUND: usize = 1_024;

/// The least number of items in a run.
const ITEMS: u64 = 50_000;

/// The items that go over a link at once if the contender batches them.
const BATCH: usize = 32;

pub(crate) const P1: Case = Case {
    name: "P1",
    what: "three stages of about 60, 250 and 120 ns an item over links that hold 1,024",
    unit: Unit::ItemsPerMs,
    contenders: &[
        Contender::new("tokio mpsc", |lap| items(lap, on_tokio)),
        Contender::new("flume", |lap| items(lap, on_flume)),
        Contender::new("crossbeam", |lap| items(lap, on_crossbeam)),
        Contender::new("crossbeam, batches of 32", |lap| items(lap, in_batches)),
        Contender::new("limit: fused rayon loop", fused),
        Contender::new("nanolith", |lap| items(lap, on_nanolith)),
    ],
    goals: &[
        Goal::ahead(&["tokio mpsc", "flume", "crossbeam", "crossbeam, batches of 32"]),
        Goal::ratio(&["crossbeam"], Bound::AtLeast(1.2)).on_one_core(),
    ],
    only_named: false,
};

/// Warms up, then measures.
fn items(lap: &Lap, run: fn(Pace) -> u64) -> Sample {
    turns_a_microsecond();
    run(Pace::exactly(WARM_UP));
    let pace = lap.tasks(ITEMS);
    let meter = Meter::start(lap);
    meter.rate(run(pace))
}

/// Computes for this number of sixteenths of a microsecond.
fn stage(value: u64, sixteenths: u64) -> u64 {
    black_box(grind(value, sixteenths * turns_a_microsecond() / 16));
    mix(value)
}

fn first(n: u64) -> u64 {
    stage(n, 1)
}

fn second(value: u64) -> u64 {
    stage(value, 4)
}

fn third(value: u64) -> u64 {
    stage(value, 2)
}

fn check(n: u64, value: u64) {
    assert_eq!(value, mix(mix(mix(n))), "item {n}");
}

/// Runs the last stage: returns the number of items that came.
fn finish(values: impl IntoIterator<Item = u64>) -> u64 {
    (0..).zip(values).map(|(n, value)| check(n, third(value))).count() as u64
}

/// Runs the three stages over the given ends of links. Each stage drops its sending end when it
/// ends.
fn on_threads<S: Send, R: IntoIterator<Item = u64> + Send>(
    links: [(S, R); 2],
    send: impl Fn(&S, u64) + Sync,
    pace: Pace,
) -> u64 {
    let [(to_second, in_second), (to_third, in_third)] = links;
    let send = &send;
    thread::scope(|scope| {
        scope.spawn(move || in_second.into_iter().for_each(|value| send(&to_third, second(value))));
        let last = scope.spawn(move || finish(in_third));
        pace.for_each(|n| send(&to_second, first(n)));
        drop(to_second);
        last.join().expect("it ends")
    })
}

fn on_flume(pace: Pace) -> u64 {
    let links = [flume::bounded(BOUND), flume::bounded(BOUND)];
    on_threads(links, |sender, value| sender.send(value).expect("it listens"), pace)
}

fn on_crossbeam(pace: Pace) -> u64 {
    let links = [crossbeam_channel::bounded(BOUND), crossbeam_channel::bounded(BOUND)];
    on_threads(links, |sender, value| sender.send(value).expect("it listens"), pace)
}

/// Runs the batched pipeline that a person would write: whole vectors go over the links, and each
/// stage works through one vector at a time.
fn in_batches(mut pace: Pace) -> u64 {
    let (to_second, in_second) = crossbeam_channel::bounded::<Vec<u64>>(BOUND / BATCH);
    let (to_third, in_third) = crossbeam_channel::bounded::<Vec<u64>>(BOUND / BATCH);
    thread::scope(|scope| {
        scope.spawn(move || {
            for mut batch in in_second {
                batch.iter_mut().for_each(|value| *value = second(*value));
                to_third.send(batch).expect("it listens");
            }
        });
        let last = scope.spawn(move || finish(in_third.into_iter().flatten()));
        loop {
            let batch: Vec<_> = pace.by_ref().take(BATCH).map(first).collect();
            if batch.is_empty() {
                break;
            }
            to_second.send(batch).expect("it listens");
        }
        drop(to_second);
        last.join().expect("it ends")
    })
}

fn on_tokio(pace: Pace) -> u64 {
    let runtime = runtime(cores());
    let (to_second, mut in_second) = mpsc::channel(BOUND);
    let (to_third, mut in_third) = mpsc::channel(BOUND);
    runtime.spawn(async move {
        for n in pace {
            to_second.send(first(n)).await.expect("it listens");
        }
    });
    runtime.spawn(async move {
        while let Some(value) = in_second.recv().await {
            to_third.send(second(value)).await.expect("it listens");
        }
    });
    let last = async move {
        let mut count = 0;
        while let Some(value) = in_third.recv().await {
            check(count, third(value));
            count += 1;
        }
        count
    };
    runtime.block_on(async { task::spawn(last).await.expect("it ends") })
}

/// Runs each stage as a function on the pool, with measured batch sizes. The slowest stage may run
/// twice at once and keeps its order.
fn on_nanolith(pace: Pace) -> u64 {
    let pool = Pool::builder().concurrency(Concurrency::Exact(cores())).build().expect("the system gives threads");
    let stages = Pipeline::from_iter(pace)
        .map(&pool, first)
        .buffer(BOUND)
        .map(&pool, second)
        .buffer(BOUND)
        .concurrency(2)
        .map(&pool, third)
        .buffer(BOUND)
        .output(BOUND);
    let mut count = 0;
    let each = |value| {
        assert_eq!(value, mix(mix(mix(count))), "item {count}");
        count += 1;
    };
    stages.for_each(each).wait().expect("no stage fails");
    count
}

/// Runs without links: all stages of an item at once, on any free thread.
fn fused(lap: &Lap) -> Sample {
    turns_a_microsecond();
    let pool = rayon_pool(cores());
    let run = || pool.install(|| (0..ITEMS).into_par_iter().for_each(|n| check(n, third(second(first(n))))));
    run();
    let pace = lap.rounds(1);
    let meter = Meter::start(lap);
    let rounds = pace.map(|_| run()).count() as u64;
    meter.rate(rounds * ITEMS)
}
