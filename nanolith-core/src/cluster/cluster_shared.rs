//! [`ClusterShared`]: the data that a cluster's handles share: its members, and how they join and
//! leave.
//!
//! When a member begins to end, it wakes its `Watch`, on the thread that ends it. From that moment
//! on no call is sent to the member. Until the member is over, it stays in `draining`, so that the
//! close of the cluster waits for it too.

use super::{
    add_member::{AddError, Starting},
    balance::{Candidates, Policy, RouteRequest},
    join_all::ClusterClose,
};
use crate::{
    call::backend::ExecutorId,
    executor::Executor,
    meta::visited_layers::LayerId,
    service::{Close, CloseState, CloseWatch, ServiceRef},
    task::TaskSet,
    wake::{AfterUnlock, Deferred, WaiterHome, WaiterSet},
};
use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Wake, Waker},
};

/// The id of a member within its cluster. Members are numbered from 0, in the order in which they
/// were launched. No number is used twice.
///
/// ```
/// use nanolith::{Cluster, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Cluster::launch(2, Geometry::service).wait()?;
/// let numbers: Vec<_> = geometry.control().members().iter().map(|id| id.number()).collect();
/// assert_eq!(numbers, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(u64);

impl MemberId {
    pub(super) fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number of the member.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

pub(super) struct Member<S: TaskSet> {
    pub(super) id: MemberId,
    pub(super) service: ServiceRef<S>,
    pub(super) host: Option<ExecutorId>,
    /// The waker of the member's `Watch`, woken when the member begins to end, and when it is over.
    waker: Waker,
    watch: Mutex<CloseWatch<S>>,
}

impl<S: TaskSet> Member<S> {
    fn close_state(&self) -> CloseState {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).state(&self.waker)
    }
}

pub(super) type Members<S> = Arc<[Arc<Member<S>>]>;

/// A closure that launches a member.
pub(super) type Factory<S> = Box<dyn Fn(MemberId) -> Starting<S> + Send + Sync>;

pub(super) struct ClusterShared<S: TaskSet> {
    pub(super) name: Option<Arc<str>>,
    pub(super) policy: Policy,
    factory: Factory<S>,
    roll: RwLock<Membership<S>>,
    /// Calls that wait for members to join or leave.
    waiting: Deferred<WaiterSet>,
    next_id: AtomicU64,
    turn: AtomicU64,
    pub(super) forwarded: AtomicU64,
    /// The mark that `execute` leaves on a job that it rejects. `Failover::prepare` skips a marked
    /// job, which is prepared already.
    pub(super) layer: LayerId,
}

struct Membership<S: TaskSet> {
    members: Members<S>,
    /// Members that accept no more calls and are not over.
    draining: Vec<Arc<Member<S>>>,
    /// The number of members that are starting.
    coming: usize,
    closed: bool,
}

