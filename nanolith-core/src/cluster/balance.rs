//! [`Balance`]: the load balancing of a cluster. A policy, such as round robin or the power of two
//! choices, chooses the member that a call goes to.

use super::cluster_shared::{Member, MemberId};
use crate::{meta::task_info::TaskInfo, task::TaskSet};
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// The policy by which a cluster chooses the member that a call goes to. A call of a member's own
/// task goes to another member, if there is one.
///
/// ```
/// use nanolith::{Cluster, cluster::Balance, prelude::*};
/// # use nanolith_doc_sets::*;
/// let counter = Cluster::builder().balance(Balance::RoundRobin).launch(2, || Counter::service(10)).wait()?;
/// let totals = [1, 1, 1, 1].map(|by| counter.bump(by).wait());
/// assert_eq!(totals.into_iter().collect::<Result<Vec<_>, _>>()?, [11, 11, 12, 12]); // each has a state of its own
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Balance {
    /// The member with the fewest queued and running calls, from any caller. Equal members take
    /// turns. A member that is about to restart after a crash still counts: its calls wait for the
    /// restart.
    #[default]
    LeastBusy,
    /// Each member in turn.
    RoundRobin,
    /// The less busy of two randomly drawn members. Nearly as even as `LeastBusy`, and looks at two
    /// members only. This is the [power of two
    /// choices](https://en.wikipedia.org/wiki/Power_of_two_choices).
    PowerOfTwo,
    /// All calls of one task go to one member, while the members stay the same. When a member
    /// leaves, only its tasks move. To keep calls together by a key of your own, use
    /// [`ClusterControl::use_key`](crate::cluster::ClusterControl::use_key).
    ///
    /// ```
    /// # use nanolith::{Cluster, cluster::Balance, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::builder().balance(Balance::TaskAffinity).launch(4, || Counter::service(10)).wait()?;
    /// assert_eq!((counter.bump(1).wait()?, counter.bump(1).wait()?), (11, 12)); // one member has both
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    TaskAffinity,
}

/// A custom way to choose the member that a call goes to: see
/// [`ClusterBuilder::choose_by`](crate::cluster::ClusterBuilder::choose_by). Closures implement
/// this trait.
///
/// ```
/// use nanolith::{
///     Cluster, cluster::{BalancePolicy, MemberLoad, RouteRequest}, prelude::*,
/// };
/// # use nanolith_doc_sets::*;
/// /// The first keeps the calls until it has ten of them.
/// struct FillUp;
/// impl BalancePolicy for FillUp {
///     fn choose(&self, members: &[MemberLoad], _: &RouteRequest) -> usize {
///         members.iter().position(|member| member.calls < 10).unwrap_or(0)
///     }
/// }
/// let counter = Cluster::builder().choose_by(FillUp).launch(2, || Counter::service(10)).wait()?;
/// assert_eq!((counter.bump(1).wait()?, counter.bump(1).wait()?), (11, 12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait BalancePolicy: Send + Sync + 'static {
    /// Returns the index in `members` of the member that the call goes to. `members` is never
    /// empty. An index past the end wraps around. No lock is held during this method. A panic ends
    /// the call as [`CallError::Lost`](crate::error::CallError::Lost) and propagates to the caller.
    fn choose(&self, members: &[MemberLoad], call: &RouteRequest) -> usize;
}

impl<F: Fn(&[MemberLoad], &RouteRequest) -> usize + Send + Sync + 'static> BalancePolicy for F {
    fn choose(&self, members: &[MemberLoad], call: &RouteRequest) -> usize {
        self(members, call)
    }
}

/// A member and its load, as an argument of [`BalancePolicy::choose`].
///
/// ```
/// use nanolith::cluster::{MemberLoad, RouteRequest};
/// fn idle(members: &[MemberLoad], _: &RouteRequest) -> usize {
///     members.iter().position(|member| member.calls == 0).unwrap_or(0)
/// }
/// # let _: &dyn nanolith::cluster::BalancePolicy = &idle;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberLoad {
    /// The id of the member.
    pub id: MemberId,
    /// The number of its queued and running calls, from any caller.
    pub calls: usize,
}

