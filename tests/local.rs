//! Tests of `Local`, an executor that its owner drives.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Local,
    executor::OnFull,
    pool::Concurrency,
    prelude::*,
    task::ThreadKind,
    time::{HOUR, MILLISECOND, MockClock, SECOND, sleep},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, ThreadId},
    time::Duration,
};

/// The tasks that ran, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, name: &'static str) {
        self.0.lock().expect("no holder panics").push(name);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().expect("no holder panics"))
    }
}

pub struct LocalTasks;

#[define]
impl LocalTasks {
    pub fn note(log: Log, name: &'static str) {
        log.note(name);
    }

    pub fn note_for(log: Log, name: &'static str, clock: MockClock, takes: Duration) {
        log.note(name);
        clock.advance(takes);
    }

    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn thread() -> ThreadId {
        thread::current().id()
    }

    pub fn place() -> ThreadKind {
        nanolith::task::current().place().clone()
    }

    pub fn panic() {
        panic!("it breaks");
    }

    pub fn drive(local: Local) -> bool {
        local.run_until_idle().is_busy()
    }

    pub fn hold(began: Sender<()>, end: Receiver<()>) {
        began.send(()).expect("the receiver is there");
        end.recv().expect("the sender is there");
    }

    pub async fn nap(log: Log, name: &'static str, how_long: Duration) {
        sleep(how_long).await;
        log.note(name);
    }

    pub fn submit_many(local: Local, log: Log, names: Vec<&'static str>) {
        for name in names {
            LocalTasks::on(&local).note(log.clone(), name).submit().detach();
        }
    }

    pub fn wait_for_note(local: Local, log: Log) -> Result<(), CallError> {
        log.note("outer begins");
        LocalTasks::on(&local).note(log.clone(), "inner").wait()?;
        log.note("outer ends");
        Ok(())
    }

    pub fn wait_deep(local: Local, depth: usize) -> Result<usize, CallError> {
        if depth == 0 {
            return Ok(0);
        }
        Ok(1 + LocalTasks::on(&local).wait_deep(local.clone(), depth - 1).submit().wait()??)
    }

    pub fn wait_for_nap(local: Local, log: Log, held: Arc<Mutex<()>>) -> Result<(), CallError> {
        let _held = held.lock().expect("no holder panics");
        LocalTasks::on(&local).nap(log.clone(), "nap", MILLISECOND).wait()?;
        log.note("woke");
        Ok(())
    }

    pub fn lock(log: Log, held: Arc<Mutex<()>>) {
        log.note(if held.try_lock().is_ok() { "free" } else { "held" });
    }

    pub async fn nap_then_note(local: Local, log: Log) -> Result<(), CallError> {
        sleep(MILLISECOND).await;
        LocalTasks::on(&local).note(log, "what the future waits for").await
    }

    pub fn wait_for_future(local: Local, log: Log) -> Result<(), CallError> {
        LocalTasks::on(&local).nap_then_note(local.clone(), log).wait()?
    }

    pub fn block_on_nap_elsewhere(local: Local) -> Result<(), CallError> {
        pollster::block_on(LocalTasks::on(&local).nap(Log::default(), "nap", MILLISECOND))
    }

    pub async fn wait_below(log: Log, below: Receiver<Handle<LocalTasks, Result<(), CallError>>>) {
        sleep(MILLISECOND).await;
        let outcome = below.recv().expect("it was sent").wait();
        log.note(if matches!(outcome, Err(CallError::WouldDeadlock(_))) { "would deadlock" } else { "ended" });
    }

    pub fn wait_above(
        local: Local,
        log: Log,
        this: Receiver<Handle<LocalTasks, Result<(), CallError>>>,
    ) -> Result<(), CallError> {
        LocalTasks::on(&local).wait_below(log, this).wait()
    }

    pub fn add_on(pool: Pool, x: i64, y: i64) -> Result<i64, CallError> {
        LocalTasks::on(&pool).add(x, y).wait()
    }

    pub fn drive_here(pool: Pool) -> Result<i64, CallError> {
        let local = Local::new();
        LocalTasks::on(&local).add_on(pool, 4, 5).wait()?
    }
}

/// Returns a local, its calls and its log.
fn local_with_calls() -> (Local, LocalTasksCalls<Local>, Log) {
    let local = Local::new();
    let calls = LocalTasks::on(&local);
    (local, calls, Log::default())
}

// ----- driving

