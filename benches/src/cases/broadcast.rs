//! Case M1: the throughput of a broadcast from one sender to four receivers. Each receiver gets
//! each message.

use crate::{
    case::{Case, Contender, Unit},
    drive::WARM_UP,
    goals::{Bound, Goal},
    measure::{Lap, Meter, Sample},
    pace::Pace,
    peers::{cores, runtime, shared_ring},
    work::{Sum, check_elsewhere, check_total},
};
use bus::Bus;
use nanolith::Wait;
use nanolith::messenger::{LagPolicy, Messenger, Subscriber};
use std::thread;
use tokio::{sync::broadcast, task};

const RECEIVERS: usize = 4;

/// The messages that a queue holds.
const BOUND: usize = 1_024;

/// The least number of messages in a run.
const MESSAGES: u64 = 50_000;

pub(crate) const M1: Case = Case {
    name: "M1",
    what: "one sender, four receivers, each of which gets every message; 1,024 are held",
    unit: Unit::DeliveriesPerMs,
    contenders: &[
        Contender::new("bus", |lap| deliveries(lap, on_bus)),
        Contender::new("tokio broadcast, threads", |lap| deliveries(lap, on_tokio_threads)),
        Contender::new("tokio broadcast, tasks", |lap| deliveries(lap, on_tokio_tasks)),
        Contender::new("async-broadcast", |lap| deliveries(lap, on_async_broadcast)),
        Contender::new("flume, a channel each", |lap| deliveries(lap, on_flume)),
        Contender::new("crossbeam, a channel each", |lap| deliveries(lap, on_crossbeam)),
        Contender::new("limit: shared ring", |lap| deliveries(lap, on_shared_ring)),
        Contender::new("nanolith", |lap| deliveries(lap, on_nanolith)),
    ],
    goals: &[
        Goal::ratio(&["bus"], Bound::AtLeast(2.0)),
        Goal::ratio(&["bus"], Bound::AtLeast(1.5)).in_each_round(),
        Goal::ahead(PEERS),
        Goal::ahead(&["bus"]).on_one_core(),
    ],
    only_named: false,
};

const PEERS: &[&str] = &[
    "tokio broadcast, threads",
    "tokio broadcast, tasks",
    "async-broadcast",
    "flume, a channel each",
    "crossbeam, a channel each",
];

/// The number of messages sent, and the sum that each receiver computed.
struct Sent {
    count: u64,
    totals: Vec<u64>,
}

impl Sent {
    fn check(&self) {
        assert_eq!(self.totals.len(), RECEIVERS);
        for total in &self.totals {
            check_total(&[self.count], *total);
            check_elsewhere(*total);
        }
    }
}

/// Sends some messages to warm up, then measures.
fn deliveries(lap: &Lap, send: fn(Pace) -> Sent) -> Sample {
    send(Pace::exactly(WARM_UP)).check();
    let pace = lap.tasks(MESSAGES);
    let meter = Meter::start(lap);
    let sent = send(pace);
    let sample = meter.rate(sent.count * RECEIVERS as u64);
    sent.check();
    sample
}

/// The messages that a receiver got, as a count and a sum.
#[derive(Default)]
struct Ear {
    sum: Sum,
    next: u64,
}

impl Ear {
    fn hear(&mut self, n: u64) {
        assert_eq!(n, self.next, "nothing is lost, and nothing overtakes");
        self.next += 1;
        self.sum.note(n);
    }
}

/// Gives each receiver a thread, and sends from the current thread. `send` ends the channel it
/// sends through, and returns the count.
fn on_threads<R: Send>(
    receivers: impl IntoIterator<Item = R>,
    hear: impl Fn(R, &mut Ear) + Sync,
    send: impl FnOnce() -> u64,
) -> Sent {
    let hear = |receiver| {
        let mut ear = Ear::default();
        hear(receiver, &mut ear);
        ear.sum.total()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = receivers.into_iter().map(|receiver| scope.spawn(|| hear(receiver))).collect();
        let count = send();
        let totals = threads.into_iter().map(|thread| thread.join().expect("it ends")).collect();
        Sent { count, totals }
    })
}

fn on_bus(mut pace: Pace) -> Sent {
    let mut bus = Bus::new(BOUND);
    let receivers: Vec<_> = (0..RECEIVERS).map(|_| bus.add_rx()).collect();
    let hear = |receiver: bus::BusReader<u64>, ear: &mut Ear| receiver.into_iter().for_each(|n| ear.hear(n));
    on_threads(receivers, hear, move || {
        pace.by_ref().for_each(|n| bus.broadcast(n));
        pace.given()
    })
}

/// tokio's broadcast drops the oldest messages. So its sender checks twice a lap that no receiver
/// is too far behind.
fn has_room(sender: &broadcast::Sender<u64>, n: u64) -> bool {
    n & (BOUND as u64 / 2 - 1) != 0 || sender.len() <= BOUND / 2
}

