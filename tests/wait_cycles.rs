//! Tests of deadlock detection, which finds cycles in the wait-for graph: which cycles end, the
//! error's text, and which are only reported.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::future::{Either, select};
use nanolith::{
    call::SubmitError,
    deadlock::{WaitCycle, suspected},
    pool::Concurrency,
    prelude::*,
    sim::Simulation,
    task::ThreadKind,
    time::sleep,
};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Barrier, Mutex, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Two barriers: the tasks run, and the queues are full.
#[derive(Clone)]
pub struct Start {
    running: Arc<Barrier>,
    full: Arc<Barrier>,
}

impl Start {
    fn of(tasks: usize) -> Self {
        Self { running: Arc::new(Barrier::new(tasks + 1)), full: Arc::new(Barrier::new(tasks + 1)) }
    }

    fn pass(&self) {
        self.running.wait();
        self.full.wait();
    }
}

pub struct Node {
    other: Option<Service<Node>>,
}

#[define]
impl Node {
    pub fn set(&mut self, other: Service<Node>) {
        self.other = Some(other);
    }

    pub fn nothing(&self) {}

    pub fn call_other(&mut self, start: Start) -> Result<(), CallError> {
        start.pass();
        self.other.as_ref().map_or(Ok(()), |other| other.nothing().wait())
    }

    pub fn send_other(&mut self, start: Start) -> Result<(), SubmitError<u32>> {
        start.pass();
        self.other.as_ref().map_or(Ok(()), |other| other.send(7).wait())
    }

    pub fn call_pool(&mut self, pool: Pool, itself: Service<Node>) -> Result<Result<(), CallError>, CallError> {
        Helper::on(&pool).call_back(itself).wait()
    }

    pub async fn await_room(&mut self, both: Meeting, full: Gate) -> Result<(), CallError> {
        both.await;
        full.await;
        self.other.as_ref().expect("it was set").nothing().await
    }

    pub async fn await_pool(&mut self, pool: Pool) -> Result<(), CallError> {
        Helper::on(&pool).nothing().await
    }

    pub fn block_on_pool(&mut self, pool: Pool) -> Result<(), CallError> {
        Helper::on(&pool).nothing().wait()
    }

    #[on_message]
    fn on_message(&mut self, _number: u32) {}
}

pub struct Helper;

#[define]
impl Helper {
    pub fn nothing() {}

    pub async fn await_node(node: Service<Node>, pool: Pool) -> Result<Result<(), CallError>, CallError> {
        node.await_pool(pool).await
    }

    pub fn block_on_node(node: Service<Node>, pool: Pool) -> Result<Result<(), CallError>, CallError> {
        node.block_on_pool(pool).wait()
    }

    #[task(concurrency = 1)]
    pub fn left(pool: Pool, both: Option<Arc<Barrier>>) -> Result<(), CallError> {
        let Some(both) = both else { return Ok(()) };
        both.wait();
        Helper::on(&pool).right(pool.clone(), None).wait().and_then(|end| end)
    }

    #[task(concurrency = 1)]
    pub fn right(pool: Pool, both: Option<Arc<Barrier>>) -> Result<(), CallError> {
        let Some(both) = both else { return Ok(()) };
        both.wait();
        Helper::on(&pool).left(pool.clone(), None).wait().and_then(|end| end)
    }

    pub fn call_back(node: Service<Node>) -> Result<(), CallError> {
        node.nothing().wait()
    }
}

/// Returns one service for each name. Each knows the next one, and each queue has capacity for one
/// call.
fn ring_of(names: &[&str]) -> Vec<Service<Node>> {
    let launch =
        |name: &&str| Node::service(Node { other: None }).name(*name).max_queue(1).launch().wait().expect("sound");
    let nodes: Vec<_> = names.iter().map(launch).collect();
    for (at, node) in nodes.iter().enumerate() {
        node.set(nodes[(at + 1) % nodes.len()].clone()).wait().expect("it runs");
    }
    nodes
}

fn is_deadlock<T>(outcome: &Result<T, CallError>) -> bool {
    matches!(outcome, Err(CallError::WouldDeadlock(_)))
}

