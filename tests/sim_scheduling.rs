//! A randomized test in a deterministic simulation, of programs that use what schedules calls:
//! raised priorities, shares, task limits, delayed calls, tokens, layers, slices, and pools that
//! are paused, resized and closed. The seed decides the order. Each call ends once, the counts
//! match, and nothing hangs.
//!
//! `NANOLITH_SIM_SEEDS=10000 cargo nextest run --test sim_scheduling` runs more of them.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Call, Executor, TaskSet,
    executor::{MaxQueue, OnFull},
    layers::{self, ConcurrencyLimit, Hedge, RateLimit, Retry},
    pool::{Concurrency, Share},
    prelude::*,
    sim,
    sim::Simulation,
    sync::CancelToken,
    task::Step,
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
    /// The arguments that were dropped.
    gone: AtomicU64,
    /// The calls beyond the limit of their task.
    beyond: AtomicU64,
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

/// The number of running calls of a task.
#[derive(Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    fn enter(self, most: u64, parcel: &Parcel) -> Inside {
        if self.0.fetch_add(1, SeqCst) >= most {
            parcel.0.beyond.fetch_add(1, SeqCst);
        }
        Inside(self)
    }
}

pub struct Inside(Gauge);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}

/// An executor of any type.
pub type DynExecutor = Arc<dyn Executor<Worker>>;

pub struct Worker;

#[define]
impl Worker {
    #[task(idempotent)]
    pub fn add(parcel: Parcel, x: u64) -> u64 {
        drop(parcel);
        x
    }

    pub fn waits(parcel: Parcel, span: Duration) {
        sleep(span).wait();
        drop(parcel);
    }

    #[task(idempotent)]
    pub async fn rests(parcel: Parcel, span: Duration) {
        sleep(span).await;
        drop(parcel);
    }

    pub fn panics(parcel: Parcel) {
        drop(parcel);
        std::panic::resume_unwind(Box::new("as it should")) // it reports to no panic hook
    }

    #[task(sliced)]
    pub fn sliced(parcel: Parcel, steps: u64) -> Step<u64> {
        go_on(parcel, steps)
    }

    #[task(concurrency = 1)]
    pub fn alone(parcel: Parcel, gauge: Gauge, span: Duration) {
        let _inside = gauge.enter(1, &parcel);
        sleep(span).wait();
    }

    #[task(concurrency = 2)]
    pub async fn pair(parcel: Parcel, gauge: Gauge, span: Duration) {
        let _inside = gauge.enter(2, &parcel);
        sleep(span).await;
    }

    /// Waits for a call of its own task.
    #[task(concurrency = 1)]
    pub fn down(parcel: Parcel, executor: DynExecutor, levels: u64) -> u64 {
        if levels == 0 {
            return 0;
        }
        Worker::calls(executor.clone()).down(parcel, executor, levels - 1).wait().map_or(0, |below| below + 1)
    }

    #[task(concurrency = 2)]
    pub async fn down_async(parcel: Parcel, executor: DynExecutor, levels: u64) -> u64 {
        if levels == 0 {
            return 0;
        }
        let calls = Worker::calls(executor.clone());
        calls.down_async(parcel, executor, levels - 1).await.map_or(0, |below| below + 1)
    }

    /// Submits children of all kinds, and waits for most of them.
    pub fn family(parcel: Parcel, town: Arc<Town>, children: u64) {
        let calls: Vec<_> = (0..children).map(|_| town.child()).collect();
        drop(parcel);
        for call in calls {
            if below(4) > 0 {
                drop(call.wait());
            }
        }
    }

    pub async fn family_async(parcel: Parcel, town: Arc<Town>, children: u64) {
        let calls: Vec<_> = (0..children).map(|_| town.child()).collect();
        drop(parcel);
        for call in calls {
            if below(4) > 0 {
                drop(call.await);
            }
        }
    }
}

fn go_on(parcel: Parcel, steps: u64) -> Step<u64> {
    match steps {
        0 => {
            drop(parcel);
            Step::Done(0)
        }
        _ => Step::resume_with(move || go_on(parcel, steps - 1)),
    }
}

fn below(bound: u64) -> u64 {
    sim::random() % bound
}

fn moment() -> Duration {
    below(20) as u32 * 100 * MILLISECOND
}

fn on_full() -> OnFull {
    [OnFull::Wait, OnFull::Wait, OnFull::Reject, OnFull::CallerRuns, OnFull::DropOldest, OnFull::DropNewest]
        [below(6) as usize]
}

