//! Tests of `Mock`, `Recorder` and `Replay`: executors for tests of a set.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Local,
    mock::{Mock, Recorder, Replay},
    pool::SharedPool,
    prelude::*,
    time::{HOUR, MILLISECOND, MINUTE, MockClock},
};
use std::{
    num::ParseIntError,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
};

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn parse(text: String) -> Result<i64, ParseIntError> {
        text.parse()
    }

    pub async fn nap() {
        nanolith::time::sleep(HOUR).await;
    }
}

pub struct Counter {
    total: AtomicI64,
}

#[define(shared)]
impl Counter {
    pub fn bump(&self, by: i64) -> i64 {
        self.total.fetch_add(by, Ordering::Relaxed) + by
    }
}

/// Returns the message of a panic of `f`.
fn message(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    payload.downcast_ref::<String>().cloned().expect("in text")
}

/// Returns the message of a call that panicked.
fn panicked<T: std::fmt::Debug>(outcome: Result<T, CallError>) -> String {
    match outcome {
        Err(CallError::Panicked(panic, _)) => panic.message().to_owned(),
        other => unreachable!("not {other:?}"),
    }
}

fn nine(_: GeometryTask) -> GeometryOutput {
    GeometryOutput::Add(9)
}

// ----- answers

#[test]
fn expected_call_is_answered_with_its_arguments() {
    let mock = Mock::<Geometry>::new();
    mock.expect(|task| matches!(task, GeometryTask::Add { x: 4, .. })).returns(|task| match task {
        GeometryTask::Add { x, y } => GeometryOutput::Add(10 * x + y),
        _ => unreachable!("it fits no other"),
    });
    mock.expect(|task| matches!(task, GeometryTask::Parse { .. })).returns(|_| GeometryOutput::Parse("x".parse()));
    let geometry = Geometry::on(&mock);
    assert!(geometry.parse("7".into()).wait().expect("answered").is_err());
    assert_eq!(geometry.add(4, 5).wait().expect("answered"), 45);
    mock.verify();
}

#[test]
fn answer_of_another_task_ends_its_call_as_lost() {
    let mock = Mock::<Geometry>::new();
    mock.expect(|_| true).returns(|_| GeometryOutput::Nap(()));
    assert!(matches!(Geometry::on(&mock).add(4, 5).wait(), Err(CallError::Lost(_))));
}

#[test]
fn mocked_call_fails_or_panics_as_configured() {
    let mock = Mock::<Geometry>::in_order();
    mock.expect(|_| true).fails(CallError::Crashed);
    mock.expect(|_| true).panics("the sum fits");
    mock.expect(|_| true).returns(|_| panic!("so does this"));
    let geometry = Geometry::on(&mock);
    assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Crashed(at)) if at.task().name() == "add"));
    assert_eq!(panicked(geometry.add(4, 5).wait()), "the sum fits");
    assert_eq!(panicked(geometry.add(4, 5).wait()), "so does this");
}

#[test]
fn answer_is_delayed_by_the_mock_clock() {
    let clock = MockClock::new();
    clock.run(|| {
        let mock = Mock::<Geometry>::new();
        mock.expect(|_| true).times(2).delay(HOUR).returns(nine);
        let geometry = Geometry::on(&mock);
        let (job, limited) = (geometry.add(4, 5).submit(), geometry.add(4, 5).timeout(MINUTE).submit());
        clock.advance(HOUR - MILLISECOND);
        assert!(!job.is_finished());
        assert!(matches!(limited.wait(), Err(CallError::TimedOut(_))));
        clock.advance(MILLISECOND);
        assert_eq!(job.wait().expect("answered"), 9);
    });
}