impl<S: TaskSet> ClusterShared<S> {
    /// Creates a cluster without members. The first `taken` numbers are in use.
    pub(super) fn new(name: Option<Arc<str>>, policy: Policy, factory: Factory<S>, taken: u64) -> Arc<Self> {
        let roll = Membership { members: Arc::new([]), draining: Vec::new(), coming: 0, closed: false };
        Arc::new(Self {
            name,
            policy,
            factory,
            roll: RwLock::new(roll),
            waiting: Deferred::default(),
            next_id: AtomicU64::new(taken),
            turn: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
            layer: LayerId::new(),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Membership<S>> {
        self.roll.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Membership<S>> {
        self.roll.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn members(&self) -> Members<S> {
        self.read().members.clone()
    }

    pub(super) fn member(&self, id: MemberId) -> Option<Arc<Member<S>>> {
        self.read().members.iter().find(|member| member.id == id).cloned()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.read().closed
    }

    /// Returns the index of the member that a call goes to. There is at least one member. A call
    /// from a member's own thread prefers the other members.
    pub(super) fn choose(&self, members: &Members<S>, call: Call, here: Option<ExecutorId>) -> usize {
        // ORDERING: Relaxed. A counter whose only reader is this line; it orders no other data.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Candidates::new(members, place_of(members, here)).choose(&self.policy, &RouteRequest::new(call, turn))
    }

    // ----- joining

    /// Begins to launch a member.
    pub(super) fn start(&self) -> Result<(MemberId, Starting<S>), AddError> {
        {
            let mut roll = self.write();
            if roll.closed {
                return Err(AddError::Closed);
            }
            roll.coming += 1;
        }
        let coming = StartingGuard(self);
        // ORDERING: Relaxed. A counter whose only reader is this line; it orders no other data.
        let id = MemberId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let starting = (self.factory)(id);
        mem::forget(coming); // the caller counts it down
        Ok((id, starting))
    }

    /// Counts a member as no longer starting: it has joined, or will not join.
    pub(super) fn has_started(&self) {
        self.write().coming -= 1;
    }

    /// Adds a member. Returns `false` if the cluster is closed.
    pub(super) fn join(self: &Arc<Self>, id: MemberId, service: ServiceRef<S>) -> bool {
        let waker = Waker::from(Arc::new(Watch { cluster: Arc::downgrade(self), id }));
        let watch = Mutex::new(service.watch());
        let member = Arc::new(Member { id, host: service.host(), service, waker, watch });
        {
            let mut roll = self.write();
            if roll.closed {
                drop(roll);
                return false;
            }
            let place = roll.members.partition_point(|other| other.id < id);
            let (older, newer) = roll.members.split_at(place);
            let all = [older, std::slice::from_ref(&member), newer].concat();
            roll.members = all.into();
        }
        self.watch_phase(&member);
        self.notify_change();
        true
    }

    /// Returns how many members are missing for `wanted`, and the surplus members, the newest
    /// first.
    pub(super) fn plan_resize(&self, wanted: usize) -> (usize, Vec<Arc<Member<S>>>) {
        let roll = self.read();
        let all = roll.members.len() + roll.coming;
        let surplus = all.saturating_sub(wanted);
        (wanted.saturating_sub(all), roll.members.iter().rev().take(surplus).cloned().collect())
    }

    // ----- leaving

    /// Removes a member that is leaving or over. Registers its `Watch` for the next change
    /// otherwise.
    pub(super) fn watch_phase(&self, member: &Arc<Member<S>>) {
        match member.close_state() {
            CloseState::Open => {}
            CloseState::Closing => {
                self.evict(member, true);
                // The member may have ended, and woken its watch, before it was in `draining`.
                if member.close_state() == CloseState::Closed {
                    self.evict(member, false);
                }
            }
            CloseState::Closed => self.evict(member, false),
        }
    }

    /// Removes a member, so that no call goes to it. Keeps it in `draining` if it is `leaving`.
    fn evict(&self, member: &Arc<Member<S>>, leaving: bool) {
        // The drop of a member's last owner closes the member, which must not happen under the
        // lock.
        let mut gone = Vec::new();
        let was_in = {
            let mut roll = self.write();
            let was_in = roll.members.iter().any(|other| other.id == member.id);
            if was_in {
                let others = roll.members.iter().filter(|other| other.id != member.id).cloned().collect();
                gone.push(mem::replace(&mut roll.members, others));
            }
            roll.draining.retain(|other| other.id != member.id); // the caller holds the member too
            if leaving {
                roll.draining.push(member.clone());
            }
            was_in
        };
        drop(gone);
        if was_in {
            self.notify_change();
        }
    }

    /// Closes a member and removes it.
    pub(super) fn remove(&self, member: &Arc<Member<S>>) -> Close<S> {
        let closing = member.service.close();
        self.watch_phase(member);
        closing
    }

    /// Ends all members with `end`, and accepts no further members. The returned future also waits
    /// for the members that were leaving already.
    pub(super) fn close(&self, end: impl Fn(&ServiceRef<S>) -> Close<S>) -> ClusterClose<S> {
        let all = {
            let mut roll = self.write();
            roll.closed = true;
            let members = mem::replace(&mut roll.members, Arc::new([]));
            roll.draining.extend(members.iter().cloned());
            roll.draining.clone()
        };
        let closing = all.iter().map(|member| end(&member.service)).collect();
        self.notify_change();
        ClusterClose::new(closing)
    }

    /// Wakes the calls that wait for members to join or leave.
    fn notify_change(&self) {
        self.waiting.with(WaiterSet::notify_all);
    }
}

impl<S: TaskSet> WaiterHome for ClusterShared<S> {
    type State = WaiterSet;

    fn with_state<R>(&self, change: impl FnOnce(&mut WaiterSet, &mut AfterUnlock) -> R) -> R {
        self.waiting.with(change)
    }

    fn waiters(waiting: &mut WaiterSet) -> &mut WaiterSet {
        waiting
    }
}

/// The called task, if there is one.
type Call = Option<&'static crate::meta::task_info::TaskInfo>;

/// Returns the index of the member whose executor is `here`.
pub(super) fn place_of<S: TaskSet>(members: &Members<S>, here: Option<ExecutorId>) -> Option<usize> {
    here?;
    members.iter().position(|member| member.host == here)
}

/// A guard for a member that is starting. Dropping it counts the member as not joining.
struct StartingGuard<'a, S: TaskSet>(&'a ClusterShared<S>);

impl<S: TaskSet> Drop for StartingGuard<'_, S> {
    fn drop(&mut self) {
        self.0.has_started();
    }
}

/// A waker that is woken when a member begins to end, and when the member is over.
struct Watch<S: TaskSet> {
    cluster: Weak<ClusterShared<S>>,
    id: MemberId,
}

impl<S: TaskSet> Wake for Watch<S> {
    fn wake(self: Arc<Self>) {
        let Some(cluster) = self.cluster.upgrade() else { return };
        let member = {
            let roll = cluster.read();
            roll.members.iter().chain(&roll.draining).find(|member| member.id == self.id).cloned()
        };
        if let Some(member) = member {
            cluster.watch_phase(&member);
        }
    }
}
