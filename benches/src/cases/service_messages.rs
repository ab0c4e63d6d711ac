//! Case S3: the throughput of messages to a service, which answers none of them. A last call with
//! an answer ends the run.

use crate::{
    case::{Case, Contender, Unit},
    drive, drive_async,
    goals::{Bound, Goal},
    measure::{Lap, Meter, Sample},
    pace::Pace,
    peers::{
        AsyncTell, Start, Tell,
        actix::Actix,
        channels::{CrossbeamChannel, Flume, StdMpsc},
        kameo::Kameo,
        nanolith::NanolithService,
        ractor::Ractor,
        spin::until,
        tokio_mpsc::TokioMpsc,
        xtra::Xtra,
    },
    work::{Sum, check_elsewhere, check_total},
};
use rtrb::{Consumer, Producer, RingBuffer};
use std::thread;

/// The messages that a queue holds. ractor's queue has no bound, and actix's `do_send` ignores its
/// bound.
const BOUND: usize = 65_536;

/// The least number of messages in a run.
const MESSAGES: u64 = 200_000;

/// The messages that are handed over at once if the contender batches them.
const BATCH: usize = 256;

pub(crate) const S3: Case = Case {
    name: "S3",
    what: "messages to a service without an answer, then one call with one; a queue of 65,536",
    unit: Unit::MessagesPerMs,
    contenders: &[
        Contender::new("kameo", tells_async::<Kameo<false>>),
        Contender::new("ractor (no bound)", tells_async::<Ractor>),
        Contender::new("actix do_send (no bound)", tells_async::<Actix>),
        Contender::new("xtra", tells_async::<Xtra>),
        Contender::new("flume", tells::<Flume>),
        Contender::new("tokio mpsc", tells_async::<TokioMpsc>),
        Contender::new("crossbeam", tells::<CrossbeamChannel>),
        Contender::new("std sync_channel", tells::<StdMpsc>),
        Contender::new("limit: ring", |lap| ring(lap, push_each, pop_each)),
        Contender::new("limit: ring in batches", |lap| ring(lap, push_batches, pop_batches)),
        Contender::new("nanolith", tells::<NanolithService>),
    ],
    goals: &[
        Goal::ahead(&["kameo", "ractor (no bound)", "actix do_send (no bound)", "xtra", "flume", "tokio mpsc"]),
        Goal::ratio(&["crossbeam"], Bound::AtLeast(2.0)),
        Goal::ratio(&["crossbeam"], Bound::AtLeast(1.0)).on_one_core(),
    ],
    only_named: false,
};

fn tells<P: Tell>(lap: &Lap) -> Sample {
    drive::tells::<P>(lap, Start::bound(BOUND), MESSAGES)
}

fn tells_async<P: AsyncTell>(lap: &Lap) -> Sample {
    drive_async::tells::<P>(lap, Start::bound(BOUND), MESSAGES)
}

type Push = fn(&mut Producer<u64>, &mut Pace);
type Pop = fn(&mut Consumer<u64>, &mut Sum);

/// Runs a ring to a thread that ends after its producer. The end of the thread is the answer.
fn ring(lap: &Lap, push: Push, pop: Pop) -> Sample {
    let (mut producer, mut consumer) = RingBuffer::new(BOUND);
    let service = thread::spawn(move || {
        let mut sum = Sum::default();
        pop(&mut consumer, &mut sum);
        sum.total()
    });
    push(&mut producer, &mut Pace::exactly(drive::WARM_UP));
    until(|| producer.slots() == BOUND);
    let mut pace = lap.tasks(MESSAGES);
    let meter = Meter::start(lap);
    push(&mut producer, &mut pace);
    drop(producer);
    let total = service.join().expect("it ends");
    let sample = meter.rate(pace.given());
    check_total(&[drive::WARM_UP, pace.given()], total);
    check_elsewhere(total);
    sample
}

fn push_each(producer: &mut Producer<u64>, pace: &mut Pace) {
    for n in pace {
        until(|| producer.push(n).is_ok());
    }
}

fn pop_each(consumer: &mut Consumer<u64>, sum: &mut Sum) {
    loop {
        match consumer.pop() {
            Ok(n) => sum.note(n),
            Err(_) if is_over(consumer) => return,
            Err(_) => thread::yield_now(),
        }
    }
}

fn push_batches(producer: &mut Producer<u64>, pace: &mut Pace) {
    let mut given = pace.given();
    loop {
        until(|| producer.slots() >= BATCH);
        let chunk = producer.write_chunk_uninit(BATCH).expect("there is room");
        chunk.fill_from_iter(pace.by_ref());
        if pace.given() - given < BATCH as u64 {
            return;
        }
        given = pace.given();
    }
}

fn pop_batches(consumer: &mut Consumer<u64>, sum: &mut Sum) {
    loop {
        match consumer.slots().min(BATCH) {
            0 if is_over(consumer) => return,
            0 => thread::yield_now(),
            some => {
                let chunk = consumer.read_chunk(some).expect("they are there");
                chunk.into_iter().for_each(|n| sum.note(n));
            }
        }
    }
}

/// Whether the ring is empty and its producer is gone.
fn is_over(consumer: &Consumer<u64>) -> bool {
    consumer.is_abandoned() && consumer.is_empty()
}
