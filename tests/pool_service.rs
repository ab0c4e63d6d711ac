//! Tests of services that run on a pool.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    cluster::Cluster,
    pool::Concurrency,
    prelude::*,
    service::{LaunchError, LifeEvent, Restart, RestartGroup},
    sim::Simulation,
    sync::Backoff,
    task::yield_now,
    time::{MILLISECOND, MINUTE, sleep},
};
use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

pub struct Counter {
    total: i64,
    log: Vec<i64>,
}

#[define]
impl Counter {
    #[init]
    fn start(first: i64) -> Self {
        Self { total: first, log: Vec::new() }
    }

    #[on_close]
    fn end(self) {
        assert!(self.total < i64::MAX);
    }

    pub fn bump(&mut self, by: i64) -> i64 {
        self.total = self.total.checked_add(by).expect("the sum fits");
        self.log.push(by);
        self.total
    }

    pub fn total(&self) -> i64 {
        self.total
    }

    pub fn log(&self) -> Vec<i64> {
        self.log.clone()
    }

    pub async fn total_later(&self) -> i64 {
        yield_now().await;
        self.total
    }

    pub async fn bump_later(&mut self, by: i64) -> i64 {
        sleep(MILLISECOND).await;
        self.total += by;
        self.total
    }

    pub fn enter(&mut self, barrier: Arc<Barrier>) {
        barrier.wait();
    }

    pub fn ask(&mut self, other: Service<Counter>) -> i64 {
        match other.total().wait() {
            Ok(total) => total,
            Err(error) => {
                assert!(matches!(error, CallError::WouldDeadlock(_)), "{error:?}");
                -1
            }
        }
    }

    pub fn ask_message(&mut self, from: Receiver<i64>) -> i64 {
        nanolith::task::block_in_place(|| from.recv()).unwrap_or(-1)
    }

    pub fn wait_on_pool(&self, pool: Pool) -> i64 {
        pool.spawn(|| 7).wait().unwrap_or(-1)
    }

    pub fn thread(&self) -> Option<String> {
        thread::current().name().map(str::to_owned)
    }

    pub fn tell(&self, sender: Sender<i64>) {
        let _ = sender.send(self.total);
    }
}

static CLOSED: AtomicUsize = AtomicUsize::new(0);
pub struct Closes;
#[define]
impl Closes {
    #[on_close]
    async fn end(self) {
        sleep(MILLISECOND).await;
        CLOSED.fetch_add(1, Ordering::SeqCst);
    }
    pub fn nothing(&self) {}
}

fn pool(threads: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(threads)).build().expect("the settings are sound")
}

fn counter(pool: &Pool, first: i64) -> Service<Counter> {
    Counter::service(first).on(pool).launch().wait().expect("it starts")
}

#[test]
fn calls_run_in_order_on_the_threads_of_the_pool() {
    let pool = Pool::builder().name("lot").concurrency(Concurrency::Exact(2)).build().expect("sound");
    let counter = counter(&pool, 10);
    let jobs: Vec<_> = (0..1_000).map(|n| counter.bump(n).submit()).collect();
    assert_eq!(jobs.into_iter().map(|job| job.wait().expect("it runs")).last(), Some(10 + 499_500));
    assert_eq!(counter.log().wait().expect("it runs"), (0..1_000).collect::<Vec<_>>());
    let thread = counter.thread().wait().expect("it runs").expect("the thread has a name");
    assert!(thread.starts_with("lot"), "{thread}");
    assert_eq!((counter.info().thread_id, counter.control().thread().map(|thread| thread.id())), (None, None));
}

#[test]
fn suspended_writer_keeps_other_calls_out() {
    let pool = pool(2);
    let counter = counter(&pool, 0);
    let (reads, write) = (counter.total_later().submit(), counter.bump_later(5).submit());
    let after = counter.total().submit();
    assert_eq!((reads.wait().unwrap(), write.wait().unwrap(), after.wait().unwrap()), (0, 5, 5));
}

#[test]
fn thousand_services_share_two_threads() {
    let pool = pool(2);
    let launches: Vec<_> = (0..1_000).map(|n| Counter::service(n).on(&pool).launch()).collect();
    let counters: Vec<_> = launches.into_iter().map(|launch| launch.wait().expect("it starts")).collect();
    let jobs: Vec<_> =
        counters.iter().flat_map(|counter| [counter.bump(1).submit(), counter.bump(2).submit()]).collect();
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
    for (first, counter) in (0..).zip(&counters) {
        assert_eq!(counter.total().wait().expect("it runs"), first + 3);
    }
    let closes: Vec<_> = counters.iter().map(Service::close).collect();
    assert!(closes.into_iter().all(|close| close.wait().is_ok()));
}

#[test]
fn services_run_at_the_same_time() {
    let pool = pool(2);
    let (left, right) = (counter(&pool, 0), counter(&pool, 0));
    let barrier = Arc::new(Barrier::new(2));
    let (one, other) = (left.enter(barrier.clone()).submit(), right.enter(barrier).submit());
    one.wait().expect("it runs");
    other.wait().expect("it runs");
}

