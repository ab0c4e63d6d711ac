//! A cluster: several services of one set behind one set of typed calls.
//!
//! - `builder`, `launch`: the settings, and the future that waits for the start.
//! - `cluster_shared`: the data that the handles share: the members, and how they join and leave.
//! - `balance`: choosing a member. `router`: sending a call to a member, and to another if that one
//!   ends. `admission`: waiting for queue room.
//! - `control`: the less common operations. `add_member`, `join_all`: the futures that they return.
//!   `close_timeout`: closing with a time limit. `messages`: messages to members.

mod add_member;
mod admission;
mod balance;
mod builder;
mod close_timeout;
mod cluster_shared;
mod control;
mod join_all;
mod launch;
mod messages;
mod router;

pub use add_member::{AddError, AddMember, Resize};
pub use balance::{Balance, BalancePolicy, MemberLoad, RouteRequest};
pub use builder::ClusterBuilder;
pub use close_timeout::ClusterCloseTimeout;
pub use cluster_shared::MemberId;
pub use control::ClusterControl;
pub use join_all::{CallAll, ClusterClose};
pub use launch::{ClusterLaunch, ClusterLaunchError, LaunchMember};
pub use router::{ClusterRef, RouteError};

use self::cluster_shared::ClusterShared;
use crate::{
    service::{ServiceInfo, ServiceRef},
    task::TaskSet,
};
use std::{
    fmt,
    ops::Deref,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// A handle of several services of one set, with the typed methods of the set. Clones share the
/// services. Each call goes to one member, which [`Balance`] chooses.
///
/// ```
/// use nanolith::{Cluster, prelude::*};
/// # use nanolith_doc_sets::*;
/// let counter = Cluster::launch(2, || Counter::service(10)).wait()?; // or `.await?`
/// assert_eq!(counter.bump(5).wait()?, 15); // one of the two has 15 now
/// counter.control().resize(4).wait()?;
/// counter.close().wait()?; // accepted calls finish first
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A call goes to the chosen member. If the queue of that member is full, the call goes to another
/// member that has queue room. If no member has queue room, [`OnFull`](crate::executor::OnFull)
/// decides: the call waits for the first member with queue room, or fails.
///
/// A member that ends leaves the cluster at once, in whatever way it ends. Its unfinished calls end
/// as [`CallError::Closed`](crate::error::CallError::Closed) or
/// [`CallError::Crashed`](crate::error::CallError::Crashed), unless the task is
/// `#[task(idempotent)]`. Then the call moves to another member, which always accepts it.
///
/// A call moves at most as many times as there were members when it was submitted. It never moves
/// after it was cancelled or has timed out, and never to the member whose own task submitted it.
/// Such a call costs one or two more allocations, and a clone of its arguments.
///
/// When the last handle is dropped, the members close. The drop does not wait: the accepted calls
/// still finish.
pub struct Cluster<S: TaskSet> {
    executor: ClusterRef<S>,
    calls: Arc<S::Calls<ClusterRef<S>>>,
}

impl<S: TaskSet> Cluster<S> {
    fn new(executor: ClusterRef<S>) -> Self {
        Self { calls: Arc::new(S::calls(executor.clone())), executor }
    }

    fn inner(&self) -> &Arc<ClusterShared<S>> {
        self.executor.inner()
    }

    /// Starts `n` members, each with the builder that `member` returns: see
    /// [`ClusterBuilder::launch`].
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::launch(2, || Counter::service(10).max_queue(1_024)).wait()?; // or `.await?`
    /// assert_eq!(counter.total().wait()?, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`ClusterLaunch`] yields them: see [`ClusterLaunchError`].
    pub fn launch<B, F>(n: usize, member: F) -> ClusterLaunch<S, B::Error>
    where
        B: LaunchMember<Set = S>,
        F: Fn() -> B + Send + Sync + 'static,
    {
        Self::builder().launch(n, member)
    }

    /// Returns a builder with the default settings.
    ///
    /// ```
    /// # use nanolith::{Cluster, cluster::Balance, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::builder().balance(Balance::RoundRobin).launch(2, Geometry::service).wait()?;
    /// assert_eq!(geometry.add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ClusterBuilder<S> {
        ClusterBuilder::new()
    }

    /// Returns the typed methods, to pass to a function that is generic over the executor.
    ///
    /// ```
    /// # use nanolith::{Cluster, Executor, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// fn nine(geometry: &GeometryCalls<impl Executor<Geometry>>) -> Result<i64, CallError> {
    ///     geometry.add(4, 5).wait()
    /// }
    /// let cluster = Cluster::launch(2, Geometry::service).wait()?;
    /// assert_eq!((nine(cluster.calls())?, nine(Geometry::tasks())?), (9, 9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn calls(&self) -> &S::Calls<ClusterRef<S>> {
        &self.calls
    }

    /// Closes all members. From now on they accept only calls of their own running tasks. The
    /// accepted calls finish. No member can be added any more. The returned [`ClusterClose`]
    /// waits for the end.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(2, Geometry::service).wait()?;
    /// let accepted = geometry.add(4, 5).submit();
    /// geometry.close().wait()?;
    /// assert_eq!(accepted.wait()?, 9);
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::Closed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`ClusterClose`] yields them: see [`CloseError`](crate::service::CloseError).
    pub fn close(&self) -> ClusterClose<S> {
        self.inner().close(ServiceRef::close)
    }

    /// Closes the cluster like [`Cluster::close`], and waits until all members end, for at most
    /// `limit`, counted from now. At the limit, unfinished calls are ended, as in
    /// [`Service::close_timeout`](crate::service::Service::close_timeout).
    ///
    /// ```
    /// use nanolith::{
    ///     Cluster, prelude::*, service::CloseError, time::{MILLISECOND, MINUTE},
    /// };
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub async fn total_later(&self) -> i64 { nanolith::time::sleep(MINUTE).await; self.total }
    /// # }
    /// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
    /// let pending = counter.total_later().submit(); // takes a minute
    /// let Err(CloseError::Unfinished(unfinished)) = counter.close_timeout(MILLISECOND).wait() else { unreachable!() };
    /// assert_eq!(unfinished.cancelled() + unfinished.running(), 1);
    /// assert!(matches!(pending.wait(), Err(CallError::Cancelled(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`ClusterCloseTimeout`] yields them.
    /// [`CloseError::Unfinished`](crate::service::CloseError::Unfinished) counts the calls of all
    /// members that did not finish within the limit. The other errors are those of
    /// [`Cluster::close`].
    pub fn close_timeout(&self, limit: Duration) -> ClusterCloseTimeout<S> {
        ClusterCloseTimeout::new(self.close(), limit)
    }

    /// Ends all members without waiting for their calls, like
    /// [`Service::terminate`](crate::service::Service::terminate).
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*, time::MINUTE};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub async fn total_later(&self) -> i64 { nanolith::time::sleep(MINUTE).await; self.total }
    /// # }
    /// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
    /// let pending = counter.total_later().submit(); // takes a minute
    /// counter.terminate().wait()?;
    /// assert!(matches!(pending.wait(), Err(CallError::Closed(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`ClusterClose`] yields them: see [`CloseError`](crate::service::CloseError).
    pub fn terminate(&self) -> ClusterClose<S> {
        self.inner().close(ServiceRef::terminate)
    }

    /// Returns the counts of each member, and their sums.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(2, Geometry::service).wait()?;
    /// geometry.add(4, 5).wait()?;
    /// let info = geometry.info();
    /// assert_eq!((info.active_services, info.queue_len), (2, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn info(&self) -> ClusterInfo {
        let inner = self.inner();
        let members: Vec<_> = inner.members().iter().map(|member| member.info()).collect();
        ClusterInfo {
            name: inner.name.clone().unwrap_or_else(|| S::NAME.into()),
            active_services: members.len(),
            in_progress: members.iter().map(|member| member.service.in_progress).sum(),
            queue_len: members.iter().map(|member| member.service.queue_len).sum(),
            overflow: members.iter().map(|member| member.service.overflow).sum(),
            in_flight: members.iter().map(|member| member.service.in_flight).sum(),
            completed: members.iter().map(|member| member.service.completed).sum(),
            // ORDERING: Relaxed. A statistic that `Failover::go_on` adds to; it orders no other
            // data.
            moved: inner.forwarded.load(Ordering::Relaxed),
            is_closed: inner.is_closed(),
            members,
        }
    }

    /// Returns a handle for less common operations.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(2, Geometry::service).wait()?;
    /// geometry.control().resize(3).wait()?;
    /// assert_eq!(geometry.control().members().len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn control(&self) -> ClusterControl<'_, S> {
        ClusterControl::new(self.inner())
    }
}

