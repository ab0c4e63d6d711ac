//! [`send`] submits a job (a call on its way) to the inner executor when no caller polls its
//! admission, as for a second attempt.

use super::layered::LayerStack;
use crate::{
    call::{call_ref::CallRef, header::ProgressWait, offload},
    error::SubmitError,
    executor::{Admission, Executor},
    task::{CallSlot, Job, TaskSet},
    time::timer,
    typed::fail_job,
};
use async_task::Runnable;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// Submits the job to the inner executor, and lets it wait for queue room there. A refusal ends the
/// job with that error.
pub(super) fn send<S: TaskSet, L, E>(around: &Arc<LayerStack<L, E>>, job: Job<S>)
where
    L: Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    let around = around.clone();
    bring(around, |around| &around.inner, job);
}

/// Like [`send`], for any value that holds the executor.
pub(super) fn bring<S: TaskSet, H, E>(holder: Arc<H>, inner: fn(&H) -> &E, job: Job<S>)
where
    H: Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    if timer::is_timer_thread() && inner(&holder).takes_by_user_code() {
        let host = inner(&holder).host();
        offload::bring(host, move || bring_here(holder, inner, job));
    } else {
        bring_here(holder, inner, job);
    }
}

fn bring_here<S: TaskSet, H, E>(holder: Arc<H>, inner: fn(&H) -> &E, job: Job<S>)
where
    H: Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    match inner(&holder).try_execute(job) {
        Ok(()) => {}
        Err(refused) if refused.is_full() => wait_for_room(holder, inner, refused.into_inner()),
        Err(refused) => fail_job(refused),
    }
}

/// Waits for queue room in a future that no caller holds. The thread that wakes the future submits
/// the job. The timer thread passes that to another thread.
fn wait_for_room<S: TaskSet, H, E>(holder: Arc<H>, inner: fn(&H) -> &E, job: Job<S>)
where
    H: Send + Sync + 'static,
    E: Executor<S> + 'static,
{
    let host = inner(&holder).host();
    let waits = async move {
        let call = job.slot().clone();
        let admission = inner(&holder).execute(job);
        if let Some(Err(refused)) =
            (UntilCallEnds { watch: ProgressWait::of(call.clone().erase()), call, admission }).await
        {
            fail_job(refused);
        }
    };
    let run = move |runnable: Runnable| {
        offload::bring(host, move || {
            runnable.run();
        });
    };
    let (runnable, waits) = async_task::spawn(waits, run);
    waits.detach();
    runnable.schedule();
}

/// A future that waits for queue room. Its output is `None` as soon as the call is over.
struct UntilCallEnds<'a, S: TaskSet> {
    call: CallRef<CallSlot<S>>,
    /// Wakes the future when the call ends.
    watch: ProgressWait,
    admission: Admission<'a, S>,
}

impl<S: TaskSet> Future for UntilCallEnds<'_, S> {
    type Output = Option<Result<(), SubmitError<Job<S>>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(taken) = self.admission.as_mut().poll(cx) {
            return Poll::Ready(Some(taken));
        }
        // A wait for a call's progress is also woken when the call is over.
        let mut seen = 0;
        while self.watch.poll_since(&mut seen, cx.waker()).is_some() {}
        self.call.fence();
        if self.call.is_over() { Poll::Ready(None) } else { Poll::Pending }
    }
}
