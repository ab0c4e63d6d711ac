//! Tests that the end of a deterministic simulation also ends the handles that leave it, and the
//! waits for what is in it.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::StreamExt;
use nanolith::{
    Cluster, Local, TaskSet, Wait,
    bulk::{each, map},
    executor::OnFull,
    layers::{Hedge, Layer, RateLimit, Retry, Timeout},
    messenger::Messenger,
    mock::Mock,
    pipeline::{Cause, Pipeline},
    pool::Concurrency,
    port::{self, Port},
    prelude::*,
    schedule::{ScheduleEnd, every},
    sim,
    sim::Simulation,
    stream::{self, Credits, ItemReceiver, StreamReader},
    sync::{Backoff, CancelToken, Semaphore},
    time::{Elapsed, HOUR, MILLISECOND, MockClock, SECOND, Sleep, sleep, timeout},
};
use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc, Mutex,
        mpsc::{RecvTimeoutError, channel},
    },
    task::{Context as Cx, Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

/// The thread that has dropped each value.
#[derive(Clone, Default)]
pub struct Drops(Arc<Mutex<Vec<ThreadId>>>);

impl Drops {
    fn threads(&self) -> Vec<ThreadId> {
        self.0.lock().expect("no panic").clone()
    }

    fn count(&self) -> usize {
        self.threads().len()
    }

    fn value(&self) -> Value {
        Value(self.clone())
    }
}

/// Counts its drop.
pub struct Value(Drops);

impl Drop for Value {
    fn drop(&mut self) {
        self.0.0.lock().expect("no panic").push(thread::current().id());
    }
}

pub struct Work;

#[define]
impl Work {
    pub async fn later(value: Value) {
        sleep(HOUR).await;
        drop(value);
    }

    #[task(idempotent)]
    pub async fn after(time: Duration) {
        sleep(time).await;
    }

    pub async fn never() {
        pending::<()>().await;
    }

    pub async fn receive(from: Port<(), u32>) {
        let _ = from.recv().await;
    }

    pub async fn call(pool: Pool) {
        let _ = Work::on(&pool).never().await;
    }

    pub fn block(time: Duration) {
        sleep(time).wait();
    }

    pub fn hear(from: Port<(), u32>) {
        let _ = from.recv().wait();
    }

    #[task(idempotent)]
    pub fn fail() {
        panic!("not yet");
    }

    pub fn echo(x: u32) -> u32 {
        x
    }

    pub async fn send_later(to: Port<u32, ()>) {
        sleep(HOUR).await;
        let _ = to.send(7).await;
    }

    pub async fn write_later(mut to: stream::StreamWriter<()>) {
        sleep(HOUR).await;
        let _ = to.write("late").await;
    }

    pub async fn give_later(mut to: stream::ItemSender<u32>) {
        sleep(HOUR).await;
        let _ = to.send(7).await;
    }

    pub async fn publish_later(to: Messenger<u32>) {
        sleep(HOUR).await;
        let _ = to.send(7).await;
    }
}

pub struct State;

#[define]
impl State {
    #[init]
    async fn start(patience: Duration) -> Self {
        sleep(patience).await;
        Self
    }

    pub async fn read_later(&self, value: Value) {
        sleep(HOUR).await;
        drop(value);
    }

    pub async fn write_later(&mut self, value: Value) {
        sleep(HOUR).await;
        drop(value);
    }

    pub fn refuse_to_end(&self) {
        while sim::is_simulated() {
            let _ = std::panic::catch_unwind(|| sleep(HOUR).wait());
        }
    }

    pub fn block(&mut self) {
        sleep(HOUR).wait();
    }
}

fn state() -> Service<State> {
    State::service(Duration::ZERO).launch().wait().expect("it starts")
}

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("the settings are sound")
}

/// Returns the closure's value when its simulation is over.
fn left<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    Simulation::new().run(1, f).expect("the simulation ends").value
}

