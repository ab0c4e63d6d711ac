//! [`current`] returns the kind of thread that runs the calling code, and the task, for users.

use super::{THREAD, executor::host, running_task::look};
use crate::meta::{task_info::TaskInfo, thread_kind::ThreadKind};

/// The place where the calling code runs, returned by [`current`].
///
/// ```
/// use nanolith::task::{ThreadKind, current};
/// let here = current();
/// assert_eq!((here.place(), here.task()), (&ThreadKind::Outside, None));
/// ```
#[derive(Clone, Debug)]
pub struct Current {
    place: ThreadKind,
    task: Option<&'static TaskInfo>,
}

impl Current {
    /// Returns the kind of thread that runs the code.
    #[must_use]
    pub fn place(&self) -> &ThreadKind {
        &self.place
    }

    /// Returns the task that runs, if there is one.
    #[must_use]
    pub fn task(&self) -> Option<&'static TaskInfo> {
        self.task
    }
}

/// Returns where the calling code runs: the kind of thread, and the task.
///
/// ```
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define]
/// impl Geometry {
///     pub fn who_am_i() -> Option<&'static str> {
///         nanolith::task::current().task().map(|task| task.name())
///     }
/// }
/// assert_eq!(Geometry::tasks().who_am_i().wait()?, Some("who_am_i"));
/// assert_eq!(Geometry::who_am_i(), None); // as a plain function
/// # Ok::<(), CallError>(())
/// ```
#[must_use]
pub fn current() -> Current {
    THREAD.with(|thread| Current {
        place: host(thread).map_or(ThreadKind::Outside, |host| host.thread_kind()),
        task: look(thread, |call| call.header().task()),
    })
}
