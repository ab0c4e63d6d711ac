//! Tests of events: refusals, panics, overruns, restarts and deadlocks.

use crate::records::{count_events, event, record, span_of};
use nanolith::{
    TaskSet,
    executor::OnFull,
    layers::{Layer, LoadShed},
    pool::Concurrency,
    prelude::*,
    service::Restart,
    time::{MINUTE, MockClock, SECOND, sleep},
};
use std::sync::{
    Arc, Barrier, Mutex,
    mpsc::{Receiver, Sender, channel},
};
use tracing::Level;

pub struct Door;

#[define]
impl Door {
    pub fn hold(begun: Sender<()>, until: Receiver<()>) {
        let _ = begun.send(());
        let _ = until.recv();
    }

    pub fn pass() {}
}

fn door(name: &str, on_full: OnFull) -> Pool {
    let builder = Pool::builder().name(name).concurrency(Concurrency::Exact(1)).max_queue(1);
    builder.on_full(on_full).build().expect("sound settings")
}

/// Runs `f` while the pool's thread is busy and its queue is full.
fn while_full(pool: &Pool, f: impl FnOnce()) {
    let ((begun, has_begun), (go, until)) = (channel(), channel());
    let holding = Door::on(pool).hold(begun, until).submit();
    has_begun.recv().expect("it begins");
    let queued = Door::on(pool).pass().submit();
    f();
    go.send(()).expect("it waits");
    holding.wait().expect("it runs");
    drop(queued);
}

fn refusals(executor: &str) -> Vec<String> {
    let reasons = Mutex::new(Vec::new());
    count_events(|event| {
        let is_it = event.message() == "a call was refused" && event.field("executor") == Some(executor);
        if is_it {
            assert_eq!((event.target, event.level), ("nanolith::call", Level::DEBUG));
            reasons.lock().expect("no panic").push(event.field("reason").unwrap_or_default().to_owned());
        }
        is_it
    });
    reasons.into_inner().expect("no panic")
}

#[test]
fn refused_call_is_an_event_with_its_reason() {
    record();
    let pool = door("rejects", OnFull::Reject);
    while_full(&pool, || {
        assert!(Door::on(&pool).pass().wait().is_err());
        assert!(Door::on(&pool).pass().try_submit().is_err());
    });
    pool.close();
    assert!(Door::on(&pool).pass().wait().is_err());
    assert_eq!(refusals("rejects"), ["full", "full", "closed"]);
}

#[test]
fn wait_for_room_is_no_refusal_but_try_submit_is_refused() {
    record();
    let pool = door("waits", OnFull::Wait);
    let mut late = None;
    while_full(&pool, || {
        assert!(Door::on(&pool).pass().try_submit().is_err());
        assert!(matches!(Door::on(&pool).pass().timeout(SECOND / 100).wait(), Err(CallError::TimedOut(_))));
        late = Some(pool.clone());
    });
    assert_eq!(refusals("waits"), ["full"]);
}

#[test]
fn dropped_calls_are_events() {
    record();
    for (name, on_full) in [("drops oldest", OnFull::DropOldest), ("drops newest", OnFull::DropNewest)] {
        let pool = door(name, on_full);
        while_full(&pool, || Door::on(&pool).pass().submit().detach());
        assert_eq!(refusals(name), ["dropped"]);
    }
}

#[test]
fn refusal_by_a_layer_is_an_event() {
    record();
    let pool = door("sheds", OnFull::Wait);
    let shedding = Door::calls(LoadShed::new().layer(pool.clone()));
    while_full(&pool, || assert!(shedding.pass().wait().is_err()));
    let seen = event("refusal", |event| event.field("reason") == Some("rejected"));
    assert!(seen.field("error").is_some_and(|error| error.contains("LoadShed")), "{seen:?}");
}

pub struct Bomb;

#[define]
impl Bomb {
    pub fn go_off() {
        panic!("bang");
    }
}

#[test]
fn panic_is_an_event_within_the_span_of_its_call() {
    record();
    let pool = Pool::builder().name("bombs").build().expect("sound settings");
    assert!(Bomb::on(&pool).go_off().wait().is_err());
    let seen = event("panic", |event| event.field("panic") == Some("bang"));
    assert_eq!((seen.target, seen.level, seen.message()), ("nanolith::call", Level::ERROR, "a task panicked"));
    assert_eq!(seen.span, Some(span_of("Bomb", "go_off").number));
    assert_eq!(
        [seen.field("executor"), seen.field("set"), seen.field("task")],
        [Some("bombs"), Some("Bomb"), Some("go_off")]
    );
    assert_eq!(seen.field("file"), Some(file!()));
    assert!(seen.field("submitted").is_some_and(|at| at.starts_with(file!())), "{seen:?}");
}