#[test]
fn unanswered_call_ends_with_its_caller_or_the_mock() {
    let mock = Mock::<Geometry>::new();
    mock.expect(|_| true).times(2).never_answers();
    let geometry = Geometry::on(&mock);
    let (first, second) = (geometry.add(4, 5).submit(), geometry.add(4, 5).submit());
    first.cancel();
    assert!(matches!(first.wait(), Err(CallError::Cancelled(_))));
    drop((geometry, mock));
    assert!(matches!(second.wait(), Err(CallError::Lost(_))));
}

#[test]
fn unexpected_call_goes_to_the_real_executor() {
    let local = Local::new();
    let mock = Mock::<Geometry>::new().fall_through_to(local.clone());
    mock.expect(|task| matches!(task, GeometryTask::Add { x: 4, .. })).returns(nine);
    let geometry = Geometry::on(&mock);
    assert_eq!(geometry.add(4, 4).wait().expect("answered"), 9);
    let real = geometry.add(1, 2).priority(Priority::Low).submit();
    let cancelled = geometry.add(3, 4).submit();
    cancelled.cancel();
    assert_eq!((local.info().queue_len, local.run_until_idle().ran()), (1, 1));
    assert_eq!(real.wait().expect("it ran"), 3);
    local.close();
    assert!(matches!(geometry.add(1, 2).wait(), Err(CallError::Closed(_))));
}

#[test]
fn mock_replaces_an_executor_with_a_state() {
    let mock = Mock::<Counter>::new();
    mock.expect(|CounterTask::Bump { by }| *by == 5).returns(|_| CounterOutput::Bump(15));
    assert_eq!(Counter::on(&mock).bump(5).wait().expect("answered"), 15);
}

#[test]
fn threads_share_the_expectations() {
    let mock = Mock::<Geometry>::new();
    mock.expect(|_| true).times(400).returns(nine);
    let geometry = Geometry::on(&mock);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|n| assert_eq!(geometry.add(n, n).wait().expect("answered"), 9)));
        }
    });
    mock.verify();
    assert!(panicked(geometry.add(1, 2).wait()).starts_with("no expectation of the mock fits"));
    assert!(message(|| mock.verify()).contains("not expected"));
    std::mem::forget((mock, geometry));
}

// ----- how many, in which order

#[test]
fn first_matching_expectation_with_calls_left_is_used() {
    let mock = Mock::<Geometry>::new();
    mock.expect(|_| true).times(..=2).returns(nine);
    mock.expect(|_| true).times(1..).returns(|_| GeometryOutput::Add(0));
    let geometry = Geometry::on(&mock);
    let sums: Vec<_> = (0..4).map(|n| geometry.add(n, n).wait().expect("answered")).collect();
    assert_eq!(sums, [9, 9, 0, 0]);
}

#[test]
fn ordered_expectations_keep_their_order() {
    let mock = Mock::<Geometry>::in_order();
    let add = |task: &GeometryTask| matches!(task, GeometryTask::Add { .. });
    mock.expect(add).times(1..=2).returns(nine);
    mock.expect(|task| matches!(task, GeometryTask::Nap)).times(..).returns(|_| GeometryOutput::Nap(()));
    mock.expect(|task| matches!(task, GeometryTask::Parse { .. })).returns(|_| GeometryOutput::Parse(Ok(7)));
    mock.expect(add).returns(|_| GeometryOutput::Add(0));
    let geometry = Geometry::on(&mock);
    assert!(panicked(geometry.parse("7".into()).wait()).contains("Geometry::parse"), "too early");
    assert_eq!(geometry.add(4, 5).wait().expect("answered"), 9);
    assert_eq!(geometry.parse("7".into()).wait().expect("answered"), Ok(7));
    assert_eq!(geometry.add(4, 5).wait().expect("answered"), 0, "the first is behind us");
    assert!(geometry.nap().wait().is_err(), "so is the second");
    let problems = message(|| mock.verify());
    assert_eq!(problems.matches("not expected").count(), 2, "{problems}");
    std::mem::forget((mock, geometry));
}

