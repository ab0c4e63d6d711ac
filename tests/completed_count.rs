//! Tests of the figure `completed`: it counts calls that have started and are over, for each way in
//! and out. Also tests what is left after `drained`.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Executor, Handle, Local, TaskSet,
    executor::{Job, OnFull},
    pool::{Concurrency, Share},
    prelude::*,
    time::{MILLISECOND, sleep},
};
use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context as PollContext, Wake, Waker},
    time::Duration,
};

/// Counts the outputs that are alive.
pub struct Output(Arc<AtomicUsize>);

impl Output {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(alive.clone())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub struct Work;

#[define]
impl Work {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    #[task(concurrency = 1)]
    pub fn hold_limited(begun: Sender<()>, go: Receiver<()>) -> i64 {
        let _ = begun.send(());
        let _ = go.recv();
        0
    }

    pub fn hold(begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv();
    }

    pub async fn rest(begun: Sender<()>) {
        let _ = begun.send(());
        std::future::pending::<()>().await;
    }

    pub async fn nap() {
        sleep(MILLISECOND).await;
    }

    pub fn panics() {
        panic!("as it should");
    }

    pub async fn give(alive: Arc<AtomicUsize>) -> Output {
        Output::new(&alive)
    }

    pub fn give_at_once(alive: Arc<AtomicUsize>) -> Output {
        Output::new(&alive)
    }

    /// Submits two children, one of them on the fast path. Waits until it is cancelled, and then
    /// for the children.
    pub fn parent(cx: &Context<Self>, pool: Pool, begun: Sender<()>) -> (bool, bool) {
        let _ = begun.send(());
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        let work = Work::on(&pool);
        let (plain, rare) = (work.add(1, 2).submit(), work.add(3, 4).priority(Priority::Low).submit());
        (plain.wait().is_ok(), rare.wait().is_ok())
    }
}

pub struct HeldService;

#[define]
impl HeldService {
    #[init]
    fn start() -> Self {
        Self
    }

    pub fn add(&self, x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn hold(&self, begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv();
    }
}

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound")
}

fn paused(on_full: OnFull) -> Pool {
    let builder = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1);
    let pool = builder.on_full(on_full).build().expect("the settings are sound");
    pool.pause();
    pool
}

/// A way to end a queued call.
type End = fn(&Pool, &Handle<Work, i64>);

/// The ways to end a queued call before it has started.
const ENDS: [End; 2] = [
    |_, call| call.cancel(),
    |pool, _| {
        pool.terminate();
    },
];

#[test]
fn cancelled_queued_call_is_not_completed() {
    for end in ENDS {
        let pool = pool();
        pool.pause();
        let call = Work::on(&pool).add(1, 2).submit();
        end(&pool, &call);
        assert!(call.wait().is_err());
        let info = pool.info();
        assert_eq!((info.completed, info.in_flight), (0, 0));
    }
}

#[test]
fn timed_out_queued_call_is_not_completed() {
    let pool = pool();
    pool.pause();
    assert!(matches!(Work::on(&pool).add(1, 2).timeout(MILLISECOND).wait(), Err(CallError::TimedOut(_))));
    assert_eq!(pool.info().completed, 0);
    pool.resume();
    // A task has the only slot: a close resumes a paused pool.
    let ((begun, begins), (go, goes)) = (channel(), channel());
    let running = Work::on(&pool).hold(begun, goes).submit();
    begins.recv().expect("it begins");
    let call = Work::on(&pool).add(1, 2).submit();
    let _ = pool.close_timeout(Duration::ZERO).wait();
    assert!(call.wait().is_err());
    go.send(()).expect("it waits");
    running.wait().expect("it runs");
    pool.drained().wait();
    assert_eq!(pool.info().completed, 1, "the running call alone");
}

#[test]
fn dropped_or_refused_call_is_not_completed() {
    for on_full in [OnFull::DropOldest, OnFull::DropNewest, OnFull::Reject] {
        let pool = paused(on_full);
        let work = Work::on(&pool);
        let (first, second) = (work.add(1, 2).submit(), work.add(3, 4).submit());
        pool.resume();
        assert!(first.wait().is_ok() != second.wait().is_ok());
        pool.drained().wait();
        assert_eq!(pool.info().completed, 1, "{on_full:?}");
    }
}

#[test]
fn call_that_its_caller_runs_is_completed() {
    let pool = paused(OnFull::CallerRuns);
    let work = Work::on(&pool);
    let queued = work.add(1, 2).submit();
    assert!(matches!(work.add(3, 4).wait(), Ok(7)));
    assert_eq!(pool.info().completed, 1);
    pool.resume();
    assert!(matches!(queued.wait(), Ok(3)));
}

#[test]
fn call_of_a_share_ended_in_the_queue_is_not_completed() {
    for end in ENDS {
        let pool = pool();
        let share: Share = pool.share("tenant").build().unwrap();
        pool.pause();
        let call = Work::calls(share.clone()).add(1, 2).submit();
        end(&pool, &call);
        assert!(call.wait().is_err());
        assert_eq!((share.info().completed, pool.info().completed), (0, 0));
    }
    let pool = paused(OnFull::Wait);
    let share = pool.share("tenant").max_queue(1).on_full(OnFull::DropOldest).build().unwrap();
    let work = Work::calls(share.clone());
    let (first, second) = (work.add(1, 2).submit(), work.add(3, 4).submit());
    pool.resume();
    assert!(first.wait().is_err() && second.wait().is_ok());
    pool.drained().wait();
    assert_eq!((share.info().completed, pool.info().completed), (1, 1));
}

