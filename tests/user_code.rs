//! Where wakers and destructors run: they may wait, submit and ask, as any other code.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test is read from its names

use nanolith::{Handle, prelude::*, time::sleep};
use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context as PollContext, Wake, Waker},
    thread,
    time::Duration,
};

type Code = Box<dyn FnOnce() + Send>;

/// Runs its code when it is dropped.
pub struct OnDrop(Option<Code>);

impl OnDrop {
    fn run(code: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(code)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|code| code());
    }
}

/// Runs its code when it wakes, once.
struct OnWake(Mutex<Option<Code>>);

impl OnWake {
    fn waker(code: impl FnOnce() + Send + 'static) -> Waker {
        Waker::from(Arc::new(Self(Mutex::new(Some(Box::new(code))))))
    }
}

impl Wake for OnWake {
    fn wake(self: Arc<Self>) {
        let code = self.0.lock().expect("no panic").take();
        code.into_iter().for_each(|code| code());
    }
}

pub struct Work;

#[define]
impl Work {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn give(value: OnDrop) -> OnDrop {
        value
    }

    /// Suspends once, so that a task that waits for this lends its permit.
    pub async fn rest() {
        sleep(MILLISECOND).await;
    }

    pub fn run(code: Box<dyn FnOnce() + Send>) {
        code();
    }
}

pub struct Desk;

#[define]
impl Desk {
    #[init]
    fn start() -> Self {
        Self
    }

    pub fn give(&self, value: OnDrop) -> OnDrop {
        value
    }

    pub fn hold(&self, begun: Sender<()>, free: Receiver<()>) {
        let _ = begun.send(());
        let _ = free.recv();
    }
}

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(20);

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound")
}

/// Raises the call, so that a second entry of it stays in the queue, and leaves its output to the last owner.
fn raise_and_detach<S: nanolith::TaskSet, T>(handle: Handle<S, T>) {
    handle.raise(Priority::UserBlocking);
    handle.detach();
}

/// Waits on a thread of its own, so that a pool which hangs fails the test.
fn expect_runs(pool: &Pool) {
    let (tell, told) = channel();
    let work = Work::on(pool);
    thread::spawn(move || tell.send(work.add(4, 5).wait()));
    assert!(matches!(told.recv_timeout(LONG), Ok(Ok(9))), "the pool runs later calls");
    pool.drained().wait();
    assert_eq!(pool.active(), 0);
}

#[test]
fn output_of_raised_call_may_wait_for_its_pool() {
    let pool = pool();
    pool.pause();
    let ((tell, told), work) = (channel(), Work::on(&pool));
    let value = OnDrop::run(move || assert_eq!(tell.send(work.rest().wait().is_ok()), Ok(())));
    raise_and_detach(Work::on(&pool).give(value).priority(Priority::Idle).submit());
    pool.resume();
    assert_eq!(told.recv_timeout(LONG), Ok(true));
    expect_runs(&pool);
}

#[test]
fn waker_of_an_idle_worker_may_wait_for_its_pool() {
    let pool = pool();
    pool.pause();
    let job = Work::on(&pool).add(1, 2).submit();
    let ((tell, told), work) = (channel(), Work::on(&pool));
    let waker = OnWake::waker(move || assert_eq!(tell.send(work.rest().wait().is_ok()), Ok(())));
    let mut drained = pin!(pool.drained());
    assert!(drained.as_mut().poll(&mut PollContext::from_waker(&waker)).is_pending());
    pool.resume();
    assert_eq!(told.recv_timeout(LONG), Ok(true));
    assert!(matches!(job.wait(), Ok(3)));
    expect_runs(&pool);
}

#[test]
fn a_thread_lends_its_permit_once_in_nested_waits() {
    let pool = pool();
    let (work, nested, (tell, told)) = (Work::on(&pool), Work::on(&pool), channel());
    let code = move || {
        let mut pending = pin!(work.rest().submit());
        let is_pending = pending.as_mut().poll(&mut PollContext::from_waker(Waker::noop())).is_pending();
        let inner = work.run(Box::new(move || drop(nested.rest().wait()))).wait();
        let _ = tell.send(is_pending && inner.is_ok() && pollster::block_on(pending).is_ok());
    };
    Work::on(&pool).run(Box::new(code)).submit().detach();
    assert_eq!(told.recv_timeout(LONG), Ok(true));
    pool.drained().wait();
    expect_runs(&pool);
}

#[test]
fn output_dropped_by_terminate_may_ask_its_service() {
    let desk = Desk::service().launch().wait().expect("it starts");
    let ((begun, has_begun), (free, is_free), (tell, told)) = (channel(), channel(), channel());
    let (first, is_free_first) = channel();
    let first_begun = begun.clone();
    desk.hold(first_begun, is_free_first).submit().detach();
    has_begun.recv().expect("it begins");
    let asked = desk.clone();
    let value = OnDrop::run(move || assert_eq!(tell.send(asked.info().completed), Ok(())));
    raise_and_detach(desk.give(value).priority(Priority::Idle).submit());
    desk.hold(begun, is_free).priority(Priority::Low).submit().detach();
    drop(first); // the raised call runs, and then the second that holds the service
    has_begun.recv().expect("it begins");
    let ends = desk.clone();
    let ended = thread::spawn(move || drop(ends.terminate()));
    assert!(told.recv_timeout(LONG).is_ok(), "the destructor has asked");
    ended.join().expect("no panic");
    drop(free);
}