#[test]
fn missing_calls_are_listed_with_their_expectation_line() {
    let mock = Mock::<Geometry>::new();
    mock.expect(|task| matches!(task, GeometryTask::Nap)).times(2..=3).returns(|_| GeometryOutput::Nap(()));
    let line = line!() - 1;
    mock.expect(|task| matches!(task, GeometryTask::Add { .. })).returns(nine);
    let geometry = Geometry::on(&mock).add(4, 5).wait();
    assert_eq!(geometry.expect("answered"), 9);
    let problems = message(|| drop(mock));
    assert!(problems.contains(&format!("{}:{line}", file!())), "{problems}");
    assert!(problems.contains("2 to 3 calls, and 0 came"), "{problems}");
    assert_eq!(problems.lines().count(), 2, "{problems}");
}

#[test]
fn unexpected_call_is_named_and_described() {
    let mock = Mock::<Geometry>::new().describe(|task| match task {
        GeometryTask::Add { x, y } => format!("x = {x}, y = {y}"),
        _ => String::from("something else"),
    });
    let said = panicked(Geometry::on(&mock).add(4, 5).wait());
    assert!(said.contains("`Geometry::add`") && said.contains("mock::Geometry::add"), "{said}");
    assert!(said.contains("x = 4, y = 5"), "{said}");
    let problems = message(|| drop(mock));
    assert!(problems.contains(&format!("submitted at {}", file!())), "{problems}");
}

#[test]
fn panicking_test_gets_no_second_panic_from_a_mock() {
    let said = catch_unwind(|| {
        let mock = Mock::<Geometry>::new();
        mock.expect(|_| true).returns(nine);
        panic!("the first");
    });
    assert_eq!(said.expect_err("it panics").downcast_ref::<&str>(), Some(&"the first"));
}

#[test]
fn only_the_last_handle_verifies() {
    let mock = Mock::<Geometry>::new();
    mock.expect(|_| true).returns(nine);
    let geometry = Geometry::on(&mock);
    drop(mock);
    assert_eq!(geometry.add(4, 5).wait().expect("answered"), 9);
}

// ----- record and replay

fn key(task: &GeometryTask) -> String {
    match task {
        GeometryTask::Add { x, y } => format!("add {x} {y}"),
        GeometryTask::Parse { text } => format!("parse {text}"),
        GeometryTask::Nap => String::from("nap"),
    }
}

fn kept(output: &GeometryOutput) -> i64 {
    match output {
        GeometryOutput::Add(sum) | GeometryOutput::Parse(Ok(sum)) => *sum,
        _ => 0,
    }
}

#[test]
fn recorder_keeps_calls_in_order_with_their_outcomes() {
    let local = Local::new();
    let recorder = Recorder::new(local.clone(), key, kept);
    let geometry = Geometry::on(&recorder);
    let later = geometry.add(4, 5).priority(Priority::Idle).submit();
    let sooner = geometry.add(1, 2).priority(Priority::Immediate).submit();
    let never = geometry.add(7, 8).submit();
    never.cancel();
    assert!(local.run_one());
    assert!(sooner.is_finished() && !later.is_finished());
    let records = recorder.records();
    let recorded: Vec<_> = records.iter().map(|record| (record.task.as_str(), record.priority)).collect();
    let priorities = [Priority::Idle, Priority::Immediate, Priority::Normal];
    assert_eq!(recorded, ["add 4 5", "add 1 2", "add 7 8"].into_iter().zip(priorities).collect::<Vec<_>>());
    assert!(records[0].outcome.is_none());
    assert!(matches!(records[1].outcome, Some(Ok(3))));
    assert!(matches!(records[2].outcome, Some(Err(CallError::Cancelled(_)))));
    assert_eq!(later.wait().expect("it runs"), 9);
    assert!(matches!(recorder.take()[0].outcome, Some(Ok(9))));
}

