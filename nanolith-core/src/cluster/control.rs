//! [`ClusterControl`]: the less common operations of a cluster: to add, remove or choose members,
//! and to call all of them.

use super::{
    add_member::{AddMember, Resize},
    balance::Candidates,
    cluster_shared::{ClusterShared, Member, MemberId, Members},
    join_all::{CallAll, ClusterClose, OneCall},
    router::RouteError,
};
use crate::{
    context::thread_context,
    service::{Close, Service, ServiceRef},
    task::TaskSet,
    typed::Call,
};
use std::{fmt, hash::Hash, sync::Arc};

/// The less common operations of a cluster, from
/// [`Cluster::control`](crate::cluster::Cluster::control).
///
/// ```
/// use nanolith::{Cluster, prelude::*};
/// # use nanolith_doc_sets::*;
/// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
/// let control = counter.control();
/// let member = control.add().wait()?;
/// control.notify_all(|counter| counter.bump(5));
/// assert_eq!(control.use_member(member).expect("it was just added").bump(1).wait()?, 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClusterControl<'a, S: TaskSet> {
    inner: &'a Arc<ClusterShared<S>>,
}

impl<'a, S: TaskSet> ClusterControl<'a, S> {
    pub(super) fn new(inner: &'a Arc<ClusterShared<S>>) -> Self {
        Self { inner }
    }

    /// Starts one more member. The member joins when the returned future is awaited or waited on.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(1, Geometry::service).wait()?;
    /// let member = geometry.control().add().wait()?; // or `.await?`
    /// assert_eq!(member.number(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`AddMember`] yields them: see [`AddError`](crate::cluster::AddError).
    pub fn add(&self) -> AddMember<S> {
        AddMember::new(self.inner)
    }

