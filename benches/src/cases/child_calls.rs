//! Cases C1 to C5: calls to a child process, its start, its end by force, and large arguments.

use crate::{
    case::{Case, Contender, Unit},
    child_process::{NODE, PYTHON, RawSocket, sample},
    goals::{Bound, Goal},
    measure::{Lap, Meter, Sample, Times},
    work::{check_value, mix},
};
use bytes::Bytes;
use nanolith::{prelude::*, time::MILLISECOND};
use nanolith_process::{ProcessPool, ProcessPoolBuilder};
use std::{
    collections::VecDeque,
    io::{Read, Write},
    time::Instant,
};

/// The tasks that the children of this program run.
pub(crate) struct Remote;

#[define(wire, vis = "pub(crate)")]
impl Remote {
    /// Mixes the bits of a number.
    pub(crate) fn next(n: u64) -> u64 {
        mix(n)
    }

    /// Returns the length of its argument.
    pub(crate) fn measure(bytes: Bytes) -> usize {
        bytes.len()
    }

    /// Returns the length of its argument.
    pub(crate) fn count(numbers: Vec<f64>) -> usize {
        numbers.len()
    }

    /// Never ends.
    pub(crate) fn spin() {
        loop {
            std::hint::spin_loop();
        }
    }
}

const MIB: usize = 1 << 20;
const IN_FLIGHT: usize = 64;

pub(crate) const C1: Case = Case {
    name: "C1",
    what: "call a child process and wait, one at a time",
    unit: Unit::Nanos,
    contenders: &[
        Contender::new("limit: raw socket pair, 64 bytes", |lap| raw_latency(lap, 64, 64)),
        Contender::attempt("Node's child_process", |lap| sample(lap, NODE)),
        Contender::attempt("Python's ProcessPoolExecutor", |lap| sample(lap, PYTHON)),
        Contender::new("nanolith", latency),
    ],
    goals: &[Goal::ratio(&["limit: raw socket pair, 64 bytes"], Bound::AtMost(1.3))],
    only_named: true,
};

pub(crate) const C2: Case = Case {
    name: "C2",
    what: "calls to a child process, 64 in flight",
    unit: Unit::CallsPerMs,
    contenders: &[Contender::new("limit: raw socket pair, 64 bytes", raw_rate), Contender::new("nanolith", rate)],
    goals: &[Goal::ratio(&["limit: raw socket pair, 64 bytes"], Bound::AtLeast(0.8))],
    only_named: true,
};

pub(crate) const C3: Case = Case {
    name: "C3",
    what: "start a child process and get its first answer",
    unit: Unit::Nanos,
    contenders: &[
        Contender::new("std::process and a socket pair", |lap| starts(lap, RawSocket::start_and_call, RawSocket::stop)),
        Contender::new("nanolith, a parent of 1 GiB", |lap| {
            let memory = vec![1_u8; 1 << 30];
            let sample = starts(lap, start_and_call, drop);
            std::hint::black_box(&memory);
            sample
        }),
        Contender::new("nanolith", |lap| starts(lap, start_and_call, drop)),
    ],
    goals: &[],
    only_named: true,
};

pub(crate) const C4: Case = Case {
    name: "C4",
    what: "a call that never ends: the time after its limit of 2 ms, with no grace, until it has ended",
    unit: Unit::Nanos,
    contenders: &[Contender::new("nanolith", kills)],
    goals: &[],
    only_named: true,
};

pub(crate) const C5: Case = Case {
    name: "C5",
    what: "send 1 MiB to a child process and wait for its answer",
    unit: Unit::Nanos,
    contenders: &[
        Contender::new("limit: raw socket pair", |lap| raw_latency(lap, MIB, 1)),
        Contender::new("nanolith, Vec<f64>", |lap| {
            let numbers = vec![0.5; MIB / 8];
            large(lap, MIB / 8, |remote| remote.count(numbers.clone()).wait())
        }),
        Contender::new("nanolith", |lap| {
            let bytes = Bytes::from(vec![1; MIB]);
            large(lap, MIB, |remote| remote.measure(bytes.clone()).wait())
        }),
    ],
    goals: &[Goal::ratio(&["limit: raw socket pair"], Bound::AtMost(1.5))],
    only_named: true,
};