/// Returns the output of a wait that must end.
#[track_caller]
fn ends<R: Send + 'static>(wait: impl FnOnce() -> R + Send + 'static) -> R {
    let (tell, reports) = channel();
    thread::spawn(move || drop(tell.send(wait())));
    match reports.recv_timeout(5 * SECOND) {
        Ok(output) => output,
        Err(RecvTimeoutError::Timeout) => panic!("the wait does not end"),
        Err(RecvTimeoutError::Disconnected) => panic!("the wait panicked"),
    }
}

/// Returns the error of a call that must end.
#[track_caller]
fn ended<S: TaskSet, T: Send + 'static>(job: Handle<S, T>) -> CallError {
    let Ok(outcome) = job.wait_timeout(5 * SECOND) else { panic!("the call does not end") };
    match outcome {
        Ok(_) => panic!("the call had an output"),
        Err(error) => error,
    }
}

#[track_caller]
fn is_of_the_simulation<S: TaskSet, T: Send + 'static>(job: Handle<S, T>) {
    let error = ended(job);
    assert!(matches!(error, CallError::Closed(_)), "{error}");
    assert!(error.to_string().contains("its simulation is over"), "{error}");
}

// ----- calls on pools

#[test]
fn sleeping_call_ends() {
    let drops = Drops::default();
    let (job, pool) = left(|| {
        let pool = pool();
        (Work::on(&pool).later(drops.value()).submit(), pool)
    });
    assert_eq!(drops.count(), 1, "what the call held is dropped before the simulation returns");
    is_of_the_simulation(job);
    drop(pool);
    assert_eq!(drops.count(), 1);
}

/// Nextest runs this test in a process of its own. No handle waits inside the simulation.
#[test]
fn call_that_leaves_with_its_pool_ends_within_a_second() {
    let run = Simulation::new().run(1, || {
        let pool = Pool::builder().build().expect("sound");
        (Work::on(&pool).after(HOUR).submit(), pool)
    });
    let (job, _pool) = run.expect("it ends").value;
    let error = job.wait_timeout(SECOND).map_err(drop).expect("it is over").expect_err("it did not run to its end");
    assert!(matches!(&error, CallError::Closed(at) if at.is_simulation_over()), "{error}");
}

#[test]
fn sleeping_call_ends_without_a_handle_of_its_pool() {
    is_of_the_simulation(left(|| Work::on(&pool()).later(Drops::default().value()).submit()));
    is_of_the_simulation(left(|| Work::tasks().never().submit()));
}

#[test]
fn call_that_waits_for_another_call_ends() {
    let (job, _pools) = left(|| {
        let pools = [pool(), pool()];
        (Work::on(&pools[0]).call(pools[1].clone()).submit(), pools)
    });
    let error = job.wait_timeout(5 * SECOND).map_err(drop).expect("it ends");
    assert!(matches!(error, Ok(()) | Err(CallError::Closed(_))), "{error:?}");
}

#[test]
fn call_that_waits_for_a_port_ends() {
    let (job, _pool, ours) = left(|| {
        let (pool, (ours, theirs)) = (pool(), port::pair());
        (Work::on(&pool).receive(theirs).submit(), pool, ours)
    });
    is_of_the_simulation(job);
    assert!(ours.try_send(7).is_err(), "its future is dropped");
}

#[test]
fn queued_call_ends() {
    let (job, _pool) = left(|| {
        let pool = pool();
        pool.pause();
        (Work::on(&pool).echo(7).submit(), pool)
    });
    is_of_the_simulation(job);
}

#[test]
fn call_that_blocks_a_thread_ends() {
    let (jobs, _pool, _ours) = left(|| {
        let (pool, (ours, theirs)) = (pool(), port::pair());
        let work = Work::on(&pool);
        ([work.block(HOUR).submit(), work.hear(theirs).submit()], pool, ours)
    });
    for job in jobs {
        is_of_the_simulation(job);
    }
}

#[test]
fn call_begun_by_a_paused_pool_ends() {
    let (job, _pool) = left(|| {
        let pool = pool();
        let job = Work::on(&pool).never().submit();
        sim::advance(SECOND);
        pool.pause();
        (job, pool)
    });
    is_of_the_simulation(job);
}