fn on_tokio_threads(mut pace: Pace) -> Sent {
    let sender = broadcast::Sender::new(BOUND);
    let receivers: Vec<_> = (0..RECEIVERS).map(|_| sender.subscribe()).collect();
    let hear = |mut receiver: broadcast::Receiver<u64>, ear: &mut Ear| {
        while let Some(n) = heard(&receiver.blocking_recv()) {
            ear.hear(n);
        }
    };
    on_threads(receivers, hear, move || {
        for n in pace.by_ref() {
            while !has_room(&sender, n) {
                thread::yield_now();
            }
            sender.send(n).expect("they listen");
        }
        pace.given()
    })
}

fn heard(result: &Result<u64, broadcast::error::RecvError>) -> Option<u64> {
    match result {
        Ok(n) => Some(*n),
        Err(broadcast::error::RecvError::Closed) => None,
        Err(broadcast::error::RecvError::Lagged(count)) => panic!("{count} messages are lost"),
    }
}

fn on_tokio_tasks(pace: Pace) -> Sent {
    let runtime = runtime(cores());
    let sender = broadcast::Sender::new(BOUND);
    let receivers: Vec<_> = (0..RECEIVERS).map(|_| runtime.spawn(hear_in_task(sender.subscribe()))).collect();
    runtime.block_on(async {
        let count = task::spawn(send_in_task(sender, pace)).await.expect("it ends");
        let mut totals = Vec::new();
        for receiver in receivers {
            totals.push(receiver.await.expect("it ends"));
        }
        Sent { count, totals }
    })
}

async fn hear_in_task(mut receiver: broadcast::Receiver<u64>) -> u64 {
    let mut ear = Ear::default();
    while let Some(n) = heard(&receiver.recv().await) {
        ear.hear(n);
    }
    ear.sum.total()
}

async fn send_in_task(sender: broadcast::Sender<u64>, mut pace: Pace) -> u64 {
    for n in pace.by_ref() {
        while !has_room(&sender, n) {
            task::yield_now().await;
        }
        sender.send(n).expect("they listen");
    }
    pace.given()
}

fn on_async_broadcast(mut pace: Pace) -> Sent {
    let (sender, first) = async_broadcast::broadcast(BOUND);
    let mut receivers: Vec<_> = (1..RECEIVERS).map(|_| first.clone()).collect();
    receivers.push(first);
    let hear = |mut receiver: async_broadcast::Receiver<u64>, ear: &mut Ear| {
        while let Ok(n) = receiver.recv_blocking() {
            ear.hear(n);
        }
    };
    on_threads(receivers, hear, move || {
        for n in pace.by_ref() {
            sender.broadcast_blocking(n).expect("they listen");
        }
        pace.given()
    })
}

fn on_flume(mut pace: Pace) -> Sent {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..RECEIVERS).map(|_| flume::bounded(BOUND)).unzip();
    let hear = |receiver: flume::Receiver<u64>, ear: &mut Ear| receiver.into_iter().for_each(|n| ear.hear(n));
    on_threads(receivers, hear, move || {
        for n in pace.by_ref() {
            senders.iter().for_each(|sender| sender.send(n).expect("they listen"));
        }
        pace.given()
    })
}

fn on_crossbeam(mut pace: Pace) -> Sent {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..RECEIVERS).map(|_| crossbeam_channel::bounded(BOUND)).unzip();
    let hear =
        |receiver: crossbeam_channel::Receiver<u64>, ear: &mut Ear| receiver.into_iter().for_each(|n| ear.hear(n));
    on_threads(receivers, hear, move || {
        for n in pace.by_ref() {
            senders.iter().for_each(|sender| sender.send(n).expect("they listen"));
        }
        pace.given()
    })
}

/// Runs with the default policy: a sender waits for a receiver that is 1,024 messages behind.
fn on_nanolith(mut pace: Pace) -> Sent {
    let messenger = Messenger::<u64>::builder().on_lag(LagPolicy::Wait(BOUND)).build().expect("it is sound");
    let receivers: Vec<_> = (0..RECEIVERS).map(|_| messenger.join().subscribe()).collect();
    let hear = |receiver: Subscriber<u64>, ear: &mut Ear| receiver.into_iter().for_each(|n| ear.hear(n));
    on_threads(receivers, hear, move || {
        pace.by_ref().for_each(|n| {
            messenger.send(n).wait().expect("they listen");
        });
        pace.given()
    })
}

fn on_shared_ring(mut pace: Pace) -> Sent {
    let (mut sender, receivers) = shared_ring::ring(BOUND, RECEIVERS);
    let hear = |receiver: shared_ring::Receiver, ear: &mut Ear| receiver.each(|n| ear.hear(n));
    on_threads(receivers, hear, move || {
        pace.by_ref().for_each(|n| sender.send(n));
        pace.given()
    })
}