#[test]
fn waits_for_room_in_two_full_queues_end() {
    let nodes = ring_of(&["left", "right"]);
    let start = Start::of(2);
    let jobs: Vec<_> = nodes.iter().map(|node| node.call_other(start.clone()).submit()).collect();
    start.running.wait();
    let fills: Vec<_> = nodes.iter().map(|node| node.nothing().submit()).collect();
    start.full.wait();
    let ends: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it runs")).collect();
    assert!(ends.iter().any(is_deadlock), "{ends:?}");
    assert!(fills.into_iter().all(|fill| fill.wait().is_ok()), "both services live on");
}

#[test]
fn error_names_each_call_with_its_source_line() {
    let nodes = ring_of(&["left", "right"]);
    let start = Start::of(2);
    let line = line!() + 1;
    let jobs: Vec<_> = nodes.iter().map(|node| node.call_other(start.clone()).submit()).collect();
    start.running.wait();
    let fills: Vec<_> = nodes.iter().map(|node| node.nothing().submit()).collect();
    start.full.wait();
    let mut ends = jobs.into_iter().filter_map(|job| job.wait().expect("it runs").err());
    let error = ends.next().expect("one of them ends");
    let cycle = error.trace().cycle().expect("it is in a cycle");
    let tasks: Vec<_> =
        cycle.steps().iter().map(|step| (step.call().expect("calls wait").task().name(), step.needs_room())).collect();
    assert_eq!(tasks, [("call_other", false), ("nothing", true), ("call_other", false), ("nothing", true)]);
    let places: Vec<_> = cycle.steps().iter().map(|step| step.place().clone()).collect();
    let (left, right) = (ThreadKind::Service("left".into()), ThreadKind::Service("right".into()));
    let others = if places[0] == left { [left, right.clone(), right] } else { [right, left.clone(), left] };
    assert_eq!(places[..3], others);
    let text = error.to_string();
    assert!(text.contains(&format!("`Node::call_other` on the service `left` from {}:{line}", file!())), "{text}");
    assert!(text.contains("room for `Node::nothing` on the service `right`"), "{text}");
    assert!(fills.into_iter().all(|fill| fill.wait().is_ok()));
}

#[test]
fn cycle_of_three_full_queues_ends() {
    let nodes = ring_of(&["first", "second", "third"]);
    let start = Start::of(3);
    let jobs: Vec<_> = nodes.iter().map(|node| node.call_other(start.clone()).submit()).collect();
    start.running.wait();
    let fills: Vec<_> = nodes.iter().map(|node| node.nothing().submit()).collect();
    start.full.wait();
    let ends: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it runs")).collect();
    assert!(ends.iter().any(is_deadlock), "{ends:?}");
    assert!(fills.into_iter().all(|fill| fill.wait().is_ok()));
}

#[test]
fn message_is_given_back_when_its_wait_for_room_would_deadlock() {
    let nodes = ring_of(&["left", "right"]);
    let start = Start::of(2);
    let jobs: Vec<_> = nodes.iter().map(|node| node.send_other(start.clone()).submit()).collect();
    start.running.wait();
    let fills: Vec<_> = nodes.iter().map(|node| node.nothing().submit()).collect();
    start.full.wait();
    let ends: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it runs")).collect();
    let refused = ends.into_iter().find_map(Result::err).expect("one of them ends");
    assert!(matches!(refused.error(), CallError::WouldDeadlock(at) if at.cycle().is_some()), "{}", refused.error());
    assert_eq!(refused.into_inner(), 7);
    assert!(fills.into_iter().all(|fill| fill.wait().is_ok()));
}