#[test]
fn delayed_call_ends() {
    let drops = Drops::default();
    let far = Duration::MAX;
    let (jobs, _pool) = left(|| {
        let pool = pool();
        let work = Work::on(&pool);
        let jobs = [
            work.later(drops.value()).after(HOUR).submit(),
            work.later(drops.value()).after(far).submit(),
            work.later(drops.value()).after(2 * HOUR).timeout(HOUR).submit(),
        ];
        (jobs, pool)
    });
    for job in jobs {
        is_of_the_simulation(job);
    }
    assert_eq!(drops.count(), 3);
}

#[test]
fn delayed_call_with_an_earlier_deadline_ends() {
    let (job, _pool) = left(|| {
        let pool = pool();
        let deadline = nanolith::time::now() + HOUR;
        (Work::on(&pool).never().after(2 * HOUR).deadline(deadline).submit(), pool)
    });
    is_of_the_simulation(job);
}

#[test]
fn future_without_a_task_set_ends() {
    let (job, _pool) = left(|| {
        let pool = pool();
        (pool.spawn_async(sleep(HOUR)), pool)
    });
    is_of_the_simulation(job);
}

#[test]
fn call_is_refused_after_the_end() {
    let pool = left(pool);
    let job = Work::on(&pool).echo(7).submit();
    assert!(matches!(ended(job), CallError::Closed(_)));
    let service = left(state);
    assert!(matches!(ended(service.block().submit()), CallError::Closed(_)));
}

#[test]
fn wait_for_room_ends() {
    let (pool, _kept) = left(|| {
        let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1).build();
        let pool = pool.expect("sound");
        pool.pause();
        let kept = Work::on(&pool).echo(1).submit();
        (pool, kept)
    });
    let error = ends(move || pollster::block_on(async { Work::on(&pool).echo(2).submit_async().await.await }));
    assert!(matches!(error, Err(CallError::Closed(_))));
}

#[test]
fn call_from_an_outer_pool_that_waits_inside_ends() {
    let outer = pool();
    let (give, take) = channel::<Pool>();
    let job = outer.spawn(move || {
        let inner = take.recv().expect("it is sent");
        Work::on(&inner).never().wait()
    });
    left(|| {
        let inner = pool();
        give.send(inner).expect("it listens");
        sim::advance(SECOND);
    });
    assert!(ends(move || job.wait()).expect("it runs").is_err());
}

#[test]
fn wait_for_the_end_of_a_pool_ends_inside() {
    let (drained, closing, closed, mut events) = left(|| {
        let pool = pool();
        Work::on(&pool).never().submit().detach();
        sim::advance(SECOND);
        let mut events = pool.events();
        while let Some(Poll::Ready(Some(_))) = Some(poll_once(&mut events.recv())) {}
        (pool.drained(), pool.close_timeout(HOUR), pool.closed(), events)
    });
    ends(move || drained.wait());
    let _ = ends(move || closing.wait());
    ends(move || closed.wait());
    ends(move || while events.recv().wait().is_some() {});
}

#[test]
fn wait_for_the_end_of_a_pool_ends_outside() {
    let pool = left(|| {
        let pool = pool();
        Work::on(&pool).never().submit().detach();
        pool
    });
    let (a, b, c, d) = (pool.clone(), pool.clone(), pool.clone(), pool);
    ends(move || a.drained().wait());
    let _ = ends(move || b.close_timeout(HOUR).wait());
    ends(move || drop(d.broadcast(|| 7).wait()));
    ends(move || c.closed().wait());
}

#[test]
fn broadcast_ends() {
    let (run, _pool) = left(|| {
        let pool = pool();
        (pool.broadcast(|| sleep(HOUR).wait()), pool)
    });
    drop(ends(move || run.wait()));
}

// ----- services

#[test]
fn call_on_a_service_ends() {
    for number in 0..3 {
        let drops = Drops::default();
        let (job, service) = left(|| {
            let service = state();
            let job = match number {
                0 => service.read_later(drops.value()).submit(),
                1 => service.write_later(drops.value()).submit(),
                _ => service.block().submit(),
            };
            sim::advance(SECOND);
            (job, service)
        });
        is_of_the_simulation(job);
        ends(move || service.control().closed().wait()).expect("it ends well");
        assert_eq!(drops.count(), usize::from(number < 2));
    }
}