/// Returns a pool of one child that serves.
fn children(set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> ProcessPool {
    set(ProcessPool::builder().max_children(1)).build().expect("a pool of children")
}

fn check_next(children: &ProcessPool, n: u64) {
    let next = Remote::on(children).next(n).wait().expect("it is answered");
    check_value(n, next);
}

fn latency(lap: &Lap) -> Sample {
    let children = children(|set| set);
    (0..100).for_each(|n| check_next(&children, n));
    let mut times = Times::new();
    let meter = Meter::start(lap);
    for n in lap.calls() {
        let began = Instant::now();
        check_next(&children, n);
        times.push(began.elapsed());
    }
    meter.latency(times)
}

fn raw_latency(lap: &Lap, message: usize, answer: usize) -> Sample {
    let (mut child, mut bytes) = (RawSocket::start(message, answer), vec![1; message]);
    (0..100).for_each(|_| child.call(&mut bytes, answer));
    let mut times = Times::new();
    let meter = Meter::start(lap);
    for _ in lap.calls() {
        let began = Instant::now();
        child.call(&mut bytes, answer);
        times.push(began.elapsed());
    }
    let sample = meter.latency(times);
    child.stop();
    sample
}

fn rate(lap: &Lap) -> Sample {
    let children = children(|set| set);
    let remote = Remote::on(&children);
    check_next(&children, 0);
    let mut window = VecDeque::with_capacity(IN_FLIGHT);
    let settle = |(n, handle): (u64, Handle<Remote, u64>)| check_value(n, handle.wait().expect("it is answered"));
    let (meter, mut pace) = (Meter::start(lap), lap.tasks(20_000));
    for n in pace.by_ref() {
        if window.len() == IN_FLIGHT {
            window.pop_front().into_iter().for_each(settle);
        }
        window.push_back((n, remote.next(n).submit()));
    }
    window.into_iter().for_each(settle);
    meter.rate(pace.given())
}

/// A thread writes, and this thread reads, so that neither end waits for the other.
fn raw_rate(lap: &Lap) -> Sample {
    let child = RawSocket::start(64, 64);
    let (room, free) = std::sync::mpsc::sync_channel(IN_FLIGHT);
    let (mut write, mut read) =
        (child.socket.try_clone().expect("a socket"), child.socket.try_clone().expect("a socket"));
    let (meter, mut pace) = (Meter::start(lap), lap.tasks(20_000));
    let writer = std::thread::spawn(move || {
        for () in free {
            write.write_all(&[1; 64]).expect("it is sent");
        }
    });
    for n in pace.by_ref() {
        room.send(()).expect("the writer waits");
        if n >= IN_FLIGHT as u64 {
            read.read_exact(&mut [0; 64]).expect("it is answered");
        }
    }
    drop(room);
    let left = pace.given().min(IN_FLIGHT as u64);
    (0..left).for_each(|_| read.read_exact(&mut [0; 64]).expect("it is answered"));
    let sample = meter.rate(pace.given());
    writer.join().expect("it ends");
    child.stop();
    sample
}

fn start_and_call() -> ProcessPool {
    let children = children(|set| set);
    check_next(&children, 1);
    children
}

/// The end of a child is not part of the time.
fn starts<T>(lap: &Lap, start: impl Fn() -> T, end: impl Fn(T)) -> Sample {
    end(start());
    let mut times = Times::new();
    let meter = Meter::start(lap);
    for _ in lap.rounds(50) {
        let began = Instant::now();
        let child = start();
        times.push(began.elapsed());
        end(child);
    }
    meter.latency(times)
}

fn kills(lap: &Lap) -> Sample {
    let limit = 2 * MILLISECOND;
    let children = children(|set| set.grace(std::time::Duration::ZERO));
    let mut times = Times::new();
    let meter = Meter::start(lap);
    for n in lap.rounds(50) {
        check_next(&children, n); // a child serves
        let began = Instant::now();
        let outcome = Remote::on(&children).spin().timeout(limit).wait();
        times.push(began.elapsed().saturating_sub(limit));
        assert!(matches!(outcome, Err(CallError::Killed(_))), "{outcome:?}");
    }
    meter.latency(times)
}

fn large(lap: &Lap, len: usize, call: impl Fn(&RemoteCalls<ProcessPool>) -> Result<usize, CallError>) -> Sample {
    let remote = Remote::on(&children(|set| set));
    let check = || assert_eq!(call(&remote).expect("it is answered"), len);
    (0..10).for_each(|_| check());
    let mut times = Times::new();
    let meter = Meter::start(lap);
    for _ in lap.rounds(200) {
        let began = Instant::now();
        check();
        times.push(began.elapsed());
    }
    meter.latency(times)
}
