//! [`RestartGroup`]: services that restart together, by the strategies of an Erlang supervisor.

use super::{Service, events::Crash, service_shared::ServiceShared};
use crate::{call::end_batch::EndBatch, task::TaskSet};
use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// A group of services, of any sets, that restart together. Clones share the group.
///
/// The restart policy of a crashed member decides what that member does. The group decides what the
/// other members do. A restart by the group counts against no limit. If a member gives up, the
/// members that would have restarted with it are terminated.
///
/// ```
/// use nanolith::{prelude::*, service::{LifeEvent, Restart, RestartGroup}};
/// # use nanolith_doc_sets::*;
/// let [left, right] = [1, 2].map(|first| Counter::service(first).restart(Restart::on_panic()).launch());
/// let (left, right) = (left.wait()?, right.wait()?);
/// let group = RestartGroup::one_for_all();
/// group.add(&left)?;
/// group.add(&right)?;
///
/// assert_eq!(right.bump(5).wait()?, 7);
/// let mut life = right.control().life();
/// assert!(left.bump(i64::MAX).wait().is_err()); // panics
/// # life.recv().wait();
/// assert!(matches!(life.recv().wait(), Some(LifeEvent::Restarted { .. })));
/// assert_eq!(right.bump(5).wait()?, 7); // it began anew, too
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RestartGroup {
    shared: Arc<Shared>,
}

/// A member's group, and its position in the group.
pub(super) struct Place {
    shared: Arc<Shared>,
    position: u64,
}

struct Shared {
    strategy: Strategy,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    /// The number of members that were ever added.
    added: u64,
    /// The members with their positions, in the order in which they were added.
    known: Vec<(u64, Weak<dyn Member>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    OneForOne,
    OneForAll,
    RestForOne,
}

/// A service of any set.
trait Member: Send + Sync {
    /// Requests a restart. Returns whether the service can still restart.
    fn restart(&self, why: Crash) -> bool;
    /// Terminates the service. Leaves user code to `batch`.
    fn terminate_into(&self, batch: &mut EndBatch);
}

impl<S: TaskSet> Member for ServiceShared<S> {
    fn restart(&self, why: Crash) -> bool {
        Self::restart(self, why)
    }

    fn terminate_into(&self, batch: &mut EndBatch) {
        Self::terminate_into(self, batch);
    }
}

impl RestartGroup {
    /// Creates a group in which only the crashed member restarts. The other members continue.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::{Restart, RestartGroup}};
    /// # use nanolith_doc_sets::*;
    /// let group = RestartGroup::one_for_one();
    /// group.add(&Geometry::service().restart(Restart::on_panic()).launch().wait()?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn one_for_one() -> Self {
        Self::new(Strategy::OneForOne)
    }

    /// Creates a group in which all other members restart, at the same time, when a member restarts
    /// after a crash.
    ///
    /// ```
    /// # use nanolith::service::RestartGroup;
    /// let group = RestartGroup::one_for_all();
    /// ```
    #[must_use]
    pub fn one_for_all() -> Self {
        Self::new(Strategy::OneForAll)
    }

    /// Creates a group in which the restart of a member after a crash also restarts the members
    /// that were added after it. These restart one after the other, in the order in which they were
    /// added. A member that has ended, or ends meanwhile, is skipped.
    ///
    /// ```
    /// # use nanolith::service::RestartGroup;
    /// let group = RestartGroup::rest_for_one();
    /// ```
    #[must_use]
    pub fn rest_for_one() -> Self {
        Self::new(Strategy::RestForOne)
    }

    fn new(strategy: Strategy) -> Self {
        Self { shared: Arc::new(Shared { strategy, members: Mutex::default() }) }
    }

    /// Adds `service` as the last member. A service belongs to one group for life.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::{GroupError, RestartGroup}};
    /// # use nanolith_doc_sets::*;
    /// let mortal = Geometry::service().launch().wait()?;
    /// assert_eq!(RestartGroup::one_for_all().add(&mortal), Err(GroupError::NeverRestarts));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GroupError`] if the service is in a group already, or was launched without a restart
    /// policy.
    pub fn add<S: TaskSet>(&self, service: &Service<S>) -> Result<(), GroupError> {
        let inner = service.executor.inner();
        if !inner.restarts {
            return Err(GroupError::NeverRestarts);
        }
        let mut members = self.shared.members();
        let place = Place { shared: self.shared.clone(), position: members.added };
        inner.group.set(place).map_err(|_| GroupError::InAGroup)?;
        let member: Arc<dyn Member> = inner.clone();
        // Remove members that are gone, which would otherwise stay in memory with the group.
        members.known.retain(|(_, member)| member.strong_count() > 0);
        let position = members.added;
        members.known.push((position, Arc::downgrade(&member)));
        members.added += 1;
        Ok(())
    }
}

impl Shared {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the living members whose position is `wanted`.
    fn running_members(&self, wanted: impl Fn(u64) -> bool) -> Vec<Arc<dyn Member>> {
        let members = self.members();
        let wanted = members.known.iter().filter(|(position, _)| wanted(*position));
        wanted.filter_map(|(_, member)| member.upgrade()).collect()
    }
}

impl Place {
    /// Restarts other members, after this member has restarted.
    pub(super) fn restarted(&self, crash: &Crash) {
        match self.shared.strategy {
            Strategy::OneForOne => {}
            Strategy::OneForAll if matches!(crash, Crash::Group) => {}
            Strategy::OneForAll => {
                for member in self.others() {
                    member.restart(Crash::Group);
                }
            }
            Strategy::RestForOne => self.restart_next(),
        }
    }

    /// Continues with the next member, after this member ended instead of restarting for the group.
    pub(super) fn skip_restart(&self) {
        if self.shared.strategy == Strategy::RestForOne {
            self.restart_next();
        }
    }

    /// Restarts the next member that is not over. When that member has restarted, it calls this for
    /// the member after it.
    fn restart_next(&self) {
        self.rest().iter().any(|member| member.restart(Crash::Group));
    }

    /// Terminates the members that would have restarted with this member, which has given up.
    pub(super) fn on_give_up(&self) {
        let with_it = match self.shared.strategy {
            Strategy::OneForOne => Vec::new(),
            Strategy::OneForAll => self.others(),
            Strategy::RestForOne => self.rest(),
        };
        let mut batch = EndBatch::default();
        with_it.iter().for_each(|member| member.terminate_into(&mut batch));
        batch.run();
    }

    fn others(&self) -> Vec<Arc<dyn Member>> {
        self.shared.running_members(|position| position != self.position)
    }

    fn rest(&self) -> Vec<Arc<dyn Member>> {
        self.shared.running_members(|position| position > self.position)
    }
}

impl fmt::Debug for RestartGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestartGroup")
            .field("strategy", &self.shared.strategy)
            .field("members", &self.shared.running_members(|_| true).len())
            .finish()
    }
}

/// The error of [`RestartGroup::add`]: a service cannot join a group.
///
/// ```
/// use nanolith::{prelude::*, service::{GroupError, Restart, RestartGroup}};
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::service().restart(Restart::on_panic()).launch().wait()?;
/// RestartGroup::one_for_one().add(&geometry)?;
/// assert_eq!(RestartGroup::one_for_all().add(&geometry), Err(GroupError::InAGroup));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupError {
    /// The service is in a group already.
    InAGroup,
    /// The service was launched without a restart policy.
    NeverRestarts,
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InAGroup => "the service is in a group already",
            Self::NeverRestarts => "the service has no restart policy: launch it with `.restart(..)`",
        })
    }
}

impl Error for GroupError {}