#[test]
fn queued_call_on_a_service_ends() {
    let (jobs, _service) = left(|| {
        let service = state();
        let jobs = [service.block().submit(), service.block().submit()];
        sim::advance(SECOND);
        (jobs, service)
    });
    for job in jobs {
        is_of_the_simulation(job);
    }
}

#[test]
fn wait_for_the_end_of_a_service_ends() {
    let (closing, closed, mut life) = left(|| {
        let service = state();
        service.write_later(Drops::default().value()).submit().detach();
        sim::advance(SECOND);
        let life = service.control().life();
        (service.close(), service.control().closed(), life)
    });
    drop(ends(move || closing.wait()));
    drop(ends(move || closed.wait()));
    ends(move || while life.recv().wait().is_some() {});
}

#[test]
fn launch_ends() {
    let launch = left(|| {
        let launch = State::service(HOUR).launch();
        sim::advance(SECOND);
        launch
    });
    assert!(ends(move || launch.wait().map(drop)).is_err());
    let launch = left(|| {
        let launch = Cluster::launch(2, || State::service(HOUR));
        sim::advance(SECOND);
        launch
    });
    ends(move || drop(launch.wait()));
}

#[test]
fn call_on_a_cluster_ends() {
    let (job, cluster) = left(|| {
        let cluster = Cluster::launch(2, || State::service(Duration::ZERO)).wait().expect("it starts");
        let job = cluster.write_later(Drops::default().value()).submit();
        sim::advance(SECOND);
        (job, cluster)
    });
    is_of_the_simulation(job);
    drop(ends(move || cluster.close().wait()));
}

#[test]
fn restart_during_its_backoff_ends() {
    let (job, service) = left(|| {
        let restart = nanolith::service::Restart::on_panic().backoff(Backoff::exponential(HOUR).jitter(0.0));
        let service = State::service(Duration::ZERO).restart(restart).launch().wait().expect("it starts");
        sim::crash(&service);
        sim::advance(SECOND);
        (service.block().submit(), service)
    });
    is_of_the_simulation(job);
    drop(ends(move || service.control().closed().wait()));
}

// ----- calls elsewhere

#[test]
fn call_on_a_local_ends() {
    let drops = Drops::default();
    let (jobs, local) = left(|| {
        let local = Local::new();
        let jobs = [Work::on(&local).later(drops.value()).submit(), Work::on(&local).later(drops.value()).submit()];
        local.run_one();
        (jobs, local)
    });
    for job in jobs {
        is_of_the_simulation(job);
    }
    assert_eq!(drops.count(), 2);
    ends(move || local.drained().wait());
}

#[test]
fn call_on_a_mock_ends() {
    let (job, _mock) = left(|| {
        let mock = Mock::<Work>::new();
        mock.expect(|_| true).delay(HOUR).returns(|_| WorkOutput::Echo(7));
        (Work::on(&mock).echo(7).submit(), mock)
    });
    is_of_the_simulation(job);
}

#[test]
fn call_in_a_group_ends() {
    let mut group = left(|| {
        let mut group = nanolith::TaskGroup::<(), CallError>::new();
        group.spawn(Work::tasks().after(HOUR));
        group
    });
    assert!(ends(move || group.join_next().wait()).is_some_and(|outcome| outcome.is_err()));
}

#[test]
fn calls_in_bulk_end() {
    let mut answers = left(|| {
        let mut answers = each(Work::tasks(), 0..100, |work, _| work.after(HOUR)).into_stream();
        assert!(poll_once(&mut answers.next()).is_pending());
        Box::pin(answers) as Pin<Box<dyn futures_util::Stream<Item = Result<(), CallError>> + Send>>
    });
    assert!(ends(move || pollster::block_on(answers.next())).is_some_and(|outcome| outcome.is_err()));
    let (mapping, _pool) = left(|| {
        let pool: &'static Pool = Box::leak(Box::new(pool()));
        let mut mapping = map(pool, vec![1, 2, 3], |_| sleep(HOUR).wait());
        assert!(poll_once(&mut mapping).is_pending());
        (mapping, pool)
    });
    assert!(ends(move || pollster::block_on(mapping)).is_err());
}

