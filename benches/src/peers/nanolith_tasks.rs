//! [`Numbers`]: the `#[define]` block with nanolith's tasks for all cases.

use crate::{
    mixed::Mixed,
    work::{self, Body, Micros, Sum, Tiny},
};
use ::nanolith::{Executor, TaskSet, join, prelude::*};

/// The tasks of each case: tasks without a state, and those of a service.
#[derive(Default)]
pub(crate) struct Numbers {
    sum: Sum,
}

#[define]
impl Numbers {
    /// Runs the smallest task.
    pub(crate) fn mix(n: u64) -> u64 {
        Tiny::run(n)
    }

    /// Runs the smallest task as a future.
    pub(crate) async fn mix_async(n: u64) -> u64 {
        Tiny::run(n)
    }

    /// Runs the smallest task as a future that yields once.
    pub(crate) async fn mix_yielding(n: u64) -> u64 {
        ::nanolith::task::yield_now().await;
        Tiny::run(n)
    }

    /// Runs a task of about a microsecond.
    pub(crate) fn mix_1us(n: u64) -> u64 {
        Micros::<1>::run(n)
    }

    /// Runs a task of about ten microseconds.
    pub(crate) fn mix_10us(n: u64) -> u64 {
        Micros::<10>::run(n)
    }

    /// Runs a task of about a millisecond.
    pub(crate) fn mix_1ms(n: u64) -> u64 {
        Micros::<1_000>::run(n)
    }

    /// Runs a task of 1 µs to 10 ms.
    pub(crate) fn mix_mixed(n: u64) -> u64 {
        Mixed::run(n)
    }

    /// Returns a square root, and the number of its thread.
    pub(crate) fn root(n: u64) -> (f64, u64) {
        ((n as f64).sqrt(), work::thread_number())
    }

    /// Returns a square root.
    pub(crate) fn square_root(n: f64) -> f64 {
        n.sqrt()
    }

    /// Submits this number of tasks of its own set, and waits for them.
    pub(crate) fn family(children: u64) -> u64 {
        let numbers = Self::tasks();
        let jobs: Vec<_> = (0..children).map(|n| numbers.mix(n).submit()).collect();
        for (n, job) in (0..).zip(jobs) {
            work::check_value(n, job.wait().expect("it runs"));
        }
        children
    }

    /// Submits this number of tasks of about a microsecond to a pool, and waits for them.
    pub(crate) fn family_1us(pool: Pool, children: u64) -> u64 {
        let numbers = Self::on(&pool);
        let jobs: Vec<_> = (0..children).map(|n| numbers.mix_1us(n).submit()).collect();
        for (n, job) in (0..).zip(jobs) {
            work::check_value(n, job.wait().expect("it runs"));
        }
        children
    }

    /// Runs this number of the smallest tasks, each in a call of its own. Each call halves its work.
    pub(crate) fn branch(first: u64, children: u64) -> u64 {
        if children == 1 {
            work::check_value(first, work::caught(|| Tiny::run(first)).expect("it does not panic"));
            return 1;
        }
        let (numbers, half) = (Self::tasks(), children / 2);
        let (left, right) = join(numbers.branch(first, half), numbers.branch(first + half, children - half));
        left.expect("it runs") + right.expect("it runs")
    }

    /// Adds to the state, and returns a task's result.
    pub(crate) fn add(&mut self, n: u64) -> u64 {
        self.sum.add(n)
    }

    /// Adds to the state.
    pub(crate) fn note(&mut self, n: u64) {
        self.sum.note(n);
    }

    /// Returns the sum of all that was added.
    pub(crate) fn total(&self) -> u64 {
        self.sum.total()
    }
}

/// The calls of an executor.
pub(crate) type Calls<E> = <Numbers as TaskSet>::Calls<E>;

/// A body, and the task that runs it.
pub(crate) trait TaskBody: Body {
    fn submit<E: Executor<Numbers>>(calls: &Calls<E>, n: u64) -> Handle<Numbers, u64>;
}

impl TaskBody for Tiny {
    fn submit<E: Executor<Numbers>>(calls: &Calls<E>, n: u64) -> Handle<Numbers, u64> {
        calls.mix(n).submit()
    }
}

impl TaskBody for Micros<1> {
    fn submit<E: Executor<Numbers>>(calls: &Calls<E>, n: u64) -> Handle<Numbers, u64> {
        calls.mix_1us(n).submit()
    }
}

impl TaskBody for Micros<10> {
    fn submit<E: Executor<Numbers>>(calls: &Calls<E>, n: u64) -> Handle<Numbers, u64> {
        calls.mix_10us(n).submit()
    }
}

impl TaskBody for Mixed {
    fn submit<E: Executor<Numbers>>(calls: &Calls<E>, n: u64) -> Handle<Numbers, u64> {
        calls.mix_mixed(n).submit()
    }
}
