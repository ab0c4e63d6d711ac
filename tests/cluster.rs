//! Tests of clusters, which are several services as one executor: which member gets a call, how
//! members join and leave, and what happens to the calls of a member that ends.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::needless_pass_by_value)] // a test

use nanolith::{
    Cluster, Executor, TaskSet,
    call::SubmitError,
    cluster::{AddError, Balance, MemberId, MemberLoad, RouteError, RouteRequest},
    executor::{Job, OnFull},
    prelude::*,
    service::{CloseError, LaunchError, OnPanic},
    time::{MILLISECOND, MINUTE},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    task::{Context as Waiting, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

/// A door that is closed until the test opens it.
#[derive(Clone, Default)]
pub struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    fn open(&self) {
        *self.0.0.lock().expect("no holder panics") = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let shut = self.0.0.lock().expect("no holder panics");
        let (shut, limit) = self.0.1.wait_timeout_while(shut, LONG, |open| !*open).expect("no holder panics");
        drop(shut);
        assert!(!limit.timed_out(), "the door stayed closed");
    }
}

/// A member that knows its number.
pub struct Worker {
    number: u64,
    sum: i64,
}

#[define]
impl Worker {
    #[init]
    fn start(number: u64) -> Result<Self, String> {
        if number == 13 { Err("no thirteenth".into()) } else { Ok(Self { number, sum: 0 }) }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn add(&mut self, by: i64) -> i64 {
        self.sum += by;
        self.sum
    }

    pub fn double(x: i64) -> i64 {
        2 * x
    }

    #[task(idempotent)]
    pub fn triple(x: i64) -> i64 {
        3 * x
    }

    pub fn fail() {
        panic!("no luck")
    }

    /// Sends its number, and waits.
    pub fn hold(&self, started: Sender<u64>, door: Door) -> u64 {
        let _ = started.send(self.number);
        door.pass();
        self.number
    }

    /// Does the same as `hold`, and may run twice.
    #[task(idempotent)]
    pub fn hold_again(&self, started: Sender<u64>, door: Door) -> u64 {
        let _ = started.send(self.number);
        door.pass();
        self.number
    }

    #[task(idempotent)]
    pub fn hold_and_tell(cx: &Context<Self>, started: Sender<u64>, door: Door) {
        cx.progress(1, 2);
        let _ = started.send(0);
        door.pass();
        cx.progress(2, 2);
    }

    /// Keeps the core busy, without sleeping.
    pub fn work(&self, time: Duration) -> u64 {
        let began = Instant::now();
        while began.elapsed() < time {
            std::hint::spin_loop();
        }
        self.number
    }

    #[task(idempotent)]
    pub fn work_again(&self, time: Duration) -> u64 {
        self.work(time)
    }

    pub async fn rest(&self, time: Duration) -> u64 {
        nanolith::time::sleep(time).await;
        self.number
    }

    #[task(idempotent)]
    pub async fn rest_again(&self, time: Duration) -> u64 {
        nanolith::time::sleep(time).await;
        self.number
    }

    /// Waits for a call of its own cluster.
    pub fn ask(&self, cluster: Cluster<Self>) -> Result<i64, CallError> {
        cluster.double(self.number as i64).wait()
    }

    pub fn ask_again(&self, cluster: Cluster<Self>) -> Result<i64, CallError> {
        cluster.triple(self.number as i64).wait()
    }

    /// The first service waits for the second, which waits for the third, and so on.
    pub fn ask_round(mut ring: Vec<Service<Self>>, limit: Option<Duration>) -> Result<u64, String> {
        let Some(next) = ring.pop() else { return Ok(0) };
        let call = next.ask_round(ring, limit);
        let call = match limit {
            Some(limit) => call.timeout(limit),
            None => call,
        };
        call.wait().map_err(|error| error.to_string())?
    }

    pub async fn ask_later(&self, cluster: Cluster<Self>, started: Sender<u64>, go_on: flag::Flag) -> [u64; 2] {
        let _ = started.send(self.number);
        go_on.raised().await;
        let plain = cluster.number().await.unwrap_or(99);
        [plain, cluster.triple(1).await.unwrap_or(99) as u64]
    }

    pub fn call_everybody(&self, cluster: Cluster<Self>) -> Vec<(u64, Result<u64, CallError>)> {
        let all = cluster.control().call_all(|worker| worker.number()).wait();
        all.into_iter().map(|(id, number)| (id.number(), number)).collect()
    }

    pub fn close_everybody(cluster: Cluster<Self>) -> Result<(), CloseError> {
        cluster.close().wait()
    }
}

/// A flag that a future waits for.
pub mod flag {
    use std::{
        future::poll_fn,
        sync::{Arc, Mutex},
        task::{Poll, Waker},
    };

    #[derive(Clone, Default)]
    pub struct Flag(Arc<Mutex<(bool, Vec<Waker>)>>);

    impl Flag {
        pub fn raise(&self) {
            let wakers = {
                let mut flag = self.0.lock().expect("no holder panics");
                flag.0 = true;
                std::mem::take(&mut flag.1)
            };
            wakers.into_iter().for_each(Waker::wake);
        }

        pub async fn raised(&self) {
            poll_fn(|cx| {
                let mut flag = self.0.lock().expect("no holder panics");
                if flag.0 {
                    return Poll::Ready(());
                }
                flag.1.push(cx.waker().clone());
                Poll::Pending
            })
            .await;
        }
    }
}

fn workers(n: usize, balance: Balance) -> Cluster<Worker> {
    let builder = Cluster::builder().balance(balance);
    builder.launch_numbered(n, |id| Worker::service(id.number())).wait().expect("they start")
}

/// Returns a cluster with capacity for one call in each queue.
fn narrow(n: usize, on_full: OnFull) -> Cluster<Worker> {
    let builder = Cluster::builder().balance(Balance::RoundRobin);
    builder
        .launch_numbered(n, move |id| Worker::service(id.number()).max_queue(1).on_full(on_full))
        .wait()
        .expect("they start")
}

fn ids(cluster: &Cluster<Worker>) -> Vec<u64> {
    cluster.control().members().into_iter().map(MemberId::number).collect()
}

fn id(cluster: &Cluster<Worker>, number: u64) -> MemberId {
    *cluster.control().members().iter().find(|id| id.number() == number).expect("it is a member")
}

fn member(cluster: &Cluster<Worker>, number: u64) -> Service<Worker> {
    cluster.control().use_member(id(cluster, number)).expect("it is a member")
}

/// Occupies a member. Returns its call when that runs.
fn occupy(member: &Service<Worker>, door: &Door) -> Handle<Worker, u64> {
    let (started, starts) = mpsc::channel();
    let held = member.hold(started, door.clone()).submit();
    starts.recv_timeout(LONG).expect("it runs");
    held
}

/// Occupies each member.
fn occupy_all(cluster: &Cluster<Worker>, door: &Door) -> Vec<Handle<Worker, u64>> {
    cluster.control().members().iter().map(|id| occupy(&member(cluster, id.number()), door)).collect()
}

fn all_run<T>(calls: impl IntoIterator<Item = Handle<Worker, T>>) {
    assert!(calls.into_iter().all(|call| call.wait().is_ok()));
}

/// Counts a service's thread from its start to its end.
fn counted<E: Send + 'static, A: 'static>(
    service: nanolith::service::ServiceBuilder<Worker, E, A>,
    alive: &Arc<AtomicI64>,
) -> nanolith::service::ServiceBuilder<Worker, E, A> {
    let (up, down) = (alive.clone(), alive.clone());
    let add = |alive: &AtomicI64, by| {
        alive.fetch_add(by, Ordering::SeqCst);
    };
    service.on_thread_start(move || add(&up, 1)).on_thread_exit(move || add(&down, -1))
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Waiting::from_waker(Waker::noop()))
}

// ----- launch and close

#[test]
fn cluster_has_the_typed_methods_and_clones_share_it() {
    let cluster = workers(1, Balance::LeastBusy);
    assert_eq!(cluster.add(5).wait().expect("it runs"), 5);
    let again = cluster.clone();
    assert_eq!(again.add(5).wait().expect("it runs"), 10);
    drop(cluster);
    assert_eq!(again.add(5).wait().expect("one handle is left"), 15);
}

#[test]
fn generic_executor_code_takes_a_cluster() {
    fn six(worker: &WorkerCalls<impl Executor<Worker>>) -> Result<i64, CallError> {
        worker.double(3).wait()
    }
    fn sum(worker: &WorkerCalls<impl nanolith::executor::OwnsState<Worker>>) -> Result<i64, CallError> {
        worker.add(3).wait()
    }
    let cluster = workers(2, Balance::RoundRobin);
    assert_eq!(six(cluster.calls()).expect("it runs"), 6);
    assert_eq!(sum(cluster.calls()).expect("it runs"), 3);
    let any: Arc<dyn Executor<Worker>> = Arc::new(Layer(workers(2, Balance::RoundRobin)));
    assert_eq!(Worker::calls(any).double(3).wait().expect("it runs"), 6);
}

/// A layer around a cluster's calls, as a user would write it.
struct Layer(Cluster<Worker>);

impl Executor<Worker> for Layer {
    fn try_execute(&self, job: Job<Worker>) -> Result<(), SubmitError<Job<Worker>>> {
        if let Ok((task, reply)) = job.split() {
            match task {
                WorkerTask::Double { x } => {
                    let outcome = self.0.double(x).wait();
                    reply.complete(outcome.map(WorkerOutput::Double));
                }
                _ => drop(reply),
            }
        }
        Ok(())
    }
}

#[test]
fn failed_member_fails_the_launch_and_closes_the_others() {
    let alive = Arc::new(AtomicI64::new(0));
    let count = alive.clone();
    let launch = Cluster::builder().launch_numbered(4, move |id| {
        counted(Worker::service(if id.number() == 2 { 13 } else { id.number() }), &count)
    });
    let error = launch.wait().expect_err("the third fails");
    assert_eq!(error.member().number(), 2);
    assert_eq!(error.to_string(), "member 2 did not start: no thirteenth");
    assert!(matches!(error.into_inner(), LaunchError::Init(reason) if reason == "no thirteenth"));
    settles(|| alive.load(Ordering::SeqCst) == 0);
}

/// Waits until a thread has ended. There is no notification for that.
fn settles(mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LONG, "it does not come to rest");
        thread::yield_now();
    }
}

