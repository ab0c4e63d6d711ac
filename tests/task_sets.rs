//! Tests of sets in each form: with a state, shared, generic, as modules, with a context and with
//! hooks.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{Executor, TaskSet, pool::GlobalPool, prelude::*, task::Receiver, time::MILLISECOND};
use std::{
    cell::Cell,
    fmt::Display,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// A state that is not `Send`.
pub struct Counter {
    total: Rc<Cell<i64>>,
    closed: Option<std::sync::mpsc::Sender<i64>>,
}

#[derive(Debug, PartialEq)]
pub struct TooLow(i64);

impl Display for TooLow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is too low", self.0)
    }
}

impl std::error::Error for TooLow {}

#[define]
impl Counter {
    #[init]
    fn start(cx: &Context<Self>, first: i64, closed: Option<std::sync::mpsc::Sender<i64>>) -> Result<Self, TooLow> {
        assert!(cx.task().is_none());
        if first < 0 { Err(TooLow(first)) } else { Ok(Self { total: Rc::new(Cell::new(first)), closed }) }
    }

    pub fn bump(&mut self, by: i64) -> i64 {
        self.total.set(self.total.get() + by);
        self.total.get()
    }

    pub fn total(&self) -> i64 {
        self.total.get()
    }

    pub async fn total_later(&self) -> i64 {
        nanolith::time::sleep(MILLISECOND).await;
        self.total.get()
    }

    pub async fn bump_later(&mut self, cx: &Context<Self>, by: i64) -> i64 {
        nanolith::time::sleep(MILLISECOND).await;
        cx.progress(1, 1);
        self.bump(by)
    }

    #[task(local)]
    pub async fn local(x: i64) -> i64 {
        let stays = Rc::new(x);
        nanolith::time::sleep(MILLISECOND).await;
        *stays
    }

    pub fn double(x: i64) -> i64 {
        x * 2
    }

    #[on_close]
    fn end(self) {
        let total = self.total.get();
        self.closed.into_iter().for_each(|closed| closed.send(total).expect("the receiver is there"));
    }
}

#[test]
fn state_that_is_not_send_lives_on_its_service() {
    let (closed, reports) = std::sync::mpsc::channel();
    let counter = Counter::service(10, Some(closed)).launch().wait().expect("it starts");
    assert_eq!(counter.bump(5).wait().expect("it runs"), 15);
    assert_eq!(counter.total().wait().expect("it runs"), 15);
    assert_eq!(counter.total_later().wait().expect("it runs"), 15);
    assert_eq!(counter.bump_later(1).wait().expect("it runs"), 16);
    assert_eq!(counter.local(3).wait().expect("it runs"), 3);
    assert_eq!(counter.double(4).wait().expect("it runs"), 8);
    assert_eq!(Counter::tasks().double(4).wait().expect("a stateless task runs anywhere"), 8);
    counter.close().wait().expect("it closes");
    assert_eq!(reports.recv(), Ok(16));
}

#[test]
fn failing_init_is_the_typed_error_of_the_launch() {
    match Counter::service(-1, None).launch().wait() {
        Err(nanolith::service::LaunchError::Init(error)) => assert_eq!(error, TooLow(-1)),
        other => panic!("not {other:?}"),
    }
}

#[test]
fn on_close_does_not_run_after_terminate() {
    let (closed, reports) = std::sync::mpsc::channel();
    let counter = Counter::service(1, Some(closed)).launch().wait().expect("it starts");
    counter.terminate().wait().expect("it ends");
    assert!(reports.recv().is_err());
}

/// A state that the tasks of a pool share.
pub struct Tally(AtomicI64);

#[define(shared)]
impl Tally {
    pub fn add(&self, by: i64) -> i64 {
        self.0.fetch_add(by, Ordering::Relaxed) + by
    }

    pub async fn add_later(&self, by: i64) -> i64 {
        nanolith::time::sleep(MILLISECOND).await;
        self.add(by)
    }

    pub fn one() -> i64 {
        1
    }
}

