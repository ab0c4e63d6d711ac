//! Tests of a call's memory: one block of at most 128 bytes for a set like `Geometry`, which the
//! next call reuses.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{executor::OnFull, pool::Concurrency, prelude::*};
use std::num::ParseIntError;

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn parse(text: String) -> Result<i64, ParseIntError> {
        text.parse()
    }

    pub async fn wait_then_add(x: i64, y: i64) -> i64 {
        x + y
    }
}

/// Returns this thread's allocations while `f` runs, after a first run that warms up.
fn allocations(mut f: impl FnMut()) -> u64 {
    f();
    (0..10).map(|_| allocation_counter::measure(&mut f).count_total).min().expect("ten runs")
}

#[test]
fn geometry_call_fits_128_bytes() {
    assert!(nanolith::task::call_size::<Geometry>() <= 128, "{} bytes", nanolith::task::call_size::<Geometry>());
}

#[test]
fn call_is_as_large_as_the_largest_task_of_its_set() {
    use nanolith::TaskSet;
    let sizes: Vec<_> = Geometry::TASKS.iter().map(|task| (task.name(), task.argument_size())).collect();
    assert_eq!(sizes, [("add", 16), ("parse", 24), ("wait_then_add", 16)]);
}

#[test]
fn synchronous_call_allocates_once_at_most() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound");
    let geometry = Geometry::on(&pool);
    pool.pause();
    let submit = || drop(geometry.add(1, 2).submit().cancel_on_drop());
    assert_eq!(allocations(submit), 1);
}

#[test]
fn call_reuses_the_memory_of_the_call_before() {
    let pool = Pool::builder()
        .concurrency(Concurrency::Exact(1))
        .max_queue(1)
        .on_full(OnFull::CallerRuns)
        .build()
        .expect("the settings are sound");
    let geometry = Geometry::on(&pool);
    pool.pause();
    let _fills = geometry.add(0, 0).submit();
    assert_eq!(allocations(|| assert_eq!(geometry.add(1, 2).wait().expect("it runs here"), 3)), 0);
    // One allocation is for the future of an asynchronous task.
    assert_eq!(allocations(|| assert_eq!(geometry.wait_then_add(1, 2).wait().expect("it runs here"), 3)), 1);
}