#[test]
fn launch_returns_wrong_member_settings_as_errors() {
    let launch = Cluster::launch(2, || Worker::service(0).max_queue(0));
    assert!(matches!(
        launch.wait().map_err(nanolith::cluster::ClusterLaunchError::into_inner),
        Err(LaunchError::Build(_))
    ));
}

#[test]
fn drop_of_the_last_handle_finishes_accepted_calls() {
    let cluster = workers(2, Balance::RoundRobin);
    let ends: Vec<_> = [0, 1].map(|number| member(&cluster, number).control().closed()).into_iter().collect();
    let jobs: Vec<_> = (0..10).map(|x| cluster.double(x).submit()).collect();
    let kept = member(&cluster, 0); // a member's handle keeps nothing open
    drop(cluster);
    ends.into_iter().for_each(|end| end.wait().expect("it closes"));
    assert!(jobs.into_iter().zip(0..).all(|(job, x)| matches!(job.wait(), Ok(y) if y == 2 * x)));
    assert!(matches!(kept.double(1).wait(), Err(CallError::Closed(_))));
}

#[test]
fn closed_cluster_refuses_calls_and_members() {
    let cluster = workers(2, Balance::LeastBusy);
    cluster.close().wait().expect("they close");
    assert!(matches!(cluster.double(1).wait(), Err(CallError::Closed(_))));
    assert!(matches!(cluster.triple(1).wait(), Err(CallError::Closed(_))));
    assert!(matches!(cluster.control().add().wait(), Err(AddError::Closed)));
    assert!(matches!(cluster.control().resize(3).wait(), Err(AddError::Closed)));
    assert!(cluster.info().is_closed);
    cluster.close().wait().expect("they are closed");
}

#[test]
fn close_waits_for_members_removed_before() {
    let cluster = workers(2, Balance::LeastBusy);
    let door = Door::default();
    let held = occupy(&member(&cluster, 0), &door);
    drop(cluster.control().remove(id(&cluster, 0)));
    let mut closing = pin!(cluster.close());
    // The idle member may end; the other member cannot.
    member_ends(&cluster);
    assert!(poll_once(closing.as_mut()).is_pending());
    door.open();
    pollster::block_on(closing).expect("both are over");
    assert_eq!(held.wait().expect("it was accepted"), 0);
}

fn member_ends(cluster: &Cluster<Worker>) {
    settles(|| cluster.control().members().is_empty());
}

#[test]
fn terminate_ends_queued_and_running_calls_of_every_kind() {
    let cluster = workers(1, Balance::LeastBusy);
    let door = Door::default();
    let held = occupy(&member(&cluster, 0), &door);
    let queued = [cluster.double(1).submit(), cluster.triple(1).submit()];
    let ends = cluster.terminate();
    for call in queued {
        assert!(matches!(call.wait(), Err(CallError::Closed(_))));
    }
    assert!(matches!(held.wait(), Err(CallError::Closed(_))));
    door.open();
    ends.wait().expect("it ends");
    assert_eq!(cluster.info().moved, 0, "there is nowhere to go");
}

#[test]
fn wait_for_the_end_of_the_own_cluster_fails() {
    let cluster = workers(2, Balance::LeastBusy);
    let outcome = cluster.close_everybody(cluster.clone()).wait().expect("it runs");
    assert!(matches!(outcome, Err(CloseError::WouldDeadlock)));
}

// ----- the empty cluster

#[test]
fn empty_cluster_refuses_calls_until_a_member_is_added() {
    let cluster = workers(0, Balance::LeastBusy);
    for outcome in [cluster.double(1).wait(), cluster.triple(1).wait(), cluster.double(1).submit().wait()] {
        let error = outcome.expect_err("the cluster is empty");
        assert!(matches!(error, CallError::NoMember(_)));
        assert!(error.to_string().contains("could not run: the cluster has no members"), "{error}");
        assert_eq!(error.trace().submitted().file(), file!());
    }
    assert!(matches!(pollster::block_on(cluster.double(1)), Err(CallError::NoMember(_))));
    let refused = cluster.triple(1).try_submit().expect_err("the cluster is empty");
    assert!(matches!(refused.error(), CallError::NoMember(_)));
    let control = cluster.control();
    assert_eq!(route_errors(&cluster), [Some(RouteError::NoMember); 3]);
    assert_eq!((control.notify_all(|worker| worker.fail()), control.close_idle()), (0, 0));
    assert!(control.call_all(|worker| worker.number()).wait().is_empty());
    assert_eq!(control.add().wait().expect("it starts").number(), 0);
    assert_eq!(refused.into_inner().wait().expect("there is one now"), 3);
}