#[test]
fn pipeline_ends() {
    let collect = left(|| {
        let mut collect = Pipeline::from_iter(0..100).stage(Work::tasks(), |work, _| work.after(HOUR)).collect();
        assert!(poll_once(&mut collect).is_pending());
        sim::advance(SECOND);
        collect
    });
    assert!(ends(move || collect.wait().map(drop)).is_err());
    let mut results = left(|| {
        let mut results = Pipeline::from_iter(0..100).stage(Work::tasks(), |work, _| work.after(HOUR)).into_stream();
        assert!(poll_once(&mut results.next()).is_pending());
        sim::advance(SECOND);
        results
    });
    ends(move || while pollster::block_on(results.next()).is_some() {});
}

#[test]
fn pipeline_whose_input_is_pending_ends_with_an_error() {
    let collect = left(|| {
        let mut collect = Pipeline::from_stream(futures_util::stream::pending::<u32>())
            .stage(Work::tasks(), |work, n| work.echo(n))
            .collect();
        assert!(poll_once(&mut collect).is_pending());
        sim::advance(SECOND);
        collect
    });
    let error = ends(move || collect.wait().map(drop)).expect_err("it would look complete");
    assert!(matches!(error.cause(), Cause::SimulationOver), "{error}");
}

// ----- layers

#[test]
fn call_in_a_retry_ends() {
    for drops in [false, true] {
        let (job, kept) = left(|| {
            let retry = Retry::new(5).backoff(Backoff::exponential(HOUR).jitter(0.0));
            let work = Work::calls(retry.layer(pool()));
            let job = if drops { work.after(HOUR).submit() } else { work.fail().submit() };
            (job, work)
        });
        is_of_the_simulation(job);
        drop(kept);
    }
}

#[test]
fn call_in_layers_ends() {
    let (job, _kept) = left(|| {
        let work = Work::calls(Hedge::after(2 * HOUR).layer(Timeout::new(3 * HOUR).layer(pool())));
        (work.after(4 * HOUR).submit(), work)
    });
    is_of_the_simulation(job);
    let (job, _kept) = left(|| {
        let work = Work::calls(Hedge::after(SECOND).layer(pool()));
        (work.after(4 * HOUR).submit(), work)
    });
    is_of_the_simulation(job);
}

#[test]
fn call_that_waits_for_a_rate_limit_ends() {
    let (first, job, _kept) = left(|| {
        let work = Work::calls(RateLimit::new(1, HOUR).layer(pool()));
        let first = work.echo(1).submit();
        (first, work.echo(2).after(SECOND).submit(), work)
    });
    assert_eq!(first.wait().expect("it runs"), 1);
    let error = ended(job);
    assert!(matches!(error, CallError::Closed(_)), "{error}");
}

// ----- schedules

#[test]
fn schedule_ends() {
    for period in [SECOND, HOUR, Duration::MAX] {
        let (schedule, ended) = left(|| {
            let schedule = every(period, Work::tasks(), |work| work.after(HOUR)).start().expect("it starts");
            let ended = schedule.closed();
            (schedule, ended)
        });
        ends(move || ended.wait());
        assert_eq!(schedule.info().end, Some(ScheduleEnd::Closed), "{period:?}");
        assert!(schedule.is_over());
    }
}

// ----- time

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Cx::from_waker(Waker::noop()))
}

#[test]
fn sleep_ends() {
    for time in [HOUR, Duration::MAX] {
        let naps = left(|| {
            let mut naps = [sleep(time), sleep(time), sleep(time)];
            assert!(poll_once(&mut naps[0]).is_pending());
            naps
        });
        let [polled, new, blocking] = naps;
        ends(move || pollster::block_on(polled));
        ends(move || pollster::block_on(new));
        ends(move || blocking.wait());
    }
}

#[test]
fn sleep_that_is_awaited_outside_ends() {
    for time in [HOUR, Duration::MAX] {
        let (give, take) = channel::<Sleep>();
        let (tell, reports) = channel();
        let waits = thread::spawn(move || {
            let mut nap = take.recv().expect("it is sent");
            let is_pending = poll_once(&mut nap).is_pending();
            tell.send(is_pending).expect("it listens");
            pollster::block_on(nap);
        });
        left(move || {
            give.send(sleep(time)).expect("it listens");
            assert!(reports.recv().expect("it polls"));
        });
        ends(move || waits.join().expect("no panic"));
    }
}

