//! [`ProgressReceiver`]: reads or awaits what the task of a call reports of its progress.

use crate::{
    call::{Progress, call_ref::CallRef, header::ProgressWait},
    task::{CallSlot, TaskSet},
};
use std::{fmt, task::Poll};

/// The progress of a call's task. [`Handle::progress`](crate::typed::Handle::progress)
/// creates it.
///
/// [`latest`](Self::latest) returns the latest report, and [`next`](Self::next) awaits a new
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
/// `next` may be dropped at any time. Only reports that a later report replaces are lost.
pub struct ProgressReceiver<'a, S: TaskSet> {
    slot: &'a CallRef<CallSlot<S>>,
    seen: u64,
}

impl<'a, S: TaskSet> ProgressReceiver<'a, S> {
    pub(super) fn new(slot: &'a CallRef<CallSlot<S>>) -> Self {
        Self { slot, seen: 0 }
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
    /// assert_eq!(progress.next().await, Some(Progress { done: 1, total: 1 }));
    /// assert_eq!(progress.next().await, None);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any time. Only reports that a later report replaces are lost.
    pub async fn next(&mut self) -> Option<Progress> {
        let mut waits = ProgressWait::of(self.slot.clone().erase());
        std::future::poll_fn(|cx| {
            if let Some(progress) = waits.poll_since(&mut self.seen, cx.waker()) {
                return Poll::Ready(Some(progress));
            }
            self.slot.fence();
            if self.slot.is_over() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

impl<S: TaskSet> fmt::Debug for ProgressReceiver<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressReceiver").field("latest", &self.latest()).finish_non_exhaustive()
    }
}