/// Returns the errors of the three methods that choose a member.
fn route_errors(cluster: &Cluster<Worker>) -> [Option<RouteError>; 3] {
    let control = cluster.control();
    [control.use_next().err(), control.use_key("a").err(), control.member_of("a").err()]
}

#[test]
fn closed_cluster_chooses_no_member_and_says_so() {
    let cluster = workers(2, Balance::LeastBusy);
    assert_eq!(route_errors(&cluster), [None; 3]);
    cluster.close().wait().expect("it closes");
    assert_eq!(route_errors(&cluster), [Some(RouteError::Closed); 3]);
    assert!(matches!(cluster.double(1).wait(), Err(CallError::Closed(_))), "a call says the same");
}

#[test]
fn resize_to_zero_finishes_accepted_calls_and_refuses_more() {
    let cluster = workers(3, Balance::RoundRobin);
    let jobs: Vec<_> = (0..30).map(|x| cluster.double(x).submit()).collect();
    cluster.control().resize(0).wait().expect("they close");
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
    assert!(matches!(cluster.double(1).wait(), Err(CallError::NoMember(_))));
    cluster.control().resize(2).wait().expect("they start");
    assert_eq!(cluster.double(1).wait().expect("there are members again"), 2);
}

// ----- members that join and leave

#[test]
fn member_numbers_follow_launch_order_without_reuse() {
    let cluster = workers(2, Balance::LeastBusy);
    let control = cluster.control();
    assert_eq!(control.add().wait().expect("it starts").number(), 2);
    control.remove(id(&cluster, 2)).expect("it is a member").wait().expect("it closes");
    assert_eq!(control.add().wait().expect("it starts").number(), 3);
    assert_eq!(ids(&cluster), [0, 1, 3]);
}

#[test]
fn resize_adds_members_and_closes_the_newest() {
    let cluster = workers(2, Balance::LeastBusy);
    cluster.control().resize(5).wait().expect("they start");
    assert_eq!(ids(&cluster), [0, 1, 2, 3, 4]);
    cluster.control().resize(1).wait().expect("they close");
    assert_eq!(ids(&cluster), [0]);
    cluster.control().resize(1).wait().expect("it stays");
    assert_eq!(cluster.number().wait().expect("it runs"), 0);
}

#[test]
fn concurrent_resizes_add_members_once() {
    let cluster = workers(0, Balance::LeastBusy);
    let (one, other) = (cluster.control().resize(3), cluster.control().resize(3));
    one.wait().expect("they start");
    other.wait().expect("nothing is left to do");
    assert_eq!(ids(&cluster).len(), 3);
}

#[test]
fn member_is_not_added_when_the_wait_is_dropped() {
    let cluster = workers(1, Balance::LeastBusy);
    drop(cluster.control().add());
    drop(cluster.control().resize(4));
    assert_eq!(ids(&cluster), [0]);
    cluster.control().resize(3).wait().expect("they start");
    assert_eq!(ids(&cluster).len(), 3, "those that were given up do not count");
}

#[test]
fn failed_add_returns_the_init_error() {
    let made = Arc::new(AtomicU64::new(0));
    let number = move || if made.fetch_add(1, Ordering::Relaxed) == 1 { 13 } else { 0 };
    let cluster = Cluster::launch(1, move || Worker::service(number())).wait().expect("the first starts");
    let Err(AddError::Failed(member, LaunchError::Init(failure))) = cluster.control().add().wait() else {
        panic!("the second fails")
    };
    assert_eq!((member.number(), failure.downcast::<String>().expect("its type")), (1, "no thirteenth".to_owned()));
    assert_eq!(cluster.control().add().wait().expect("the third starts").number(), 2);
}

#[test]
fn removed_member_finishes_its_calls_and_gets_no_more() {
    let cluster = workers(2, Balance::RoundRobin);
    let door = Door::default();
    let held = occupy(&member(&cluster, 0), &door);
    let queued = member(&cluster, 0).double(4).submit();
    let closing = cluster.control().remove(id(&cluster, 0)).expect("it is a member");
    assert_eq!(ids(&cluster), [1]);
    assert!((0..4).all(|_| matches!(cluster.number().wait(), Ok(1))));
    door.open();
    closing.wait().expect("it closes");
    assert_eq!((held.wait().expect("accepted"), queued.wait().expect("accepted")), (0, 8));
}

#[test]
fn member_closed_from_outside_leaves_at_once() {
    let cluster = workers(3, Balance::RoundRobin);
    let closing = member(&cluster, 1).close();
    assert_eq!(ids(&cluster), [0, 2], "the cluster removed the member by itself");
    closing.wait().expect("it closes");
    let numbers: BTreeSet<_> = (0..6).map(|_| cluster.number().wait().expect("it runs")).collect();
    assert_eq!(numbers, [0, 2].into());
}

#[test]
fn member_closed_by_its_handler_leaves() {
    let builder = Cluster::builder().balance(Balance::RoundRobin);
    let careful = |id: MemberId| Worker::service(id.number()).on_panic(|_| OnPanic::Close);
    let cluster = builder.launch_numbered(2, careful).wait().expect("they start");
    let end = member(&cluster, 0).control().closed();
    assert!(matches!(member(&cluster, 0).fail().wait(), Err(CallError::Panicked(..))));
    end.wait().expect("it closes");
    assert_eq!(ids(&cluster), [1]);
    assert!((0..4).all(|_| matches!(cluster.number().wait(), Ok(1))));
}

#[test]
fn close_idle_closes_idle_members_and_returns_their_number() {
    let cluster = workers(4, Balance::LeastBusy);
    let door = Door::default();
    let (held, pending) = (occupy(&member(&cluster, 1), &door), member(&cluster, 2).rest(MINUTE).submit());
    settles(|| member(&cluster, 2).info().in_progress == 1);
    assert_eq!(cluster.control().close_idle(), 2);
    assert_eq!(ids(&cluster), [1, 2]);
    door.open();
    held.wait().expect("it was left alone");
    pending.cancel();
}

#[test]
fn close_idle_finds_members_that_became_idle() {
    let cluster = workers(2, Balance::RoundRobin);
    let jobs: Vec<_> = (0..5_000).map(|x| cluster.double(x).submit()).collect();
    all_run(jobs);
    settles(|| cluster.control().close_idle() > 0 && ids(&cluster).is_empty() || ids(&cluster).is_empty());
}

// ----- one member

#[test]
fn key_keeps_its_member_and_few_keys_move_on_removal() {
    let cluster = workers(5, Balance::LeastBusy);
    let of = |key: u32| cluster.control().use_key(&key).expect("there are members").number().wait().expect("it runs");
    let before: Vec<_> = (0..500).map(of).collect();
    assert!((0..500).all(|key| of(key) == before[key as usize]));
    let held: BTreeMap<u64, usize> = before.iter().fold(BTreeMap::new(), |mut held, number| {
        *held.entry(*number).or_default() += 1;
        held
    });
    assert!(held.len() == 5 && held.values().all(|keys| *keys > 50), "each has its share: {held:?}");
    cluster.control().remove(id(&cluster, 3)).expect("it is a member").wait().expect("it closes");
    for key in 0..500 {
        let (was, is) = (before[key as usize], of(key));
        assert!(is != 3 && (was == 3 || is == was), "{key} was at {was} and is at {is}");
    }
}