#[test]
fn task_that_waits_lends_its_slot_to_the_pool() {
    let pool = pool(1);
    let (left, right) = (counter(&pool, 1), counter(&pool, 2));
    assert_eq!(left.ask(right.clone()).wait().expect("it runs"), 2);
    assert_eq!(left.wait_on_pool(pool.clone()).wait().expect("it runs"), 7);
    let (sender, receiver) = channel();
    let waits = left.ask_message(receiver).submit();
    right.tell(sender).wait().expect("it runs while the other waits");
    assert_eq!(waits.wait().expect("it runs"), 2);
}

#[test]
fn wait_for_the_own_service_is_a_deadlock() {
    let pool = pool(1);
    let counter = counter(&pool, 1);
    assert_eq!(counter.ask(counter.clone()).wait().expect("it runs"), -1);
}

#[test]
fn cycle_of_waits_between_services_ends() {
    let pool = pool(2);
    let (left, right) = (counter(&pool, 1), counter(&pool, 2));
    let (one, other) = (left.ask(right.clone()).submit(), right.ask(left.clone()).submit());
    // Either one call ran before the other began, or the cycle was found: no wait lasts.
    let ends = (one.wait().expect("it ends"), other.wait().expect("it ends"));
    assert!(matches!(ends, (2 | -1, 1 | -1)), "{ends:?}");
}

#[test]
fn service_restarts_after_a_panic() {
    let pool = pool(1);
    let restart = Restart::on_panic().backoff(Backoff::none());
    let counter = Counter::service(10).on(&pool).restart(restart).launch().wait().expect("it starts");
    let mut life = counter.control().life();
    assert_eq!(counter.bump(5).wait().expect("it runs"), 15);
    assert!(matches!(counter.bump(i64::MAX).wait(), Err(CallError::Panicked(..))));
    assert_eq!(counter.bump(1).wait().expect("it runs"), 11);
    assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
    assert!(matches!(life.recv().wait(), Some(LifeEvent::Restarted { restarts: 1, .. })));
    counter.close().wait().expect("it ends");
}

#[test]
fn close_finishes_the_accepted_calls() {
    let pool = pool(1);
    let counter = counter(&pool, 0);
    let jobs: Vec<_> = (0..200).map(|_| counter.bump(1).submit()).collect();
    counter.close().wait().expect("it ends");
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
    assert!(matches!(counter.total().wait(), Err(CallError::Closed(_))));
}

#[test]
fn terminate_ends_a_suspended_call() {
    let pool = pool(1);
    let counter = Counter::service(0).on(&pool).launch().wait().expect("it starts");
    let slow = counter.bump_later(1).submit();
    counter.terminate().wait().expect("it ends");
    assert!(matches!(slow.wait(), Ok(1) | Err(CallError::Closed(_))));
}

#[test]
fn accepted_calls_finish_when_the_pool_closes() {
    let pool = pool(1);
    let counter = counter(&pool, 0);
    let jobs: Vec<_> = (0..200).map(|_| counter.bump(1).submit()).collect();
    pool.close();
    pool.closed().wait();
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
    // The pool has ended: the next call ends the service.
    assert!(matches!(counter.total().wait(), Err(CallError::Closed(_))));
    counter.control().closed().wait().expect("it ended");
}

#[test]
fn pool_stays_open_for_its_services() {
    let counter = counter(&pool(1), 3);
    assert_eq!(counter.total().wait().expect("it runs"), 3);
}