fn max_queue() -> MaxQueue {
    if below(2) == 0 { MaxQueue::Bounded(1 + below(3) as usize) } else { MaxQueue::Auto }
}

/// A pool, and the executors over it.
#[derive(Clone)]
struct Place {
    pool: Pool,
    shares: [Share; 2],
    executors: Vec<DynExecutor>,
    one: Gauge,
    two: Gauge,
}

impl Place {
    fn new() -> Self {
        let most = 1 + below(3) as usize;
        let least = 1 + below(most as u64) as usize;
        let pool = Pool::builder()
            .concurrency(Concurrency::Exact(most))
            .min_concurrency(Concurrency::Exact(least))
            .max_queue(max_queue())
            .on_full(on_full())
            .max_spare_threads(64)
            .build()
            .expect("there are threads");
        let share = |name: &str| {
            pool.share(name).weight(1 + below(3) as u32).max_queue(max_queue()).on_full(on_full()).build().unwrap()
        };
        let shares = [share("one"), share("two")];
        let executors: Vec<DynExecutor> = vec![
            Arc::new(pool.clone()),
            Arc::new(shares[0].clone()),
            Arc::new(shares[1].clone()),
            Arc::new(layers::stack().timeout(MINUTE).retry(Retry::new(2)).wrap(shares[0].clone())),
            Arc::new(layers::stack().concurrency_limit(ConcurrencyLimit::new(2)).wrap(shares[1].clone())),
            Arc::new(layers::stack().rate_limit(RateLimit::new(3, SECOND)).wrap(pool.clone())),
            Arc::new(layers::stack().hedge(Hedge::after(100 * MILLISECOND)).wrap(pool.clone())),
        ];
        Self { pool, shares, executors, one: Gauge::default(), two: Gauge::default() }
    }

    /// Closes the pool in a random way, and checks that each call is over.
    fn end(self) {
        match below(3) {
            0 => self.pool.close(),
            1 => drop(self.pool.terminate()),
            _ => drop(self.pool.close_timeout(moment()).wait()),
        }
        self.pool.drained().wait();
        let Self { pool, shares, .. } = self;
        let info = pool.info();
        assert_eq!((info.in_flight, info.queue_len, info.overflow), (0, 0, 0), "{pool:?}");
        for share in &shares {
            let info = share.info();
            assert_eq!((info.queue_len, info.in_progress), (0, 0), "{share:?}");
        }
    }
}

/// The executors that clients use and disturb.
pub struct Town {
    tally: Arc<Tally>,
    place: Mutex<Place>,
    token: Mutex<CancelToken>,
    old: Mutex<Vec<Place>>,
}

impl Town {
    fn new() -> Self {
        let place = Mutex::new(Place::new());
        Self { tally: Arc::default(), place, token: Mutex::default(), old: Mutex::default() }
    }

    fn place(&self) -> Place {
        self.place.lock().expect("no holder panics").clone()
    }

    fn token(&self) -> CancelToken {
        self.token.lock().expect("no holder panics").clone()
    }

    fn parcel(&self) -> Parcel {
        Parcel::new(&self.tally)
    }

    /// Submits a call with random options.
    fn submit<T: Send>(&self, mut call: Call<'_, Worker, DynExecutor, T>) -> Option<Handle<Worker, T>> {
        if below(2) == 0 {
            call = call.priority(Priority::ALL[below(5) as usize]);
        }
        match below(12) {
            0 => call = call.serve_within(moment()),
            1 => call = call.timeout(moment()),
            2 => call = call.run_timeout(moment()),
            3 | 4 => call = call.after(moment()),
            5 | 6 => call = call.cancel_token(&self.token()),
            7 => call = call.without_parent(),
            8 => call = call.after(moment()).timeout(moment()),
            _ => {}
        }
        if below(4) == 0 { call.try_submit().ok() } else { Some(call.submit()) }
    }

    /// Submits a call from within a task.
    fn child(&self) -> Handle<Worker, u64> {
        let place = self.place();
        let executor = &place.executors[below(place.executors.len() as u64) as usize];
        let calls = Worker::calls(executor.clone());
        let call = self.submit(calls.add(self.parcel(), 1));
        call.unwrap_or_else(|| calls.add(self.parcel(), 2).submit())
    }

