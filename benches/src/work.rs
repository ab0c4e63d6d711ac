//! What every contender computes, and how its results are checked.
//!
//! A result carries the number of the thread that made it in its low bits, so that its taker sees that it came from another
//! thread. All contenders pay the same two loads of a thread-local for it.

use std::{
    cell::Cell,
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// The bits of a result that tell its thread.
const THREAD: u64 = 0xf_ffff;

thread_local! {
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// This thread's number, from 1 up.
pub(crate) fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

/// Something that cannot be guessed from its argument's place.
pub(crate) fn mix(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7)
}

/// A value as this thread hands it out.
pub(crate) fn stamped(value: u64) -> u64 {
    (value & !THREAD) | thread_number()
}

/// Checks the result of task `n`, wherever it ran.
pub(crate) fn check_value(n: u64, result: u64) {
    assert_eq!(black_box(result) & !THREAD, mix(n) & !THREAD, "the result of task {n}");
}

/// Checks the result of task `n`, and that another thread made it.
pub(crate) fn check(n: u64, result: u64) {
    check_value(n, result);
    check_elsewhere(result);
}

/// Checks that another thread made a result.
pub(crate) fn check_elsewhere(result: u64) {
    assert_ne!(result & THREAD, thread_number(), "it ran on its caller's thread");
}

/// Checks what a service added up of calls numbered from zero up, `counts` of them for each series.
pub(crate) fn check_total(counts: &[u64], total: u64) {
    let of = |count: &u64| (0..*count).fold(0_u64, |sum, n| sum.wrapping_add(mix(n)));
    let expected = counts.iter().map(of).fold(0, u64::wrapping_add);
    assert_eq!(total & !THREAD, expected & !THREAD, "the total of {counts:?} calls");
}

/// Runs what may panic, for libraries that do not see to that themselves.
pub(crate) fn caught(work: impl FnOnce() -> u64) -> Option<u64> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// How long a task takes.
pub(crate) trait Body: Send + Sync + 'static {
    /// Computes for a while, and gives the result of task `n`.
    fn run(n: u64) -> u64;
}

/// Nothing but its result.
pub(crate) struct Tiny;

/// Pure computation of about so many microseconds.
pub(crate) struct Micros<const MICROS: u64>;

impl Body for Tiny {
    fn run(n: u64) -> u64 {
        stamped(mix(n))
    }
}

impl<const MICROS: u64> Body for Micros<MICROS> {
    fn run(n: u64) -> u64 {
        black_box(grind(n, MICROS * turns_a_microsecond()));
        stamped(mix(n))
    }
}

/// Each turn needs the one before, so that none can be left out.
pub(crate) fn grind(n: u64, turns: u64) -> u64 {
    (0..turns).fold(n, |value, turn| mix(value ^ turn))
}

/// Measured once, as the best of several tries: others may use this core meanwhile.
pub(crate) fn turns_a_microsecond() -> u64 {
    static TURNS: OnceLock<u64> = OnceLock::new();
    const TRIAL: u64 = 100_000;
    *TURNS.get_or_init(|| {
        let tries = (0..9).map(|n| {
            let began = Instant::now();
            black_box(grind(n, TRIAL));
            began.elapsed().as_micros().max(1)
        });
        TRIAL / u64::try_from(tries.min().unwrap_or(1)).unwrap_or(1).max(1)
    })
}

/// The state of every service: what it was told, added up.
#[derive(Default)]
pub(crate) struct Sum {
    total: u64,
}

impl Sum {
    /// Adds, and answers as a task does.
    pub(crate) fn add(&mut self, n: u64) -> u64 {
        self.note(n);
        stamped(mix(n))
    }

    /// Adds, and says nothing.
    pub(crate) fn note(&mut self, n: u64) {
        self.total = self.total.wrapping_add(mix(n));
    }

    /// All that was added.
    pub(crate) fn total(&self) -> u64 {
        stamped(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_result_of_another_thread_passes() {
        check(7, thread::spawn(|| Tiny::run(7)).join().expect("it ends"));
    }

    #[test]
    #[should_panic(expected = "ran on its caller's thread")]
    fn a_result_of_ones_own_thread_does_not() {
        check(7, Tiny::run(7));
    }

    #[test]
    #[should_panic(expected = "the result of task 7")]
    fn a_wrong_result_does_not() {
        check_value(7, Tiny::run(8));
    }

    #[test]
    fn a_sum_is_what_was_added() {
        let mut sum = Sum::default();
        (0..10).for_each(|n| sum.note(n));
        check_value(0, sum.add(0));
        check_total(&[10, 1], sum.total());
    }
}
