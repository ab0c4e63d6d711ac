//! [`ProgressReceiver`]: reads or awaits what the task of a call reports of its progress.

use crate::{
    call::{Progress, backend::ExecutorId, call_ref::CallRef, header::ProgressWait},
    context::{
        block_on,
        wait::{Sealed, Wait},
    },
    task::{CallSlot, TaskSet},
    time::clock,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// The progress of a call's task. [`Handle::progress`](crate::typed::Handle::progress)
/// creates it.
///
/// [`latest`](Self::latest) returns the latest report, and [`recv`](Self::recv) awaits a new
/// report. A new report replaces the one before it, so a slow watcher misses reports in between.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let job = Geometry::tasks().add(4, 5).submit();
/// assert!(job.progress().latest().is_none(), "`add` tells nothing");
/// # job.wait()?;
/// # Ok::<(), CallError>(())
/// ```
///
/// # Cancel safety
///
/// `recv` may be dropped at any time. Only reports that a later report replaces are lost.
pub struct ProgressReceiver<'a, S: TaskSet> {
    slot: &'a CallRef<CallSlot<S>>,
    /// The executor of the call, if its handle knows it.
    host: Option<ExecutorId>,
    seen: u64,
}

impl<'a, S: TaskSet> ProgressReceiver<'a, S> {
    pub(super) fn new(slot: &'a CallRef<CallSlot<S>>, host: Option<ExecutorId>) -> Self {
        Self { slot, host, seen: 0 }
    }
}

impl<S: TaskSet> ProgressReceiver<'_, S> {
    /// Returns the latest report of the task, if there is one.
    ///
    /// ```
    /// use nanolith::{call::Progress, prelude::*};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_slowly(cx: &Context<Self>, x: i64, y: i64) -> i64 {
    ///         cx.progress(1, 1);
    ///         x + y
    ///     }
    /// }
    /// # let pool = Pool::builder().build()?;
    /// let job = Geometry::on(&pool).add_slowly(4, 5).submit();
    /// pool.drained().wait();
    /// assert_eq!(job.progress().latest(), Some(Progress { done: 1, total: 1 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn latest(&self) -> Option<Progress> {
        self.slot.header.progress()
    }

    /// Waits for a new report. Returns `None` when the call is over.
    ///
    /// ```
    /// use nanolith::{call::Progress, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn add_slowly(cx: &Context<Self>, x: i64, y: i64) -> i64 { cx.progress(1, 1); x + y }
    /// # }
    /// let job = Geometry::tasks().add_slowly(4, 5).submit();
    /// let mut progress = job.progress();
    /// # pollster::block_on(async {
    /// assert_eq!(progress.recv().await, Some(Progress { done: 1, total: 1 }));
    /// # });
    /// assert_eq!(progress.recv().wait(), None);
    /// ```
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any time. Only reports that a later report replaces are lost.
    pub fn recv(&mut self) -> RecvProgress<'_, S> {
        let waits = ProgressWait::of(self.slot.clone().erase());
        RecvProgress { slot: self.slot, host: self.host, seen: &mut self.seen, waits }
    }
}

impl<S: TaskSet> fmt::Debug for ProgressReceiver<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressReceiver").field("latest", &self.latest()).finish_non_exhaustive()
    }
}

/// A future that waits for a new report of a call's progress. [`ProgressReceiver::recv`] creates
/// it.
///
/// ```
/// use nanolith::{call::{Progress, RecvProgress}, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry {
/// #     pub fn add_slowly(cx: &Context<Self>, x: i64, y: i64) -> i64 { cx.progress(1, 1); x + y }
/// # }
/// let job = Geometry::tasks().add_slowly(4, 5).submit();
/// let mut progress = job.progress();
/// let report: RecvProgress<'_, Geometry> = progress.recv();
/// assert_eq!(report.wait(), Some(Progress { done: 1, total: 1 })); // or `.await`
/// ```
///
/// # Cancel safety
///
/// The future may be dropped at any time. Only reports that a later report replaces are lost.
#[must_use = "does nothing until awaited or waited on"]
pub struct RecvProgress<'a, S: TaskSet> {
    slot: &'a CallRef<CallSlot<S>>,
    host: Option<ExecutorId>,
    seen: &'a mut u64,
    waits: ProgressWait,
}

impl<S: TaskSet> Unpin for RecvProgress<'_, S> {}

impl<S: TaskSet> RecvProgress<'_, S> {
    /// Blocks until there is a report, or until `deadline`. A wait that would keep the call from
    /// running returns `None` as its output.
    #[cfg_attr(feature = "tokio", track_caller)]
    fn block_until(&mut self, deadline: Option<Instant>) -> Option<Option<Progress>> {
        let target = self.host.or_else(|| self.slot.header.executor());
        block_on::block_until(Pin::new(self), target, deadline).unwrap_or(Some(None))
    }
}

impl<S: TaskSet> Future for RecvProgress<'_, S> {
    type Output = Option<Progress>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { slot, seen, waits, .. } = &mut *self;
        if let Some(progress) = waits.poll_since(seen, cx.waker()) {
            return Poll::Ready(Some(progress));
        }
        slot.fence();
        if slot.is_over() { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl<S: TaskSet> Sealed for RecvProgress<'_, S> {}

impl<S: TaskSet> Wait for RecvProgress<'_, S> {
    type Pending = Self;

    /// Blocks until there is a report. Returns `None` when the call is over. It also returns `None`
    /// if the call cannot run while this thread waits.
    fn wait(mut self) -> Option<Progress> {
        self.block_until(None).flatten()
    }

    fn wait_timeout(mut self, limit: Duration) -> Result<Self::Output, Self> {
        self.block_until(clock::after(limit)).ok_or(self)
    }
}

impl<S: TaskSet> fmt::Debug for RecvProgress<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvProgress").field("seen", &self.seen).finish_non_exhaustive()
    }
}