#[test]
fn local_runs_calls_on_the_thread_that_drives_it() {
    let (local, calls, _) = local_with_calls();
    let job = thread::spawn(move || calls.thread().submit()).join().expect("it does not panic");
    assert!(!job.is_finished());
    let info = local.info();
    assert_eq!((info.queue_len, info.in_flight), (1, 1));
    assert_eq!(local.run_until_idle().ran(), 1);
    assert_eq!(job.wait().expect("it ran"), thread::current().id());
    let info = local.info();
    assert_eq!((info.queue_len, info.in_flight, info.completed), (0, 0, 1));
}

#[test]
fn budget_ends_a_turn_except_for_expired_calls() {
    let clock = MockClock::new();
    clock.run(|| {
        let (local, calls, log) = local_with_calls();
        let note = |name, priority| {
            calls.note_for(log.clone(), name, clock.clone(), 6 * MILLISECOND).priority(priority).submit().detach();
        };
        note("normal", Priority::Normal);
        note("later", Priority::Normal);
        let turn = local.run_for(5 * MILLISECOND);
        assert_eq!((turn.ran(), turn.has_work(), log.take()), (1, true, vec!["normal"]));
        note("urgent", Priority::Immediate);
        note("just as urgent", Priority::Immediate);
        let turn = local.run_for(5 * MILLISECOND);
        assert_eq!((turn.ran(), log.take()), (2, vec!["urgent", "just as urgent"]));
        assert_eq!(local.run_expired().ran(), 0, "it has not expired");
        clock.advance(5 * SECOND);
        assert_eq!((local.run_expired().ran(), log.take()), (1, vec!["later"]));
        assert!(!local.run_slice().has_work());
    });
}

#[test]
fn only_one_thread_drives_at_a_time() {
    let (local, calls, _) = local_with_calls();
    let ((began, has_begun), (end, ends)) = (channel(), channel());
    let job = calls.hold(began, ends).submit();
    thread::scope(|scope| {
        let drives = scope.spawn(|| local.run_until_idle());
        has_begun.recv().expect("it began");
        assert_eq!(local.info().active, 1);
        let turn = local.run_until_idle();
        assert!(turn.is_busy() && turn.ran() == 0);
        assert!(!local.run_one());
        end.send(()).expect("it waits");
        assert_eq!(drives.join().expect("it does not panic").ran(), 1);
    });
    assert!(job.is_finished() && !local.run_until_idle().is_busy());
}

#[test]
fn task_that_drives_its_own_local_fails() {
    let (local, calls, _) = local_with_calls();
    assert!(calls.drive(local.clone()).wait().expect("it runs"));
    assert!(!local.run_until_idle().is_busy());
}

#[test]
fn block_on_polls_a_future_between_tasks() {
    let (local, calls, log) = local_with_calls();
    calls.note(log.clone(), "other").submit().detach();
    let sum = local.block_on(async {
        calls.nap(log.clone(), "nap", MILLISECOND).await?;
        calls.add(4, 5).await
    });
    assert_eq!(sum.expect("it runs"), 9);
    assert_eq!(log.take(), ["other", "nap"]);
}

#[test]
fn block_on_continues_when_the_driving_thread_stops() {
    let (local, calls, _) = local_with_calls();
    let ((began, has_begun), (end, ends)) = (channel(), channel());
    let first = calls.hold(began, ends).submit();
    let second = calls.add(4, 5).submit();
    thread::scope(|scope| {
        scope.spawn(|| assert!(local.run_one()));
        has_begun.recv().expect("it began");
        let blocks = scope.spawn(|| local.block_on(second));
        end.send(()).expect("it waits");
        assert_eq!(blocks.join().expect("it does not panic").expect("it runs"), 9);
    });
    assert!(first.is_finished());
}

#[test]
fn task_in_a_local_knows_its_executor() {
    let local = Local::builder().name("frames").build().expect("sound");
    assert_eq!(LocalTasks::on(&local).place().wait().expect("it runs"), ThreadKind::Local("frames".into()));
    assert_eq!(*nanolith::task::current().place(), ThreadKind::Outside);
}

#[test]
fn panic_ends_its_own_task_alone() {
    let (local, calls, log) = local_with_calls();
    let job = calls.panic().submit();
    calls.note(log.clone(), "the next").submit().detach();
    assert_eq!(local.run_until_idle().ran(), 2);
    assert!(matches!(job.wait(), Err(CallError::Panicked(..))));
    assert_eq!(log.take(), ["the next"]);
}

// ----- waiting

