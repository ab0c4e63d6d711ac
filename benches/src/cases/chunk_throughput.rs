//! Cases M2 and M2-touched: the throughput of chunks of 64 KiB from one thread to another, without
//! a copy. In M2-touched, the receiver reads each byte.

use crate::{
    case::{Case, Contender, Unit},
    drive::WARM_UP,
    goals::Goal,
    measure::{Lap, Meter, Sample},
    pace::Pace,
    peers::spin::until_soon,
};
use bytes::Bytes;
use nanolith::Wait;
use nanolith::stream::{self, Credits};
use std::{hint::black_box, iter, sync::mpsc, thread};

/// The chunks that a link holds.
const BOUND: usize = 16;

const CHUNK: usize = 64 * 1_024;

/// The chunks that are sent again and again.
const STOCK: u8 = 32;

pub(crate) const M2: Case = Case {
    name: "M2",
    what: "chunks of 64 KiB from thread to thread through a bound of 16",
    unit: Unit::ChunksPerMs,
    contenders: &[
        Contender::new("crossbeam", |lap| chunks(lap, &HANDED, on_crossbeam)),
        Contender::new("flume", |lap| chunks(lap, &HANDED, on_flume)),
        Contender::new("tokio mpsc", |lap| chunks(lap, &HANDED, on_tokio)),
        Contender::new("kanal", |lap| chunks(lap, &HANDED, on_kanal)),
        Contender::new("std sync_channel", |lap| chunks(lap, &HANDED, on_std)),
        Contender::new("limit: spsc ring", |lap| chunks(lap, &HANDED, on_ring)),
        Contender::new("nanolith", |lap| chunks(lap, &HANDED, on_nanolith)),
    ],
    goals: &[Goal::ahead(CHANNELS)],
    only_named: false,
};

pub(crate) const M2_TOUCHED: Case = Case {
    name: "M2-touched",
    what: "the same, every byte read by the receiver",
    contenders: &[
        Contender::new("crossbeam", |lap| chunks(lap, &TOUCHED, on_crossbeam)),
        Contender::new("flume", |lap| chunks(lap, &TOUCHED, on_flume)),
        Contender::new("tokio mpsc", |lap| chunks(lap, &TOUCHED, on_tokio)),
        Contender::new("kanal", |lap| chunks(lap, &TOUCHED, on_kanal)),
        Contender::new("std sync_channel", |lap| chunks(lap, &TOUCHED, on_std)),
        Contender::new("limit: spsc ring", |lap| chunks(lap, &TOUCHED, on_ring)),
        Contender::new("nanolith", |lap| chunks(lap, &TOUCHED, on_nanolith)),
    ],
    goals: &[Goal::ahead(CHANNELS)],
    ..M2
};

const CHANNELS: &[&str] = &["crossbeam", "flume", "tokio mpsc", "kanal", "std sync_channel"];

/// The receiver's use of a chunk.
struct Use {
    check: fn(u64, &Bytes),
    /// The least number of chunks in a run.
    least: u64,
}

const HANDED: Use = Use { check: check_one_byte, least: 50_000 };
const TOUCHED: Use = Use { check: check_every_byte, least: 5_000 };

fn check_one_byte(n: u64, chunk: &Bytes) {
    assert_eq!((chunk.len(), chunk.first()), (CHUNK, Some(&filling(n))));
}

fn check_every_byte(n: u64, chunk: &Bytes) {
    let sum: u64 = black_box(chunk).iter().copied().map(u64::from).sum();
    assert_eq!(sum, u64::from(filling(n)) * CHUNK as u64);
}

/// Returns the value of each byte of a chunk.
fn filling(n: u64) -> u8 {
    (n % u64::from(STOCK)) as u8
}

fn chunks(lap: &Lap, usage: &Use, link: fn(Flow) -> u64) -> Sample {
    let stock: Vec<_> = (0..STOCK).map(|filling| Bytes::from(vec![filling; CHUNK])).collect();
    let flow = |pace| Flow { pace, stock: stock.clone(), check: usage.check };
    link(flow(Pace::exactly(WARM_UP.min(usage.least))));
    let measured = flow(lap.tasks(usage.least));
    let meter = Meter::start(lap);
    meter.rate(link(measured))
}

/// The chunks to be sent.
struct Flow {
    pace: Pace,
    stock: Vec<Bytes>,
    check: fn(u64, &Bytes),
}

impl Flow {
    /// Sends all chunks from the current thread to another thread, which ends after `send` is
    /// dropped. Returns their number.
    fn run(mut self, mut send: impl FnMut(Bytes), receive: impl FnMut() -> Option<Bytes> + Send) -> u64 {
        thread::scope(|scope| {
            let receiver = scope.spawn(move || {
                (0..).zip(iter::from_fn(receive)).map(|(n, chunk)| (self.check)(n, &chunk)).count() as u64
            });
            self.pace.by_ref().for_each(|n| send(self.stock[usize::from(filling(n))].clone()));
            drop(send);
            assert_eq!(receiver.join().expect("it ends"), self.pace.given());
            self.pace.given()
        })
    }
}

fn on_crossbeam(flow: Flow) -> u64 {
    let (sender, receiver) = crossbeam_channel::bounded(BOUND);
    flow.run(move |chunk| sender.send(chunk).expect("it listens"), move || receiver.recv().ok())
}

fn on_flume(flow: Flow) -> u64 {
    let (sender, receiver) = flume::bounded(BOUND);
    flow.run(move |chunk| sender.send(chunk).expect("it listens"), move || receiver.recv().ok())
}

fn on_tokio(flow: Flow) -> u64 {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(BOUND);
    flow.run(move |chunk| sender.blocking_send(chunk).expect("it listens"), move || receiver.blocking_recv())
}

fn on_kanal(flow: Flow) -> u64 {
    let (sender, receiver) = kanal::bounded(BOUND);
    flow.run(move |chunk| sender.send(chunk).expect("it listens"), move || receiver.recv().ok())
}

fn on_std(flow: Flow) -> u64 {
    let (sender, receiver) = mpsc::sync_channel(BOUND);
    flow.run(move |chunk| sender.send(chunk).expect("it listens"), move || receiver.recv().ok())
}

fn on_nanolith(flow: Flow) -> u64 {
    let credits = Credits::new().bytes(BOUND * CHUNK).chunks(BOUND);
    let (mut writer, mut reader) = stream::pipe((), credits).expect("sound");
    let send = move |chunk: Bytes| writer.write(chunk).wait().expect("it listens");
    flow.run(send, move || reader.read().wait().ok().flatten())
}

fn on_ring(flow: Flow) -> u64 {
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(BOUND);
    let send = move |chunk| {
        until_soon(|| producer.slots() > 0);
        producer.push(chunk).expect("there is room");
    };
    flow.run(send, move || {
        let mut chunk = None;
        until_soon(|| {
            // A chunk pushed before the producer was dropped is seen by the pop after this check.
            let abandoned = consumer.is_abandoned();
            chunk = consumer.pop().ok();
            chunk.is_some() || abandoned
        });
        chunk
    })
}