#[test]
fn urgent_call_makes_its_service_urgent() {
    let pool = pool(1);
    let (slow, urgent) = (counter(&pool, 1), counter(&pool, 2));
    let normal: Vec<_> = (3..6).map(|n| counter(&pool, n)).collect();
    let (sender, order) = channel();
    let barrier = Arc::new(Barrier::new(2));
    let holds = slow.enter(barrier.clone()).submit(); // the pool's only thread waits here
    while slow.info().in_progress == 0 {
        thread::yield_now();
    }
    let others: Vec<_> = normal.iter().map(|other| other.tell(sender.clone()).submit()).collect();
    let first = urgent.tell(sender).priority(Priority::Immediate).submit();
    barrier.wait();
    holds.wait().expect("it runs");
    first.wait().expect("it runs");
    others.into_iter().for_each(|other| other.wait().expect("it runs"));
    assert_eq!(order.iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
}

#[test]
fn setting_of_a_thread_is_refused() {
    let pool = pool(1);
    for builder in [
        Counter::service(1).stack_size(128 * 1024),
        Counter::service(1).spin_before_park(MILLISECOND),
        Counter::service(1).on_thread_start(|| ()),
    ] {
        let refused = builder.on(&pool).launch().wait();
        assert!(matches!(refused, Err(LaunchError::Build(_))), "{refused:?}");
    }
}

#[test]
fn cluster_has_members_on_a_pool() {
    let pool = pool(2);
    let cluster = Cluster::launch(4, move || Counter::service(0).on(&pool)).wait().expect("it starts");
    for _ in 0..40 {
        cluster.bump(1).wait().expect("it runs");
    }
    cluster.close().wait().expect("it ends");
}

#[test]
fn dropped_handle_closes_the_service() {
    let pool = pool(1);
    let service = Closes::service(Closes).on(&pool).launch().wait().expect("it starts");
    let end = service.control().closed();
    drop(service);
    end.wait_timeout(MINUTE).expect("in time").expect("it ends");
    assert_eq!(CLOSED.load(Ordering::SeqCst), 1);
}

pub struct Relay {
    heard: Vec<String>,
    _alive: Alive,
}

/// Counts the states that exist.
pub struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[define(inbox = String, outbox = String)]
impl Relay {
    #[init]
    async fn start(count: Arc<AtomicUsize>) -> Self {
        yield_now().await;
        Self { heard: Vec::new(), _alive: Alive::new(&count) }
    }

    #[on_message]
    async fn on_message(&mut self, cx: &Context<Self>, words: String) {
        yield_now().await;
        let _ = cx.send(words.to_uppercase()).await;
        self.heard.push(words);
    }

    pub fn heard(&self) -> Vec<String> {
        self.heard.clone()
    }

    pub async fn later(&self) -> usize {
        sleep(MILLISECOND).await;
        self.heard.len()
    }

    pub fn fail(&mut self) {
        panic!("half way");
    }
}

fn relay(pool: &Pool, count: &Arc<AtomicUsize>) -> Service<Relay> {
    let restart = Restart::on_panic().limit(1_000, MINUTE).backoff(Backoff::none());
    Relay::service(count.clone()).on(pool).restart(restart).launch().wait().expect("it starts")
}

#[test]
fn messages_and_events_pass_in_order() {
    let pool = pool(2);
    let relay = relay(&pool, &Arc::default());
    let mut events = relay.control().events();
    for n in 0..100 {
        relay.send(format!("a{n}")).wait().expect("it is open");
        assert_eq!(events.recv().wait().expect("it is open"), format!("A{n}"));
    }
    assert_eq!(relay.heard().wait().expect("it runs").len(), 100);
}

#[test]
fn restart_group_restarts_its_members() {
    let pool = pool(1);
    let (group, count) = (RestartGroup::one_for_all(), Arc::default());
    let members = [(); 3].map(|()| relay(&pool, &count));
    members.iter().try_for_each(|member| group.add(member)).expect("they may restart");
    let mut lives = members.each_ref().map(|member| member.control().life());
    assert!(members[1].fail().wait().is_err());
    for life in &mut lives {
        assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
        assert!(matches!(life.recv().wait(), Some(LifeEvent::Restarted { .. })));
    }
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[test]
fn every_call_ends_while_services_end_and_crash() {
    let (pool, count) = (pool(2), Arc::<AtomicUsize>::default());
    let callers: Vec<_> = (0..4_u64)
        .map(|caller| {
            let (pool, count) = (pool.clone(), count.clone());
            thread::spawn(move || {
                let mut random = caller * 7_919 + 1;
                let mut ends = 0;
                for _ in 0..40 {
                    let relay = relay(&pool, &count);
                    let mut jobs = Vec::new();
                    for _ in 0..30 {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        match random >> 60 {
                            0 => drop(relay.fail().submit()),
                            1..6 => drop(relay.send("words".into()).wait()),
                            6..10 => jobs.push(relay.later().submit()),
                            _ => drop(relay.heard().priority(Priority::Immediate).submit()),
                        }
                    }
                    match random >> 62 {
                        0 => relay.close().wait().expect("it ends"),
                        1 => relay.terminate().wait().expect("it ends"),
                        2 => drop(relay.close_timeout(MILLISECOND).wait()),
                        _ => drop(relay),
                    }
                    let outcomes: Vec<_> = jobs.into_iter().map(|job| job.wait()).collect();
                    ends += outcomes.len();
                }
                ends
            })
        })
        .collect();
    assert!(callers.into_iter().all(|caller| caller.join().expect("it does not panic") > 0));
    pool.close();
    pool.closed().wait();
    assert_eq!(count.load(Ordering::SeqCst), 0, "each state was dropped");
}

#[test]
fn simulation_runs_services_on_a_pool() {
    let program = || {
        let pool = pool(2);
        let counters: Vec<_> = (0..3).map(|n| counter(&pool, n)).collect();
        let jobs: Vec<_> =
            counters.iter().flat_map(|each| [each.bump_later(1).submit(), each.bump(2).submit()]).collect();
        assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
        counters.iter().map(|each| each.total().wait().expect("it runs")).sum::<i64>()
    };
    for seed in 0..20 {
        let report = Simulation::new().run(seed, program).expect("it ends");
        assert_eq!(report.value, 12, "seed {seed}");
    }
    // The simulation ends while services live.
    Simulation::new().run(7, || counter(&pool(2), 1).bump(1).submit().detach()).expect("it ends");
}
