//! Tests of spans: their parents, fields and ends, and which span is the current one in a task.

use crate::records::{closed, closed_span, event, number_of, record, span, span_of, spans_of, without_call_spans};
use nanolith::{
    TaskSet, bulk,
    layers::{Layer, Retry},
    pool::Concurrency,
    prelude::*,
    sync::Backoff,
    task::{CallInfo, Outcome},
    time::{MILLISECOND, sleep},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};
use tracing::{Level, Span, info, info_span};

fn pool(name: &str, concurrency: usize) -> Pool {
    Pool::builder().name(name).concurrency(Concurrency::Exact(concurrency)).build().expect("sound settings")
}

pub struct Plain;

#[define]
impl Plain {
    pub fn add(x: i64, y: i64) -> i64 {
        sleep(2 * MILLISECOND).wait();
        x + y
    }
}

#[test]
fn span_of_a_call_has_its_fields_and_is_closed_at_the_end() {
    record();
    let (pool, request) = (pool("plain", 1), info_span!("request"));
    let call = request.in_scope(|| Plain::on(&pool).add(4, 5).priority(Priority::UserBlocking).submit());
    assert_eq!(call.wait().expect("it runs"), 9);
    let call = span_of("Plain", "add");
    assert!(call.is_closed, "the caller finds it closed");
    assert_eq!((call.name, call.target, call.level), ("call", "nanolith::call", Level::TRACE));
    assert_eq!(call.parent, Some(number_of(&request)));
    let texts = ["executor", "priority", "outcome"].map(|name| call.field(name));
    assert_eq!(texts, [Some("plain"), Some("UserBlocking"), Some("ok")]);
    assert!(call.number("identifier") >= 1.0);
    assert!(call.number("run_us") >= 2_000.0 && call.number("wait_us") > 0.0, "{call:?}");
}

pub struct Nested;

#[define]
impl Nested {
    pub fn outer(pool: Pool) -> Result<(), CallError> {
        info!("in the outer call");
        Nested::on(&pool).inner().wait()
    }

    pub fn inner() {
        info!("in the inner call");
    }
}

#[test]
fn call_of_a_task_is_within_the_span_of_the_task() {
    record();
    let pool = pool("nested", 1);
    Nested::on(&pool).outer(pool.clone()).wait().expect("it runs").expect("so does the other");
    let (outer, inner) = (span_of("Nested", "outer"), span_of("Nested", "inner"));
    assert_eq!((outer.parent, inner.parent), (None, Some(outer.number)));
    assert!(outer.number("run_us") >= inner.number("run_us"));
    assert_eq!(event("event", |event| event.message() == "in the outer call").span, Some(outer.number));
    assert_eq!(event("event", |event| event.message() == "in the inner call").span, Some(inner.number));
}

pub struct Deferred;

#[define]
impl Deferred {
    pub async fn two_turns(begun: Sender<()>, go: smol::channel::Receiver<()>, pool: Pool) -> Result<(), CallError> {
        info!("in the first turn");
        let _ = begun.send(());
        let _ = go.recv().await;
        info!("in the second turn");
        Deferred::on(&pool).child().await
    }

    pub fn child() {}

    pub fn between() -> bool {
        Span::current().metadata().is_some_and(|metadata| metadata.name() == "call")
    }
}

#[test]
fn future_of_a_task_enters_the_span_at_each_poll() {
    record();
    let (pool, (begun, has_begun), (go, gate)) = (pool("deferred", 1), channel(), smol::channel::bounded(1));
    let call = Deferred::on(&pool).two_turns(begun, gate, pool.clone()).submit();
    has_begun.recv().expect("it begins");
    assert!(Deferred::on(&pool).between().wait().expect("it runs"));
    let [first, between] = ["two_turns", "between"].map(|task| span_of("Deferred", task));
    assert_eq!((between.parent, first.is_closed), (None, false));
    go.send_blocking(()).expect("it waits");
    call.wait().expect("it runs").expect("so does its call");
    let of_turn = |text| event("event", |event| event.message() == text).span;
    assert_eq!([of_turn("in the first turn"), of_turn("in the second turn")], [Some(first.number); 2]);
    assert_eq!(span_of("Deferred", "child").parent, Some(first.number));
    let first = span_of("Deferred", "two_turns");
    assert!(first.is_closed && first.threads.len() >= 2, "{first:?}");
    assert_eq!(first.field("outcome"), Some("ok"));
}

pub struct Account {
    total: i64,
}

#[define]
impl Account {
    pub fn deposit(&mut self, sum: i64) -> i64 {
        info!("a deposit");
        self.total += sum;
        self.total
    }

    pub fn total(&self) -> i64 {
        self.total
    }

