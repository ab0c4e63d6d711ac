//! Tests of a call's use of its thread's stack.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{pool::Concurrency, prelude::*};
use std::{hint::black_box, thread};

const KIB: usize = 1 << 10;

pub struct Work;

#[define]
impl Work {
    /// Has 48 KiB of locals.
    pub fn reads() -> usize {
        let buffer = black_box([1_u8; 48 * KIB]);
        buffer.iter().filter(|byte| **byte == 1).count()
    }

    /// Waits for a call of its own task, with a small frame.
    pub fn slim(pool: Pool, depth: u32) -> u32 {
        if depth == 0 { 0 } else { Self::on(&pool).slim(pool.clone(), depth - 1).wait().expect("it runs") + 1 }
    }

    /// Waits for a call of its own task, with a frame of 48 KiB.
    pub fn wide(pool: Pool, depth: u32) -> u32 {
        let buffer = black_box([1_u8; 48 * KIB]);
        let rest = if depth == 0 { 0 } else { Self::on(&pool).wide(pool.clone(), depth - 1).wait().expect("it runs") };
        rest + u32::from(black_box(buffer)[depth as usize])
    }
}

fn pool() -> nanolith::pool::PoolBuilder {
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
fn large_stack_needs_no_other_thread() {
    let pool = pool().stack_size(64 << 20).build().expect("it builds");
    assert_eq!(Work::on(&pool).slim(pool.clone(), 1_000).wait().ok(), Some(1_000));
    assert_eq!(pool.info().spare_threads, 0);
}

pub struct Large;

#[define]
impl Large {
    pub fn array(of: [u8; LARGE]) -> u8 {
        of[9]
    }

    pub fn wrapped(of: Wrapped, pool: Option<Pool>) -> u8 {
        let more = pool.map_or(0, |pool| {
            Self::on(&pool).wrapped(Wrapped { bytes: [of.bytes[9]; LARGE] }, None).wait().expect("it runs")
        });
        of.bytes[9] + more
    }

    pub fn small(of: u8) -> u8 {
        of
    }

    pub async fn later(of: u8) -> u8 {
        of
    }

    /// Has a name that generated code also uses.
    pub fn run(of: u8) -> u8 {
        of
    }
}

pub struct Wrapped {
    pub bytes: [u8; LARGE],
}

/// The largest size that fits on stacks of the default size.
const LARGE: usize = if cfg!(debug_assertions) { 256 * KIB } else { 1_024 * KIB };

/// Runs `calls` on a stack that has space for the arguments of the caller.
fn on_a_large_stack(calls: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(256 << 20).spawn(calls).expect("it starts").join().expect("they run");
}

#[test]
fn large_arguments_pass_on_a_pool() {
    on_a_large_stack(|| {
        let pool = pool().build().expect("it builds");
        let large = Large::on(&pool);
        assert_eq!(large.array([7; LARGE]).wait().ok(), Some(7));
        assert_eq!(large.wrapped(Wrapped { bytes: [7; LARGE] }, None).wait().ok(), Some(7));
        assert_eq!(large.small(7).wait().ok(), Some(7));
        assert_eq!([large.later(7).wait().ok(), large.run(7).wait().ok()], [Some(7); 2]);
    });
}

#[test]
fn large_arguments_pass_on_a_service() {
    on_a_large_stack(|| {
        let large = Large::service().launch().wait().expect("it starts");
        assert_eq!(large.array([7; LARGE]).wait().ok(), Some(7));
        let calls = [1, 2, 3].map(|n| large.wrapped(Wrapped { bytes: [n; LARGE] }, None).submit());
        assert_eq!(calls.map(|call| call.wait().ok()), [Some(1), Some(2), Some(3)]);
        assert_eq!(large.small(7).wait().ok(), Some(7));
        assert_eq!([large.later(7).wait().ok(), large.run(7).wait().ok()], [Some(7); 2]);
    });
}

#[test]
fn large_arguments_of_queued_calls_are_dropped_on_a_small_stack() {
    on_a_large_stack(|| {
        let pool = pool().build().expect("it builds");
        pool.pause();
        let large = Large::on(&pool);
        let calls = [1, 2].map(|n| large.array([n; LARGE]).submit());
        thread::spawn(move || calls.iter().for_each(Handle::cancel)).join().expect("it cancels them");
    });
}
