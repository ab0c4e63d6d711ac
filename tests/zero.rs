//! A setting of zero is rejected by name. Builders with a fallible end report it there; see
//! `queue_settings.rs`. The setters here panic.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    bulk::{each, each_stream},
    layers::{CircuitBreaker, ConcurrencyLimit, Hedge, RateLimit, Retry},
    pipeline::Pipeline,
    port,
    prelude::*,
    sim::Simulation,
    sync::Backoff,
    task::TaskInfo,
    time::SECOND,
};
use std::{
    panic::{self, AssertUnwindSafe, Location},
    sync::{Arc, Mutex},
};

pub struct Sum;

#[define]
impl Sum {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn all(numbers: Vec<i64>) -> Vec<i64> {
        numbers
    }
}

/// Returns the message of the panic of `set`, which must be at the caller's line or below it.
#[track_caller]
fn message<T>(set: impl FnOnce() -> T) -> String {
    let found = Arc::new(Mutex::new(None));
    let place = found.clone();
    panic::set_hook(Box::new(move |info| {
        *place.lock().unwrap() = info.location().map(|location| location.file().to_owned());
    }));
    let payload = panic::catch_unwind(AssertUnwindSafe(set)).err();
    drop(panic::take_hook());
    let payload = payload.expect("it panics");
    assert_eq!(
        found.lock().unwrap().as_deref(),
        Some(Location::caller().file()),
        "the panic names the setter's caller"
    );
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default().to_owned()
}

#[track_caller]
fn assert_rejected<T>(setting: &str, set: impl FnOnce() -> T) {
    assert_eq!(message(set), format!("`{setting}` must be at least 1"));
}

/// One test, because the panic hook is the process's.
#[test]
fn setters_reject_zero_by_name() {
    assert_rejected("attempts", || Retry::new(0));
    assert_rejected("calls", || RateLimit::new(0, SECOND));
    assert_rejected("burst", || RateLimit::new(1, SECOND).burst(0));
    assert_rejected("calls", || ConcurrencyLimit::new(0));
    assert_rejected("window_calls", || CircuitBreaker::new().window_calls(0));
    assert_rejected("min_calls", || CircuitBreaker::new().min_calls(0));
    assert_rejected("half_open_calls", || CircuitBreaker::new().half_open_calls(0));

    let stage = || Pipeline::from_iter(0..9).stage(Sum::tasks(), |sum, n| sum.add(n, 1));
    assert_rejected("concurrency", || stage().concurrency(0));
    assert_rejected("buffer", || stage().buffer(0));
    assert_rejected("output", || stage().output(0));
    let batched = || Pipeline::from_iter(0..9).batched(Sum::tasks(), |sum, numbers| sum.all(numbers));
    assert_rejected("sizes", || batched().sizes(0..=3));
    #[allow(clippy::reversed_empty_ranges)]
    let empty = message(|| batched().sizes(3..=2));
    assert_eq!(empty, "`sizes` must not be an empty range");

    assert_rejected("in_flight", || each(Sum::tasks(), 0..9, |sum, n| sum.add(n, 1)).in_flight(0));
    assert_rejected("batch", || each(Sum::tasks(), 0..9, |sum, n| sum.add(n, 1)).batch(0));
    let inputs = || futures_util::stream::iter(0..9);
    assert_rejected("in_flight", || each_stream(Sum::tasks(), inputs(), |sum, n| sum.add(n, 1)).in_flight(0));
    assert_rejected("batch", || each_stream(Sum::tasks(), inputs(), |sum, n| sum.add(n, 1)).batch(0));

    assert_rejected("bound", || port::bounded::<(), ()>(0));
    assert_rejected("cores", || Simulation::new().cores(0));
    assert_rejected("concurrency", || TaskInfo::new("Sum", "add", "Sum::add").concurrency(0));

    for part in [-0.1, 1.1, f64::NAN] {
        assert_eq!(message(|| CircuitBreaker::new().failure_rate(part)), "`failure_rate` must be from 0 to 1");
        assert_eq!(message(|| CircuitBreaker::new().slow_rate(part, SECOND)), "`slow_rate` must be from 0 to 1");
        assert_eq!(message(|| Backoff::exponential(SECOND).jitter(part)), "`jitter` must be from 0 to 1");
        let percentile = message(|| Hedge::after(SECOND).percentile(100.0 * part));
        assert_eq!(percentile, "`percentile` must be from 0 to 100");
    }
    for part in [-0.1, f64::NAN] {
        assert_eq!(message(|| Retry::new(2).budget(part, 1)), "`part` must be from 0 to inf");
    }
    let _ = Retry::new(2).budget(f64::INFINITY, 0);
    let _ = CircuitBreaker::new().failure_rate(0.0).slow_rate(1.0, SECOND);
}

#[test]
fn task_without_concurrency_has_no_limit() {
    const ADD: TaskInfo = TaskInfo::new("Sum", "add", "Sum::add");
    assert_eq!((ADD.max_concurrency(), ADD.concurrency(2).max_concurrency()), (None, Some(2)));
}
