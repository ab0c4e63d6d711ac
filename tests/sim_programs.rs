//! A randomized test in a deterministic simulation, of programs with calls, waits, cancellations,
//! limits, crashes, restarts, closes and kills, over a pool, services, a cluster and a messenger.
//! The seed decides the order. Each call ends once, and nothing hangs.
//!
//! `NANOLITH_SIM_SEEDS=10000 cargo nextest run --test sim_programs` runs more of them.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster,
    executor::MaxQueue,
    messenger::Messenger,
    pool::Concurrency,
    prelude::*,
    service::Restart,
    sim,
    sim::Simulation,
    sync::Backoff,
    time::{MILLISECOND, MINUTE, SECOND, sleep},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

/// The counts of the calls' ends.
#[derive(Default)]
pub struct Tally {
    begun: AtomicU64,
    /// The runs that completed.
    run: AtomicU64,
    /// The arguments that were dropped.
    gone: AtomicU64,
    ended: AtomicU64,
    done: AtomicU64,
}

/// An argument that counts its drop.
pub struct Parcel(Arc<Tally>);

impl Parcel {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.begun.fetch_add(1, SeqCst);
        Self(tally.clone())
    }
}

/// A task that may run twice keeps a copy.
impl Clone for Parcel {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, SeqCst);
    }
}

pub struct Worker {
    sum: u64,
}

#[define]
impl Worker {
    #[init]
    fn start() -> Self {
        Self { sum: 0 }
    }

    pub fn bump(&mut self, parcel: Parcel) {
        self.sum += 1;
        parcel.0.run.fetch_add(1, SeqCst);
    }

    pub async fn later(&self, parcel: Parcel, after: Duration) {
        sleep(after).await;
        parcel.0.run.fetch_add(1, SeqCst);
    }

    pub fn panics(&mut self, parcel: Parcel) {
        drop(parcel);
        panic!("as it should")
    }

    /// Waits for another call, of any service.
    pub fn nested(&self, parcel: Parcel, other: Service<Worker>, inner: Parcel) {
        drop(other.later(inner, SECOND).wait());
        parcel.0.run.fetch_add(1, SeqCst);
    }

    #[task(idempotent)]
    pub fn add(parcel: Parcel, x: u64) -> u64 {
        parcel.0.run.fetch_add(1, SeqCst);
        x
    }

    pub fn deep(parcel: Parcel, depth: u64, pool: Pool) -> u64 {
        parcel.0.run.fetch_add(1, SeqCst);
        let tally = parcel.0.clone();
        if depth > 0 {
            Worker::on(&pool).deep(Parcel::new(&tally), depth - 1, pool.clone()).wait().unwrap_or(0) + 1
        } else {
            0
        }
    }

    pub async fn rests(parcel: Parcel, after: Duration) {
        sleep(after).await;
        parcel.0.run.fetch_add(1, SeqCst);
    }
}

fn below(bound: u64) -> u64 {
    sim::random() % bound
}

fn moment() -> Duration {
    below(20) as u32 * 100 * MILLISECOND
}

fn launch() -> Service<Worker> {
    let restart = Restart::on_panic().limit(100, MINUTE).backoff(Backoff::exponential(MILLISECOND));
    Worker::service().restart(restart).max_queue(100).launch().wait().expect("it starts")
}

/// The executors and channels that clients use and disturb.
struct Town {
    tally: Arc<Tally>,
    pool: Pool,
    services: Vec<Mutex<Service<Worker>>>,
    cluster: Cluster<Worker>,
}

impl Town {
    fn new() -> Self {
        let max_queue = if below(2) == 0 { MaxQueue::Bounded(2) } else { MaxQueue::Auto };
        let pool = Pool::builder().concurrency(Concurrency::Exact(1 + below(3) as usize)).max_queue(max_queue);
        Self {
            tally: Arc::default(),
            pool: pool.max_spare_threads(64).build().expect("there are threads"),
            services: (0..2).map(|_| Mutex::new(launch())).collect(),
            cluster: Cluster::launch(2, Worker::service).wait().expect("it starts"),
        }
    }

    fn service(&self) -> Service<Worker> {
        let number = below(self.services.len() as u64) as usize;
        self.services[number].lock().expect("no holder panics").clone()
    }

    fn parcel(&self) -> Parcel {
        Parcel::new(&self.tally)
    }

    /// Ends a call in a random way.
    fn end<T: Send>(&self, call: Handle<Worker, T>) {
        let how = match below(6) {
            0 => {
                call.cancel();
                call.wait().map(drop)
            }
            1 => {
                sim::advance(moment());
                call.cancel();
                call.wait().map(drop)
            }
            2 => match call.wait_timeout(moment()) {
                Ok(end) => end.map(drop),
                Err(call) => call.wait().map(drop),
            },
            _ => call.wait().map(drop),
        };
        self.tally.ended.fetch_add(1, SeqCst);
        if how.is_ok() {
            self.tally.done.fetch_add(1, SeqCst);
        }
    }