#[test]
fn member_of_returns_the_id_of_the_member_that_use_key_returns() {
    let cluster = workers(5, Balance::LeastBusy);
    let control = cluster.control();
    for key in 0..100 {
        let number = control.use_key(&key).expect("there are members").number().wait().expect("it runs");
        assert_eq!(control.member_of(&key).expect("there are members").number(), number);
    }
}

#[test]
fn use_next_returns_the_member_of_the_next_call() {
    let cluster = workers(2, Balance::LeastBusy);
    let door = Door::default();
    let held = occupy(&member(&cluster, 0), &door);
    let next = cluster.control().use_next().expect("there are members");
    assert_eq!((next.number().wait().expect("it runs"), next.number().wait().expect("it runs")), (1, 1));
    door.open();
    held.wait().expect("it runs");
}

#[test]
fn use_member_returns_a_member_by_its_number() {
    let cluster = workers(3, Balance::LeastBusy);
    for number in 0..3 {
        assert_eq!(member(&cluster, number).number().wait().expect("it runs"), number);
    }
    let gone = id(&cluster, 1);
    drop(cluster.control().remove(gone));
    assert!(cluster.control().use_member(gone).is_none() && cluster.control().remove(gone).is_none());
}

// ----- all members

#[test]
fn notify_all_reaches_every_member_once() {
    let cluster = workers(3, Balance::LeastBusy);
    assert_eq!(cluster.control().notify_all(|worker| worker.add(5)), 3);
    let sums = cluster.control().call_all(|worker| worker.add(0)).wait();
    assert!(sums.len() == 3 && sums.into_iter().all(|(_, sum)| matches!(sum, Ok(5))));
}

#[test]
fn call_all_returns_results_in_the_order_of_member_numbers() {
    let cluster = workers(3, Balance::LeastBusy);
    let numbers = pollster::block_on(cluster.control().call_all(|worker| worker.number()));
    let numbers: Vec<_> = numbers.into_iter().map(|(id, number)| (id.number(), number.expect("it runs"))).collect();
    assert_eq!(numbers, [(0, 0), (1, 1), (2, 2)]);
    let failures = cluster.control().call_all(|worker| worker.fail()).wait();
    assert!(failures.len() == 3 && failures.iter().all(|(_, failed)| matches!(failed, Err(CallError::Panicked(..)))));
}

#[test]
fn call_all_is_lazy_keeps_options_and_cancels_on_drop() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let cluster = workers(2, Balance::LeastBusy);
    drop(cluster.control().call_all(|worker| worker.add(1)));
    let sums = cluster.control().call_all(|worker| worker.add(0)).wait();
    assert!(sums.into_iter().all(|(_, sum)| matches!(sum, Ok(0))), "no member was called");
    let late = send(cluster.control().call_all(|worker| worker.rest(MINUTE).timeout(MILLISECOND))).wait();
    assert!(late.into_iter().all(|(_, end)| matches!(end, Err(CallError::TimedOut(_)))));
    let mut all = cluster.control().call_all(|worker| worker.rest(MINUTE));
    assert!(poll_once(Pin::new(&mut all)).is_pending());
    drop(all);
    settles(|| cluster.info().in_progress == 0 && cluster.info().queue_len == 0);
}

#[test]
fn call_all_from_a_member_fails_for_itself() {
    let cluster = workers(3, Balance::LeastBusy);
    let all = member(&cluster, 1).call_everybody(cluster.clone()).wait().expect("it runs");
    let ends: Vec<_> = all.iter().map(|(id, end)| (*id, end.is_ok())).collect();
    assert_eq!(ends, [(0, true), (1, false), (2, true)]);
    assert!(matches!(all[1].1, Err(CallError::WouldDeadlock(_))));
}

// ----- figures

#[test]
fn info_reports_each_member_and_the_sum() {
    let cluster = Cluster::builder().name("workers").launch_numbered(2, |id| Worker::service(id.number()));
    let cluster = cluster.wait().expect("they start");
    let door = Door::default();
    let held = occupy_all(&cluster, &door);
    let queued: Vec<_> = (0..6).map(|x| cluster.double(x).submit()).collect();
    let info = cluster.info();
    assert_eq!((&*info.name, info.active_services, info.in_progress, info.queue_len), ("workers", 2, 2, 6));
    assert_eq!((info.overflow, info.completed, info.moved, info.is_closed), (0, 0, 0, false));
    let each: Vec<_> =
        info.members.iter().map(|member| (member.service.in_progress, member.service.queue_len)).collect();
    assert_eq!(each, [(1, 3), (1, 3)]);
    assert_eq!((&*info.members[1].service.name, info.members[1].id.number()), ("workers 1", 1));
    door.open();
    all_run(held);
    all_run(queued);
    settles(|| cluster.info().completed == 8 && cluster.info().in_progress == 0);
}

// ----- balance

fn numbers(cluster: &Cluster<Worker>, calls: usize) -> Vec<u64> {
    (0..calls).map(|_| cluster.number().wait().expect("it runs")).collect()
}

#[test]
fn round_robin_uses_each_member_in_turn() {
    assert_eq!(numbers(&workers(3, Balance::RoundRobin), 7), [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn least_busy_member_gets_the_call_and_ties_alternate() {
    let cluster = workers(3, Balance::LeastBusy);
    let (door, (started, _starts)) = (Door::default(), mpsc::channel());
    let _held: Vec<_> = (0..30).map(|_| cluster.hold(started.clone(), door.clone()).submit()).collect();
    let each = |cluster: &Cluster<Worker>| -> Vec<usize> {
        let info = cluster.info();
        info.members.iter().map(|member| member.service.in_progress + member.service.queue_len).collect()
    };
    assert_eq!(each(&cluster), [10, 10, 10]);
    // Calls that reach a member in other ways count too.
    let _more: Vec<_> = (0..6).map(|_| member(&cluster, 0).number().submit()).collect();
    let _rest: Vec<_> = (0..12).map(|_| cluster.number().submit()).collect();
    assert_eq!(each(&cluster), [16, 16, 16]);
    door.open();
}

#[test]
fn pending_futures_count_as_busy() {
    let cluster = workers(2, Balance::LeastBusy);
    let pending: Vec<_> = (0..4).map(|_| member(&cluster, 0).rest(MINUTE).submit().cancel_on_drop()).collect();
    settles(|| member(&cluster, 0).info().in_progress == 4);
    assert_eq!(numbers(&cluster, 4), [1, 1, 1, 1]);
    drop(pending);
}

#[test]
fn power_of_two_picks_the_less_busy_member() {
    let cluster = workers(2, Balance::PowerOfTwo);
    let door = Door::default();
    let held = occupy(&member(&cluster, 0), &door);
    let queued: Vec<_> = (0..3).map(|_| member(&cluster, 0).number().submit()).collect();
    assert_eq!(numbers(&cluster, 20), [1; 20]);
    door.open();
    all_run(queued);
    held.wait().expect("it runs");
    let cluster = workers(4, Balance::PowerOfTwo);
    let (door, (started, _starts)) = (Door::default(), mpsc::channel());
    let _held: Vec<_> = (0..200).map(|_| cluster.hold(started.clone(), door.clone()).submit()).collect();
    let info = cluster.info();
    let each: Vec<_> =
        info.members.iter().map(|member| member.service.in_progress + member.service.queue_len).collect();
    assert!(each.iter().all(|calls| (45..=55).contains(calls)), "{each:?}");
    door.open();
}

#[test]
fn power_of_two_works_with_one_member() {
    assert_eq!(numbers(&workers(1, Balance::PowerOfTwo), 3), [0, 0, 0]);
}

#[test]
fn task_affinity_sends_calls_of_a_task_to_one_member() {
    let cluster = workers(4, Balance::TaskAffinity);
    let sums: Vec<_> = (0..5).map(|_| cluster.add(1).wait().expect("it runs")).collect();
    assert_eq!(sums, [1, 2, 3, 4, 5]);
    assert_eq!(numbers(&cluster, 8).into_iter().collect::<BTreeSet<_>>().len(), 1);
}

#[test]
fn custom_balance_sees_the_loads_and_the_call() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = seen.clone();
    let choose = move |members: &[MemberLoad], call: &RouteRequest| {
        let loads: Vec<_> = members.iter().map(|member| (member.id.number(), member.calls)).collect();
        sees.lock().expect("no holder panics").push((
            call.task().map(nanolith::task::TaskInfo::name),
            call.turn(),
            loads,
        ));
        usize::MAX // counts on from the first
    };
    let builder = Cluster::builder().choose_by(choose);
    let cluster = builder.launch_numbered(3, |id| Worker::service(id.number())).wait().expect("they start");
    let door = Door::default();
    let held = occupy(&member(&cluster, 1), &door);
    assert_eq!(numbers(&cluster, 1), [(usize::MAX % 3) as u64]);
    drop(cluster.control().use_next());
    door.open();
    held.wait().expect("it runs");
    let seen = seen.lock().expect("no holder panics");
    assert_eq!(seen[0], (Some("number"), 0, vec![(0, 0), (1, 1), (2, 0)]));
    assert_eq!((seen[1].0, seen[1].1), (None, 1));
}

#[test]
fn custom_balance_that_panics_leaves_the_cluster_usable() {
    let builder = Cluster::builder().choose_by(|_: &[MemberLoad], call: &RouteRequest| {
        assert!(call.turn() > 0, "not the first");
        0
    });
    let cluster = builder.launch(1, || Worker::service(0)).wait().expect("they start");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cluster.double(1).wait()));
    assert!(caught.is_err());
    assert_eq!(cluster.double(1).wait().expect("it goes on"), 2);
}

