//! [`ProcessCluster`]: several services of one set, each in a child process of its own.
//!
//! - `builder`, `launch`: the settings, and the future that waits for the start.
//! - `messages`: the messages to members.
//! - `members`: the services, and which of them a call goes to. `cluster_ref`: the cluster as an
//!   executor.

mod builder;
mod cluster_ref;
mod launch;
mod members;
mod messages;

pub use builder::ProcessClusterBuilder;
pub use cluster_ref::ProcessClusterRef;
pub use launch::{ProcessClusterClosed, ProcessClusterLaunch, ProcessClusterLaunchError};

use crate::{
    ProcessService, ProcessServiceBuilder, ProcessServiceClose, ProcessServiceInfo, ProcessServiceRef,
    served::ProcessSet,
};
use std::{fmt, hash::Hash, ops::Deref, sync::Arc};

/// Several services of one set, each in a child process of its own, with the typed methods of the set.
/// Clones share the services. Each call goes to one member, which
/// [`Balance`](nanolith::cluster::Balance) chooses.
///
/// ```standalone_crate
/// use nanolith::{prelude::*, service::Restart};
/// use nanolith_process::{ProcessCluster, ProcessService};
///
/// pub struct Counter { total: i64 }
///
/// #[define(wire)]
/// impl Counter {
///     #[init]
///     fn start(first: i64) -> Self { Self { total: first } }
///     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Counter,)>();
///     let member = || ProcessService::builder(Counter::service(10).restart(Restart::on_panic()));
///     let counters = ProcessCluster::launch(3, member).wait()?; // or `.await?`
///     assert_eq!(counters.bump(5).wait()?, 15); // one of the three has 15 now
///     let hers = || counters.control().use_key("ada").expect("there is a member");
///     assert_eq!(hers().bump(1).wait()? + 1, hers().bump(1).wait()?); // one member has all of hers
///     counters.close().wait()?;
///     Ok(())
/// }
/// ```
///
/// If the queue of the chosen member is full, the call goes to another member that has room. If none
/// has, [`OnFull`](nanolith::executor::OnFull) of the chosen member decides.
///
/// A member whose child dies restarts as its [`Restart`](nanolith::service::Restart) policy says, and
/// keeps its place: a key goes to the same member afterwards. A member that has ended gets no further
/// call, and its keys go to other members. Calls that a child had begun end with the reason. To run
/// those of an `#[task(idempotent)]` again, wrap the cluster in a [`Retry`](nanolith::layers) layer.
///
/// When the last handle is dropped, the members close: accepted calls still run.
pub struct ProcessCluster<S: ProcessSet> {
    executor: ProcessClusterRef<S>,
    calls: Arc<S::Calls<ProcessClusterRef<S>>>,
}

impl<S: ProcessSet> ProcessCluster<S> {
    fn new(executor: ProcessClusterRef<S>) -> Self {
        Self { calls: Arc::new(S::calls(executor.clone())), executor }
    }

    /// Starts `n` members, each with the builder that `member` returns: see
    /// [`ProcessClusterBuilder::launch`].
    pub fn launch(n: usize, member: impl Fn() -> ProcessServiceBuilder<S>) -> ProcessClusterLaunch<S> {
        Self::builder().launch(n, member)
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> ProcessClusterBuilder<S> {
        ProcessClusterBuilder::new()
    }

    /// Returns the typed methods, to pass to a function that is generic over the executor.
    #[must_use]
    pub fn calls(&self) -> &S::Calls<ProcessClusterRef<S>> {
        &self.calls
    }

    /// Returns the counts of the members at this moment, in their order.
    #[must_use]
    pub fn info(&self) -> ProcessClusterInfo {
        let members = self.executor.members().all();
        ProcessClusterInfo { members: members.iter().map(ProcessServiceRef::info).collect() }
    }

    /// Closes all members: they accept no more calls. Accepted calls still run. The returned future
    /// waits for the end of all children. Its error is that of the first member that did not end in order.
    pub fn close(&self) -> ProcessClusterClosed {
        self.end(ProcessServiceRef::close)
    }

    /// Closes all members, ends the queued calls as [`CallError::Cancelled`](nanolith::CallError::Cancelled),
    /// and kills the children.
    pub fn terminate(&self) -> ProcessClusterClosed {
        self.end(ProcessServiceRef::terminate)
    }

    fn end(&self, end: fn(&ProcessServiceRef<S>) -> ProcessServiceClose) -> ProcessClusterClosed {
        ProcessClusterClosed::new(self.executor.members().all().iter().map(end).collect())
    }

    /// Returns a handle for less common operations.
    #[must_use]
    pub fn control(&self) -> ProcessClusterControl<'_, S> {
        ProcessClusterControl { executor: &self.executor }
    }
}

impl<S: ProcessSet> Clone for ProcessCluster<S> {
    fn clone(&self) -> Self {
        Self { executor: self.executor.clone(), calls: self.calls.clone() }
    }
}

impl<S: ProcessSet> Deref for ProcessCluster<S> {
    type Target = S::Calls<ProcessClusterRef<S>>;

    fn deref(&self) -> &Self::Target {
        &self.calls
    }
}

impl<S: ProcessSet> fmt::Debug for ProcessCluster<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProcessCluster").field(&self.info()).finish()
    }
}

/// The counts of a cluster of child processes, from [`ProcessCluster::info`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProcessClusterInfo {
    /// The members, in their order. A member that has ended is closed.
    pub members: Vec<ProcessServiceInfo>,
}

/// The less common operations of a cluster of child processes, from [`ProcessCluster::control`].
pub struct ProcessClusterControl<'a, S: ProcessSet> {
    executor: &'a ProcessClusterRef<S>,
}

impl<S: ProcessSet> ProcessClusterControl<'_, S> {
    /// Returns the member for a key, or `None` if all have ended. The same key gives the same member,
    /// also after that member has restarted. If a member ends, only its keys move.
    #[must_use]
    pub fn use_key<K: Hash + ?Sized>(&self, key: &K) -> Option<ProcessService<S>> {
        self.executor.members().by_key(key).cloned().map(ProcessService::new)
    }

    /// Returns the member that a call would go to now, or `None` if all have ended.
    #[must_use]
    pub fn use_next(&self) -> Option<ProcessService<S>> {
        self.executor.members().choose(None).cloned().map(ProcessService::new)
    }

    /// Returns the members, in their order.
    #[must_use]
    pub fn members(&self) -> Vec<ProcessService<S>> {
        self.executor.members().all().iter().cloned().map(ProcessService::new).collect()
    }
}

impl<S: ProcessSet> fmt::Debug for ProcessClusterControl<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProcessClusterControl").field(self.executor).finish()
    }
}
