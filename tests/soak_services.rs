//! Soak test of services, clusters, messengers and streams, with members killed at random, for
//! `NANOLITH_SOAK` seconds. Each call, message and byte is accounted for. Threads and memory return
//! to their initial values.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster,
    messenger::{LagPolicy, Messenger, RecvError},
    pool::GlobalPool,
    prelude::*,
    service::Restart,
    stream::{Bytes, Credits, StreamReader},
    sync::Backoff,
    time::{MILLISECOND, MINUTE, SECOND},
};
use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// The counts of all calls, messages and bytes.
#[derive(Default)]
pub struct Tally {
    done: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    refused: AtomicU64,
    heard: AtomicU64,
    /// The messages that were dropped, whether handled or not.
    gone: AtomicU64,
    said: AtomicU64,
    streams: AtomicU64,
    torn: AtomicU64,
    bytes: AtomicU64,
    broadcasts: AtomicU64,
    lost: AtomicU64,
    kills: AtomicU64,
    /// The reports of streams that were not finished.
    unfinished: Mutex<Vec<Report>>,
}

impl Tally {
    /// Records that the stream of this report was dropped half way. Only some reports are kept.
    fn note_unfinished(&self, report: Report) {
        let mut unfinished = self.unfinished.lock().expect("no holder panics");
        unfinished.push(report);
        if unfinished.len() > 1_000 {
            check_unfinished(unfinished.drain(..500));
        }
    }
}

/// Checks that no reader saw a stream as complete that was dropped half way.
fn check_unfinished(reports: impl Iterator<Item = Report>) {
    for report in reports {
        let report = *report.lock().expect("no holder panics");
        assert!(!matches!(report, Some((_, true))), "{report:?}");
    }
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, SeqCst);
}

/// A message that counts its drop.
pub struct Parcel(Arc<Tally>);

impl Drop for Parcel {
    fn drop(&mut self) {
        add(&self.0.gone, 1);
    }
}

/// A reader's result for a stream: the number of bytes, and whether the stream ended cleanly.
pub type Report = Arc<Mutex<Option<(u64, bool)>>>;

pub struct Worker {
    tally: Arc<Tally>,
    sum: u64,
}

#[define(inbox = Parcel, outbox = u64)]
impl Worker {
    #[init]
    fn start(tally: Arc<Tally>) -> Self {
        Self { tally, sum: 0 }
    }

    #[on_message]
    fn on_message(&mut self, parcel: Parcel) {
        add(&self.tally.heard, 1);
        drop(parcel);
    }

