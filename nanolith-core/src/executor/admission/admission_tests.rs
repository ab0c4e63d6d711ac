//! Tests of the admission of calls to a bounded queue, at moments that a test from outside of the
//! crate cannot hold.

use crate::{
    call::slot::EndReason,
    meta::task_info::TaskInfo,
    pool::{Concurrency, Pool},
    task::{Job, NoState, Run, Scope, TaskSet},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
};

/// A set of one task that does nothing.
struct Idle;

impl TaskSet for Idle {
    type Task = ();
    type Output = ();
    type Calls<E> = E;
    type Shared = NoState;
    const NAME: &'static str = "Idle";
    const IDENTIFIER: &'static str = "gate::Idle";
    const TASKS: &'static [TaskInfo] = &[TaskInfo::new("Idle", "idle", "gate::Idle::idle")];

    fn task_info((): &()) -> &'static TaskInfo {
        &Self::TASKS[0]
    }

    fn calls<E>(executor: E) -> E {
        executor
    }

    fn run((): (), _: &mut Scope<Self>) -> Run<()> {
        Run::Done(())
    }
}

fn job() -> Job<Idle> {
    Job::new((), |_| {})
}

#[derive(Default)]
struct Called(AtomicBool);

impl std::task::Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A timeout claims the call, and then waits for the queue's lock to free its room. In the meantime
/// the turn of the call comes.
#[test]
fn place_of_an_ending_call_goes_to_the_next_in_line() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1).build().expect("threads");
    pool.pause();
    let held = job();
    let first_in = held.slot().clone();
    assert!(crate::executor::Executor::try_execute(&pool, held).is_ok());
    let (ending, next) = (job(), job());
    let ending_call = ending.slot().clone();
    let called = Arc::new(Called::default());
    let waker = Waker::from(called.clone());
    let (mut ending, mut next) =
        (crate::executor::Executor::execute(&pool, ending), crate::executor::Executor::execute(&pool, next));
    assert!(ending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(ending_call.claim());
    let host = crate::executor::Executor::<Idle>::host(&pool);
    crate::call::backend::end(&*first_in, host, EndReason::Cancelled); // frees room for the first waiter
    assert!(ending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert!(called.0.load(Ordering::SeqCst), "the next in line is called");
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}