#[test]
fn service_and_pool_that_block_on_each_other_end() {
    let pool = Pool::builder().name("helpers").build().expect("sound");
    let nodes = ring_of(&["one"]);
    let end = nodes[0].call_pool(pool, nodes[0].clone()).wait().expect("it runs");
    let error = match end {
        Ok(inner) => inner.expect_err("the service waits for the helper"),
        Err(error) => error,
    };
    assert!(matches!(error, CallError::WouldDeadlock(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("`Helper::call_back` on the pool `helpers` from"), "{text}");
    assert!(text.contains("`Node::call_pool` on the service `one` from"), "{text}");
}

// ----- awaited

/// The services that an account's task may need, which are set before it runs.
pub type Others = Arc<OnceLock<Vec<Service<Account>>>>;

pub struct Account {
    total: i64,
}

#[define]
impl Account {
    #[init]
    fn start() -> Self {
        Self { total: 100 }
    }

    pub fn deposit(&mut self, sum: i64) {
        self.total += sum;
    }

    pub fn total(&self) -> i64 {
        self.total
    }

    pub async fn transfer(&mut self, to: Service<Account>, sum: i64, both: Meeting) -> Result<(), CallError> {
        self.total -= sum;
        both.await;
        to.deposit(sum).await
    }

    pub async fn submit_and_await(&mut self, to: Service<Account>, both: Meeting) -> Result<(), CallError> {
        both.await;
        to.deposit(1).submit_async().await.await
    }

    pub async fn ask_pool(
        &mut self,
        pool: Pool,
        itself: Service<Account>,
    ) -> Result<Result<i64, CallError>, CallError> {
        Clerk::on(&pool).look_up(itself).await
    }

    pub fn block_on_pool(&mut self, pool: Pool, itself: Service<Account>) -> Result<Result<i64, CallError>, CallError> {
        Clerk::on(&pool).look_up(itself).wait()
    }

    pub async fn read_and_ask(
        &self,
        other: Service<Account>,
        itself: Service<Account>,
    ) -> Result<Result<(), CallError>, CallError> {
        other.deposit_there(itself).await
    }

    pub async fn deposit_there(&mut self, to: Service<Account>) -> Result<(), CallError> {
        to.deposit(1).await
    }

    pub async fn transfer_or_sleep(&mut self, to: Service<Account>, both: Meeting) -> bool {
        both.await;
        is_first(to.deposit(1), sleep(Duration::from_secs(3_600))).await
    }

    pub async fn transfer_or_receive(
        &mut self,
        to: Service<Account>,
        both: Meeting,
        from: smol::channel::Receiver<()>,
    ) -> bool {
        both.await;
        is_first(to.deposit(1), from.recv()).await
    }

    pub async fn transfer_or_foreign(&mut self, to: Service<Account>, both: Meeting, gate: Gate) -> bool {
        both.await;
        is_first(to.deposit(1), gate).await
    }
}

async fn is_first(one: impl Future, other: impl Future) -> bool {
    matches!(select(pin!(one), pin!(other)).await, Either::Left(_))
}

pub struct Clerk;

#[define]
impl Clerk {
    pub async fn look_up(account: Service<Account>) -> Result<i64, CallError> {
        account.total().await
    }

    #[task(concurrency = 1)]
    pub async fn read(pool: Pool, both: Option<Meeting>) -> Result<(), CallError> {
        let Some(both) = both else { return Ok(()) };
        both.await;
        Clerk::on(&pool).write(pool.clone(), None).await.and_then(|end| end)
    }

    #[task(concurrency = 1)]
    pub async fn write(pool: Pool, both: Option<Meeting>) -> Result<(), CallError> {
        let Some(both) = both else { return Ok(()) };
        both.await;
        Clerk::on(&pool).read(pool.clone(), None).await.and_then(|end| end)
    }
}

/// Ready after it was opened, from any thread.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    fn open(&self) {
        let waker = {
            let mut gate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            gate.0 = true;
            gate.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gate.1 = Some(cx.waker().clone());
        if gate.0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Ready after all expected tasks have come.
#[derive(Clone)]
pub struct Meeting(Arc<Mutex<(usize, Vec<Waker>)>>, bool);

impl Meeting {
    fn of(guests: usize) -> Self {
        Self(Arc::new(Mutex::new((guests, Vec::new()))), false)
    }
}

impl Future for Meeting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let has_come = std::mem::replace(&mut self.1, true);
        let mut meeting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meeting.0 -= usize::from(!has_come);
        if meeting.0 > 0 {
            meeting.1.push(cx.waker().clone());
            return Poll::Pending;
        }
        let wakers = std::mem::take(&mut meeting.1);
        drop(meeting);
        wakers.into_iter().for_each(Waker::wake);
        Poll::Ready(())
    }
}

fn accounts<const N: usize>(names: [&str; N]) -> [Service<Account>; N] {
    names.map(|name| Account::service().name(name).launch().wait().expect("it launches"))
}

fn tasks_of(cycle: &WaitCycle) -> Vec<&'static str> {
    cycle.steps().iter().filter_map(|step| Some(step.call()?.task().name())).collect()
}

