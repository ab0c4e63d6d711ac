//! The wait for a [`Call`] within a task, as the task makes the call.

use super::{BlockingSubmission, Call, CallState, ONCE, block_for_admission, prepare_job};
use crate::{
    context::{Wait, thread_context},
    error::CallError,
    executor::Executor,
    sim_runtime,
    task::TaskSet,
};

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Call<'_, S, E, T> {
    /// Like [`wait`](Wait::wait), on a thread that runs tasks. A call to the thread's own pool begins at once,
    /// and does not pass through the queue.
    #[inline(never)]
    #[cfg_attr(feature = "tokio", track_caller)]
    pub(super) fn wait_within(self) -> Result<T, CallError> {
        let Self { executor, extract, terms, stage } = self;
        let CallState::Lazy(task) = stage else { unreachable!("{ONCE}") };
        let (job, mut handle) = prepare_job(executor, extract, &terms, task);
        // A pool accepts the calls of its own tasks, whatever its bounds.
        let is_own = thread_context::runs_calls_of(executor.host()) && executor.crew().is_some();
        let job = match is_own && !sim_runtime::is_here() {
            true => match handle.run_at_once(job) {
                Ok(outcome) => return outcome,
                Err(job) => job,
            },
            false => job,
        };
        let submitted = {
            let _announced = BlockingSubmission::begin(executor);
            executor.try_execute(job)
        };
        match submitted {
            Ok(()) => handle.wait(),
            Err(refused) => block_for_admission(executor, refused, handle).wait(),
        }
    }
}
