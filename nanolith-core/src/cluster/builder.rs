//! [`ClusterBuilder`]: the settings of a cluster, which are its name and its balancing policy, and
//! its launch.

use super::{
    Cluster,
    balance::{Balance, BalancePolicy, Policy},
    cluster_shared::{ClusterShared, MemberId},
    launch::{ClusterLaunch, LaunchMember, starting},
    router::ClusterRef,
};
use crate::task::TaskSet;
use std::{fmt, marker::PhantomData, sync::Arc};

/// The settings of a cluster, from [`Cluster::builder`].
///
/// ```
/// use nanolith::{Cluster, cluster::Balance, prelude::*};
/// # use nanolith_doc_sets::*;
/// let counters = Cluster::builder().name("counters").balance(Balance::PowerOfTwo);
/// let counter = counters.launch(4, || Counter::service(10).max_queue(1_024)).wait()?;
/// assert_eq!(counter.total().wait()?, 10);
/// assert_eq!(&*counter.info().members[3].service.name, "counters 3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a cluster does nothing until it is launched"]
pub struct ClusterBuilder<S: TaskSet> {
    name: Option<Arc<str>>,
    policy: Policy,
    set: PhantomData<fn(S)>,
}

impl<S: TaskSet> ClusterBuilder<S> {
    pub(super) fn new() -> Self {
        Self { name: None, policy: Policy::Ours(Balance::default()), set: PhantomData }
    }

    /// Sets the cluster's name. Each member's name is this name with the member's number. The
    /// default is the set's name, and then the members keep the names of their own builders.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::builder().name("shapes").launch(2, Geometry::service).wait()?;
    /// assert_eq!(&*geometry.info().members[1].service.name, "shapes 1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how the member that a call goes to is chosen. The default is [`Balance::LeastBusy`].
    ///
    /// ```
    /// # use nanolith::{Cluster, cluster::Balance, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::builder().balance(Balance::RoundRobin).launch(2, Geometry::service).wait()?;
    /// # assert_eq!(geometry.add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn balance(mut self, balance: Balance) -> Self {
        self.policy = Policy::Ours(balance);
        self
    }

    /// Sets a custom way to choose the member that a call goes to: see [`BalancePolicy`].
    ///
    /// ```
    /// use nanolith::{Cluster, cluster::{MemberLoad, RouteRequest}, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let newest = |members: &[MemberLoad], _: &RouteRequest| members.len() - 1;
    /// let geometry = Cluster::builder().choose_by(newest).launch(2, Geometry::service).wait()?;
    /// # assert_eq!(geometry.add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn choose_by(mut self, choose: impl BalancePolicy) -> Self {
        self.policy = Policy::Own(Arc::new(choose));
        self
    }

    /// Starts `n` members, each with the builder that `member` returns. `member` is called again
    /// for each member that is added later.
    ///
    /// With `n = 0` the cluster is empty: its calls end as
    /// [`CallError::NoMember`](crate::error::CallError::NoMember) until a member is added.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::builder().launch(2, Geometry::service).wait()?; // or `.await?`
    /// assert_eq!(geometry.add(4, 5).wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`ClusterLaunch`] yields them: see
    /// [`ClusterLaunchError`](crate::cluster::ClusterLaunchError).
    pub fn launch<B, F>(self, n: usize, member: F) -> ClusterLaunch<S, B::Error>
    where
        B: LaunchMember<Set = S>,
        F: Fn() -> B + Send + Sync + 'static,
    {
        self.launch_numbered(n, move |_| member())
    }

    /// Starts `n` members that may differ: `member` receives the id of the member that it returns a
    /// builder for.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::builder().launch_numbered(2, |id| Counter::service(10 * id.number() as i64)).wait()?;
    /// let totals = counter.control().call_all(|counter| counter.total()).wait();
    /// assert!(matches!(totals[..], [(_, Ok(0)), (_, Ok(10))]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`ClusterLaunch`] yields them: see
    /// [`ClusterLaunchError`](crate::cluster::ClusterLaunchError).
    pub fn launch_numbered<B, F>(self, n: usize, member: F) -> ClusterLaunch<S, B::Error>
    where
        B: LaunchMember<Set = S>,
        F: Fn(MemberId) -> B + Send + Sync + 'static,
    {
        let Self { name, policy, .. } = self;
        let called = name.clone();
        let launch = move |id: MemberId| {
            let name = called.as_ref().map(|name| format!("{name} {id}"));
            member(id).launch_member(name)
        };
        let pending = (0..n as u64).map(MemberId::new).map(|id| (id, launch(id))).collect();
        let factory = Box::new(move |id| starting(launch(id)));
        let inner = ClusterShared::new(name, policy, factory, n as u64);
        ClusterLaunch::new(Cluster::new(ClusterRef::new(inner)), pending)
    }
}

impl<S: TaskSet> Clone for ClusterBuilder<S> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), policy: self.policy.clone(), set: PhantomData }
    }
}

impl<S: TaskSet> fmt::Debug for ClusterBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterBuilder").field("name", &self.name).field("policy", &self.policy).finish()
    }
}