    fn act(&self) {
        let (pool, service) = (Worker::on(&self.pool), self.service());
        match below(14) {
            0 => self.end(service.bump(self.parcel()).submit()),
            1 => self.end(service.later(self.parcel(), moment()).submit()),
            2 => self.end(service.panics(self.parcel()).submit()),
            3 => self.end(service.nested(self.parcel(), self.service(), self.parcel()).timeout(MINUTE).submit()),
            4 => self.end(self.cluster.later(self.parcel(), moment()).submit()),
            5 => self.end(self.cluster.add(self.parcel(), 1).submit()),
            6 => self.end(pool.add(self.parcel(), 1).priority(Priority::Immediate).submit()),
            7 => self.end(pool.deep(self.parcel(), below(4), self.pool.clone()).submit()),
            8 => self.end(pool.rests(self.parcel(), moment()).timeout(moment() + MILLISECOND).submit()),
            9 => {
                let calls: Vec<_> = (0..5).map(|n| pool.add(self.parcel(), n).submit()).collect();
                calls.into_iter().for_each(|call| self.end(call));
            }
            10 => pool.rests(self.parcel(), moment()).submit().detach(),
            11 => self.spoil(&service),
            12 => drop(service.bump(self.parcel()).submit()),
            _ => sim::advance(moment()),
        }
    }

    fn spoil(&self, service: &Service<Worker>) {
        match below(7) {
            0 => drop(sim::crash(service)),
            1 => drop(service.control().restart()),
            2 => drop(service.terminate().wait()),
            3 => {
                let new = launch();
                let number = below(self.services.len() as u64) as usize;
                let old = std::mem::replace(&mut *self.services[number].lock().expect("no holder panics"), new);
                drop(old.close().wait());
            }
            4 => {
                let members = self.cluster.control().members();
                let member = members.get(below(2) as usize).and_then(|id| self.cluster.control().use_member(*id));
                drop(member.map(|member| member.terminate()));
                drop(self.cluster.control().add().wait());
            }
            5 => self.pool.set_concurrency(Concurrency::Exact(1 + below(4) as usize)).expect("it is a number"),
            _ => {
                self.pool.pause();
                sim::advance(moment());
                self.pool.resume();
            }
        }
    }
}

fn program() {
    let town = Arc::new(Town::new());
    let news = Messenger::<u64>::open("news").expect("it carries numbers");
    let clients: Vec<_> = (0..3)
        .map(|client| {
            let (town, news) = (town.clone(), news.join());
            sim::spawn(move || {
                (0..12).for_each(|_| town.act());
                news.send(client).wait().expect("it is open");
            })
        })
        .collect();
    let mut heard = news.subscribe();
    clients.into_iter().for_each(|client| client.wait().expect("it ends"));
    let mut all: Vec<u64> = (0..3).map_while(|_| heard.try_recv().ok()).collect();
    all.sort_unstable();
    check(town);
}

fn check(town: Arc<Town>) {
    let town = Arc::into_inner(town).expect("the clients have ended");
    let tally = town.tally.clone();
    match below(3) {
        0 => town.pool.close(),
        1 => drop(town.pool.terminate()),
        _ => {}
    }
    town.pool.drained().wait();
    let info = town.pool.info();
    assert_eq!((info.in_flight, info.queue_len), (0, 0), "{:?}", town.pool);
    let closing: Vec<_> =
        town.services.into_iter().map(|service| service.into_inner().expect("no holder panics")).collect();
    drop(town.cluster.close().wait());
    closing.into_iter().for_each(|service| drop(service.close().wait()));
    let (begun, gone) = (tally.begun.load(SeqCst), tally.gone.load(SeqCst));
    assert_eq!(gone, begun, "each argument is dropped once");
    assert!(tally.run.load(SeqCst) >= tally.done.load(SeqCst), "nothing ends well that has not run");
}

#[test]
fn random_program_ends_every_call_once() {
    let seeds = std::env::var("NANOLITH_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(200);
    for probability in [0.0, 0.25, 0.7] {
        Simulation::new().switch_probability(probability).explore(0..seeds / 3, program);
    }
}

#[test]
fn random_program_runs_the_same_way_again() {
    for seed in 0..10 {
        let run = || Simulation::new().run(seed, program).expect("it ends");
        let (one, again) = (run(), run());
        assert_eq!(one.trace, again.trace, "seed {seed}");
        assert_eq!(
            (one.steps, one.left_over.len(), one.given_up),
            (again.steps, 0, 0),
            "seed {seed}: {:?}",
            one.left_over
        );
    }
}
