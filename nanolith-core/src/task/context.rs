//! What a running task can learn and tell: `cx: &Context<Self>`.

use crate::{
    call::Progress,
    data::Data,
    id::TaskInfo,
    task::{CallSlot, TaskSet},
};
use std::{
    fmt,
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

/// How long a task may run before it should give way to others.
const SLICE: Duration = Duration::from_millis(5);

/// The context of a running task. A task takes it as its first parameter, by reference; it is no argument of the call.
///
/// ```ignore
/// pub fn count(cx: &Context<Self>, path: PathBuf) -> u64 {
///     let files = list(path);
///     for (done, file) in files.iter().enumerate() {
///         if cx.is_cancelled() { break }
///         cx.progress(done as u64, files.len() as u64);
///     }
/// }
/// ```
pub struct Context<S: TaskSet> {
    /// `None` in a service's init.
    call: Option<Arc<CallSlot<S>>>,
    data: Data,
}

impl<S: TaskSet> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), data: self.data.clone() }
    }
}

impl<S: TaskSet> Context<S> {
    pub(crate) fn new(call: Option<Arc<CallSlot<S>>>, data: Data) -> Self {
        Self { call, data }
    }

    /// The task that runs; `None` in a service's init.
    #[must_use]
    pub fn task(&self) -> Option<&'static TaskInfo> {
        self.call.as_ref().map(|call| call.meta.task())
    }

    /// Whether the call was cancelled or timed out: nobody waits for the result any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.is_asked_to_stop())
    }

    /// Ends when the call is cancelled or timed out; never, if it is not.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and asked for again at any time.
    pub fn cancelled(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(move |cx| {
            if let Some(call) = &self.call {
                call.meta.on_stop(cx.waker());
            }
            if self.is_cancelled() { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    /// Tells how far the task has come; the latest wins. Whoever holds the handle may look, or wait for it.
    pub fn progress(&self, done: u64, total: u64) {
        if let Some(call) = &self.call {
            call.meta.tell_progress(Progress { done, total });
        }
    }

    /// Whether the task should stop or give way: it was cancelled, or has run for more than 5 ms.
    #[must_use]
    pub fn should_yield(&self) -> bool {
        self.is_cancelled() || self.call.as_ref().is_some_and(|call| call.meta.ran() > SLICE)
    }

    /// When the call ends as timed out, if it does.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.call.as_ref().and_then(|call| call.meta.deadline())
    }

    /// The value of this type that the executor was built with: `Pool::builder().data(value)`, or a service's.
    #[must_use]
    pub fn data<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.data.get()
    }
}

impl<S: TaskSet> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("task", &self.task()).finish_non_exhaustive()
    }
}
