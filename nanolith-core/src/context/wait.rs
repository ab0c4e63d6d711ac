//! The trait of all operations that a program awaits, or blocks for.

use super::block_on;
use crate::{
    call::backend::{ExecutorId, WouldDeadlock},
    time::clock,
};
use std::{future::Future, pin::Pin, time::Duration};

/// Keeps other crates from implementing [`Wait`].
pub trait Sealed {}

/// An operation that async code awaits, and that other code waits for.
///
/// Calls and their handles, sends and receives, launches and closes implement it. Within a task, a
/// wait lends the task's slot to other tasks.
///
/// ```
/// use nanolith::{port, prelude::*, time::MILLISECOND};
/// let (ours, theirs) = port::pair::<i64, i64>();
/// let next = ours.recv();
/// let next = next.wait_timeout(MILLISECOND).expect_err("nothing was sent");
/// theirs.send(4).wait()?;
/// assert_eq!(next.wait()?, 4); // or `.await`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A generic function takes any operation:
///
/// ```
/// use nanolith::{prelude::*, sync::Semaphore, time::MINUTE};
/// # use nanolith_doc_sets::*;
/// fn soon<W: Wait>(operation: W) -> Option<W::Output> {
///     operation.wait_timeout(MINUTE).ok()
/// }
/// assert!(soon(Semaphore::new(1).acquire()).is_some());
/// assert!(matches!(soon(Geometry::tasks().add(4, 5)), Some(Ok(9))));
/// ```
///
/// Async code limits the time of an operation with [`time::timeout`](crate::time::timeout), and of
/// a call with [`Call::timeout`](crate::typed::Call::timeout).
pub trait Wait: Future + Sized + Sealed {
    /// The operation that has not ended at the time limit. It can be waited for again, awaited or
    /// dropped.
    ///
    /// This is the operation itself, with one exception. A wait submits a
    /// [`Call`](crate::typed::Call), so a [`Handle`](crate::typed::Handle) remains of it.
    type Pending;

    /// Blocks the thread until the operation is over.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// assert_eq!(Geometry::tasks().add(4, 5).wait()?, 9);
    /// # Ok::<(), CallError>(())
    /// ```
    #[cfg_attr(feature = "tokio", track_caller)]
    fn wait(self) -> Self::Output {
        block_on::block_on_any(self)
    }

    /// Blocks the thread until the operation is over, for at most `limit`.
    ///
    /// The time counts from this call, by the clock of this thread. `Duration::MAX` sets no limit.
    ///
    /// ```
    /// use nanolith::{port, prelude::*, time::MILLISECOND};
    /// let (ours, _theirs) = port::bounded::<i64, ()>(1);
    /// ours.send(4).wait()?;
    /// let pending = ours.send(5).wait_timeout(MILLISECOND).expect_err("the port is full");
    /// assert_eq!(pending.into_inner(), Some(5)); // not sent
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the operation if it is not over by then.
    #[cfg_attr(feature = "tokio", track_caller)]
    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self::Pending>;
}

/// Blocks until `operation` is ready, for at most `limit`.
///
/// # Errors
///
/// Returns the operation if it is not over by then.
#[cfg_attr(feature = "tokio", track_caller)]
pub fn timeout<F: Future + Unpin>(mut operation: F, limit: Duration) -> Result<F::Output, F> {
    block_on::block_on_any_until(Pin::new(&mut operation), clock::after(limit)).ok_or(operation)
}

/// Like [`timeout`], for an operation that `target` makes ready. The inner error means that this
/// wait would never end.
#[cfg_attr(feature = "tokio", track_caller)]
pub(crate) fn timeout_on<F: Future + Unpin>(
    mut operation: F,
    target: ExecutorId,
    limit: Duration,
) -> Result<Result<F::Output, WouldDeadlock>, F> {
    match block_on::block_until(Pin::new(&mut operation), Some(target), clock::after(limit)) {
        Ok(output) => output.map(Ok).ok_or(operation),
        Err(WouldDeadlock) => Ok(Err(WouldDeadlock)),
    }
}