    /// Ends a call in a random way.
    fn end<T: Send>(&self, call: Option<Handle<Worker, T>>) {
        let Some(call) = call else { return };
        let raise = |call: &Handle<Worker, T>| call.raise(Priority::ALL[below(5) as usize]);
        match below(10) {
            0 => {
                call.cancel();
                drop(call.wait());
            }
            1 => {
                sim::advance(moment());
                call.cancel();
                drop(call.wait());
            }
            2 => match call.wait_timeout(moment()) {
                Ok(_) => {}
                Err(call) => drop(call.wait()),
            },
            3 | 4 => {
                raise(&call);
                drop(call.wait());
            }
            5 => {
                raise(&call);
                sim::advance(moment());
                raise(&call);
                drop(call.cancel_on_drop().wait());
            }
            6 => {
                raise(&call);
                call.detach();
            }
            7 => drop(call.cancel_on_drop()),
            8 => call.detach(),
            _ => drop(call.wait()),
        }
    }

    fn act(self: &Arc<Self>) {
        let place = self.place();
        let executor = place.executors[below(place.executors.len() as u64) as usize].clone();
        let (calls, parcel) = (Worker::calls(executor.clone()), self.parcel());
        match below(16) {
            0 => self.end(self.submit(calls.add(parcel, 1))),
            1 => self.end(self.submit(calls.waits(parcel, moment()))),
            2 => self.end(self.submit(calls.rests(parcel, moment()))),
            3 => self.end(self.submit(calls.panics(parcel))),
            4 => self.end(self.submit(calls.sliced(parcel, below(5)))),
            5 => self.end(self.submit(calls.alone(parcel, place.one.clone(), moment()))),
            6 => self.end(self.submit(calls.pair(parcel, place.two.clone(), moment()))),
            7 => self.end(self.submit(calls.down(parcel, executor, below(4)))),
            8 => self.end(self.submit(calls.down_async(parcel, executor, below(4)))),
            9 => self.end(self.submit(calls.family(parcel, self.clone(), below(4)))),
            10 => self.end(self.submit(calls.family_async(parcel, self.clone(), below(4)))),
            11 | 12 => {
                let (one, two) = (&place.one, &place.two);
                let many: Vec<_> = (0..6)
                    .map(|_| match below(2) {
                        0 => self.submit(calls.alone(self.parcel(), one.clone(), moment())),
                        _ => self.submit(calls.pair(self.parcel(), two.clone(), moment())),
                    })
                    .collect();
                many.into_iter().for_each(|call| self.end(call));
            }
            13 | 14 => self.spoil(&place),
            _ => sim::advance(moment()),
        }
    }

    fn spoil(&self, place: &Place) {
        match below(8) {
            0 => {
                place.pool.pause();
                sim::advance(moment());
                place.pool.resume();
            }
            1 => place.pool.set_concurrency(Concurrency::Exact(1 + below(4) as usize)).expect("it is a number"),
            2 => drop(place.pool.broadcast(|| ()).wait()),
            3 => {
                let token = std::mem::take(&mut *self.token.lock().expect("no holder panics"));
                token.cancel();
            }
            4 => place.shares[0].set_weight(1 + below(5) as u32).unwrap(),
            5 => {
                let _ = place.pool.share("two").max_queue(max_queue()).on_full(on_full()).build().unwrap();
            }
            6 => {
                let new = Place::new();
                let old = std::mem::replace(&mut *self.place.lock().expect("no holder panics"), new);
                match below(5) {
                    0 => drop(old.pool.close_timeout(moment()).wait()),
                    1 => drop(old.pool.terminate()),
                    2 => old.pool.close(),
                    3 => return,
                    _ => {}
                }
                self.old.lock().expect("no holder panics").push(old);
            }
            _ => drop((place.pool.next_task(), place.pool.info().is_full)),
        }
    }
}

fn program() {
    let town = Arc::new(Town::new());
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let town = town.clone();
            sim::spawn(move || (0..12).for_each(|_| town.act()))
        })
        .collect();
    clients.into_iter().for_each(|client| client.wait().expect("it ends"));
    let tally = town.tally.clone();
    let old = std::mem::take(&mut *town.old.lock().expect("no holder panics"));
    old.into_iter().chain([town.place()]).for_each(Place::end);
    drop(town);
    sim::advance(60 * MINUTE); // delayed calls are due, and detached calls are over
    let (begun, gone) = (tally.begun.load(SeqCst), tally.gone.load(SeqCst));
    assert_eq!(gone, begun, "each argument is dropped once");
    assert_eq!(tally.beyond.load(SeqCst), 0, "a kind's limit holds");
}

#[test]
fn random_program_ends_every_call_once_with_even_counts() {
    let seeds = std::env::var("NANOLITH_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(120);
    for probability in [0.0, 0.25, 0.7] {
        Simulation::new().switch_probability(probability).explore(0..seeds / 3, program);
    }
}