/// A call for which a member is chosen, as an argument of [`BalancePolicy::choose`].
///
/// ```
/// use nanolith::cluster::{MemberLoad, RouteRequest};
/// fn heavy_ones_apart(members: &[MemberLoad], call: &RouteRequest) -> usize {
///     let heavy = call.task().is_some_and(|task| task.name() == "render");
///     if heavy { 0 } else { 1 + call.turn() as usize % (members.len() - 1).max(1) }
/// }
/// # let _: &dyn nanolith::cluster::BalancePolicy = &heavy_ones_apart;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteRequest {
    task: Option<&'static TaskInfo>,
    turn: u64,
}

impl RouteRequest {
    pub(super) fn new(task: Option<&'static TaskInfo>, turn: u64) -> Self {
        Self { task, turn }
    }

    /// Returns the called task, or `None` for
    /// [`ClusterControl::use_next`](crate::cluster::ClusterControl::use_next).
    #[must_use]
    pub fn task(&self) -> Option<&'static TaskInfo> {
        self.task
    }

    /// Returns the number of choices made before this one.
    #[must_use]
    pub fn turn(&self) -> u64 {
        self.turn
    }
}

/// The policy that a cluster was built with.
#[derive(Clone)]
pub(super) enum Policy {
    Ours(Balance),
    Own(Arc<dyn BalancePolicy>),
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(balance) => balance.fmt(f),
            Self::Own(_) => f.write_str("Own"),
        }
    }
}

/// The members that may be chosen: all members, or all but one.
pub(super) struct Candidates<'a, S: TaskSet> {
    members: &'a [Arc<Member<S>>],
    without: Option<usize>,
}

impl<'a, S: TaskSet> Candidates<'a, S> {
    /// Creates the candidates without the member at index `without`, unless it is the only member.
    pub(super) fn new(members: &'a [Arc<Member<S>>], without: Option<usize>) -> Self {
        Self { members, without: without.filter(|_| members.len() > 1) }
    }

    fn len(&self) -> usize {
        self.members.len() - usize::from(self.without.is_some())
    }

    /// Returns the index among all members.
    fn place(&self, nth: usize) -> usize {
        nth + usize::from(self.without.is_some_and(|without| nth >= without))
    }

    fn get(&self, nth: usize) -> &Member<S> {
        &self.members[self.place(nth)]
    }

    fn load(&self, nth: usize) -> usize {
        self.get(nth).service.load()
    }

    /// Returns the index of the chosen member. There is at least one candidate.
    pub(super) fn choose(&self, policy: &Policy, call: &RouteRequest) -> usize {
        let chosen = match (policy, call.task) {
            (Policy::Ours(Balance::RoundRobin), _) => self.round_robin(call.turn),
            (Policy::Ours(Balance::PowerOfTwo), _) => self.power_of_two(call.turn),
            (Policy::Ours(Balance::TaskAffinity), Some(task)) => self.by_key(&task.identifier()),
            (Policy::Ours(_), _) => self.least_busy(call.turn),
            (Policy::Own(own), _) => own.choose(&self.loads(), call) % self.len(),
        };
        self.place(chosen)
    }

    fn round_robin(&self, turn: u64) -> usize {
        (turn % self.len() as u64) as usize
    }

    /// The search begins at another member each time, so that equal members take turns.
    fn least_busy(&self, turn: u64) -> usize {
        let first = self.round_robin(turn);
        let all = (first..self.len()).chain(0..first);
        all.min_by_key(|nth| self.load(*nth)).unwrap_or(first)
    }

    fn power_of_two(&self, turn: u64) -> usize {
        let (lots, all) = (mix(turn), self.len());
        let one = (lots as u32) as usize % all;
        let other = (one + 1 + (lots >> 32) as usize % (all - 1).max(1)) % all;
        if self.load(other) < self.load(one) { other } else { one }
    }

    fn loads(&self) -> Vec<MemberLoad> {
        (0..self.len()).map(|nth| MemberLoad { id: self.get(nth).id, calls: self.load(nth) }).collect()
    }

    /// Returns the member with the highest weight for the key: [rendezvous
    /// hashing](https://en.wikipedia.org/wiki/Rendezvous_hashing). Each weight depends on the key
    /// and that member only. When another member joins or leaves, only the keys that it wins or
    /// held move.
    pub(super) fn by_key<K: Hash + ?Sized>(&self, key: &K) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let key = hasher.finish();
        let bid = |nth: &usize| mix(key ^ mix(self.get(*nth).id.number()));
        (0..self.len()).max_by_key(bid).unwrap_or(0)
    }
}

/// Mixes the bits of a number, so that consecutive numbers give unrelated results: the finalizer of
/// [SplitMix64](https://prng.di.unimi.it/splitmix64.c).
fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