#[test]
fn load_is_spread_over_all_members() {
    let cluster = workers(2, Balance::LeastBusy);
    let jobs: Vec<_> = (0..400).map(|_| cluster.work(Duration::from_micros(200)).submit()).collect();
    let mut done = [0; 2];
    jobs.into_iter().for_each(|job| done[job.wait().expect("it runs") as usize] += 1);
    assert!(done.iter().all(|calls| *calls >= 150), "{done:?}");
}

#[test]
fn second_member_takes_half_of_the_later_calls() {
    let cluster = workers(1, Balance::LeastBusy);
    let door = Door::default();
    let held = occupy(&member(&cluster, 0), &door);
    let before: Vec<_> = (0..50).map(|_| cluster.number().submit()).collect();
    cluster.control().add().wait().expect("it starts");
    // The first member is stuck. Each call goes to the second member and completes.
    assert_eq!(numbers(&cluster, 50), [1; 50]);
    door.open();
    held.wait().expect("it runs");
    assert!(before.into_iter().all(|job| matches!(job.wait(), Ok(0))));
}

// ----- full queues

#[test]
fn call_goes_past_a_full_member() {
    let cluster = narrow(3, OnFull::Wait);
    let door = Door::default();
    let _held = occupy_all(&cluster, &door);
    // Two of three queues are full. In any turn, the third member gets the call.
    let _filled = [0, 2].map(|number| member(&cluster, number).number().submit());
    let free = cluster.number().try_submit().expect("one has room");
    let refused = cluster.number().try_submit().expect_err("now all are full");
    assert!(refused.is_full());
    let refused_too = cluster.triple(5).try_submit().expect_err("all are full");
    assert!(refused_too.is_full());
    assert_eq!(refused_too.into_inner().task().map(TaskInfoName::name_of), Some("triple"));
    door.open();
    assert_eq!(free.wait().expect("it runs"), 1);
    refused.into_inner().wait().expect("it waits for room");
}

/// Gives access to a method in a chain.
trait TaskInfoName {
    fn name_of(&self) -> &'static str;
}

impl TaskInfoName for nanolith::task::TaskInfo {
    fn name_of(&self) -> &'static str {
        self.name()
    }
}

#[test]
fn call_takes_the_first_free_place_of_any_member() {
    let cluster = narrow(3, OnFull::Wait);
    let doors: [Door; 3] = Default::default();
    let held: Vec<_> = (0..3).map(|n| occupy(&member(&cluster, n as u64), &doors[n])).collect();
    let filled = [0, 1, 2].map(|number| member(&cluster, number).number().submit());
    let mut waits = pin!(cluster.number().submit_async());
    assert!(poll_once(waits.as_mut()).is_pending());
    let mut waits_too = pin!(cluster.triple(1).submit_async());
    assert!(poll_once(waits_too.as_mut()).is_pending());
    doors[1].open();
    assert_eq!(pollster::block_on(async { waits.await.await }).expect("one has room"), 1);
    assert_eq!(pollster::block_on(async { waits_too.await.await }).expect("one has room"), 3);
    doors.iter().for_each(Door::open);
    all_run(held);
    all_run(filled);
}

#[test]
fn every_thread_that_waits_for_room_gets_a_place() {
    let cluster = narrow(2, OnFull::Wait);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|x| assert_eq!(cluster.double(x).wait().expect("it runs"), 2 * x)));
            scope.spawn(|| (0..200).for_each(|x| assert_eq!(cluster.triple(x).wait().expect("it runs"), 3 * x)));
        }
    });
}

#[test]
fn new_member_takes_callers_that_wait_for_room() {
    let cluster = narrow(1, OnFull::Wait);
    let door = Door::default();
    let held = occupy(&member(&cluster, 0), &door);
    let filled = member(&cluster, 0).number().submit();
    let mut waits = pin!(cluster.number().submit_async());
    assert!(poll_once(waits.as_mut()).is_pending());
    thread::scope(|scope| {
        let adding = scope.spawn(|| cluster.control().add().wait().expect("it starts"));
        assert_eq!(pollster::block_on(async { waits.await.await }).expect("the newcomer has room"), 1);
        adding.join().expect("it joins");
    });
    door.open();
    assert!(held.wait().is_ok() && filled.wait().is_ok());
}

#[test]
fn callers_that_wait_for_room_fail_when_the_last_member_ends() {
    for (close, closed) in [(false, false), (true, true)] {
        let cluster = narrow(2, OnFull::Wait);
        let door = Door::default();
        let _held = occupy_all(&cluster, &door);
        let _filled = [0, 1].map(|number| member(&cluster, number).number().submit());
        let mut waits = pin!(cluster.number());
        let mut waits_too = pin!(cluster.triple(1));
        assert!(poll_once(waits.as_mut()).is_pending() && poll_once(waits_too.as_mut()).is_pending());
        let ending: Box<dyn FnOnce()> = match close {
            true => Box::new(|| drop(cluster.close())),
            false => Box::new(|| drop(cluster.control().resize(0))),
        };
        ending();
        for end in [pollster::block_on(waits).map(|_| 0), pollster::block_on(waits_too)] {
            assert_eq!(matches!(end, Err(CallError::Closed(_))), closed);
            assert_eq!(matches!(end, Err(CallError::NoMember(_))), !closed);
        }
        door.open();
    }
}