    #[on_message]
    fn on_message(&mut self, sum: i64) {
        info!("a message");
        self.total += sum;
    }

    #[on_close]
    fn on_close(self) {
        info!("the account closes");
    }
}

#[test]
fn call_of_a_service_is_a_child_and_a_message_is_linked() {
    record();
    let request = info_span!("request");
    let account = Account::service(Account { total: 1 }).name("account").launch().wait().expect("it starts");
    request.in_scope(|| {
        assert_eq!(account.deposit(4).wait().expect("it runs"), 5);
        account.send(2).wait().expect("it is sent");
    });
    assert_eq!(account.total().wait().expect("it runs"), 7);
    let deposit = span_of("Account", "deposit");
    assert_eq!((deposit.parent, deposit.field("executor")), (Some(number_of(&request)), Some("account")));
    assert_eq!(event("event", |event| event.message() == "a deposit").span, Some(deposit.number));

    let message = event("event", |event| event.message() == "a message").span.expect("it has a span");
    let message = closed(message);
    assert_eq!((message.name, message.parent, &message.follows), ("message", None, &vec![number_of(&request)]));
    assert_eq!((message.field("executor"), message.field("outcome")), (Some("account"), Some("ok")));
    account.close().wait().expect("it closes");
}

pub struct Daemon;

#[define]
impl Daemon {
    #[init]
    fn start() -> Self {
        info!("the daemon starts");
        Self
    }

    pub fn work(&self) {}
}

#[test]
fn span_of_a_service_is_a_linked_root_until_its_end() {
    record();
    let request = info_span!("request");
    let daemon = request.in_scope(|| Daemon::service().name("daemon").launch().wait()).expect("it starts");
    let service = event("event", |event| event.message() == "the daemon starts").span.expect("it has a span");
    let seen = span(service);
    assert_eq!((seen.name, seen.target, seen.level), ("service", "nanolith::service", Level::DEBUG));
    assert_eq!((seen.parent, &seen.follows), (None, &vec![number_of(&request)]));
    assert_eq!((seen.field("set"), seen.field("executor")), (Some("Daemon"), Some("daemon")));
    let number = number_of(&request);
    drop(request);
    closed(number); // the service does not keep it open
    daemon.work().wait().expect("it runs");
    let work = spans_of("Daemon").into_iter().find(|span| span.name == "call").expect("it was called");
    assert_eq!(work.parent, None, "a call is not within the span of its service");
    assert!(!span(service).is_closed);
    daemon.close().wait().expect("it closes");
    closed(service);
}

pub struct Ended;

#[define]
impl Ended {
    pub fn hold(begun: Sender<()>, until: Receiver<()>) {
        let _ = begun.send(());
        let _ = until.recv();
    }

    pub fn queued() {}

    pub async fn pending() {
        std::future::pending::<()>().await;
    }

    pub fn refused() {}
}

#[test]
fn call_that_is_ended_from_outside_closes_its_span() {
    record();
    let (pool, (begun, has_begun), (go, until)) = (pool("ended", 1), channel(), channel());
    let holding = Ended::on(&pool).hold(begun, until).submit();
    has_begun.recv().expect("it begins");
    let queued = Ended::on(&pool).queued().submit();
    queued.cancel();
    let seen = span_of("Ended", "queued");
    assert_eq!((seen.is_closed, seen.field("outcome"), seen.field("run_us")), (true, Some("cancelled"), None));
    holding.cancel();
    let seen = span_of("Ended", "hold");
    assert_eq!((seen.is_closed, seen.field("outcome")), (false, Some("cancelled")), "its task is within it");
    go.send(()).expect("it waits");
    closed_span("Ended", "hold");
    let timed_out = Ended::on(&pool).pending().timeout(5 * MILLISECOND).wait();
    assert!(matches!(timed_out, Err(CallError::TimedOut(_))));
    let seen = closed_span("Ended", "pending");
    assert_eq!(seen.field("outcome"), Some("timed_out"));
    assert!(seen.number("run_us") >= 1.0);
    pool.close();
    assert!(Ended::on(&pool).refused().wait().is_err());
    assert_eq!(closed_span("Ended", "refused").field("outcome"), Some("closed"));
}

pub struct Failing;

#[define]
impl Failing {
    pub fn fail() {
        panic!("it was asked to");
    }

    pub async fn fail_later() {
        sleep(MILLISECOND).await;
        panic!("it was asked to");
    }
}

#[test]
fn outcome_of_a_panic_is_in_the_span() {
    record();
    let pool = pool("failing", 1);
    assert!(Failing::on(&pool).fail().wait().is_err());
    assert!(Failing::on(&pool).fail_later().wait().is_err());
    assert_eq!(span_of("Failing", "fail").field("outcome"), Some("panicked"));
    assert_eq!(closed_span("Failing", "fail_later").field("outcome"), Some("panicked"));
}