#[test]
fn call_that_the_owner_waits_for_runs_at_once() {
    let (local, calls, log) = local_with_calls();
    calls.note(log.clone(), "other").submit().detach();
    calls.note(log.clone(), "awaited").wait().expect("it runs");
    assert_eq!(log.take(), ["awaited"]);
    assert_eq!(local.info().queue_len, 1);
}

#[test]
fn owner_drives_while_its_call_is_suspended() {
    let (_local, calls, log) = local_with_calls();
    calls.note(log.clone(), "other").submit().detach();
    calls.nap(log.clone(), "nap", MILLISECOND).wait().expect("it runs");
    assert_eq!(log.take(), ["other", "nap"]);
}

#[test]
fn time_limit_ends_the_wait_of_the_owner() {
    let (_local, calls, log) = local_with_calls();
    let job = calls.nap(log, "nap", HOUR).submit();
    let job = job.wait_timeout(MILLISECOND).expect_err("it sleeps an hour");
    job.cancel();
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
}

#[test]
fn other_thread_waits_for_the_driving_thread() {
    let (local, calls, _) = local_with_calls();
    let waits = thread::spawn(move || calls.thread().wait());
    local.work_available().wait();
    assert_eq!(local.run_until_idle().ran(), 1);
    assert_eq!(waits.join().expect("it does not panic").expect("it runs"), thread::current().id());
}

#[test]
fn task_runs_the_call_that_it_waits_for() {
    let (local, calls, log) = local_with_calls();
    let job = calls.wait_for_note(local.clone(), log.clone()).submit();
    calls.note(log.clone(), "other").submit().detach();
    assert_eq!(local.run_until_idle().ran(), 2);
    job.wait().expect("it runs").expect("so does the inner one");
    assert_eq!(log.take(), ["outer begins", "inner", "outer ends", "other"]);
    let info = local.info();
    assert_eq!((info.in_flight, info.completed), (0, 3));
}

#[test]
fn nested_waits_fail_beyond_the_depth_limit() {
    let (local, calls, _) = local_with_calls();
    assert_eq!(calls.wait_deep(local.clone(), 50).wait().expect("it runs").expect("not too deep"), 50);
    let deeper = calls.wait_deep(local.clone(), 500).wait().expect("it runs");
    assert!(matches!(deeper, Err(CallError::WouldDeadlock(_))), "{deeper:?}");
    assert_eq!(local.info().in_flight, 0);
}

#[test]
fn waiting_task_lets_only_begun_calls_continue() {
    let (local, calls, log) = local_with_calls();
    let held = Arc::new(Mutex::new(()));
    let job = calls.wait_for_nap(local.clone(), log.clone(), held.clone()).submit();
    calls.lock(log.clone(), held).submit().detach();
    local.run_until_idle();
    job.wait().expect("it runs").expect("so does the nap");
    assert_eq!(log.take(), ["nap", "woke", "free"]);
}

#[test]
fn waiting_task_lets_calls_of_its_awaited_future_run() {
    let (local, calls, log) = local_with_calls();
    let job = calls.wait_for_future(local.clone(), log.clone()).submit();
    calls.note(log.clone(), "other").priority(Priority::Idle).submit().detach();
    local.run_until_idle();
    job.wait().expect("it runs").expect("so does the future");
    assert_eq!(log.take(), ["what the future waits for", "other"]);
}

#[test]
fn wait_for_a_task_below_on_the_stack_fails() {
    let (local, calls, log) = local_with_calls();
    let (give, take) = channel();
    let job = calls.wait_above(local.clone(), log.clone(), take).submit();
    give.send(job).expect("it is queued");
    local.run_until_idle();
    assert_eq!((log.take(), local.info().in_flight), (vec!["would deadlock"], 0));
}

#[test]
fn endless_foreign_block_on_fails() {
    let (local, calls, _) = local_with_calls();
    let outcome = calls.block_on_nap_elsewhere(local.clone()).wait().expect("it runs");
    assert!(matches!(outcome, Err(CallError::WouldDeadlock(_))), "{outcome:?}");
    local.drained().wait();
}

#[test]
fn pool_task_that_drives_lends_its_slot_while_that_waits() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
    let sum = LocalTasks::on(&pool).drive_here(pool.clone()).wait().expect("it runs");
    assert_eq!(sum.expect("it runs, too"), 9);
    pool.drained().wait();
    assert_eq!(pool.info().active, 0);
}

