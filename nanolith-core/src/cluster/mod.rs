//! The cluster: several services of one set behind one set of typed calls.
//!
//! `builder` and `launch` say how one starts, `inner` is what its handles share: the members and how they come and go.
//! `balance` chooses a member, `route` takes a call there, and on to another where that one ends; `entering` waits for room.
//! `control` has the rarer verbs, `adding` and `all` what they give to be waited for.

mod add;
mod admission;
mod balance;
mod builder;
mod close_within;
mod cluster_shared;
mod control;
mod join_all;
mod launch;
mod messages;
mod router;

pub use add::{AddError, Adding, Resizing};
pub use balance::{Arrival, Balance, Choose, MemberLoad};
pub use builder::ClusterBuilder;
pub use close_within::ClusterCloseWithin;
pub use cluster_shared::MemberId;
pub use control::ClusterControl;
pub use join_all::{CallAll, ClusterClosing};
pub use launch::{ClusterLaunch, ClusterLaunchError, LaunchMember};
pub use router::ClusterRef;

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

/// Several services of one set: a handle whose clones share them, with the typed methods of the set. Each call goes to one
/// member, which [`Balance`] chooses.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let counter = Cluster::launch(2, || Counter::service(10)).wait()?; // or `.await?`
/// assert_eq!(counter.bump(5).wait()?, 15); // one of the two has 15 now
/// counter.control().resize(4).wait()?;
/// counter.close().wait()?; // accepted calls finish first
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A call goes to the chosen member. If that one's queue is full, it goes to another that has room; if none has, it waits for
/// room in whichever has some first, or fails, as [`OnFull`](crate::OnFull) says.
///
/// A member that ends leaves at once, however it ends. Calls that it had and did not finish are told
/// ([`CallError::Closed`](crate::CallError::Closed), [`CallError::Crashed`](crate::CallError::Crashed)), unless the task is
/// `#[task(idempotent)]`: then the call goes on to another member, where it is always taken. It does so at most as many times
/// as there were members when it was submitted, never once it was cancelled or has timed out, and never to the member whose own
/// task submitted it. Such a call costs one more allocation or two, and a clone of its arguments.
///
/// When the last handle is dropped the members close, without waiting: the calls that they accepted still finish.
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

    /// Starts `n` members, each from what `member` gives: see [`ClusterBuilder::launch`].
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::launch(2, || Counter::service(10).queue(1_024)).wait()?; // or `.await?`
    /// assert_eq!(counter.total().wait()?, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// They come through what this gives: see [`ClusterLaunchError`].
    pub fn launch<B, F>(n: usize, member: F) -> ClusterLaunch<S, B::Error>
    where
        B: LaunchMember<Set = S>,
        F: Fn() -> B + Send + Sync + 'static,
    {
        Self::builder().launch(n, member)
    }

    /// The settings of a cluster that is to be launched.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::builder().balance(Balance::RoundRobin).launch(2, Geometry::service).wait()?;
    /// assert_eq!(geometry.add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ClusterBuilder<S> {
        ClusterBuilder::new()
    }

    /// The typed methods, to be passed where any executor's calls are taken.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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

    /// Closes all members: from now on they accept only calls of their own running tasks; those accepted finish. No member can
    /// be added any more. Await what this gives, or wait on it, to see the end.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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
    /// They come through what this gives: see [`CloseError`](crate::CloseError).
    pub fn close(&self) -> ClusterClosing<S> {
        self.inner().close(ServiceRef::close)
    }

    /// Closes as [`Cluster::close`] does, and waits for the end of all members, for `limit` at most, counted from now. What has not
    /// finished by then is ended, as [`Service::close_within`](crate::Service::close_within) does.
    ///
    /// ```
    /// use nanolith::{CloseError, prelude::*};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub async fn total_later(&self) -> i64 { nanolith::time::sleep(MINUTE).await; self.total }
    /// # }
    /// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
    /// let pending = counter.total_later().submit(); // takes a minute
    /// let Err(CloseError::Unfinished(unfinished)) = counter.close_within(MILLISECOND).wait() else { unreachable!() };
    /// assert_eq!(unfinished.cancelled() + unfinished.running(), 1);
    /// assert!(matches!(pending.wait(), Err(CallError::Cancelled(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// They come through what this gives. [`CloseError::Unfinished`](crate::CloseError::Unfinished) has what did not finish within
    /// the limit, of all members in sum; else as [`Cluster::close`].
    pub fn close_within(&self, limit: Duration) -> ClusterCloseWithin<S> {
        ClusterCloseWithin::new(self.close(), limit)
    }

    /// Ends all members without waiting for their calls, as [`Service::terminate`](crate::Service::terminate) does.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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
    /// They come through what this gives: see [`CloseError`](crate::CloseError).
    pub fn terminate(&self) -> ClusterClosing<S> {
        self.inner().close(ServiceRef::terminate)
    }

    /// All figures, of each member and in sum.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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
            active_calls: members.iter().map(|member| member.service.active_calls).sum(),
            queue_len: members.iter().map(|member| member.service.queue_len).sum(),
            overflow: members.iter().map(|member| member.service.overflow).sum(),
            completed: members.iter().map(|member| member.service.completed).sum(),
            // ORDERING: Relaxed, a figure.
            moved: inner.forwarded.load(Ordering::Relaxed),
            closed: inner.is_closed(),
            members,
        }
    }

    /// Rarer verbs.
    ///
    /// ```
    /// # use nanolith::prelude::*;
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

/// A cluster's figures, as of one moment a member: made by [`Cluster::info`]. The sums are over the members that take calls
/// now; those that leave count no more.
///
/// ```
/// use nanolith::{ClusterInfo, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(2, Geometry::service).wait()?;
/// let ClusterInfo { name, active_services, active_calls, queue_len, closed, .. } = geometry.info();
/// assert_eq!((&*name, active_services, active_calls, queue_len, closed), ("Geometry", 2, 0, 0, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Members that take calls.
    pub active_services: usize,
    /// Calls that were begun and are not over.
    pub active_calls: usize,
    /// Calls from outside that wait for their turn.
    pub queue_len: usize,
    /// Calls that wait beyond a member's bound, since its own tasks submitted them or they came from a member that ended.
    pub overflow: usize,
    /// Calls that were begun and are over.
    pub completed: u64,
    /// How many times a call went on to another member since the cluster was launched.
    pub moved: u64,
    /// Whether it is closed.
    pub closed: bool,
    /// Each member's, the oldest first.
    pub members: Vec<MemberInfo>,
}

/// A member's figures.
///
/// ```
/// use nanolith::{MemberInfo, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(2, Geometry::service).wait()?;
/// for MemberInfo { id, service, .. } in geometry.info().members {
///     println!("member {id}: {} calls wait, {} run", service.queue_len, service.active_calls);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemberInfo {
    /// Which member.
    pub id: MemberId,
    /// Its service's figures.
    pub service: ServiceInfo,
}

impl<S: TaskSet> cluster_shared::Member<S> {
    fn info(&self) -> MemberInfo {
        MemberInfo { id: self.id, service: self.service.info() }
    }
}