#[test]
fn waiting_caller_uses_a_free_member_after_others_end() {
    let on_full = |id: MemberId| if id.number() == 0 { OnFull::Wait } else { OnFull::Reject };
    let service = move |id: MemberId| Worker::service(id.number()).max_queue(1).on_full(on_full(id));
    let cluster = Cluster::builder().launch_numbered(2, service).wait().expect("they start");
    let doors = [Door::default(), Door::default()];
    let held = [0, 1].map(|number| occupy(&member(&cluster, number), &doors[number as usize]));
    let filled = [0, 1].map(|number| member(&cluster, number).number().submit());
    let mut waits = pin!(cluster.number());
    assert!(poll_once(waits.as_mut()).is_pending());
    let [first, second] = filled;
    doors[1].open();
    assert_eq!(second.wait().ok(), Some(1));
    let closing = cluster.control().remove(id(&cluster, 0));
    assert_eq!(pollster::block_on(waits).ok(), Some(1));
    doors[0].open();
    all_run(held.into_iter().chain([first]));
    closing.expect("it was a member").wait().expect("it ends");
}

#[test]
fn member_launch_error_converts_to_any_error() {
    fn add(cluster: &Cluster<Worker>) -> Result<MemberId, Box<dyn std::error::Error + Send + Sync>> {
        Ok(cluster.control().add().wait()?)
    }
    let cluster = workers(13, Balance::RoundRobin);
    assert!(add(&cluster).is_err_and(|error| error.to_string().contains("member 13")));
    assert_eq!(add(&cluster).map(MemberId::number).ok(), Some(14));
}

#[test]
fn cancelled_wait_for_room_leaves_every_member_queue() {
    let cluster = narrow(2, OnFull::Wait);
    let door = Door::default();
    let held = occupy_all(&cluster, &door);
    let filled = [0, 1].map(|number| member(&cluster, number).number().submit());
    for _ in 0..3 {
        assert!(matches!(cluster.number().timeout(MILLISECOND).wait(), Err(CallError::TimedOut(_))));
        assert!(matches!(cluster.triple(1).timeout(MILLISECOND).wait(), Err(CallError::TimedOut(_))));
    }
    let mut gives_up = Box::pin(cluster.number());
    assert!(poll_once(gives_up.as_mut()).is_pending());
    drop(gives_up);
    door.open();
    all_run(held.into_iter().chain(filled));
    // No capacity stays reserved for the futures that were dropped.
    settles(|| cluster.info().queue_len == 0);
    let both = occupy_all(&cluster, &Door::default());
    let one_each = [0, 1].map(|_| cluster.number().try_submit().expect("there is room in each"));
    both.iter().for_each(Handle::cancel);
    one_each.iter().for_each(Handle::cancel);
    drop(cluster.terminate());
}

#[test]
fn cluster_rejects_calls_where_its_members_reject() {
    let cluster = narrow(2, OnFull::Reject);
    let door = Door::default();
    let held = occupy_all(&cluster, &door);
    let filled: Vec<_> = (0..2).map(|_| cluster.number().submit()).collect();
    assert!(matches!(cluster.number().wait(), Err(CallError::Full(_))));
    assert!(matches!(cluster.triple(1).wait(), Err(CallError::Full(_))));
    assert!(matches!(pollster::block_on(cluster.triple(1)), Err(CallError::Full(_))));
    door.open();
    all_run(held.into_iter().chain(filled));
}

// ----- the end of a call frees its capacity

#[test]
fn cancelled_queued_call_frees_its_place_at_once() {
    let cluster = narrow(1, OnFull::Reject);
    let door = Door::default();
    let held = occupy(&member(&cluster, 0), &door);
    for _ in 0..3 {
        let plain = cluster.double(1).try_submit().expect("there is room");
        plain.cancel();
        assert_eq!(cluster.info().queue_len, 0);
        assert!(matches!(plain.wait(), Err(CallError::Cancelled(_))));
        let twice = cluster.triple(1).try_submit().expect("there is room");
        assert_eq!(cluster.info().queue_len, 1);
        twice.cancel();
        assert_eq!(cluster.info().queue_len, 0);
        assert!(matches!(twice.wait(), Err(CallError::Cancelled(_))));
    }
    door.open();
    held.wait().expect("it runs");
    cluster.close().wait().expect("nothing is left");
}

#[test]
fn timed_out_queued_call_frees_its_place_at_once() {
    let cluster = narrow(1, OnFull::Reject);
    let door = Door::default();
    let held = occupy(&member(&cluster, 0), &door);
    let plain = cluster.double(1).timeout(MILLISECOND).try_submit().expect("there is room");
    assert!(matches!(plain.wait(), Err(CallError::TimedOut(_))));
    let twice = cluster.triple(1).timeout(MILLISECOND).try_submit().expect("there is room");
    assert!(matches!(twice.wait(), Err(CallError::TimedOut(_))));
    // The waiting caller may get its error a moment before the inner call's capacity is free.
    settles(|| cluster.info().queue_len == 0);
    door.open();
    held.wait().expect("it runs");
    cluster.close().wait().expect("nothing is left");
}

#[test]
fn cancelled_running_call_asks_its_task_to_stop() {
    let cluster = workers(2, Balance::LeastBusy);
    for twice in [false, true] {
        let call = if twice { cluster.rest_again(MINUTE).submit() } else { cluster.rest(MINUTE).submit() };
        settles(|| cluster.info().in_progress == 1);
        call.cancel();
        assert!(matches!(call.wait(), Err(CallError::Cancelled(_))));
        settles(|| cluster.info().in_progress == 0);
    }
    assert_eq!(cluster.info().moved, 0);
}

#[test]
fn call_cancelled_through_a_layer_frees_its_place() {
    struct Plain<E>(E);
    impl<S: TaskSet, E: Executor<S>> Executor<S> for Plain<E> {
        fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
            self.0.try_execute(job)
        }
    }
    let pool = Pool::builder().max_queue(1).build().expect("sound");
    pool.pause();
    let layered = Worker::calls(Plain(pool.clone()));
    for _ in 0..3 {
        let call = layered.double(1).try_submit().expect("there is room");
        call.cancel();
        assert_eq!(pool.info().queue_len, 0);
    }
    pool.resume();
    pool.drained().wait(); // nothing is left
}

// ----- a member's own task

#[test]
fn member_that_calls_its_cluster_gets_another_member() {
    let cluster = workers(2, Balance::LeastBusy);
    for _ in 0..20 {
        assert_eq!(member(&cluster, 1).ask(cluster.clone()).wait().expect("it runs").expect("the other is free"), 2);
        assert_eq!(member(&cluster, 1).ask_again(cluster.clone()).wait().expect("it runs").expect("free"), 3);
    }
}

#[test]
fn wait_for_a_call_in_the_own_member_fails() {
    let cluster = workers(1, Balance::LeastBusy);
    let plain = cluster.ask(cluster.clone()).wait().expect("it runs");
    assert!(matches!(plain, Err(CallError::WouldDeadlock(_))));
    let twice = cluster.ask_again(cluster.clone()).wait().expect("it runs");
    assert!(matches!(twice, Err(CallError::WouldDeadlock(_))));
    assert_eq!(cluster.double(1).wait().expect("it goes on"), 2);
    settles(|| cluster.info().queue_len == 0 && cluster.info().overflow == 0);
}