#[test]
fn time_out_ends() {
    let mut limited = left(|| {
        let mut limited = Box::pin(timeout(HOUR, pending::<()>()));
        assert!(poll_once(&mut limited).is_pending());
        limited
    });
    assert_eq!(ends(move || pollster::block_on(limited.as_mut())), Err(Elapsed));
    let limited = left(|| Box::pin(timeout(HOUR, async { 7 })));
    assert_eq!(ends(move || pollster::block_on(limited)), Ok(7));
}

#[test]
fn receive_with_a_limit_ends() {
    let (ours, theirs) = port::pair::<(), u32>();
    let ours: &'static Port<(), u32> = Box::leak(Box::new(ours));
    let mut awaited = left(|| {
        let mut limited = Box::pin(timeout(HOUR, ours.recv()));
        assert!(poll_once(&mut limited).is_pending());
        limited
    });
    assert_eq!(ends(move || pollster::block_on(awaited.as_mut())), Err(Elapsed));
    let receiving = left(|| ours.recv());
    assert!(ends(move || receiving.wait_timeout(MILLISECOND).is_err()));
    drop(theirs);
}

// ----- channels

#[test]
fn receiver_ends_when_its_sender_ran_in_the_simulation() {
    let (port, reader, items, subscriber) = left(|| {
        let pool: &'static Pool = Box::leak(Box::new(pool()));
        let work = Work::on(pool);
        let (ours, theirs) = port::pair();
        let (writer, reader) = stream::pipe((), Credits::new()).expect("sound");
        let (sender, items) = stream::items(4).expect("sound");
        let messenger = Messenger::new();
        let subscriber = messenger.subscribe();
        work.send_later(theirs).submit().detach();
        work.write_later(writer).submit().detach();
        work.give_later(sender).submit().detach();
        work.publish_later(messenger).submit().detach();
        (ours, reader, items, subscriber)
    });
    let (mut reader, mut items, mut subscriber): (StreamReader<()>, ItemReceiver<u32>, _) = (reader, items, subscriber);
    let port: Port<(), u32> = port;
    assert!(ends(move || port.recv().wait()).is_err());
    assert!(ends(move || reader.read().wait().map(drop)).is_err());
    assert!(ends(move || items.recv().wait()).is_err());
    assert!(ends(move || subscriber.recv().wait().map(|_: u32| ())).is_err());
}

#[test]
fn sender_ends_when_its_handler_ran_in_the_simulation() {
    let drops = Drops::default();
    let value = drops.value();
    let (ours, listening) = left(|| {
        let (ours, theirs) = port::bounded::<u32, ()>(1);
        let listening = theirs.on_message(move |_| assert_eq!(value.0.count(), 0)).expect("it listens");
        (ours, listening)
    });
    assert_eq!(drops.count(), 1, "the handler is dropped with the simulation");
    assert!(ends(move || (0..3).try_for_each(|n| ours.send(n).wait().map_err(drop))).is_err());
    assert!(listening.is_over());
    let drops = Drops::default();
    let value = drops.value();
    let messenger = Messenger::<u32>::new();
    left(|| messenger.join().on_message(move |_| assert_eq!(value.0.count(), 0)).expect("it listens").detach());
    assert_eq!(drops.count(), 1);
    ends(move || (0..3_000).for_each(|n| assert!(messenger.send(n).wait().is_ok())));
}

#[test]
fn token_of_an_ended_call_ends_it_only_once() {
    let (token, job) = left(|| {
        let token = CancelToken::new();
        let job = Work::tasks().after(HOUR).cancel_token(&token).submit();
        (token, job)
    });
    token.cancel();
    ends(move || token.cancelled().wait());
    is_of_the_simulation(job);
}