    #[on_stream]
    async fn on_stream(&self, mut stream: StreamReader<Report>) {
        let mut bytes = 0;
        let clean = loop {
            match stream.read().await {
                Ok(Some(chunk)) => {
                    assert!(chunk.iter().all(|byte| *byte == bytes as u8), "a chunk is as it was written");
                    bytes += chunk.len() as u64;
                }
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        *stream.metadata().lock().expect("no holder panics") = Some((bytes, clean));
    }

    pub fn add(&mut self, cx: &Context<Self>, n: u64) -> u64 {
        self.sum += n;
        let _ = cx.try_send(self.sum);
        n
    }

    #[task(idempotent)]
    pub fn double(n: u64) -> u64 {
        2 * n
    }

    pub async fn later(&self, n: u64) -> u64 {
        nanolith::time::sleep(Duration::from_micros(n % 300)).await;
        n
    }

    pub fn panics(n: u64) -> u64 {
        panic!("number {n}")
    }
}

const SERVICES: usize = 8;

fn launch(tally: &Arc<Tally>) -> Service<Worker> {
    let restart = Restart::on_panic().except_in_tasks().limit(usize::MAX, MINUTE).backoff(Backoff::none());
    let worker = Worker::service(tally.clone()).max_queue(200).restart(restart);
    worker.outbox(LagPolicy::DropOldest(64)).launch().wait().expect("it starts")
}

/// The services, clusters and channels under test.
struct Town {
    tally: Arc<Tally>,
    services: [Mutex<Service<Worker>>; SERVICES],
    clusters: [Cluster<Worker>; 2],
    over: AtomicBool,
}

impl Town {
    fn new() -> Self {
        let tally = Arc::new(Tally::default());
        let cluster = |_| {
            let tally = tally.clone();
            Cluster::launch(3, move || Worker::service(tally.clone()).max_queue(200)).wait().expect("it starts")
        };
        Self {
            services: std::array::from_fn(|_| Mutex::new(launch(&tally))),
            clusters: [0, 1].map(cluster),
            over: AtomicBool::new(false),
            tally,
        }
    }

    fn service(&self, random: &mut fastrand::Rng) -> Service<Worker> {
        self.services[random.usize(..SERVICES)].lock().expect("no holder panics").clone()
    }

    fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    // ----- disturbances

    fn kill(&self, random: &mut fastrand::Rng) {
        add(&self.tally.kills, 1);
        match random.u8(..4) {
            0 => {
                let place = &self.services[random.usize(..SERVICES)];
                let fresh = launch(&self.tally);
                let old = std::mem::replace(&mut *place.lock().expect("no holder panics"), fresh);
                drop(old.terminate()); // its callers notice
            }
            1 => drop(self.service(random).control().restart()),
            2 => {
                let place = &self.services[random.usize(..SERVICES)];
                let fresh = launch(&self.tally);
                let old = std::mem::replace(&mut *place.lock().expect("no holder panics"), fresh);
                drop(old.close());
            }
            _ => {
                let cluster = &self.clusters[random.usize(..2)];
                if let Ok(member) = cluster.control().use_next() {
                    drop(member.terminate());
                }
                drop(cluster.control().add().wait());
            }
        }
    }

    // ----- clients

    fn call(&self, random: &mut fastrand::Rng) {
        let n = random.u64(..1_000);
        let outcome = if random.bool() {
            let cluster = &self.clusters[random.usize(..2)];
            match random.u8(..4) {
                0 => cluster.double(n).wait().map(|double| double / 2),
                1 => cluster.later(n).wait(),
                _ => cluster.add(n).wait(),
            }
        } else {
            let service = self.service(random);
            match random.u8(..6) {
                0 => service.panics(n).wait(),
                1 => service.later(n).wait(),
                2 => pollster::block_on(service.later(n)),
                3 => service.add(n).timeout(Duration::from_micros(random.u64(..200))).wait(),
                _ => service.add(n).wait(),
            }
        };
        match outcome {
            Ok(output) => {
                assert_eq!(output, n);
                add(&self.tally.done, 1);
            }
            Err(_) => add(&self.tally.failed, 1),
        }
    }

    fn send(&self, random: &mut fastrand::Rng) {
        let parcel = Parcel(self.tally.clone());
        add(&self.tally.sent, 1);
        let sent = match random.u8(..3) {
            0 => self.clusters[random.usize(..2)].send(parcel).wait(),
            1 => self.service(random).try_send(parcel),
            _ => self.service(random).send(parcel).wait(),
        };
        if let Err(refused) = sent {
            add(&self.tally.refused, 1);
            drop(refused.into_inner());
        }
    }

    /// Writes a stream. If all of it was read, checks that the reader reports so.
    fn stream(&self, random: &mut fastrand::Rng) {
        let report = Report::default();
        let credits = Credits::new().bytes(10_000).chunks(8);
        let Ok(mut writer) = self.service(random).create_stream(report.clone()).credits(credits).wait() else { return };
        add(&self.tally.streams, 1);
        let mut written = 0_u64;
        for _ in 0..random.u8(..20) {
            let chunk = Bytes::from(vec![written as u8; random.usize(1..3_000)]);
            let length = chunk.len() as u64;
            match writer.write(chunk).wait() {
                Ok(()) => written += length,
                Err(_) => return add(&self.tally.torn, 1),
            }
        }
        if random.u8(..5) == 0 {
            drop(writer);
            return self.tally.note_unfinished(report);
        }
        match writer.drained().wait() {
            Ok(()) => {
                add(&self.tally.bytes, written);
                // The reader has taken each byte. It reports the end when it sees it, unless it is
                // killed before.
                if let Some((read, clean)) = *report.lock().expect("no holder panics") {
                    assert_eq!((read, clean), (written, true));
                }
            }
            Err(_) => add(&self.tally.torn, 1),
        }
    }

    fn work(&self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        while !self.is_over() {
            match random.u8(..8) {
                0 => self.stream(&mut random),
                1 | 2 => self.send(&mut random),
                _ => self.call(&mut random),
            }
        }
    }

    /// Publishes numbers from zero up, as sender number `sender`.
    fn publish(&self, sender: u64, messenger: &Messenger<(u64, u64)>) -> u64 {
        let mut n = 0;
        while !self.is_over() {
            messenger.send((sender, n)).wait().expect("it is open");
            n += 1;
            if n % 64 == 0 {
                thread::sleep(Duration::from_millis(1)); // leaves the cores to other threads
            }
        }
        n
    }

    /// Receives what is published while it subscribes, several times. Messages are in order,
    /// without duplicates, and each loss is reported.
    fn hear(&self, messenger: &Messenger<(u64, u64)>, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        while !self.is_over() {
            let mut heard = messenger.subscribe();
            let mut next = HashMap::new();
            let (mut seen, mut skipped, mut lost) = (0_u64, 0, 0);
            for _ in 0..random.u16(1..2_000) {
                match heard.recv().wait_timeout(50 * MILLISECOND) {
                    Ok(Ok((sender, n))) => {
                        let expected = next.insert(sender, n + 1).unwrap_or(n);
                        assert!(n >= expected, "nothing comes twice, and nothing overtakes");
                        skipped += n - expected;
                        seen += 1;
                    }
                    Ok(Err(RecvError::Lost(count))) => lost += count,
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            assert!(skipped <= lost, "{skipped} were missed, and {lost} reported");
            add(&self.tally.broadcasts, seen);
            add(&self.tally.lost, lost);
        }
    }

    /// Receives the events of services, one service after another.
    fn listen(&self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        while !self.is_over() {
            let mut events = self.service(&mut random).control().events();
            for _ in 0..100 {
                match events.recv().wait_timeout(20 * MILLISECOND) {
                    Ok(Ok(_) | Err(RecvError::Lost(_))) => add(&self.tally.said, 1),
                    Ok(Err(_)) | Err(_) => break,
                }
            }
        }
    }
}

/// Returns a line of `/proc/self/status`, if the system has it.
fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().nth(1)?.parse().ok()
}

fn threads() -> u64 {
    status("Threads").unwrap_or(0)
}

/// Returns the names of all threads, for the text of a failure.
fn thread_names() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok()).collect()
}

fn memory() -> u64 {
    status("VmRSS").unwrap_or(0) / 1_024
}

/// Runs one town, from its start to its end.
fn live(duration: Duration, seed: u64) -> Arc<Tally> {
    let town = Town::new();
    let (lossless, lossy) = (Messenger::new(), Messenger::builder().on_lag(LagPolicy::DropOldest(100)).build());
    let lossy = lossy.expect("the bound is sound");
    thread::scope(|scope| {
        for nth in 0..4 {
            let town = &town;
            scope.spawn(move || town.work(seed + nth));
        }
        for (nth, messenger) in (0..).zip([&lossless, &lossy]) {
            let town = &town;
            for sender in 0..2 {
                let endpoint = messenger.join();
                scope.spawn(move || town.publish(sender, &endpoint));
            }
            let endpoint = messenger.join();
            scope.spawn(move || town.hear(&endpoint, seed + 100 + nth));
        }
        scope.spawn(|| town.listen(seed + 200));
        let mut random = fastrand::Rng::with_seed(seed + 300);
        let until = Instant::now() + duration;
        while Instant::now() < until {
            thread::sleep(50 * MILLISECOND);
            town.kill(&mut random);
        }
        town.over.store(true, SeqCst);
    });
    assert!(lossless.join().subscribe().try_recv().is_err());
    for service in town.services {
        service.into_inner().expect("no holder panicked").close().wait().expect("it ends as it should");
    }
    for cluster in town.clusters {
        cluster.close().wait().expect("it ends as it should");
    }
    town.tally
}

#[test]
#[ignore = "takes NANOLITH_SOAK seconds, 20 unless it is set: `cargo xtask soak`"]
fn soak_accounts_for_every_call_while_members_are_killed() {
    std::panic::set_hook(Box::new(|_| {}));
    // Work that the timer's thread leaves to other threads may go to the global pool, whose threads
    // stay.
    GlobalPool.get().expect("it starts");
    let seconds = std::env::var("NANOLITH_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    live(Duration::from_secs(2), 1); // warms up: cached memory and threads, like the timer's, exist afterwards
    let (threads_before, memory_before) = (threads(), memory());
    let seed = std::env::var("NANOLITH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    let tally = live(Duration::from_secs(seconds), seed);

    let until = Instant::now() + 10 * SECOND;
    while threads() > threads_before && Instant::now() < until {
        thread::sleep(10 * MILLISECOND); // threads that were stopped are ending
    }
    let _ = std::panic::take_hook(); // a failure below is printed
    check_unfinished(std::mem::take(&mut *tally.unfinished.lock().expect("no holder panicked")).into_iter());
    let (threads_after, memory_after, names) = (threads(), memory(), thread_names());
    let of = |counter: &AtomicU64| counter.load(SeqCst);
    println!(
        "calls: {} done, {} ended otherwise; messages: {} sent, {} refused, {} heard; streams: {}, {} torn, {} bytes; \
        broadcasts: {} heard, {} lost; events: {}; {} kills; threads {threads_before} -> {threads_after}; \
        memory {memory_before} -> {memory_after} MiB",
        of(&tally.done),
        of(&tally.failed),
        of(&tally.sent),
        of(&tally.refused),
        of(&tally.heard),
        of(&tally.streams),
        of(&tally.torn),
        of(&tally.bytes),
        of(&tally.broadcasts),
        of(&tally.lost),
        of(&tally.said),
        of(&tally.kills),
    );
    assert!(of(&tally.done) > 0 && of(&tally.heard) > 0 && of(&tally.bytes) > 0 && of(&tally.broadcasts) > 0);
    assert!(of(&tally.heard) + of(&tally.refused) <= of(&tally.sent));
    assert_eq!(of(&tally.gone), of(&tally.sent), "each message was heard, given back, or dropped with its service");
    assert_eq!(Arc::strong_count(&tally), 1, "nothing keeps a state, a message or a call");
    assert!(threads_after <= threads_before, "{threads_before} threads became {threads_after}: {names:?}");
    assert!(memory_after <= memory_before + 32, "{memory_before} MiB became {memory_after} MiB");
}