#[test]
fn members_that_wait_for_each_other_fail() {
    let cluster = workers(3, Balance::LeastBusy);
    let jobs: Vec<_> = (0..600)
        .map(|n| match n % 2 {
            0 => cluster.ask(cluster.clone()).submit(),
            _ => cluster.ask_again(cluster.clone()).submit(),
        })
        .collect();
    for job in jobs {
        let end = job.wait_timeout(LONG).expect("no wait is endless").expect("it runs");
        assert!(matches!(end, Ok(_) | Err(CallError::WouldDeadlock(_))), "{end:?}");
    }
}

#[test]
fn ring_of_waiting_members_fails_or_times_out() {
    let cluster = workers(3, Balance::LeastBusy);
    let [a, b, c] = [0, 1, 2].map(|number| member(&cluster, number));
    let end = a.ask_round(vec![a.clone(), c.clone(), b.clone()], None).wait().expect("it runs");
    assert!(
        end.expect_err("the last waits for the first").contains("would deadlock: it waits for the task that called it")
    );
    let end = a.ask_round(vec![a.clone(), c.clone(), b.clone()], Some(10 * MILLISECOND)).wait().expect("it runs");
    let reason = end.expect_err("they wait no longer");
    assert!(reason.contains("timed out"), "{reason}");
    assert!(a.ask_round(vec![c, b], None).wait().expect("it runs").is_ok(), "there is no ring");
}

#[test]
fn awaited_call_of_a_reader_precedes_a_queued_writer() {
    let cluster = workers(1, Balance::LeastBusy);
    let ((started, starts), go_on) = (mpsc::channel(), flag::Flag::default());
    let asks = cluster.ask_later(cluster.clone(), started, go_on.clone()).submit();
    starts.recv_timeout(LONG).expect("it runs");
    let writes = cluster.add(1).submit(); // waits for the reader, which waits for two more readers
    go_on.raise();
    assert_eq!(asks.wait().expect("it ends"), [0, 3]);
    assert_eq!(writes.wait().expect("its turn comes"), 1);
}

// ----- a member that ends

/// Terminates the member of this number.
fn terminated(cluster: &Cluster<Worker>, number: u64) -> nanolith::service::Close<Worker> {
    member(cluster, number).terminate()
}

#[test]
fn ended_member_fails_its_calls_unless_idempotent() {
    let cluster = workers(3, Balance::RoundRobin);
    let (door, (started, starts)) = (Door::default(), mpsc::channel());
    // Six calls run or are queued at each member, of both kinds. The first call of each member
    // runs.
    let once: Vec<_> = (0..9).map(|_| cluster.hold(started.clone(), door.clone()).submit()).collect();
    let twice: Vec<_> = (0..9).map(|_| cluster.hold_again(started.clone(), door.clone()).submit()).collect();
    let first: BTreeSet<_> = (0..3).map(|_| starts.recv_timeout(LONG).expect("they run")).collect();
    assert_eq!(first, [0, 1, 2].into());
    let end = terminated(&cluster, 1);
    assert_eq!(ids(&cluster), [0, 2]);
    assert_eq!(cluster.info().moved, 3);
    door.open();
    end.wait().expect("it ends");
    let closed = once.into_iter().map(Handle::wait).filter(|end| matches!(end, Err(CallError::Closed(_)))).count();
    assert_eq!(closed, 3, "those of the one that ended");
    assert!(twice.into_iter().all(|call| matches!(call.wait(), Ok(0 | 2))));
}

#[test]
fn running_idempotent_call_restarts_on_another_member() {
    let cluster = workers(2, Balance::RoundRobin);
    let (door, (started, starts)) = (Door::default(), mpsc::channel());
    let call = cluster.hold_again(started, door.clone()).submit();
    let first = starts.recv_timeout(LONG).expect("it runs");
    let end = terminated(&cluster, first);
    let second = starts.recv_timeout(LONG).expect("it runs again");
    assert_ne!(first, second);
    assert!(!call.is_finished());
    door.open();
    assert_eq!(call.wait().expect("it ends there"), second);
    end.wait().expect("it ends");
    assert!(starts.try_recv().is_err(), "it ran twice, no more");
}

#[test]
fn idempotent_futures_restart_on_another_member() {
    let cluster = workers(2, Balance::RoundRobin);
    let once = cluster.rest(MINUTE).submit(); // on member 0, then in turn
    let still = cluster.rest(MINUTE).submit().cancel_on_drop();
    let twice = cluster.rest_again(200 * MILLISECOND).submit();
    settles(|| cluster.info().in_progress == 3);
    terminated(&cluster, 0).wait().expect("it ends");
    assert!(matches!(once.wait(), Err(CallError::Closed(_))), "it was at the first");
    assert_eq!(cluster.info().moved, 1);
    assert_eq!(twice.wait().expect("it begins anew"), 1);
    assert!(!still.is_finished(), "it is at the second");
}

#[test]
fn call_moves_at_most_once_per_member() {
    let cluster = workers(3, Balance::RoundRobin);
    let (door, (started, starts)) = (Door::default(), mpsc::channel());
    let call = cluster.hold_again(started, door.clone()).submit();
    let mut runs = 0;
    while let Ok(number) = starts.recv_timeout(if call.is_finished() { Duration::ZERO } else { LONG }) {
        runs += 1;
        cluster.control().add().wait().expect("there is always another");
        drop(terminated(&cluster, number));
    }
    assert!(matches!(call.wait(), Err(CallError::Closed(_))));
    assert_eq!(runs, 4, "once, and once more for each member");
    assert_eq!(cluster.info().moved, 3);
    door.open();
}

#[test]
fn cancelled_or_timed_out_call_does_not_move() {
    let cluster = workers(2, Balance::RoundRobin);
    let (door, (started, starts)) = (Door::default(), mpsc::channel());
    let cancelled = member_call(&cluster, &started, &door, &starts);
    cancelled.0.cancel();
    drop(terminated(&cluster, cancelled.1));
    assert!(matches!(cancelled.0.wait(), Err(CallError::Cancelled(_))));
    cluster.control().add().wait().expect("it starts");
    let late = cluster.hold_again(started, door.clone()).timeout(MILLISECOND).submit();
    let at = starts.recv_timeout(LONG).ok();
    assert!(matches!(late.wait(), Err(CallError::TimedOut(_))));
    at.into_iter().for_each(|number| drop(terminated(&cluster, number)));
    assert_eq!(cluster.info().moved, 0);
    door.open();
}

fn member_call(
    cluster: &Cluster<Worker>,
    started: &Sender<u64>,
    door: &Door,
    starts: &Receiver<u64>,
) -> (Handle<Worker, u64>, u64) {
    let call = cluster.hold_again(started.clone(), door.clone()).submit();
    (call, starts.recv_timeout(LONG).expect("it runs"))
}

#[test]
fn moved_call_can_be_cancelled_and_time_out() {
    let cluster = workers(3, Balance::RoundRobin);
    let (door, (started, starts)) = (Door::default(), mpsc::channel());
    let _busy = [1, 2].map(|number| occupy(&member(&cluster, number), &door));
    let cancelled = cluster.hold_again(started.clone(), door.clone()).submit();
    assert_eq!(starts.recv_timeout(LONG).expect("it runs"), 0);
    let late = member_queue(&cluster, started, &door);
    drop(terminated(&cluster, 0));
    assert_eq!((cluster.info().moved, cluster.info().overflow), (2, 2));
    cancelled.cancel();
    assert_eq!(cluster.info().overflow, 1, "its place is free at once");
    assert!(matches!(cancelled.wait(), Err(CallError::Cancelled(_))));
    assert!(matches!(late.wait(), Err(CallError::TimedOut(_))));
    settles(|| cluster.info().overflow == 0);
    door.open();
}