#[test]
fn two_locals_on_one_thread_wait_for_each_other() {
    let (left, right) = (Local::new(), Local::new());
    let log = Log::default();
    let outcome = LocalTasks::on(&left).wait_for_note(right.clone(), log.clone()).wait();
    outcome.expect("it runs").expect("so does the other");
    assert_eq!(log.take(), ["outer begins", "inner", "outer ends"]);
    assert_eq!((left.info().completed, right.info().completed), (1, 1));
}

pub struct Clerk;

#[define]
impl Clerk {
    pub fn ask(local: Local, this: Service<Clerk>) -> Result<Result<(), CallError>, CallError> {
        Errand::on(&local).ask_back(this).wait()
    }

    pub fn answer() {}
}

pub struct Errand;

#[define]
impl Errand {
    pub fn ask_back(clerk: Service<Clerk>) -> Result<(), CallError> {
        clerk.answer().wait()
    }
}

#[test]
fn wait_cycle_with_a_service_ends() {
    let local = Local::new();
    let clerk = Clerk::service().launch().wait().expect("sound");
    let job = clerk.ask(local.clone(), clerk.clone()).submit();
    while !job.is_finished() {
        local.run_until_idle();
        thread::yield_now();
    }
    let outcome = job.wait().expect("it runs");
    assert!(matches!(outcome, Err(CallError::WouldDeadlock(_)) | Ok(Err(CallError::WouldDeadlock(_)))), "{outcome:?}");
}

// ----- notifications of the host

