//! Tests of the trait `Wait`: which types implement it, and that a wait that reaches its limit
//! loses nothing.
#![allow(missing_docs, unreachable_pub, clippy::missing_errors_doc)] // a test's name documents it

use nanolith::{
    TaskGroup, TaskSet,
    bulk::{self, Mapping},
    call::{Flatten, Progress, RecvProgress, SendFuture, WithPriority, with_priority_async},
    cluster::{AddMember, CallAll, ClusterClose, ClusterCloseTimeout, ClusterLaunch, Resize},
    event,
    group::{JoinAll, JoinNext, Joined, Shutdown, TryScope, try_scope},
    local::{self, Local, WorkAvailable},
    messenger::{self, Find, LagPolicy, Messenger},
    pipeline::{Collect, ForEach, Pipeline},
    pool::{self, Broadcast, Concurrency, GlobalPool},
    port::{self, RecvError},
    prelude::*,
    schedule,
    service::{self, CreateStream, Launch, RecvStream, WaitForEvent},
    sim::{self, SimJoinHandle},
    stream::{self, Bytes, StreamReader},
    sync::{Acquire, Cancelled, Semaphore},
    task::SendEvent,
    time::{MILLISECOND, MINUTE, MockClock, SECOND, Sleep, now, sleep},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

type Tested = Result<(), Box<dyn std::error::Error>>;

pub struct Counter {
    total: i64,
}

#[define(outbox = i64, streams = ())]
impl Counter {
    #[init]
    async fn start(until: Receiver<()>) -> Self {
        while until.try_recv().is_err() {
            sleep(MILLISECOND).await;
        }
        Self { total: 0 }
    }

    #[on_message]
    fn on_message(&mut self, by: i64) {
        self.total += by;
    }

    #[on_stream]
    fn on_stream(&mut self, stream: StreamReader) {
        drop(stream);
    }

    pub fn total(&self) -> i64 {
        self.total
    }

    pub fn hold(&mut self, until: Receiver<()>) -> i64 {
        let _ = until.recv();
        self.total
    }
}

pub struct Work;

#[define]
impl Work {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn parse(text: String) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    pub async fn naps_until(over: Arc<AtomicBool>) {
        while !over.load(Ordering::SeqCst) {
            sleep(MILLISECOND).await;
        }
    }

    pub fn report(cx: &Context<Self>, until: Receiver<()>) {
        let _ = until.recv();
        cx.progress(1, 2);
    }
}

const fn waits<W: Wait>() {}

const fn waits_as_itself<W: Wait<Pending = W>>() {}

/// Compiles if each type implements the trait.
#[test]
fn every_operation_implements_wait() {
    type Fits<T> = fn(&T) -> bool;
    waits::<Call<'_, Work, Pool, i64>>();
    waits::<Flatten<Call<'_, Work, Pool, Result<i64, ()>>>>();
    waits::<Mapping<'_, Pool, Vec<i64>>>();
    waits_as_itself::<Handle<Work, i64>>();
    waits_as_itself::<Flatten<Handle<Work, Result<i64, ()>>>>();
    waits_as_itself::<RecvProgress<'_, Work>>();
    waits_as_itself::<SendFuture<'_, Counter, service::ServiceRef<Counter>, i64>>();
    waits_as_itself::<WithPriority<Sleep>>();
    waits_as_itself::<Sleep>();
    waits_as_itself::<SendEvent<'_, i64>>();
    waits_as_itself::<Acquire>();
    waits_as_itself::<Cancelled>();
    waits_as_itself::<event::Next<'_, i64>>();
    waits_as_itself::<SimJoinHandle<i64>>();
    waits_as_itself::<schedule::Closed>();
    waits_as_itself::<Collect<i64>>();
    waits_as_itself::<ForEach<i64, fn(i64)>>();
    waits_as_itself::<JoinAll<i64, CallError>>();
    waits_as_itself::<JoinNext<'_, i64, CallError>>();
    waits_as_itself::<Joined<'_, i64, CallError>>();
    waits_as_itself::<Shutdown<'_, i64, CallError>>();
    // ports, messengers and streams
    waits_as_itself::<port::Closed<'_, i64>>();
    waits_as_itself::<port::Recv<'_, i64>>();
    waits_as_itself::<port::SendFuture<'_, i64>>();
    waits_as_itself::<port::WaitFor<'_, i64, Fits<i64>>>();
    waits_as_itself::<Find<i64>>();
    waits_as_itself::<messenger::Recv<'_, i64>>();
    waits_as_itself::<messenger::SendFuture<'_, i64>>();
    waits_as_itself::<messenger::WaitFor<'_, i64, Fits<i64>>>();
    waits_as_itself::<stream::Drained<i64>>();
    waits_as_itself::<stream::Recv<'_, Bytes>>();
    waits_as_itself::<stream::SendFuture<'_, Bytes>>();
    // executors
    waits_as_itself::<Broadcast<i64>>();
    waits_as_itself::<pool::CloseTimeout>();
    waits_as_itself::<pool::Closed>();
    waits_as_itself::<pool::Drained>();
    waits_as_itself::<local::Drained>();
    waits_as_itself::<WorkAvailable>();
    waits_as_itself::<CreateStream<'_, Counter>>();
    waits_as_itself::<Launch<Counter, ()>>();
    waits_as_itself::<RecvStream<'_, ()>>();
    waits_as_itself::<WaitForEvent<i64, Fits<i64>>>();
    waits_as_itself::<service::Close<Counter>>();
    waits_as_itself::<service::CloseTimeout<Counter>>();
    waits_as_itself::<AddMember<Counter>>();
    waits_as_itself::<CallAll<i64>>();
    waits_as_itself::<ClusterClose<Counter>>();
    waits_as_itself::<ClusterCloseTimeout<Counter>>();
    waits_as_itself::<ClusterLaunch<Counter, ()>>();
    waits_as_itself::<Resize<Counter>>();
}

// ----- a wait that reaches its limit gives the operation back

/// Waits in vain, then lets the operation end by `go`, and waits once more.
#[track_caller]
fn waits_twice<W: Wait<Pending = W>>(operation: W, go: impl FnOnce()) -> W::Output {
    let Err(pending) = operation.wait_timeout(MILLISECOND) else { panic!("it is over too early") };
    let Err(pending) = pending.wait_timeout(Duration::ZERO) else { panic!("it is over too early") };
    go();
    pending.wait()
}

fn paused() -> Pool {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("it starts");
    pool.pause();
    pool
}

/// Launches a service with a queue of one, and fills the queue. The returned sender releases it.
fn busy() -> (Service<Counter>, mpsc::Sender<()>, [Handle<Counter, i64>; 2]) {
    let (start, started) = mpsc::channel();
    start.send(()).expect("it is there");
    let counter = Counter::service(started).max_queue(1).launch().wait().expect("it starts");
    let (release, held) = mpsc::channel();
    let holding = counter.hold(held).submit();
    while counter.info().queue_len > 0 {
        thread::yield_now();
    }
    let queued = counter.total().submit();
    (counter, release, [holding, queued])
}

#[test]
fn call_leaves_its_handle() -> Tested {
    let pool = paused();
    let work = Work::on(&pool);
    let sum: Handle<Work, i64> = work.add(4, 5).wait_timeout(MILLISECOND).expect_err("the pool is paused");
    let number = work.parse("7".into()).flatten().wait_timeout(MILLISECOND).expect_err("the pool is paused");
    assert_eq!(pool.info().in_flight, 2, "the calls go on");
    assert_eq!(waits_twice(sum, || pool.resume())?, 9);
    assert_eq!(number.wait_timeout(MINUTE).expect("in time")?, 7);
    Ok(())
}

#[test]
fn acquire_keeps_its_place_in_line() -> Tested {
    let permits = Semaphore::new(0);
    let first = permits.acquire().wait_timeout(MILLISECOND).expect_err("there is none");
    let second = permits.acquire().wait_timeout(MILLISECOND).expect_err("there is none");
    permits.add_permits(1);
    let second = second.wait_timeout(MILLISECOND).expect_err("the permit is the first's");
    let permit = first.wait()?;
    drop(permit);
    assert_eq!(second.wait()?.count(), 1);
    assert_eq!(permits.available_permits(), 1, "each permit is granted once");
    Ok(())
}

#[test]
fn port_receives_after_a_limit() -> Tested {
    let (ours, theirs) = port::pair::<(), i64>();
    assert_eq!(waits_twice(ours.recv(), || theirs.try_send(4).expect("it is open")), Ok(4));
    theirs.try_send(3).expect("it is open");
    assert_eq!(waits_twice(ours.wait_for(|n| *n > 4), || theirs.try_send(5).expect("it is open")), Ok(5));
    assert_eq!(ours.try_recv(), Ok(3), "it did not fit, and stays");
    assert_eq!(waits_twice(ours.recv(), || drop(theirs)), Err(RecvError));
    Ok(())
}

#[test]
fn port_sends_in_order_after_a_limit() -> Tested {
    let (ours, theirs) = port::bounded::<i64, ()>(1);
    ours.send(1).wait()?;
    let sent = waits_twice(ours.send(2), || {
        let third = ours.send(3).wait_timeout(MILLISECOND).expect_err("it is behind the second");
        assert_eq!(theirs.recv().wait(), Ok(1));
        assert_eq!(theirs.try_recv(), Ok(2), "from the line");
        assert_eq!(third.wait_timeout(MINUTE).ok(), Some(Ok(())));
    });
    assert_eq!((sent, theirs.try_recv()), (Ok(()), Ok(3)));
    Ok(())
}

#[test]
fn messenger_and_stream_go_on_after_a_limit() -> Tested {
    let messenger = Messenger::builder().on_lag(LagPolicy::Wait(1)).build()?;
    let mut heard = messenger.join().subscribe();
    messenger.send(1).wait()?;
    assert_eq!(waits_twice(messenger.send(2), || assert_eq!(heard.recv().wait(), Ok(1))), Ok(1));
    assert_eq!(heard.try_recv(), Ok(2));
    assert_eq!(waits_twice(heard.recv(), || assert_eq!(messenger.send(3).wait(), Ok(1))), Ok(3));

    let (mut sender, mut receiver) = stream::items(1)?;
    sender.send(1).wait()?;
    waits_twice(sender.send(2), || assert!(matches!(receiver.recv().wait(), Ok(Some(1)))))?;
    assert_eq!(receiver.recv().wait()?, Some(2));
    assert_eq!(waits_twice(receiver.recv(), || sender.send(3).wait().expect("there is credit"))?, Some(3));
    Ok(())
}

#[test]
fn launch_goes_on_after_a_limit() -> Tested {
    let (start, until) = mpsc::channel();
    let counter = waits_twice(Counter::service(until).launch(), || start.send(()).expect("it waits"))?;
    assert_eq!(counter.total().wait()?, 0);
    Ok(())
}

#[test]
fn close_goes_on_after_a_limit() -> Tested {
    let (counter, release, [holding, queued]) = busy();
    waits_twice(counter.close(), || release.send(()).expect("it holds"))?;
    assert_eq!((holding.wait()?, queued.wait()?), (0, 0), "accepted calls finish");
    let pool = paused();
    let sum = Work::on(&pool).add(4, 5).submit();
    waits_twice(pool.drained(), || pool.resume());
    assert_eq!(sum.wait()?, 9);
    Ok(())
}

#[test]
fn local_drains_after_a_limit() -> Tested {
    let local = Local::new();
    let over = Arc::new(AtomicBool::new(false));
    let job = Work::on(&local).naps_until(over.clone()).submit();
    waits_twice(local.drained(), || over.store(true, Ordering::SeqCst));
    assert!(job.is_finished());
    let job = Work::on(&local).add(4, 5).submit();
    assert!(local.drained().wait_timeout(5 * SECOND).is_ok(), "the owner drives while it waits");
    assert_eq!(job.wait()?, 9);
    over.store(false, Ordering::SeqCst);
    let mut group = TaskGroup::new();
    group.spawn(Work::on(&local).naps_until(over.clone()));
    let ended = waits_twice(group.join_next(), || over.store(true, Ordering::SeqCst));
    assert!(matches!(ended, Some(Ok(()))), "the owner drives for a group, too");
    Ok(())
}

#[test]
fn group_waits_on_after_a_limit() -> Tested {
    let pool = paused();
    let mut group = TaskGroup::new();
    group.spawn(Work::on(&pool).add(4, 5));
    assert!(matches!(waits_twice(group.join_next(), || pool.resume()), Some(Ok(9))));
    pool.pause();
    group.spawn(Work::on(&pool).add(1, 2));
    assert!(matches!(*waits_twice(group.join_all(), || pool.resume()), [Ok(3)]));
    pool.pause();
    let sum =
        try_scope(|scope: &TryScope<CallError>| waits_twice(scope.spawn(Work::on(&pool).add(2, 2)), || pool.resume()))?;
    assert_eq!(sum, 4);
    Ok(())
}

#[test]
fn pipeline_collects_on_after_a_limit() -> Tested {
    let (go, gate) = mpsc::channel::<i64>();
    let numbers = Pipeline::from_iter(gate).map(GlobalPool.get()?, |n| n * n).collect();
    let collected = waits_twice(numbers, || {
        (1..=3).for_each(|n| go.send(n).expect("it runs"));
        drop(go);
    })?;
    assert_eq!(collected.items, [1, 4, 9]);
    Ok(())
}

#[test]
fn progress_is_received_after_a_limit() -> Tested {
    let (go, gate) = mpsc::channel();
    let job = Work::tasks().report(gate).submit();
    let mut progress = job.progress();
    let report = waits_twice(progress.recv(), || go.send(()).expect("it waits"));
    assert_eq!(report, Some(Progress { done: 1, total: 2 }));
    assert_eq!(progress.recv().wait(), None, "the call is over");
    job.wait()?;
    Ok(())
}

// ----- a send that reaches its limit gives the value back

#[test]
fn unsent_value_is_given_back() -> Tested {
    let text = |text: &str| text.to_owned();
    let (ours, theirs) = port::bounded::<String, ()>(1);
    ours.send(text("first")).wait()?;
    let pending = ours.send(text("second")).wait_timeout(MILLISECOND).expect_err("it is full");
    assert_eq!(pending.into_inner(), Some(text("second")));
    assert_eq!((theirs.try_recv(), theirs.len()), (Ok(text("first")), 0));

    let messenger = Messenger::builder().on_lag(LagPolicy::Wait(1)).build()?;
    let mut heard = messenger.join().subscribe();
    messenger.send(text("first")).wait()?;
    let pending = messenger.send(text("second")).wait_timeout(MILLISECOND).expect_err("it is full");
    assert_eq!(pending.into_inner(), Some(text("second")));
    assert_eq!((heard.try_recv(), heard.lag()), (Ok(text("first")), 0));

    let (mut sender, mut receiver) = stream::items(1)?;
    sender.send(text("first")).wait()?;
    let pending = sender.send(text("second")).wait_timeout(MILLISECOND).expect_err("there is no credit");
    assert_eq!(pending.into_inner(), Some(text("second")));
    sender.finish();
    assert_eq!((receiver.recv().wait()?, receiver.recv().wait()?), (Some(text("first")), None));
    Ok(())
}

#[test]
fn sent_value_is_not_given_back() -> Tested {
    let (ours, theirs) = port::bounded::<i64, ()>(1);
    ours.send(1).wait()?;
    let pending = ours.send(2).wait_timeout(MILLISECOND).expect_err("it is full");
    assert_eq!((theirs.try_recv(), theirs.try_recv()), (Ok(1), Ok(2)));
    assert_eq!(pending.into_inner(), None, "it was received");

    let messenger = Messenger::builder().on_lag(LagPolicy::Wait(1)).build()?;
    let mut heard = messenger.join().subscribe();
    messenger.send(1).wait()?;
    let pending = messenger.send(2).wait_timeout(MILLISECOND).expect_err("it is full");
    assert_eq!((heard.try_recv(), heard.try_recv()), (Ok(1), Ok(2)));
    assert_eq!(pending.into_inner(), None, "it was received");
    Ok(())
}

#[test]
fn unsent_message_to_a_service_is_given_back() -> Tested {
    let (counter, release, [holding, queued]) = busy();
    let pending = counter.send(5).wait_timeout(MILLISECOND).expect_err("the queue is full");
    assert_eq!(pending.into_inner(), Some(5));
    let pending = counter.send(7).wait_timeout(MILLISECOND).expect_err("the queue is full");
    let waiting = thread::scope(|scope| {
        let waiting = scope.spawn(|| pending.wait());
        release.send(()).expect("it holds");
        waiting.join().expect("no panic")
    });
    waiting?;
    assert_eq!((holding.wait()?, queued.wait()?), (0, 0));
    assert_eq!(counter.total().wait()?, 7, "the 5 was not sent, the 7 once");
    counter.close().wait()?;
    Ok(())
}

// ----- clocks

#[test]
fn limit_counts_by_the_clock_of_the_waiting_thread() {
    let clock = MockClock::new();
    let (ours, _theirs) = port::pair::<(), i64>();
    let receiving = ours.recv();
    let waited = thread::scope(|scope| {
        let waits = scope.spawn(|| clock.run(|| receiving.wait_timeout(MINUTE).is_err()));
        while !clock.advance_to_next() {
            thread::yield_now();
        }
        waits.join().expect("no panic")
    });
    assert!(waited);
    assert_eq!(clock.elapsed(), MINUTE);
}

#[test]
fn wait_with_a_limit_in_a_simulation_takes_no_real_time() {
    sim::sim(7, || {
        let (ours, _theirs) = port::pair::<(), i64>();
        let begun = now();
        assert!(ours.recv().wait_timeout(100 * MINUTE).is_err());
        assert_eq!(now() - begun, 100 * MINUTE);
        let nap = sim::spawn(|| sleep(MINUTE).wait());
        assert!(waits_twice(nap, || {}).is_ok());
        assert!(sleep(SECOND).wait_timeout(MINUTE).is_ok());
    });
}

#[test]
fn generic_code_waits_for_any_operation() -> Tested {
    fn soon<W: Wait>(operation: W) -> Option<W::Output> {
        operation.wait_timeout(MINUTE).ok()
    }
    assert!(matches!(soon(Work::tasks().add(4, 5)), Some(Ok(9))));
    assert!(matches!(soon(bulk::map(GlobalPool.get()?, vec![2], |n| n * 2)), Some(Ok(doubled)) if doubled == [4]));
    assert!(soon(with_priority_async(Priority::UserBlocking, sleep(MILLISECOND))).is_some());
    assert_eq!(Work::NAME, "Work");
    Ok(())
}