#[test]
fn pool_shares_a_state_among_its_tasks() {
    let pool = Pool::builder().build().expect("sound");
    let state = Arc::new(Tally(AtomicI64::new(0)));
    let tally = Tally::shared(state.clone()).on(&pool);
    let jobs: Vec<_> = (0..100).map(|n| tally.add(n).submit()).collect();
    jobs.into_iter().for_each(|job| assert!(job.wait().is_ok(), "it runs"));
    assert_eq!(tally.add_later(50).wait().expect("it runs"), 5_000);
    assert_eq!(Tally::shared(state).on(&GlobalPool).add(1).wait().expect("the global pool does too"), 5_001);
    let service = Tally::service(Tally(AtomicI64::new(7))).launch().wait().expect("it starts");
    assert_eq!(service.add(1).wait().expect("it runs"), 8);
}

pub struct Store<K, const N: usize>
where
    K: Clone + Send + 'static,
{
    keys: Vec<K>,
}

#[define]
impl<K, const N: usize> Store<K, N>
where
    K: Clone + Send + 'static,
{
    #[init]
    fn open() -> Self {
        Self { keys: Vec::with_capacity(N) }
    }

    pub fn put(&mut self, key: K) -> usize {
        self.keys.push(key);
        self.keys.len()
    }

    pub fn first(&self) -> Option<K> {
        self.keys.first().cloned()
    }

    pub fn twice(key: K) -> (K, K) {
        (key.clone(), key)
    }

    pub fn room() -> usize {
        N
    }
}

#[test]
fn generic_set_works_for_each_of_its_types() {
    let store = Store::<String, 4>::service().launch().wait().expect("it starts");
    assert_eq!(store.put("a".into()).wait().expect("it runs"), 1);
    assert_eq!(store.first().wait().expect("it runs").as_deref(), Some("a"));
    assert_eq!(Store::<u8, 2>::tasks().twice(1).wait().expect("it runs"), (1, 1));
    assert_eq!(Store::<u8, 3>::tasks().room().wait().expect("it runs"), 3);
}

#[define]
pub mod geometry {
    use super::*;

    const OFFSET: i64 = 1;

    pub fn add(x: i64, y: i64) -> i64 {
        sum(x, y)
    }

    pub async fn later(cx: &Context<Tasks>, x: i64) -> i64 {
        nanolith::time::sleep(MILLISECOND).await;
        cx.progress(1, 1);
        x + OFFSET
    }

    fn sum(x: i64, y: i64) -> i64 {
        x + y
    }
}

#[test]
fn module_is_a_task_set() {
    assert_eq!(geometry::tasks().add(1, 2).wait().expect("it runs"), 3);
    assert_eq!(geometry::on(&Pool::builder().build().expect("sound")).later(1).wait().expect("it runs"), 2);
    let service = geometry::service().launch().wait().expect("it starts");
    assert_eq!(service.add(1, 2).wait().expect("it runs"), 3);
    assert_eq!(geometry::add(1, 2), 3);
}

#[test]
fn set_lists_its_tasks() {
    assert_eq!(Counter::NAME, "Counter");
    assert_eq!(Counter::IDENTIFIER, "task_sets::Counter");
    let bump = &Counter::TASKS[0];
    assert_eq!(
        (bump.name(), bump.identifier(), bump.state()),
        ("bump", "task_sets::Counter::bump", Receiver::Exclusive)
    );
    assert_eq!((bump.argument_types(), bump.output_type()), (&[("by", "i64")][..], "i64"));
    assert!(Counter::TASKS.iter().any(|task| task.name() == "local" && task.is_local() && task.is_async()));
    assert_ne!(Counter::FINGERPRINT, <geometry::Tasks as TaskSet>::FINGERPRINT);
}

/// Generic code can take the calls of a set over any executor.
fn double_of(calls: &CounterCalls<impl Executor<Counter>>, x: i64) -> i64 {
    calls.double(x).wait().expect("it runs")
}

#[test]
fn swapping_the_executor_changes_no_other_line() {
    let pool = Pool::builder().build().expect("sound");
    let counter = Counter::service(1, None).launch().wait().expect("it starts");
    let any: Arc<dyn Executor<Counter>> = Arc::new(pool.clone());
    assert_eq!(double_of(Counter::tasks(), 2), 4);
    assert_eq!(double_of(&Counter::on(&pool), 2), 4);
    assert_eq!(double_of(counter.calls(), 2), 4);
    assert_eq!(double_of(&Counter::calls(any), 2), 4);
}