impl<S: TaskSet> Clone for Cluster<S> {
    fn clone(&self) -> Self {
        Self { executor: self.executor.clone(), calls: self.calls.clone() }
    }
}

impl<S: TaskSet> Deref for Cluster<S> {
    type Target = S::Calls<ClusterRef<S>>;

    fn deref(&self) -> &Self::Target {
        &self.calls
    }
}

impl<S: TaskSet> fmt::Debug for Cluster<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.info()).finish()
    }
}

/// The counts of a cluster, from [`Cluster::info`]. The counts of each member are read at one
/// moment. The sums cover the members that accept calls now, not the members that are leaving.
///
/// ```
/// use nanolith::{Cluster, cluster::ClusterInfo, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(2, Geometry::service).wait()?;
/// let ClusterInfo { name, active_services, in_progress, queue_len, is_closed, .. } = geometry.info();
/// assert_eq!((&*name, active_services, in_progress, queue_len, is_closed), ("Geometry", 2, 0, 0, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterInfo {
    /// The name of the cluster.
    pub name: Arc<str>,
    /// The number of members that accept calls.
    pub active_services: usize,
    /// The number of calls that were started and have not ended: running and suspended calls.
    pub in_progress: usize,
    /// The number of calls from outside that wait for their turn.
    pub queue_len: usize,
    /// The number of calls that wait and do not count towards a member's bound: calls of the
    /// member's own tasks, and calls that moved from an ended member.
    pub overflow: usize,
    /// The number of calls that were accepted and have not ended: queued, running and suspended
    /// calls. A call leaves this number shortly after its output has arrived.
    pub in_flight: usize,
    /// The number of calls that were started and have ended.
    pub completed: u64,
    /// The number of times that a call moved to another member since the launch.
    pub moved: u64,
    /// Whether the cluster is closed.
    pub is_closed: bool,
    /// The counts of each member, the oldest member first.
    pub members: Vec<MemberInfo>,
}

/// The counts of a member.
///
/// ```
/// use nanolith::{Cluster, cluster::MemberInfo, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(2, Geometry::service).wait()?;
/// for MemberInfo { id, service, .. } in geometry.info().members {
///     println!("member {id}: {} calls wait, {} run", service.queue_len, service.in_progress);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemberInfo {
    /// The id of the member.
    pub id: MemberId,
    /// The counts of the member's service.
    pub service: ServiceInfo,
}

impl<S: TaskSet> cluster_shared::Member<S> {
    fn info(&self) -> MemberInfo {
        MemberInfo { id: self.id, service: self.service.info() }
    }
}