    /// Removes a member and closes it. Its accepted calls finish. Returns `None` if there is no
    /// such member.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(2, Geometry::service).wait()?;
    /// let member = geometry.control().members()[0];
    /// if let Some(closing) = geometry.control().remove(member) {
    ///     closing.wait()?; // or leave it to itself
    /// }
    /// assert!(geometry.control().remove(member).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&self, member: MemberId) -> Option<Close<S>> {
        Some(self.inner.remove(&self.inner.member(member)?))
    }

    /// Adds members until there are `n`, or closes the newest members until `n` are left. With `n =
    /// 0` all members close, and calls end as
    /// [`CallError::NoMember`](crate::error::CallError::NoMember) until members are added.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(1, Geometry::service).wait()?;
    /// geometry.control().resize(3).wait()?; // or `.await?`
    /// assert_eq!(geometry.info().active_services, 3);
    /// geometry.control().resize(0).wait()?;
    /// assert!(matches!(geometry.add(4, 5).wait(), Err(CallError::NoMember(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`Resize`] yields them: see [`AddError`](crate::cluster::AddError).
    pub fn resize(&self, n: usize) -> Resize<S> {
        let (more, surplus) = self.inner.plan_resize(n);
        let adding = (0..more).map(|_| self.add()).collect();
        let closing = surplus.iter().map(|member| self.inner.remove(member)).collect();
        Resize::new(adding, ClusterClose::new(closing))
    }

    /// Returns the member that a call would go to now, as a service. Calls on that service do not
    /// move: when the member ends, they end with an error.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
    /// let one = counter.control().use_next()?;
    /// assert_eq!((one.bump(1).wait()?, one.bump(1).wait()?), (11, 12)); // the same both times
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RouteError`] if the cluster is closed, or has no members now.
    pub fn use_next(&self) -> Result<Service<S>, RouteError> {
        let members = self.some_members()?;
        Ok(service(&members[self.inner.choose(&members, None, thread_context::current_executor())]))
    }

    /// Returns the member for a key, as a service. The same key gives the same member while the
    /// members stay the same. When a member leaves, only its keys move, each to another member.
    /// When a member joins, it takes its share of all keys. So call this again for each call, or
    /// for every few calls.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::launch(8, || Counter::service(0)).wait()?;
    /// for _ in 0..3 {
    ///     counter.control().use_key("ada")?.bump(1).wait()?;
    /// }
    /// assert_eq!(counter.control().use_key("ada")?.bump(1).wait()?, 4); // all were hers
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RouteError`] if the cluster is closed, or has no members now.
    pub fn use_key<K: Hash + ?Sized>(&self, key: &K) -> Result<Service<S>, RouteError> {
        let members = self.some_members()?;
        Ok(service(&members[place_of_key(&members, key)]))
    }

    /// Returns the id of the member for a key, which is the member that [`use_key`](Self::use_key)
    /// returns. For example, this sorts keys by member, so that one call can serve several keys.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// use std::collections::BTreeMap;
    ///
    /// let counter = Cluster::launch(2, || Counter::service(0)).wait()?;
    /// let control = counter.control();
    /// let mut keys_of: BTreeMap<_, Vec<_>> = BTreeMap::new();
    /// for key in 0..100 {
    ///     keys_of.entry(control.member_of(&key)?).or_default().push(key);
    /// }
    /// for (member, keys) in keys_of {
    ///     let Some(member) = control.use_member(member) else { continue }; // it has ended
    ///     assert_eq!(member.bump(keys.len() as i64).wait()?, keys.len() as i64);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RouteError`] if the cluster is closed, or has no members now.
    pub fn member_of<K: Hash + ?Sized>(&self, key: &K) -> Result<MemberId, RouteError> {
        let members = self.some_members()?;
        Ok(members[place_of_key(&members, key)].id)
    }

    /// Returns the member with this id, as a service, or `None` if there is no such member.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
    /// for id in counter.control().members() {
    ///     let Some(member) = counter.control().use_member(id) else { continue };
    ///     assert_eq!(member.bump(1).wait()?, 11);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn use_member(&self, member: MemberId) -> Option<Service<S>> {
        self.inner.member(member).map(|member| service(&member))
    }

    /// Returns the members that accept calls now, the oldest first.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(2, Geometry::service).wait()?;
    /// assert_eq!(geometry.control().members().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn members(&self) -> Vec<MemberId> {
        self.inner.members().iter().map(|member| member.id).collect()
    }

    /// Submits the same call to each member, and does not wait until the calls finish. Returns the
    /// number of members. If a member's queue is full, this waits for queue room like
    /// [`Call::submit`].
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::launch(2, || Counter::service(10)).wait()?;
    /// assert_eq!(counter.control().notify_all(|counter| counter.bump(5)), 2);
    /// assert_eq!(counter.bump(1).wait()?, 16); // whichever it is
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn notify_all<T, F>(&self, call: F) -> usize
    where
        F: for<'c> Fn(&'c S::Calls<ServiceRef<S>>) -> Call<'c, S, ServiceRef<S>, T>,
    {
        let members = self.inner.members();
        for member in members.iter() {
            call(&S::calls(member.service.clone())).submit().detach();
        }
        members.len()
    }

    /// Creates the same call for each member, to be awaited or waited on together. The result has
    /// one entry for each member, in the order of their numbers.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::launch(3, || Counter::service(10)).wait()?;
    /// let totals = counter.control().call_all(|counter| counter.total()).wait(); // or `.await`
    /// let sum: i64 = totals.into_iter().map(|(_, total)| total).sum::<Result<_, _>>()?;
    /// assert_eq!(sum, 30);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `call` returns a call that it has polled.
    pub fn call_all<T, F>(&self, call: F) -> CallAll<T>
    where
        T: 'static,
        F: for<'c> Fn(&'c S::Calls<ServiceRef<S>>) -> Call<'c, S, ServiceRef<S>, T>,
    {
        let one = |member: &Arc<Member<S>>| -> OneCall<T> {
            let (id, service) = (member.id, member.service.clone());
            let call = call(&S::calls(service.clone())).unbind().expect("the call was polled where it was made");
            Box::pin(async move { (id, call.on(&service).await) })
        };
        CallAll::new(self.inner.members().iter().map(one).collect())
    }

    /// Closes the members that have nothing to do. Returns their number. Does not wait until they
    /// end.
    ///
    /// ```
    /// # use nanolith::{Cluster, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Cluster::launch(2, Geometry::service).wait()?;
    /// assert_eq!(geometry.control().close_idle(), 2);
    /// assert!(geometry.control().members().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_idle(&self) -> usize {
        let members = self.inner.members();
        let idle = members.iter().filter(|member| member.service.close_if_idle());
        idle.map(|member| self.inner.watch_phase(member)).count()
    }

    /// Returns the members, of which there is at least one.
    fn some_members(&self) -> Result<Members<S>, RouteError> {
        let members = self.inner.members();
        if members.is_empty() { Err(self.inner.route_error()) } else { Ok(members) }
    }
}

/// Returns the index of the member for a key. There is at least one member.
fn place_of_key<S: TaskSet, K: Hash + ?Sized>(members: &Members<S>, key: &K) -> usize {
    Candidates::new(members, None).by_key(key)
}

/// Returns a handle of a member's service.
fn service<S: TaskSet>(member: &Member<S>) -> Service<S> {
    Service::new(member.service.clone())
}

impl<S: TaskSet> Clone for ClusterControl<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: TaskSet> Copy for ClusterControl<'_, S> {}

impl<S: TaskSet> fmt::Debug for ClusterControl<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterControl").field("members", &self.members()).finish()
    }
}