#[test]
fn ended_call_that_a_task_limit_holds_is_not_completed() {
    for end in ENDS {
        let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("the settings are sound");
        let work = Work::on(&pool);
        let ((begun, has_begun), (go, goes)) = (channel(), channel());
        let holder = work.hold_limited(begun, goes).submit();
        has_begun.recv().expect("it begins");
        // They wait for the limit of their kind, not for a slot.
        let [call, limited] = [(); 2].map(|()| work.hold_limited(channel().0, channel().1).submit());
        end(&pool, &call);
        drop(go);
        assert!(holder.wait().is_ok());
        let others = usize::from(limited.wait().is_ok()) + usize::from(call.wait().is_ok());
        pool.drained().wait();
        assert_eq!(pool.info().completed, 1 + others as u64);
    }
}

#[test]
fn call_ended_while_it_runs_is_completed() {
    let pool = pool();
    let ((begun, has_begun), work) = (channel(), Work::on(&pool));
    let cancelled = work.rest(begun.clone()).submit();
    has_begun.recv().expect("it begins");
    cancelled.cancel();
    let late = work.rest(begun).timeout(50 * MILLISECOND).submit();
    has_begun.recv().expect("it begins");
    assert!(matches!(late.wait(), Err(CallError::TimedOut(_))));
    assert!(matches!(work.panics().wait(), Err(CallError::Panicked(..))));
    assert!(work.nap().wait().is_ok());
    pool.drained().wait();
    assert_eq!(pool.info().completed, 4);
}

#[test]
fn call_of_a_cancelled_parent_is_not_completed() {
    let (pool, (begun, has_begun)) = (pool(), channel());
    let parent = Work::on(&pool).parent(pool.clone(), begun).submit();
    has_begun.recv().expect("it begins");
    parent.cancel();
    assert!(parent.wait().is_err());
    pool.drained().wait();
    assert_eq!(pool.info().completed, 1, "the parent alone has begun");
}

#[test]
fn unsupported_call_is_not_completed() {
    let (pool, (tell, reports)) = (pool(), channel());
    let job = Job::<HeldService>::new(HeldServiceTask::Add { x: 1, y: 2 }, move |outcome| {
        assert!(tell.send(outcome.is_err()).is_ok());
    });
    pool.try_execute(job).expect("the pool takes it");
    assert_eq!(reports.recv(), Ok(true));
    pool.drained().wait();
    assert_eq!(pool.info().completed, 0);
}

#[test]
fn ended_queued_call_of_a_service_is_not_completed() {
    let service = HeldService::service().launch().wait().expect("it starts");
    let ((begun, has_begun), (go, goes)) = (channel(), channel());
    let holder = service.hold(begun, goes).submit();
    has_begun.recv().expect("it begins");
    let (cancelled, closed) = (service.add(1, 2).submit(), service.add(3, 4).submit());
    cancelled.cancel();
    assert!(service.add(5, 6).timeout(MILLISECOND).wait().is_err());
    let ends = service.terminate();
    assert!(closed.wait().is_err());
    drop(go);
    let _ = holder.wait();
    let _ = ends.wait();
    assert_eq!(service.info().completed, 1, "the one that held the service");
}

#[test]
fn ended_queued_call_of_a_local_is_not_completed() {
    let local = Local::new();
    let work = Work::on(&local);
    let (cancelled, run) = (work.add(1, 2).submit(), work.add(3, 4).submit());
    cancelled.cancel();
    local.run_until_idle();
    assert!(cancelled.wait().is_err() && run.wait().is_ok());
    let shut = work.add(5, 6).submit();
    local.terminate();
    assert!(shut.wait().is_err());
    assert_eq!(local.info().completed, 1);
}

// ----- after the last call

type Code = Box<dyn FnOnce() + Send>;

/// A waker that runs its code once, when it is woken.
struct OnWake(Mutex<Option<Code>>);

impl Wake for OnWake {
    fn wake(self: Arc<Self>) {
        let code = self.0.lock().expect("no panic").take();
        code.into_iter().for_each(|code| code());
    }
}

/// Returns what a waker of `drained` finds active and alive, after `submit` has submitted one call
/// without a handle.
fn found_at_drained(submit: impl FnOnce(&WorkCalls<Pool>, Arc<AtomicUsize>)) -> (usize, usize) {
    let (pool, alive, (tell, reports)) = (pool(), Arc::new(AtomicUsize::new(0)), channel());
    pool.pause();
    submit(&Work::on(&pool), alive.clone());
    let (asked, outputs) = (pool.clone(), alive.clone());
    let look: Code =
        Box::new(move || assert!(tell.send((asked.info().active, outputs.load(Ordering::SeqCst))).is_ok()));
    let waker = Waker::from(Arc::new(OnWake(Mutex::new(Some(look)))));
    let mut drained = pin!(pool.drained());
    assert!(drained.as_mut().poll(&mut PollContext::from_waker(&waker)).is_pending());
    pool.resume();
    reports.recv().expect("the waker is used")
}

#[test]
fn drained_pool_has_no_active_async_call_and_no_output() {
    assert_eq!(found_at_drained(|work, alive| work.give(alive).submit().detach()), (0, 0));
}

#[test]
fn drained_pool_has_no_output_of_a_raised_call() {
    let submit = |work: &WorkCalls<Pool>, alive| {
        let call = work.give_at_once(alive).priority(Priority::Idle).submit();
        call.raise(Priority::UserBlocking);
        call.detach();
    };
    assert_eq!(found_at_drained(submit), (0, 0));
}
