//! What a call takes of its thread's stack.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test is read from its names

use nanolith::prelude::*;
use std::hint::black_box;

const KIB: usize = 1 << 10;

pub struct Work;

#[define]
impl Work {
    /// Has 48 KiB of locals.
    pub fn reads() -> usize {
        let buffer = black_box([1_u8; 48 * KIB]);
        buffer.iter().filter(|byte| **byte == 1).count()
    }

    /// Waits for itself, with a small frame.
    pub fn slim(pool: Pool, depth: u32) -> u32 {
        if depth == 0 { 0 } else { Self::on(&pool).slim(pool.clone(), depth - 1).wait().expect("it runs") + 1 }
    }

    /// Waits for itself, with a frame of 48 KiB.
    pub fn wide(pool: Pool, depth: u32) -> u32 {
        let buffer = black_box([1_u8; 48 * KIB]);
        let rest = if depth == 0 { 0 } else { Self::on(&pool).wide(pool.clone(), depth - 1).wait().expect("it runs") };
        rest + u32::from(black_box(buffer)[depth as usize])
    }
}

fn pool() -> nanolith::PoolBuilder {
    Pool::builder().concurrency(Concurrency::Exact(1))
}

#[test]
fn deep_waits_fit_the_smallest_stack() {
    let pool = pool().stack_size(64 * KIB).build().expect("it builds");
    assert_eq!(
        [10, 64, 1_000].map(|depth| Work::on(&pool).slim(pool.clone(), depth).wait().ok()),
        [Some(10), Some(64), Some(1_000)]
    );
}

#[test]
fn deep_waits_with_wide_frames_fit_the_default_stack() {
    let pool = pool().build().expect("it builds");
    assert_eq!(Work::on(&pool).wide(pool.clone(), 1_000).wait().ok(), Some(1_001));
}

#[test]
fn a_stack_that_is_large_enough_takes_no_other_thread() {
    let pool = pool().stack_size(64 << 20).build().expect("it builds");
    assert_eq!(Work::on(&pool).slim(pool.clone(), 1_000).wait().ok(), Some(1_000));
    assert_eq!(pool.spare_threads(), 0);
}