#[test]
fn waiting_call_is_recorded_once_and_a_refused_one_is_not() {
    let local = Local::builder().max_queue(1).build().expect("sound");
    let recorder = Recorder::new(local.clone(), key, kept);
    let geometry = Geometry::on(&recorder);
    geometry.add(1, 2).submit().detach();
    let refused = geometry.add(3, 4).try_submit().expect_err("it is full");
    assert_eq!(recorder.records().len(), 1);
    assert!(local.run_one());
    let again = refused.into_inner().submit();
    local.block_on(async {
        let entered = geometry.add(4, 5).submit_async().await;
        assert_eq!(entered.await.expect("it runs"), 9);
    });
    assert_eq!(again.wait().expect("it ran"), 7);
    let records: Vec<_> = recorder.take().into_iter().map(|record| record.task).collect();
    assert_eq!(records, ["add 1 2", "add 3 4", "add 4 5"]);
}

#[test]
fn recorder_passes_on_the_state() {
    let state = Arc::new(Counter { total: 10.into() });
    let pool = SharedPool::new(Pool::builder().build().expect("sound"), state.clone());
    let recorder = Recorder::new(pool, |CounterTask::Bump { by }| *by, |CounterOutput::Bump(total)| *total);
    assert_eq!(Counter::on(&recorder).bump(5).wait().expect("it runs"), 15);
    assert_eq!(state.total.load(Ordering::Relaxed), 15);
    assert!(matches!(recorder.records()[0].outcome, Some(Ok(15))));
}

#[test]
fn each_record_is_replayed_once() {
    let recorder = Recorder::new(Local::new(), key, kept);
    let program = |geometry: &GeometryCalls<_>| (geometry.add(1, 2).wait(), geometry.add(1, 2).wait());
    assert!(matches!(program(&Geometry::on(&recorder)), (Ok(3), Ok(3))));
    let mut records = recorder.take();
    records[1].outcome = Some(Ok(4)); // the world has changed
    let replay = Replay::<Geometry, _, _>::of(records, key, GeometryOutput::Add);
    let geometry = Geometry::on(&replay);
    assert_eq!((replay.remaining(), geometry.add(1, 2).wait().expect("kept")), (2, 3));
    assert_eq!((replay.remaining(), geometry.add(1, 2).wait().expect("kept")), (1, 4));
    assert_eq!(replay.remaining(), 0);
    assert!(panicked(geometry.add(1, 2).wait()).contains("`Geometry::add`"));
}

#[test]
fn errors_are_replayed() {
    let pool = Pool::builder().build().expect("sound");
    pool.pause();
    let recorder = Recorder::new(pool, key, kept);
    let outcome = Geometry::on(&recorder).add(1, 2).timeout(MILLISECOND).wait();
    assert!(matches!(outcome, Err(CallError::TimedOut(_))));
    // The caller gets the outcome before the recorder.
    while recorder.records().iter().any(|record| record.outcome.is_none()) {
        thread::yield_now();
    }
    let replay = Replay::<Geometry, _, _>::of(recorder.records(), key, GeometryOutput::Add);
    let again = Geometry::on(&replay).add(1, 2).wait();
    assert!(matches!(again, Err(CallError::TimedOut(_))), "{again:?}");
}

pub struct Owner;

#[define]
impl Owner {
    pub fn count(argument: Arc<()>) -> usize {
        Arc::strong_count(&argument)
    }
}

#[test]
fn cancelled_call_drops_its_arguments_before_its_answer_is_due() {
    let clock = MockClock::new();
    clock.run(|| {
        let mock = Mock::<Owner>::new();
        mock.expect(|_| true).delay(HOUR).returns(|_| OwnerOutput::Count(7));
        let argument = Arc::new(());
        let job = Owner::on(&mock).count(argument.clone()).submit();
        assert_eq!(Arc::strong_count(&argument), 2);
        job.cancel();
        assert_eq!((Arc::strong_count(&argument), clock.next_alarm()), (1, None));
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    });
}