#[test]
fn cancelled_wait_of_a_call_inside_ends() {
    let token = CancelToken::new();
    let inner = token.clone();
    let (job, _pool) = left(|| {
        let pool = pool();
        (pool.spawn_async(async move { inner.cancelled().await }), pool)
    });
    is_of_the_simulation(job);
    assert!(!token.is_cancelled());
}

#[test]
fn permit_of_a_suspended_call_is_returned() {
    let permits = Semaphore::new(1);
    let permit = permits.try_acquire().expect("there is one");
    left(|| Work::tasks().after(HOUR).submit().detach());
    let (job, _pool) = left(|| {
        let pool = pool();
        (pool.spawn_async(async move { (sleep(HOUR).await, permit).0 }), pool)
    });
    is_of_the_simulation(job);
    assert!(ends(move || permits.acquire().wait()).is_ok());
}

#[test]
fn handle_of_a_thread_ends() {
    let thread = left(|| sim::spawn(|| sleep(HOUR).wait()));
    assert!(ends(move || thread.wait()).is_err());
}

#[test]
fn main_guard_ends() {
    left(|| Work::tasks().after(HOUR).keep_alive(true).submit().detach());
    assert!(ends(|| nanolith::sync::main_guard().join()).is_ok());
}

// ----- the steps of the end

#[test]
fn futures_are_dropped_by_the_threads_that_polled_them() {
    let (of_pool, of_service, of_local) = (Drops::default(), Drops::default(), Drops::default());
    let (main, _kept) = left(|| {
        let (pool, service, local) = (pool(), state(), Local::new());
        let jobs = [Work::on(&pool).later(of_pool.value()).submit(), Work::on(&local).later(of_local.value()).submit()];
        let job = service.read_later(of_service.value()).submit();
        local.run_one();
        sim::advance(SECOND);
        (thread::current().id(), (pool, local, jobs, job, service))
    });
    assert_eq!(of_local.threads(), [main]);
    for drops in [of_pool, of_service] {
        assert!(drops.count() == 1 && drops.threads() != [main]);
    }
}

/// The step limit leaves few steps for the end, so the pool's threads reach only some of the calls.
#[test]
fn futures_beyond_the_step_limit_drop_on_the_closure_thread() {
    let drops = Drops::default();
    let hasty = Simulation::new().step_limit(30_000);
    let report = hasty.run(1, || {
        let pool = pool();
        let jobs: Vec<_> = (0..3_000).map(|_| Work::on(&pool).later(drops.value()).submit()).collect();
        sim::advance(MILLISECOND);
        for _ in 0..10 {
            // The thread never waits, so it cannot be made to unwind.
            sim::spawn(|| {
                while sim::is_simulated() {
                    sleep(Duration::ZERO).wait();
                }
            })
            .detach();
        }
        (thread::current().id(), jobs, pool)
    });
    let report = report.expect("the closure ends");
    let (main, jobs, _pool) = report.value;
    assert!(report.given_up >= 10);
    // Both threads of the pool may be given up, each in the middle of one future.
    assert!((2_998..=3_000).contains(&drops.count()), "{}", drops.count());
    assert!(drops.threads().contains(&main));
    jobs.into_iter().for_each(is_of_the_simulation);
}

#[test]
fn call_on_an_abandoned_thread_ends() {
    let outer = Simulation::new().run(1, || {
        let pool = pool();
        let stubborn = || {
            while sim::is_simulated() {
                let _ = std::panic::catch_unwind(|| sleep(HOUR).wait());
            }
        };
        (pool.spawn(stubborn), pool)
    });
    let report = outer.expect("the closure ends");
    assert_eq!(report.given_up, 1);
    is_of_the_simulation(report.value.0);
}

#[test]
fn calls_of_an_abandoned_service_end() {
    let report = Simulation::new().run(1, || {
        let service = state();
        let (read, refuse) = (service.read_later(Drops::default().value()), service.refuse_to_end());
        ((read.submit(), refuse.submit()), service)
    });
    let report = report.expect("the closure ends");
    assert_eq!(report.given_up, 1);
    let (jobs, _service) = report.value;
    is_of_the_simulation(jobs.0);
    is_of_the_simulation(jobs.1);
}