#[test]
fn transfers_that_await_each_other_end() {
    let [a, b] = accounts(["a", "b"]);
    let both = Meeting::of(2);
    let jobs = [a.transfer(b.clone(), 1, both.clone()).submit(), b.transfer(a.clone(), 1, both).submit()];
    let ends = jobs.map(|job| job.wait().expect("it runs"));
    let error = ends.iter().find_map(|end| end.as_ref().err()).expect("one of them ends");
    assert!(matches!(error, CallError::WouldDeadlock(_)), "{error}");
    assert!(ends.iter().any(Result::is_ok), "the other goes on: {ends:?}");
    let mut tasks = tasks_of(error.trace().cycle().expect("it is in a cycle"));
    tasks.sort_unstable();
    assert_eq!(tasks, ["deposit", "deposit", "transfer", "transfer"]);
    let total = a.total().wait().expect("it runs") + b.total().wait().expect("it runs");
    assert_eq!(total, 199, "one sum was taken out and not put in");
}

#[test]
fn transfers_in_a_cycle_of_three_end() {
    let [a, b, c] = accounts(["a", "b", "c"]);
    let all = Meeting::of(3);
    let jobs = [
        a.transfer(b.clone(), 1, all.clone()).submit(),
        b.transfer(c.clone(), 1, all.clone()).submit(),
        c.transfer(a.clone(), 1, all).submit(),
    ];
    let ends = jobs.map(|job| job.wait().expect("it runs"));
    assert_eq!(ends.iter().filter(|end| is_deadlock(end)).count(), 1, "{ends:?}");
}

#[test]
fn awaited_submits_in_a_cycle_end() {
    let [a, b] = accounts(["a", "b"]);
    let both = Meeting::of(2);
    let jobs = [a.submit_and_await(b.clone(), both.clone()).submit(), b.submit_and_await(a.clone(), both).submit()];
    let ends = jobs.map(|job| job.wait().expect("it runs"));
    assert!(ends.iter().any(is_deadlock), "{ends:?}");
}

#[test]
fn service_that_awaits_a_pool_task_that_calls_back_ends() {
    let pool = Pool::builder().build().expect("sound");
    let [a] = accounts(["a"]);
    let end = a.ask_pool(pool, a.clone()).wait().expect("it runs").expect("it runs");
    assert!(is_deadlock(&end), "{end:?}");
}

#[test]
fn service_that_blocks_on_a_pool_task_that_awaits_it_ends() {
    let pool = Pool::builder().build().expect("sound");
    let [a] = accounts(["a"]);
    let end = a.block_on_pool(pool, a.clone()).wait().expect("it runs").expect("it runs");
    assert!(is_deadlock(&end), "{end:?}");
}

#[test]
fn reader_that_awaits_a_writer_behind_it_ends() {
    let [a, b] = accounts(["a", "b"]);
    let end = a.read_and_ask(b.clone(), a.clone()).wait().expect("it runs").expect("it runs");
    assert!(is_deadlock(&end), "{end:?}");
}

#[test]
fn limited_kinds_that_await_each_other_end() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("sound");
    let clerk = Clerk::on(&pool);
    let both = Meeting::of(2);
    let reads = clerk.read(pool.clone(), Some(both.clone())).submit();
    let writes = clerk.write(pool.clone(), Some(both)).submit();
    let ends = [reads.wait().expect("it runs"), writes.wait().expect("it runs")];
    assert!(ends.iter().any(is_deadlock), "{ends:?}");
}

#[test]
fn awaited_waits_for_room_in_two_full_queues_end() {
    let nodes = ring_of(&["left", "right"]);
    let (both, gates) = (Meeting::of(3), [Gate::default(), Gate::default()]);
    let jobs: Vec<_> =
        nodes.iter().zip(&gates).map(|(node, gate)| node.await_room(both.clone(), gate.clone()).submit()).collect();
    pollster::block_on(both);
    let fills: Vec<_> = nodes.iter().map(|node| node.nothing().submit()).collect();
    gates.iter().for_each(Gate::open);
    let ends: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it runs")).collect();
    assert!(ends.iter().any(is_deadlock), "{ends:?}");
    assert!(fills.into_iter().all(|fill| fill.wait().is_ok()));
}

#[test]
fn wait_for_room_below_a_bound_of_calls_in_flight_ends() {
    let pool = Pool::builder().max_in_flight(1).build().expect("sound");
    let nodes = ring_of(&["one"]);
    let end = Helper::on(&pool).await_node(nodes[0].clone(), pool.clone()).wait().expect("it runs").expect("it runs");
    assert!(is_deadlock(&end), "{end:?}");
}

