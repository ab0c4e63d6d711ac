//! Ends tasks that run away: an endless loop, a crash, an allocation without end and a leak. Each
//! call ends, and the next call works.
//!
//! `cargo run --release -p nanolith-process --example kill_runaway` prints how each call ended, and
//! the measured times.

use nanolith::prelude::*;
use nanolith_process::{ChildCrash, Kill, ProcessPool};
use std::{
    error::Error,
    hint, mem, process,
    time::{Duration, Instant},
};

/// How long the endless loop may run until it is asked to stop.
const LIMIT: Duration = Duration::from_millis(200);
/// How long it may ignore that.
const GRACE: Duration = Duration::from_millis(50);
const MIB: usize = 1 << 20;

/// Tasks that do not belong in a process that must live on.
pub struct Runaway;

#[define(wire)]
impl Runaway {
    /// Never returns, and never checks whether it is asked to stop.
    pub fn spin() {
        loop {
            hint::spin_loop();
        }
    }

    /// Ends its process.
    pub fn crash() {
        process::abort()
    }

    /// Allocates memory until an allocation fails.
    pub fn allocate() {
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        loop {
            blocks.push(vec![1; MIB]);
        }
    }

    /// Returns normally, but never frees its memory.
    pub fn leak(mebibytes: usize) -> usize {
        mem::forget(vec![1_u8; mebibytes * MIB]);
        mebibytes
    }

    /// Returns the sum of two numbers.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    nanolith_process::init().serve::<(Runaway,)>();
    let children = ProcessPool::builder()
        .max_children(1)
        .grace(GRACE)
        .memory_limit(512 << 20)
        .recycle_above(128 << 20)
        .pass_stderr(false)
        .build()?;
    let runaway = Runaway::on(&children);
    println!("first call: {}", runaway.add(4, 5).wait()?);

    print_end("endless loop", || runaway.spin().timeout(LIMIT).wait());
    print_end("crash", || runaway.crash().wait());
    print_end("allocation without end", || runaway.allocate().wait());
    print_end("leak", || runaway.leak(200).wait());

    println!("last call: {}", runaway.add(4, 5).wait()?);
    let info = children.info();
    println!("{} children: {} killed, {} crashed, {} recycled", info.started, info.killed, info.crashed, info.recycled);
    children.close();
    children.closed().wait();
    Ok(())
}

/// Makes the call, and prints how it ended and how long its caller waited.
fn print_end<T>(what: &str, call: impl FnOnce() -> Result<T, CallError>) {
    let start = Instant::now();
    let end = match call() {
        Ok(_) => "returned".into(),
        Err(error) => end_of(&error),
    };
    println!("{what}: {end}; the caller waited {} ms", start.elapsed().as_millis());
}

fn end_of(error: &CallError) -> String {
    let source = error.source();
    if let Some(kill) = source.and_then(|source| source.downcast_ref::<Kill>()) {
        return format!("killed ({:?}) {} ms after its start", kill.reason(), kill.after().as_millis());
    }
    match source.and_then(|source| source.downcast_ref::<ChildCrash>()) {
        Some(crash) if crash.is_out_of_memory() => "ran out of memory".into(),
        Some(crash) => format!("died by signal {:?}", crash.signal().unwrap_or_default()),
        None => error.to_string(),
    }
}
