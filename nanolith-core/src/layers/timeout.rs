//! A layer that limits how long each call takes.

use super::layered::{EnterResult, LayerPolicy, LayerStack, Transparent, layer};
use crate::{
    executor::Executor,
    task::{Job, Reply, TaskSet},
    time::clock,
};
use std::{sync::Arc, time::Duration};

/// A layer that ends a call as [`CallError::TimedOut`](crate::error::CallError::TimedOut) if it is
/// not over after the limit. The time counts from the moment when the call enters the layer, and
/// includes a wait for queue room.
///
/// Inside a [`Retry`](super::Retry) the limit applies to each attempt. Around a `Retry` it applies
/// to all attempts together.
///
/// ```
/// use nanolith::{
///     TaskSet, layers::{Layer, Timeout}, prelude::*, time::{MILLISECOND, MINUTE},
/// };
/// # pub struct Geometry;
/// # #[define] impl Geometry {
/// #     pub async fn wait_then_add(x: i64, y: i64) -> i64 { nanolith::time::sleep(MINUTE).await; x + y }
/// # }
/// let geometry = Geometry::calls(Timeout::new(MILLISECOND).layer(Pool::builder().build()?));
/// let slow = geometry.wait_then_add(4, 5); // waits a minute
/// assert!(matches!(slow.wait(), Err(CallError::TimedOut(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If the call has an earlier deadline, that applies instead. The task sees the earlier of both as
/// its [deadline](crate::task::Context::deadline), and is asked to stop. A synchronous task keeps
/// its slot until it returns. With a limit of zero no call begins. `Duration::MAX` is no limit.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct Timeout {
    limit: Duration,
}

impl Timeout {
    /// Creates a limit of `limit` for each call.
    pub const fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

layer!(Timeout);
impl Transparent for Timeout {}

impl<S: TaskSet> LayerPolicy<S> for Timeout {
    type Reservation = ();

    fn enter<E: Executor<S> + 'static>(around: &Arc<LayerStack<Self, E>>, job: Job<S>) -> EnterResult<S, ()> {
        let own = clock::after(around.layer.limit);
        let Some(due) = own.filter(|due| job.deadline().is_none_or(|deadline| *due < deadline)) else {
            return EnterResult::Forward(job, ()); // the call ends no later without the layer
        };
        match job.start_delegating() {
            Ok((task, reply)) => EnterResult::Forward(Job::delegate_until(reply, task, due, Reply::complete), ()),
            Err(_) => EnterResult::Finished,
        }
    }
}