#[test]
fn cycle_through_a_pool_whose_only_thread_waits_ends() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_spare_threads(0).build().expect("sound");
    let nodes = ring_of(&["one"]);
    let end = Helper::on(&pool).block_on_node(nodes[0].clone(), pool.clone()).wait().expect("it runs");
    assert!(end.as_ref().map_or_else(|error| matches!(error, CallError::WouldDeadlock(_)), is_deadlock), "{end:?}");
}

#[test]
fn limited_kinds_that_block_on_each_other_end() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("sound");
    let both = Arc::new(Barrier::new(2));
    let left = Helper::on(&pool).left(pool.clone(), Some(both.clone())).submit();
    let right = Helper::on(&pool).right(pool.clone(), Some(both)).submit();
    let ends = [left.wait().expect("it runs"), right.wait().expect("it runs")];
    assert!(ends.iter().any(is_deadlock), "{ends:?}");
}

#[test]
fn simulation_ends_blocking_cycles_and_reports_awaited_ones() {
    for seed in 0..20 {
        let end = Simulation::new().run(seed, || {
            let pool = Pool::builder().build().expect("sound");
            let node = Node::service(Node { other: None }).launch().wait().expect("it launches");
            node.call_pool(pool, node.clone()).wait().expect("it runs")
        });
        let end = end.expect("the cycle ends").value;
        assert!(end.as_ref().map_or_else(|error| matches!(error, CallError::WouldDeadlock(_)), is_deadlock), "{end:?}");
        let end = Simulation::new().run(seed, || {
            let [a, b] = accounts(["a", "b"]);
            let both = Meeting::of(2);
            let jobs = [a.transfer(b.clone(), 1, both.clone()).submit(), b.transfer(a.clone(), 1, both).submit()];
            jobs.map(|job| job.wait().is_ok())
        });
        let error = end.map(|_| ()).expect_err("both wait for ever");
        assert!(error.is_deadlock(), "{error}");
    }
}

/// Submits two calls of `task`. Each waits for the other and for something else. Waits until the
/// cycle is reported, and checks that the calls continue.
fn expect_report(
    task: &str,
    submit: impl FnOnce([Service<Account>; 2], Meeting) -> [Handle<Account, bool>; 2],
) -> [Handle<Account, bool>; 2] {
    let mut reports = suspected();
    let jobs = submit(accounts(["a", "b"]), Meeting::of(2));
    let report = reports.find(|cycle| tasks_of(cycle).contains(&task)).expect("it is reported");
    assert_eq!(tasks_of(&report).iter().filter(|name| **name == task).count(), 2, "{report}");
    assert!(jobs.iter().all(|job| !job.is_finished()));
    jobs
}

#[test]
fn cycle_with_a_timer_is_reported_and_runs_on() {
    let jobs = expect_report("transfer_or_sleep", |[a, b], both| {
        [a.transfer_or_sleep(b.clone(), both.clone()).submit(), b.transfer_or_sleep(a.clone(), both).submit()]
    });
    let [of_a, of_b] = jobs;
    of_a.cancel();
    assert!(matches!(of_a.wait(), Err(CallError::Cancelled(_))));
    assert!(matches!(of_b.wait(), Ok(true)), "the deposit comes once the other call is gone");
}

#[test]
fn cycle_with_a_channel_is_reported_and_runs_on() {
    let (give, take) = smol::channel::bounded(2);
    let jobs = expect_report("transfer_or_receive", |[a, b], both| {
        [
            a.transfer_or_receive(b.clone(), both.clone(), take.clone()).submit(),
            b.transfer_or_receive(a.clone(), both, take.clone()).submit(),
        ]
    });
    give.send_blocking(()).expect("there is room");
    give.send_blocking(()).expect("there is room");
    assert!(jobs.map(Handle::wait).iter().any(|end| matches!(end, Ok(false))), "a message was first");
}

#[test]
fn cycle_with_a_foreign_future_is_reported_and_runs_on() {
    let gate = Gate::default();
    let gates = gate.clone();
    let jobs = expect_report("transfer_or_foreign", |[a, b], both| {
        [
            a.transfer_or_foreign(b.clone(), both.clone(), Gate::default()).submit(),
            b.transfer_or_foreign(a.clone(), both, gates).submit(),
        ]
    });
    gate.open();
    let [of_a, of_b] = jobs.map(Handle::wait);
    assert!(matches!((of_a, of_b), (Ok(true), Ok(false))), "the gate was first, and then the deposit");
}
