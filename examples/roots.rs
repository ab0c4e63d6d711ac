//! Ten million square roots, each submitted as a task of its own through a bounded queue and
//! checked; then the same in bulk.
//!
//! ```text
//! cargo run --release --example roots -- [COUNT]
//! ```
//!
//! The work of such a task is negligible, so the program shows the overhead: tasks a second, and a
//! peak of memory that does not grow with COUNT. Two bounds keep memory flat. The pool's queue
//! holds at most [`QUEUE`] calls, and `.submit()` waits for capacity. The window holds at most
//! [`IN_FLIGHT`] handles: before the next call is made, the oldest result is taken.

mod shared;

use nanolith::{bulk::each, executor::OnFull, prelude::*};
use shared::{
    bar::Bar,
    text::{bytes, grouped},
};
use std::{
    collections::VecDeque,
    env,
    error::Error,
    ffi::OsString,
    fs,
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

/// The number of calls that the pool's queue holds.
const QUEUE: usize = 1_024;

/// The number of handles that are held: their calls are queued, running, or finished.
const IN_FLIGHT: usize = 4_096;

/// The number of calls between two updates of the progress bar.
const TELL_EVERY: u64 = 4_096;

const HELP: &str = "\
Computes the square roots of 0 to COUNT - 1, each as a task of its own, and checks each; then all again in bulk.

Usage: roots [COUNT]

COUNT is a whole number, 10_000_000 if it is left out.

Exit codes: 0 all roots are right, 1 the run failed, 2 the command line is wrong.
";

/// A set with the smallest possible task.
pub struct Roots;

#[define]
impl Roots {
    /// Returns the square root of `n`.
    pub fn root(n: u64) -> f64 {
        (n as f64).sqrt()
    }
}

fn main() -> ExitCode {
    let outcome = match parse(env::args_os().skip(1)) {
        Ok(Wish::Help) => shared::print(|out| out.write_all(HELP.as_bytes())),
        Ok(Wish::Roots(count)) => run(count),
        Err(problem) => {
            return shared::usage_error("roots", &problem);
        }
    };
    shared::exit_code("roots", outcome)
}

enum Wish {
    Help,
    Roots(u64),
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Wish, String> {
    let Some(first) = arguments.next() else {
        return Ok(Wish::Roots(10_000_000));
    };
    if let Some(another) = arguments.next() {
        return Err(format!("one COUNT is enough: what is `{}`?", another.to_string_lossy()));
    }
    match first.to_str() {
        Some("-h" | "--help") => Ok(Wish::Help),
        text => text
            .and_then(|text| text.replace('_', "").parse().ok())
            .map(Wish::Roots)
            .ok_or_else(|| format!("COUNT must be a whole number, not `{}`", first.to_string_lossy())),
    }
}

fn run(count: u64) -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder().name("roots").max_queue(QUEUE).on_full(OnFull::Wait).build()?;
    let started = Instant::now();
    compute(&pool, count)?;
    let seconds = started.elapsed().as_secs_f64();
    pool.drained().wait();
    shared::print(|out| summary(out, &pool, count, seconds))?;
    let started = Instant::now();
    in_bulk(&pool, count)?;
    let rate = rate(count, started.elapsed().as_secs_f64());
    shared::print(|out| writeln!(out, "in bulk       {} a second, checked as well", grouped(rate)))
}

/// Computes the same roots through [`each`]. It manages the window, and puts many tasks into one
/// call of the pool.
fn in_bulk(pool: &Pool, count: u64) -> Result<(), Box<dyn Error>> {
    let roots = Roots::on(pool);
    for (n, root) in (0..).zip(each(&roots, 0..count, |roots, n| roots.root(n))) {
        check(n, root?)?;
    }
    Ok(())
}

/// Submits each root, and takes and checks each result in the order of submission.
fn compute(pool: &Pool, count: u64) -> Result<(), Box<dyn Error>> {
    let roots = Roots::on(pool);
    let mut window = VecDeque::with_capacity(IN_FLIGHT);
    let mut bar = Bar::new();
    for n in 0..count {
        if window.len() == IN_FLIGHT {
            settle_oldest(&mut window)?;
        }
        window.push_back((n, roots.root(n).submit()));
        if n % TELL_EVERY == 0 {
            bar.show(n, Some(count), || format!("{} queued", pool.info().queue_len));
        }
    }
    while !window.is_empty() {
        settle_oldest(&mut window)?;
    }
    Ok(())
}

fn settle_oldest(window: &mut VecDeque<(u64, Handle<Roots, f64>)>) -> Result<(), Box<dyn Error>> {
    match window.pop_front() {
        Some((n, handle)) => Ok(check(n, handle.wait()?)?),
        None => Ok(()),
    }
}

/// Squares the root. Two roundings make a relative error of at most one and a half times the
/// machine's epsilon.
fn check(n: u64, root: f64) -> Result<(), String> {
    let exact = n as f64;
    if (root * root - exact).abs() <= exact * 1.5 * f64::EPSILON {
        return Ok(());
    }
    Err(format!("{root} is not the square root of {n}"))
}

fn summary(out: &mut dyn Write, pool: &Pool, count: u64, seconds: f64) -> io::Result<()> {
    let rate = rate(count, seconds);
    let peak = peak_memory().map_or_else(|| "unknown".to_owned(), bytes);
    writeln!(out, "{} square roots, each a task of its own, each checked and right", grouped(count))?;
    writeln!(out, "time          {seconds:.2} s")?;
    writeln!(out, "tasks         {} a second", grouped(rate))?;
    writeln!(out, "peak memory   {peak}")?;
    writeln!(out, "pool          {} tasks at once, a queue of {}", pool.max_concurrency(), grouped(QUEUE as u64))?;
    writeln!(out, "              {} completed, {} in flight", grouped(pool.info().completed), pool.info().in_flight)
}

/// Returns the roots a second.
fn rate(count: u64, seconds: f64) -> u64 {
    if count == 0 { 0 } else { (count as f64 / seconds) as u64 }
}

/// Returns the peak memory of this process in bytes. It is known on Linux.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}
