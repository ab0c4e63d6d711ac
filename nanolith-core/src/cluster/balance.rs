//! Which member a call goes to.

use super::cluster_shared::{Member, MemberId};
use crate::{meta::task_info::TaskInfo, task::TaskSet};
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// How a cluster chooses the member that a call goes to. A call of a member's own task goes to another member, if there is
/// one.
///
/// ```
/// use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let counter = Cluster::builder().balance(Balance::RoundRobin).launch(2, || Counter::service(10)).wait()?;
/// let totals = [1, 1, 1, 1].map(|by| counter.bump(by).wait());
/// assert_eq!(totals.into_iter().collect::<Result<Vec<_>, _>>()?, [11, 11, 12, 12]); // each has a state of its own
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Balance {
    /// The member with the fewest calls that wait or run, wherever they came from; among equals each in turn.
    /// One that is about to start anew after a crash still counts: its calls wait for it.
    #[default]
    LeastBusy,
    /// Each member in turn.
    RoundRobin,
    /// The less busy of two that are drawn by lot: nearly as even as `LeastBusy`, and looks at two members only.
    PowerOfTwo,
    /// All calls of one task go to one member, for as long as the members stay; when one goes, only its tasks move. Calls
    /// that are to be kept together by a key of yours go through [`ClusterControl::use_key`](crate::ClusterControl::use_key).
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Cluster::builder().balance(Balance::KeyAffinity).launch(4, || Counter::service(10)).wait()?;
    /// assert_eq!((counter.bump(1).wait()?, counter.bump(1).wait()?), (11, 12)); // one member has both
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    KeyAffinity,
}

/// A way of one's own to choose the member that a call goes to: see
/// [`ClusterBuilder::choose_by`](crate::ClusterBuilder::choose_by). Closures are one too.
///
/// ```
/// use nanolith::{Arrival, Choose, MemberLoad, prelude::*};
/// # use nanolith_doc_sets::*;
/// /// The first keeps the calls until it has ten of them.
/// struct FillUp;
/// impl Choose for FillUp {
///     fn choose(&self, members: &[MemberLoad], _: &Arrival) -> usize {
///         members.iter().position(|member| member.calls < 10).unwrap_or(0)
///     }
/// }
/// let counter = Cluster::builder().choose_by(FillUp).launch(2, || Counter::service(10)).wait()?;
/// assert_eq!((counter.bump(1).wait()?, counter.bump(1).wait()?), (11, 12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Choose: Send + Sync + 'static {
    /// The place in `members`, which is never empty, of the one that the call goes to. A number past the end counts on from
    /// the first. No lock is held meanwhile; a panic ends the call as [`CallError::Lost`](crate::CallError::Lost) and goes on
    /// in the caller.
    fn choose(&self, members: &[MemberLoad], call: &Arrival) -> usize;
}

impl<F: Fn(&[MemberLoad], &Arrival) -> usize + Send + Sync + 'static> Choose for F {
    fn choose(&self, members: &[MemberLoad], call: &Arrival) -> usize {
        self(members, call)
    }
}

/// A member, and how busy it is: what [`Choose`] is shown.
///
/// ```
/// use nanolith::{Arrival, MemberLoad};
/// fn idle(members: &[MemberLoad], _: &Arrival) -> usize {
///     members.iter().position(|member| member.calls == 0).unwrap_or(0)
/// }
/// # let _: &dyn nanolith::Choose = &idle;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberLoad {
    /// Which member.
    pub id: MemberId,
    /// Its calls that wait or run, wherever they came from.
    pub calls: usize,
}

/// A call for which a member is chosen: what [`Choose`] is shown.
///
/// ```
/// use nanolith::{Arrival, MemberLoad};
/// fn heavy_ones_apart(members: &[MemberLoad], call: &Arrival) -> usize {
///     let heavy = call.task().is_some_and(|task| task.name() == "render");
///     if heavy { 0 } else { 1 + call.turn() as usize % (members.len() - 1).max(1) }
/// }
/// # let _: &dyn nanolith::Choose = &heavy_ones_apart;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    task: Option<&'static TaskInfo>,
    turn: u64,
}

impl Arrival {
    pub(super) fn new(task: Option<&'static TaskInfo>, turn: u64) -> Self {
        Self { task, turn }
    }

    /// The task that is called; `None` for [`ClusterControl::use_next`](crate::ClusterControl::use_next).
    #[must_use]
    pub fn task(&self) -> Option<&'static TaskInfo> {
        self.task
    }

    /// How many were chosen for before this one.
    #[must_use]
    pub fn turn(&self) -> u64 {
        self.turn
    }
}

/// How a cluster was told to choose.
#[derive(Clone)]
pub(super) enum Policy {
    Ours(Balance),
    Own(Arc<dyn Choose>),
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(balance) => balance.fmt(f),
            Self::Own(_) => f.write_str("Own"),
        }
    }
}

/// Those members who may be chosen: all but one, perhaps.
pub(super) struct Candidates<'a, S: TaskSet> {
    members: &'a [Arc<Member<S>>],
    without: Option<usize>,
}

impl<'a, S: TaskSet> Candidates<'a, S> {
    /// Leaves out the member at `without`, unless it is the only one.
    pub(super) fn new(members: &'a [Arc<Member<S>>], without: Option<usize>) -> Self {
        Self { members, without: without.filter(|_| members.len() > 1) }
    }

    fn len(&self) -> usize {
        self.members.len() - usize::from(self.without.is_some())
    }

    /// The place among all members.
    fn place(&self, nth: usize) -> usize {
        nth + usize::from(self.without.is_some_and(|without| nth >= without))
    }

    fn get(&self, nth: usize) -> &Member<S> {
        &self.members[self.place(nth)]
    }

    fn load(&self, nth: usize) -> usize {
        self.get(nth).service.load()
    }

    /// The place of the one to choose. There is at least one.
    pub(super) fn choose(&self, policy: &Policy, call: &Arrival) -> usize {
        let chosen = match (policy, call.task) {
            (Policy::Ours(Balance::RoundRobin), _) => self.round_robin(call.turn),
            (Policy::Ours(Balance::PowerOfTwo), _) => self.power_of_two(call.turn),
            (Policy::Ours(Balance::KeyAffinity), Some(task)) => self.by_key(&task.identifier()),
            (Policy::Ours(_), _) => self.least_busy(call.turn),
            (Policy::Own(own), _) => own.choose(&self.loads(), call) % self.len(),
        };
        self.place(chosen)
    }

    fn round_robin(&self, turn: u64) -> usize {
        (turn % self.len() as u64) as usize
    }

    /// The look begins at another each time, so that equals take turns.
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

    /// The member who bids most for the key. Each bid rests on the key and that member alone: when another goes or comes, only
    /// the keys that it held or wins move.
    pub(super) fn by_key<K: Hash + ?Sized>(&self, key: &K) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let key = hasher.finish();
        let bid = |nth: &usize| mix(key ^ mix(self.get(*nth).id.number()));
        (0..self.len()).max_by_key(bid).unwrap_or(0)
    }
}

/// Numbers that follow each other come out far apart (the finalizer of splitmix64).
fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