#[test]
fn on_work_is_called_once_a_turn() {
    let (local, calls, log) = local_with_calls();
    let reports = Arc::new(AtomicUsize::new(0));
    let count = reports.clone();
    local.on_work(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let reports = || reports.load(Ordering::Relaxed);
    calls.note(log.clone(), "one").submit().detach();
    calls.note(log.clone(), "two").submit().detach();
    assert_eq!(reports(), 1);
    assert!(local.run_one());
    calls.note(log.clone(), "three").submit().detach();
    assert_eq!(reports(), 1, "the report said that there is more");
    calls.submit_many(local.clone(), log.clone(), vec!["four", "five"]).submit().detach();
    assert!(!local.run_until_idle().has_work());
    assert_eq!(reports(), 1, "it was at it");
    calls.note(log.clone(), "six").submit().detach();
    assert_eq!(reports(), 2);
}

#[test]
fn late_on_work_handler_is_called_for_waiting_work() {
    let (local, calls, log) = local_with_calls();
    calls.note(log, "one").priority(Priority::UserBlocking).submit().detach();
    let (tell, reports) = channel();
    local.on_work(move |hint| tell.send(hint).expect("the receiver is there"));
    let hint = reports.try_recv().expect("the handler was called");
    assert!(!hint.is_expired() && hint.serve_within() <= 250 * MILLISECOND);
}

#[test]
fn on_work_is_called_when_a_future_is_woken() {
    let clock = MockClock::new();
    clock.run(|| {
        let (local, calls, log) = local_with_calls();
        calls.nap(log.clone(), "nap", HOUR).submit().detach();
        let turn = local.run_until_idle();
        assert_eq!((turn.has_work(), turn.next_alarm()), (false, Some(HOUR)));
        let (tell, reports) = channel();
        local.on_work(move |hint| tell.send(hint).expect("the receiver is there"));
        assert!(reports.try_recv().is_err(), "it sleeps");
        clock.advance(HOUR);
        assert!(reports.try_recv().expect("the handler was called").is_expired());
        assert_eq!((local.run_expired().ran(), log.take()), (1, vec!["nap"]));
    });
}

#[test]
fn on_work_is_called_for_work_that_a_wait_leaves() {
    let (local, calls, log) = local_with_calls();
    let (tell, reports) = channel();
    calls.note(log.clone(), "other").submit().detach();
    local.on_work(move |hint| tell.send(hint).expect("the receiver is there"));
    reports.try_recv().expect("the handler was called");
    calls.note(log, "awaited").wait().expect("it runs");
    reports.try_recv().expect("the other is left, and was not reported yet");
}

#[test]
fn panicking_on_work_handler_stops_no_other_work() {
    let (local, calls, log) = local_with_calls();
    local.on_work(|_| panic!("the loop has gone"));
    calls.note(log.clone(), "one").submit().detach();
    assert_eq!((local.run_until_idle().ran(), log.take()), (1, vec!["one"]));
}

#[test]
fn wait_for_work_sleeps_until_work_arrives() {
    let (local, calls, _) = local_with_calls();
    let total = 1_000;
    let submits = thread::spawn(move || (0..total).map(|n| calls.add(n, 1).submit()).collect::<Vec<_>>());
    let mut ran = 0;
    while ran < total {
        local.work_available().wait();
        ran += i64::try_from(local.run_slice().ran()).expect("few");
    }
    let jobs = submits.join().expect("it does not panic");
    let sum: i64 = jobs.into_iter().map(|job| job.wait().expect("it ran")).sum();
    assert_eq!(sum, (0..total).sum::<i64>() + total);
}

// ----- bounds

#[test]
fn full_local_rejects_or_drops() {
    let build = |on_full| Local::builder().max_queue(1).on_full(on_full).build().expect("sound");
    let rejects = build(OnFull::Reject);
    let first = LocalTasks::on(&rejects).add(1, 2).submit();
    assert!(matches!(LocalTasks::on(&rejects).add(4, 5).wait(), Err(CallError::Full(_))));
    assert_eq!(first.wait().expect("it was taken"), 3);
    let drops = build(OnFull::DropOldest);
    let first = LocalTasks::on(&drops).add(1, 2).submit();
    let second = LocalTasks::on(&drops).add(4, 5).submit();
    assert!(matches!(first.wait(), Err(CallError::Dropped(_))));
    assert_eq!(second.wait().expect("it took the place"), 9);
    let drops = build(OnFull::DropNewest);
    LocalTasks::on(&drops).add(1, 2).submit().detach();
    assert!(matches!(LocalTasks::on(&drops).add(4, 5).wait(), Err(CallError::Dropped(_))));
    let error = Local::builder().on_full(OnFull::CallerRuns).build().expect_err("not here");
    assert_eq!(error.setting(), Some("on_full"));
}

#[test]
fn waiting_owner_makes_room_for_its_own_call() {
    let local = Local::builder().max_queue(1).build().expect("sound");
    let (calls, log) = (LocalTasks::on(&local), Log::default());
    calls.note(log.clone(), "one").submit().detach();
    calls.note(log.clone(), "two").submit().detach();
    assert_eq!(log.take(), ["one"]);
    assert_eq!(local.info().queue_len, 1);
    local.block_on(async {
        calls.note(log.clone(), "three").submit_async().await.detach();
    });
    assert_eq!(log.take(), ["two"]);
}

#[test]
fn other_threads_wait_for_room() {
    let local = Local::builder().max_queue(2).build().expect("sound");
    let calls = LocalTasks::on(&local);
    let submits = thread::spawn(move || (0..100).map(|n| calls.add(n, n).submit()).collect::<Vec<_>>());
    let mut ran = 0;
    while ran < 100 {
        local.work_available().wait();
        assert!(local.info().queue_len <= 2);
        ran += usize::from(local.run_one());
    }
    assert!(submits.join().expect("it does not panic").iter().all(Handle::is_finished));
}

#[test]
fn calls_of_a_task_are_admitted_beyond_the_bound() {
    let local = Local::builder().max_queue(1).build().expect("sound");
    let (calls, log) = (LocalTasks::on(&local), Log::default());
    calls.submit_many(local.clone(), log.clone(), vec!["one", "two", "three"]).submit().detach();
    assert!(local.run_one());
    let info = local.info();
    assert_eq!((info.queue_len, info.overflow), (0, 3));
    assert_eq!(local.run_until_idle().ran(), 3);
    assert_eq!(log.take(), ["one", "two", "three"]);
}

// ----- ending early

#[test]
fn cancelled_call_frees_its_place() {
    let (local, calls, log) = local_with_calls();
    let job = calls.note(log.clone(), "cancelled").submit();
    calls.note(log.clone(), "other").submit().detach();
    job.cancel();
    job.cancel();
    assert_eq!(local.info().queue_len, 1);
    assert_eq!(local.run_until_idle().ran(), 1);
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    assert_eq!(log.take(), ["other"]);
}

#[test]
fn call_times_out_while_no_thread_drives() {
    let clock = MockClock::new();
    clock.run(|| {
        let (local, calls, log) = local_with_calls();
        let job = calls.note(log.clone(), "late").timeout(SECOND).submit();
        clock.advance(SECOND);
        assert!(job.is_finished());
        let turn = local.run_until_idle();
        assert_eq!((turn.ran(), turn.has_work(), turn.next_alarm()), (0, false, None));
        assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
    });
}

#[test]
fn pause_keeps_queued_calls() {
    let clock = MockClock::new();
    clock.run(|| {
        let (local, calls, log) = local_with_calls();
        calls.nap(log.clone(), "nap", SECOND).submit().detach();
        local.run_until_idle();
        local.pause();
        calls.note(log.clone(), "kept").submit().detach();
        clock.advance(SECOND);
        assert_eq!((local.run_until_idle().ran(), log.take()), (1, vec!["nap"]));
        assert!(local.info().is_paused);
        local.resume();
        assert_eq!((local.run_until_idle().ran(), log.take()), (1, vec!["kept"]));
    });
}

#[test]
fn closed_local_runs_accepted_calls() {
    let (local, calls, log) = local_with_calls();
    calls.submit_many(local.clone(), log.clone(), vec!["from inside"]).submit().detach();
    local.pause();
    local.close();
    assert!(local.is_closed());
    assert!(matches!(calls.add(4, 5).wait(), Err(CallError::Closed(_))));
    assert_eq!((local.run_until_idle().ran(), log.take()), (2, vec!["from inside"]));
}

#[test]
fn shutdown_ends_queued_calls() {
    let clock = MockClock::new();
    clock.run(|| {
        let (local, calls, log) = local_with_calls();
        let begun = calls.nap(log.clone(), "begun", SECOND).submit();
        local.run_until_idle();
        let queued = calls.note(log.clone(), "queued").submit();
        assert_eq!(local.terminate(), 1);
        assert!(matches!(queued.wait(), Err(CallError::Cancelled(_))));
        local.flush_all(&clock);
        assert!(begun.wait().is_ok());
        assert_eq!(log.take(), ["begun"]);
    });
}

#[test]
fn every_call_ends_when_the_last_handle_is_dropped() {
    let clock = MockClock::new();
    clock.run(|| {
        let (local, calls, log) = local_with_calls();
        let suspended = calls.nap(log.clone(), "never", SECOND).submit();
        local.run_until_idle();
        let queued = calls.note(log.clone(), "never").submit();
        drop(calls);
        drop(local);
        assert!(matches!(queued.wait(), Err(CallError::Closed(_))));
        assert!(!suspended.is_finished());
        clock.advance(SECOND);
        assert!(matches!(suspended.wait(), Err(CallError::Lost(_))));
        assert_eq!(log.take(), Vec::<&str>::new());
    });
}

#[test]
fn future_woken_as_the_last_handle_drops_ends() {
    let clock = MockClock::new();
    clock.run(|| {
        let (local, calls, log) = local_with_calls();
        let woken = calls.nap(log.clone(), "never", SECOND).submit();
        local.run_until_idle();
        clock.advance(SECOND);
        drop((calls, local));
        assert!(matches!(woken.wait(), Err(CallError::Lost(_))));
    });
}

#[test]
fn drained_ends_at_the_first_empty_moment() {
    let (local, calls, log) = local_with_calls();
    let empty = local.drained();
    empty.wait();
    calls.note(log.clone(), "one").submit().detach();
    calls.nap(log.clone(), "nap", MILLISECOND).submit().detach();
    let drained = local.drained();
    local.drained().wait();
    assert_eq!(log.take(), ["one", "nap"]);
    calls.note(log.clone(), "two").submit().detach();
    pollster::block_on(drained);
    assert_eq!(local.info().queue_len, 1, "it was empty before");
}

#[test]
fn figures_do_not_hide_an_empty_moment() {
    let (local, calls, log) = local_with_calls();
    calls.wait_for_note(local.clone(), log).submit().detach();
    let drained = local.drained();
    assert!(local.run_one());
    assert_eq!(local.info().in_flight, 0, "the inner call has run, too, ahead of its turn");
    pollster::block_on(drained);
}

// ----- along a mock clock

#[test]
fn delayed_calls_run_at_their_own_time() {
    let clock = MockClock::new();
    clock.run(|| {
        let (local, calls, log) = local_with_calls();
        for (name, after) in [("three", 3), ("one", 1), ("two", 2)] {
            calls.nap(log.clone(), name, after * HOUR).submit().detach();
        }
        local.advance(&clock, 2 * HOUR);
        assert_eq!(log.take(), ["one", "two"]);
        assert_eq!(clock.elapsed(), 2 * HOUR);
        let turn = local.flush_all(&clock);
        assert_eq!((turn.ran(), turn.next_alarm(), log.take()), (1, None, vec!["three"]));
        assert_eq!(clock.elapsed(), 3 * HOUR);
    });
}