#[test]
fn panic_of_a_refused_thread_fails_no_simulation() {
    left(|| {
        let pool = pool();
        let job = Work::on(&pool).never().submit();
        sim::spawn(move || job.wait().expect("it never ends")).detach();
    });
}

#[test]
fn calls_of_a_failed_simulation_end() {
    let (give, take) = channel();
    let failed = Simulation::new().run(1, || {
        let pool = pool();
        give.send((Work::on(&pool).never().submit(), pool)).expect("it listens");
        sim::advance(SECOND);
        panic!("no luck")
    });
    assert!(failed.map(drop).is_err());
    let (job, _pool) = take.recv().expect("it was sent");
    is_of_the_simulation(job);
    let failed = Simulation::new().run(1, || {
        let pool = pool();
        give.send((Work::on(&pool).never().submit(), pool.clone())).expect("it listens");
        Work::on(&pool).never().wait()
    });
    assert!(failed.map(drop).expect_err("all wait").is_deadlock());
    let (job, _pool) = take.recv().expect("it was sent");
    is_of_the_simulation(job);
}

#[test]
fn drop_of_a_suspended_call_may_call_and_wait() {
    struct Caller(Pool);
    impl Drop for Caller {
        fn drop(&mut self) {
            let _ = Work::on(&self.0).echo(7).wait();
            let other = pool();
            Work::on(&other).never().submit().detach();
            sleep(HOUR).wait();
        }
    }
    let (job, _pool) = left(|| {
        let pool = pool();
        let caller = Caller(pool.clone());
        (pool.spawn_async(async move { (sleep(HOUR).await, caller).0 }), pool)
    });
    is_of_the_simulation(job);
}

#[test]
fn calls_within_the_grace_run_to_their_end() {
    let (job, _pool) = left(|| {
        let pool = pool();
        (Work::on(&pool).after(30 * SECOND).submit(), pool)
    });
    job.wait_timeout(5 * SECOND).map_err(drop).expect("it is over").expect("it ran");
}

#[test]
fn call_to_a_rejecting_pool_ends_at_once() {
    let pool = left(|| Pool::builder().on_full(OnFull::Reject).build().expect("sound"));
    assert!(matches!(ended(Work::on(&pool).echo(7).submit()), CallError::Closed(_)));
}

// ----- clocks that are moved by hand

#[test]
fn sleep_keeps_the_clock_of_its_creation() {
    let clock = MockClock::new();
    let [mut nap, blocking] = clock.run(|| [sleep(HOUR), sleep(HOUR)]);
    assert!(poll_once(&mut nap).is_pending());
    let waits = thread::spawn(move || blocking.wait());
    while clock.next_alarm().is_none() {
        thread::yield_now();
    }
    clock.advance(HOUR - MILLISECOND);
    assert!(poll_once(&mut nap).is_pending());
    clock.advance(MILLISECOND);
    assert!(poll_once(&mut nap).is_ready());
    ends(move || waits.join().expect("no panic"));
}

#[test]
fn system_sleep_keeps_its_clock() {
    let clock = MockClock::new();
    let mut nap = sleep(HOUR);
    clock.run(|| {
        clock.advance(2 * HOUR);
        assert!(poll_once(&mut nap).is_pending());
        assert_eq!(clock.next_alarm(), None);
    });
}

#[test]
fn limits_keep_the_clock_of_their_creation() {
    let clock = MockClock::new();
    let (ours, _theirs) = port::pair::<(), u32>();
    let mut limited = clock.run(|| Box::pin(timeout(HOUR, sleep(2 * HOUR))));
    assert!(poll_once(&mut limited).is_pending(), "the limit counts from here, by this thread's clock");
    let receiving = ours.recv();
    assert!(clock.run(|| receiving.wait_timeout(Duration::ZERO)).is_err());
}

#[test]
fn pool_keeps_the_clock_of_its_creation() {
    let clock = MockClock::new();
    let pool = clock.run(pool);
    let job = Work::on(&pool).after(HOUR).submit();
    while !clock.advance_to_next() {
        thread::yield_now();
    }
    job.wait_timeout(5 * SECOND).map_err(drop).expect("it ends").expect("it runs");
    assert_eq!(clock.elapsed(), HOUR);
}