/// Submits a call that waits for capacity at the first member, with a time limit.
fn member_queue(cluster: &Cluster<Worker>, started: Sender<u64>, door: &Door) -> Handle<Worker, u64> {
    loop {
        let call = cluster.hold_again(started.clone(), door.clone()).timeout(300 * MILLISECOND).submit();
        if cluster.info().members[0].service.queue_len == 1 {
            return call;
        }
        call.cancel();
    }
}

#[test]
fn moved_call_is_admitted_beyond_the_bound() {
    let cluster = narrow(2, OnFull::Reject);
    let door = Door::default();
    let _held = occupy_all(&cluster, &door);
    let calls: Vec<_> = (0..2).map(|x| cluster.triple(x).try_submit().expect("there is room")).collect();
    drop(terminated(&cluster, 0));
    assert_eq!((cluster.info().queue_len, cluster.info().overflow, cluster.info().moved), (1, 1, 1));
    door.open();
    assert!(calls.into_iter().zip(0..).all(|(call, x)| matches!(call.wait(), Ok(y) if y == 3 * x)));
}

#[test]
fn call_does_not_move_to_the_member_that_waits_for_it() {
    let cluster = workers(2, Balance::RoundRobin);
    let door = Door::default();
    let held = occupy(&member(&cluster, 1), &door);
    // The task of member 0 waits for a call that is queued at member 1, which ends. At member 0 the
    // call would wait for ever.
    let asks = member(&cluster, 0).ask_again(cluster.clone()).submit();
    settles(|| member(&cluster, 1).info().queue_len == 1);
    drop(terminated(&cluster, 1));
    assert!(matches!(asks.wait().expect("it ends"), Err(CallError::Closed(_))));
    door.open();
    drop(held);
}

#[test]
fn moved_call_reports_progress() {
    let cluster = workers(2, Balance::RoundRobin);
    let (door, (started, starts)) = (Door::default(), mpsc::channel());
    let call = cluster.hold_and_tell(started, door.clone()).submit();
    starts.recv_timeout(LONG).expect("it runs");
    assert_eq!(call.progress().latest().map(|progress| progress.done), Some(1));
    let at =
        cluster.info().members.iter().find(|member| member.service.in_progress == 1).map(|member| member.id.number());
    drop(terminated(&cluster, at.expect("it runs at one")));
    starts.recv_timeout(LONG).expect("it runs again");
    let mut progress = call.progress();
    door.open();
    let mut seen = Vec::new();
    pollster::block_on(async {
        while let Some(update) = progress.recv().await {
            seen.push(update.done);
        }
    });
    assert!(seen == [2] || seen == [1, 2], "{seen:?}");
    call.wait().expect("it ends");
}

#[test]
fn failed_calls_drop_their_arguments() {
    let cluster = workers(2, Balance::RoundRobin);
    let door = Door::default();
    let held = occupy_all(&cluster, &door);
    let (started, starts) = mpsc::channel();
    let calls: Vec<_> = (0..6).map(|_| cluster.hold_again(started.clone(), door.clone()).submit()).collect();
    drop(started);
    drop(cluster.terminate());
    assert!(calls.into_iter().all(|call| matches!(call.wait(), Err(CallError::Closed(_)))));
    assert!(matches!(starts.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected)));
    door.open();
    drop(held);
}

// ----- everything at once

#[test]
fn every_call_ends_once_while_members_come_and_go() {
    let alive = Arc::new(AtomicI64::new(0));
    let (count, stop) = (alive.clone(), AtomicBool::new(false));
    let launch = Cluster::builder()
        .launch_numbered(3, move |id| counted(Worker::service(100 + id.number()).max_queue(8), &count));
    let cluster = launch.wait().expect("they start");
    let totals = thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|seed| {
                scope.spawn({
                    let (cluster, stop) = (&cluster, &stop);
                    move || call_at_random(cluster, seed, stop)
                })
            })
            .collect();
        disturb(&cluster, 300);
        stop.store(true, Ordering::SeqCst);
        callers.into_iter().map(|caller| caller.join().expect("no call is left waiting")).collect::<Vec<_>>()
    });
    let (done, failed): (u64, u64) = totals.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(done > 100, "{done} were done, {failed} failed");
    assert!(cluster.info().moved > 0, "some went on elsewhere");
    cluster.close().wait().expect("they close");
    settles(|| alive.load(Ordering::SeqCst) == 0);
}

/// Adds, removes and kills members.
fn disturb(cluster: &Cluster<Worker>, times: u32) {
    let mut random = fastrand::Rng::with_seed(7);
    let control = cluster.control();
    for _ in 0..times {
        let members = control.members();
        let one = (!members.is_empty()).then(|| members[random.usize(..members.len())]);
        match (random.u32(..6), one) {
            (0 | 1, _) if members.len() < 6 => drop(control.add().wait().expect("it starts")),
            (2, Some(one)) => drop(control.remove(one)),
            (3 | 4, Some(one)) => drop(control.use_member(one).map(|member| member.terminate())),
            (5, _) => control.resize(random.usize(1..5)).wait().expect("they come and go"),
            _ => thread::sleep(Duration::from_micros(random.u64(..2_000))), // nothing is awaited: the next step comes at an odd moment
        }
    }
    control.resize(2).wait().expect("they start");
}

/// Returns how many calls gave their output, and how many an error.
fn call_at_random(cluster: &Cluster<Worker>, seed: u64, stop: &AtomicBool) -> (u64, u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut done, mut failed) = (0, 0);
    let mut kept = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let time = Duration::from_micros(random.u64(..100));
        let call = match random.u32(..8) {
            0 => cluster.work(time).submit(),
            1 => cluster.work_again(time).submit(),
            2 => cluster.rest(time).submit(),
            3 => cluster.rest_again(time).submit(),
            4 => cluster.work_again(time).timeout(time).submit(),
            5 => pollster::block_on(cluster.work_again(time).submit_async()),
            6 => match cluster.work_again(time).try_submit() {
                Ok(call) => call,
                Err(refused) => {
                    assert!(matches!(refused.error(), CallError::Full(_) | CallError::NoMember(_)), "{refused}");
                    failed += 1;
                    continue;
                }
            },
            _ => cluster.number().submit(),
        };
        if random.u32(..8) == 0 {
            call.cancel();
        }
        kept.push(call);
        if kept.len() > 20 {
            let end = kept.swap_remove(random.usize(..kept.len()));
            count(end, &mut done, &mut failed);
        }
    }
    kept.into_iter().for_each(|end| count(end, &mut done, &mut failed));
    (done, failed)
}

fn count(call: Handle<Worker, u64>, done: &mut u64, failed: &mut u64) {
    let twice = call.task().is_idempotent();
    match call.wait_timeout(LONG).expect("every call ends") {
        Ok(_) => *done += 1,
        Err(CallError::Closed(_)) if !twice => *failed += 1,
        Err(CallError::Cancelled(_) | CallError::TimedOut(_) | CallError::NoMember(_)) => *failed += 1,
        // If there was no other member, or the members ended one after another, the call is also
        // closed.
        Err(CallError::Closed(_)) => *failed += 1,
        Err(other) => panic!("{other}"),
    }
}