pub struct Flaky;

static TRIES: AtomicU32 = AtomicU32::new(0);

#[define]
impl Flaky {
    #[task(idempotent)]
    pub fn third_time() -> u32 {
        info!("a try");
        let tries = TRIES.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(tries >= 3, "not yet");
        tries
    }
}

#[test]
fn attempts_of_a_retry_share_the_span_of_the_call() {
    record();
    let retry = Retry::new(3).backoff(Backoff::none());
    let flaky = Flaky::calls(retry.layer(pool("flaky", 2)));
    assert_eq!(flaky.third_time().wait().expect("the third succeeds"), 3);
    let seen = span_of("Flaky", "third_time");
    assert_eq!((seen.is_closed, seen.field("outcome"), seen.field("executor")), (true, Some("ok"), Some("flaky")));
    assert_eq!(crate::records::count_events(|event| event.span == Some(seen.number) && event.message() == "a try"), 3);
}

#[test]
fn bulk_call_has_one_span_for_all_items() {
    record();
    let (pool, request) = (pool("mapping", 2), info_span!("bulk request"));
    let number = number_of(&request);
    let within = request.in_scope(|| bulk::map(&pool, vec![1_u64; 100], |n| n + 1).wait()).expect("it runs");
    assert_eq!(within, vec![2; 100]);
    let children: Vec<_> = spans_of("bulk").into_iter().filter(|span| span.parent == Some(number)).collect();
    assert_eq!(children.len(), 1, "{children:#?}");
    assert_eq!(children[0].field("executor"), Some("mapping"));
}

pub struct Hooked;

#[define]
impl Hooked {
    #[before_task]
    async fn before(_: &CallInfo) {
        info!("before the hooked task");
    }

    #[after_task]
    async fn after(_: &CallInfo, _: Outcome) {
        info!("after the hooked task");
    }

    pub fn work() {
        info!("in the hooked task");
    }
}

#[test]
fn hooks_are_within_the_span_of_their_call() {
    record();
    Hooked::on(&pool("hooked", 1)).work().wait().expect("it runs");
    let call = span_of("Hooked", "work");
    for text in ["before the hooked task", "in the hooked task", "after the hooked task"] {
        assert_eq!(event(text, |event| event.message() == text).span, Some(call.number), "{text}");
    }
}

pub struct Quiet;

#[define]
impl Quiet {
    pub fn current() -> Option<&'static str> {
        Span::current().metadata().map(tracing::Metadata::name)
    }

    pub async fn current_later() -> Option<&'static str> {
        sleep(MILLISECOND).await;
        Span::current().metadata().map(tracing::Metadata::name)
    }
}

#[test]
fn span_of_the_caller_is_current_where_calls_have_none() {
    record();
    let (pool, request) = (pool("quiet", 1), info_span!("quiet request"));
    let names = request.in_scope(|| {
        without_call_spans(|| [Quiet::on(&pool).current().submit(), Quiet::on(&pool).current_later().submit()])
    });
    assert_eq!(names.map(|name| name.wait().expect("it runs")), [Some("quiet request"); 2]);
    let without = without_call_spans(|| Quiet::on(&pool).current().submit());
    assert_eq!(without.wait().expect("it runs"), None);
    assert!(spans_of("Quiet").is_empty());
    let number = number_of(&request);
    drop(request);
    closed(number); // no ended call keeps it
}

pub struct Threads;

#[define]
impl Threads {
    pub fn wait_for_children(pool: Pool, numbers: Arc<Mutex<Vec<usize>>>) -> Result<(), CallError> {
        let calls: Vec<_> = (0..8).map(|_| Threads::on(&pool).child(numbers.clone()).submit()).collect();
        calls.into_iter().try_for_each(Handle::wait)
    }

    pub fn child(numbers: Arc<Mutex<Vec<usize>>>) {
        thread::yield_now();
        numbers.lock().expect("no panic").push(number_of(&Span::current()));
    }
}

/// A thread that waits runs calls on top of the task that waits.
#[test]
fn each_of_many_calls_sees_its_own_span() {
    record();
    let (pool, numbers) = (pool("threads", 2), Arc::default());
    Threads::on(&pool).wait_for_children(pool.clone(), Arc::clone(&numbers)).wait().expect("it runs").expect("all run");
    let mut numbers = numbers.lock().expect("no panic").clone();
    numbers.sort_unstable();
    numbers.dedup();
    let parent = span_of("Threads", "wait_for_children").number;
    assert_eq!(numbers.len(), 8);
    assert!(numbers.into_iter().all(|number| span(number).parent == Some(parent)));
}
