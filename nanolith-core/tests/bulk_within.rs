//! Tests of `bulk::each` within a task of the pool that runs the calls.
#![allow(missing_docs)] // a test's name documents it

mod common;

use common::{Any, AnyCalls};
use nanolith::{Pool, Wait, bulk, pool::Concurrency};

fn pool(concurrency: usize) -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(concurrency)).build().expect("the settings are sound")
}

/// Runs a task of the pool that sums up `inputs` inputs in bulk.
fn sum_within(pool: &Pool, inputs: i64) -> i64 {
    let inner: AnyCalls<Pool> = Any::on(pool.clone());
    let outer = Any::on(pool.clone());
    let sum = outer.run(move || {
        let each = bulk::each(inner, 0..inputs, |calls, n| calls.run(move || n));
        each.map(|result| result.expect("it runs")).sum()
    });
    sum.wait().expect("it runs")
}

#[test]
fn each_in_a_task_begins_with_batches() {
    let pool = pool(1);
    assert_eq!(sum_within(&pool, 1_000), 499_500);
    pool.drained().wait();
    // The task itself, one first input, and then at least 62 inputs a batch.
    assert!(pool.info().completed <= 2 + 999 / 62 + 1, "{}", pool.info().completed);
}

#[test]
fn each_in_a_task_ends_at_any_concurrency_and_size() {
    for concurrency in [1, 2, 4] {
        let pool = pool(concurrency);
        for inputs in [0, 1, 15, 16, 17, 5_000] {
            assert_eq!(sum_within(&pool, inputs), inputs * (inputs - 1).max(0) / 2);
        }
    }
}