pub struct Fragile {
    _state: (),
}

#[define]
impl Fragile {
    #[init]
    fn start() -> Self {
        Self { _state: () }
    }

    pub fn break_down(&mut self) {
        panic!("it breaks");
    }

    pub fn nothing(&self) {}
}

#[test]
fn restart_and_last_crash_of_a_service_are_events() {
    record();
    let restart = Restart::on_panic().limit(1, MINUTE);
    let fragile = Fragile::service().name("fragile").restart(restart).launch().wait().expect("it starts");
    assert!(fragile.break_down().wait().is_err());
    let of = |text: &str| {
        let text = text.to_owned();
        event("event", move |event| event.message() == text && event.field("executor") == Some("fragile"))
    };
    let restarted = of("a service restarted");
    assert_eq!((restarted.target, restarted.level), ("nanolith::service", Level::WARN));
    assert_eq!(restarted.field("restarts"), Some("1"));
    assert!(restarted.field("reason").is_some_and(|reason| reason.contains("it breaks")), "{restarted:?}");
    assert!(fragile.break_down().wait().is_err());
    assert_eq!(of("a service crashed and ended").level, Level::ERROR);
}

pub struct Slow;

#[define]
impl Slow {
    pub fn hold(begun: Sender<()>, until: Arc<Mutex<Receiver<()>>>) {
        let _ = begun.send(());
        let _ = until.lock().expect("no panic").recv();
    }
}

#[test]
fn task_far_beyond_its_limit_is_an_event() {
    record();
    let clock = MockClock::new();
    clock.run(|| {
        let pool = Pool::builder().name("slow").build().expect("sound settings");
        let ((begun, has_begun), (go, until)) = (channel(), channel());
        let call = Slow::on(&pool).hold(begun, Arc::new(Mutex::new(until))).timeout(SECOND).submit();
        has_begun.recv().expect("it begins");
        clock.advance(SECOND);
        assert!(call.wait().is_err());
        clock.advance(2 * SECOND);
        let seen = event("overrun", |event| event.field("executor") == Some("slow"));
        assert_eq!((seen.target, seen.level), ("nanolith::call", Level::WARN));
        assert_eq!((seen.field("set"), seen.field("task")), (Some("Slow"), Some("hold")));
        drop(go);
        pool.drained().wait();
    });
}

pub struct Neighbour;

#[define]
impl Neighbour {
    #[init]
    fn start() -> Self {
        Self
    }

    pub fn visit(&mut self, other: Service<Neighbour>, both: Arc<Barrier>) -> Result<(), CallError> {
        both.wait();
        other.receive().wait()
    }

    pub async fn visit_or_rest(&mut self, other: Service<Neighbour>, both: Arc<Barrier>) {
        both.wait();
        let visit = std::pin::pin!(async { drop(other.receive().await) });
        let rest = std::pin::pin!(sleep(MINUTE));
        futures_util::future::select(visit, rest).await;
    }

    pub fn receive(&mut self) {}
}

fn neighbours(names: [&'static str; 2]) -> [Service<Neighbour>; 2] {
    names.map(|name| Neighbour::service().name(name).launch().wait().expect("it starts"))
}

#[test]
fn cycle_of_waits_that_ends_is_an_event() {
    record();
    let ([a, b], both) = (neighbours(["north", "south"]), Arc::new(Barrier::new(2)));
    let visits = [a.visit(b.clone(), both.clone()).submit(), b.visit(a.clone(), both).submit()];
    let ends = visits.map(|visit| visit.wait().expect("it runs"));
    assert!(ends.iter().any(Result::is_err));
    let seen = event("cycle", |event| event.field("cycle").is_some_and(|cycle| cycle.contains("south")));
    assert_eq!((seen.target, seen.level), ("nanolith::deadlock", Level::ERROR));
}

#[test]
fn cycle_that_may_end_by_itself_is_an_event() {
    record();
    let ([a, b], both) = (neighbours(["east", "west"]), Arc::new(Barrier::new(2)));
    let visits = [a.visit_or_rest(b.clone(), both.clone()).submit(), b.visit_or_rest(a.clone(), both).submit()];
    let seen = event("cycle", |event| event.field("cycle").is_some_and(|cycle| cycle.contains("west")));
    assert_eq!((seen.target, seen.level), ("nanolith::deadlock", Level::WARN));
    visits.iter().for_each(Handle::cancel);
}
