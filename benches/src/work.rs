//! The work that each contender does in a task, and the check of its results.
//!
//! A result has the number of the thread that made it in its low bits. So the caller that takes it
//! sees that it came from another thread. All contenders pay the same two loads of a thread-local
//! for it.

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

/// The bits of a result that hold its thread's number.
const THREAD: u64 = 0xf_ffff;

thread_local! {
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// Returns this thread's number, which is at least 1.
pub(crate) fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

/// Returns a value that cannot be predicted from the position of its argument.
pub(crate) fn mix(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7)
}

/// Returns a value with the number of this thread in it.
pub(crate) fn stamped(value: u64) -> u64 {
    (value & !THREAD) | thread_number()
}

/// Checks the result of task `n`, from any thread.
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

/// Checks the sum of a service. Its calls are numbered from zero, with `counts` of them in each
/// series.
pub(crate) fn check_total(counts: &[u64], total: u64) {
    let of = |count: &u64| (0..*count).fold(0_u64, |sum, n| sum.wrapping_add(mix(n)));
    let expected = counts.iter().map(of).fold(0, u64::wrapping_add);
    assert_eq!(total & !THREAD, expected & !THREAD, "the total of {counts:?} calls");
}

/// Runs work that may panic, for libraries that do not catch panics themselves.
pub(crate) fn caught(work: impl FnOnce() -> u64) -> Option<u64> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// The work of a task.
pub(crate) trait Body: Send + Sync + 'static {
    /// Computes for a while, and returns the result of task `n`.
    fn run(n: u64) -> u64;
}

/// A body that only computes its result.
pub(crate) struct Tiny;

/// A body that computes for about `MICROS` microseconds.
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

/// Each turn needs the previous one, so that the compiler can remove none.
pub(crate) fn grind(n: u64, turns: u64) -> u64 {
    (0..turns).fold(n, |value, turn| mix(value ^ turn))
}

/// Returns the turns in a microsecond. Measures once, as the best of several tries, since other
/// programs may use this core.
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

/// The state of each service: the sum of its messages.
#[derive(Default)]
pub(crate) struct Sum {
    total: u64,
}

impl Sum {
    /// Adds, and returns a task's result.
    pub(crate) fn add(&mut self, n: u64) -> u64 {
        self.note(n);
        stamped(mix(n))
    }

    /// Adds, and returns nothing.
    pub(crate) fn note(&mut self, n: u64) {
        self.total = self.total.wrapping_add(mix(n));
    }

    /// Returns the sum of all that was added.
    pub(crate) fn total(&self) -> u64 {
        stamped(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn result_of_another_thread_passes_the_check() {
        check(7, thread::spawn(|| Tiny::run(7)).join().expect("it ends"));
    }

    #[test]
    #[should_panic(expected = "ran on its caller's thread")]
    fn result_of_the_same_thread_fails_the_check() {
        check(7, Tiny::run(7));
    }

    #[test]
    #[should_panic(expected = "the result of task 7")]
    fn wrong_result_fails_the_check() {
        check_value(7, Tiny::run(8));
    }

    #[test]
    fn sum_equals_the_total_of_its_additions() {
        let mut sum = Sum::default();
        (0..10).for_each(|n| sum.note(n));
        check_value(0, sum.add(0));
        check_total(&[10, 1], sum.total());
    }
}
