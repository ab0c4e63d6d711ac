//! Case `launch`: the time from the launch of a service to its end, with one call in between.

use crate::{
    case::{Case, Contender, Unit},
    measure::{Lap, Meter, Sample, Times},
    peers::{
        Service, Start,
        channels::{Flume, StdMpsc},
        nanolith::NanolithService,
    },
    work::{check, mix, stamped},
};
use std::{thread, time::Instant};

const BOUND: usize = 1_024;

/// The least number of launches in a run.
const LAUNCHES: u64 = 500;

pub(crate) const LAUNCH: Case = Case {
    name: "launch",
    what: "launch a service, call it once, close it and see its end",
    unit: Unit::Nanos,
    contenders: &[
        Contender::new("std::thread, spawn and join", |lap| lives(lap, spawn_and_join)),
        Contender::new("std mpsc + oneshot", |lap| lives(lap, one::<StdMpsc>)),
        Contender::new("flume + oneshot", |lap| lives(lap, one::<Flume>)),
        Contender::new("nanolith", |lap| lives(lap, one::<NanolithService>)),
    ],
    goals: &[],
    only_named: false,
};

fn lives(lap: &Lap, live: fn(u64)) -> Sample {
    live(0);
    let mut times = Times::new();
    let meter = Meter::start(lap);
    for n in lap.rounds(LAUNCHES) {
        let began = Instant::now();
        live(n);
        times.push(began.elapsed());
    }
    meter.latency(times)
}

/// Starts a thread that does the work of one call, and joins it.
fn spawn_and_join(n: u64) {
    let sum = thread::spawn(move || stamped(mix(n))).join().expect("it ends");
    check(n, sum);
}

fn one<P: Service>(n: u64) {
    let service = P::start(&Start::bound(BOUND));
    check(n, service.ask(n));
    service.stop();
}
