//! [`Members`]: the services of a cluster, and the choice of one for a call.

use crate::{ProcessServiceRef, served::ProcessSet};
use nanolith::{cluster::Balance, task::TaskInfo};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicUsize, Ordering},
};

pub(super) struct Members<S: ProcessSet> {
    services: Vec<ProcessServiceRef<S>>,
    balance: Balance,
    /// The number of choices so far.
    turn: AtomicUsize,
}

impl<S: ProcessSet> Members<S> {
    pub(super) fn new(services: Vec<ProcessServiceRef<S>>, balance: Balance) -> Self {
        Self { services, balance, turn: AtomicUsize::new(0) }
    }

    pub(super) fn all(&self) -> &[ProcessServiceRef<S>] {
        &self.services
    }

    /// Returns the member that a call goes to. Returns `None` if all have ended.
    pub(super) fn choose(&self, task: Option<&'static TaskInfo>) -> Option<&ProcessServiceRef<S>> {
        self.in_order(task).next()
    }

    /// Returns the members that have not ended, the chosen one first.
    pub(super) fn in_order(&self, task: Option<&'static TaskInfo>) -> impl Iterator<Item = &ProcessServiceRef<S>> {
        let open: Vec<_> = self.services.iter().filter(|service| !service.is_ended()).collect();
        let first = if open.len() < 2 { 0 } else { self.first(&open, task) };
        let (before, from) = open.split_at(first.min(open.len()));
        from.iter().chain(before).copied().collect::<Vec<_>>().into_iter()
    }

    fn first(&self, open: &[&ProcessServiceRef<S>], task: Option<&'static TaskInfo>) -> usize {
        // ORDERING: Relaxed, the number is only a turn.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % open.len();
        let load = |place: &usize| open[*place].load();
        match (self.balance, task) {
            (Balance::RoundRobin, _) => turn,
            (Balance::PowerOfTwo, _) => {
                let one = fastrand::usize(..open.len());
                let other = (one + fastrand::usize(1..open.len())) % open.len();
                if load(&other) < load(&one) { other } else { one }
            }
            (Balance::TaskAffinity, Some(task)) => by_hash(open, &task.identifier()),
            // Of equal members, the one whose turn it is.
            _ => (0..open.len()).map(|place| (turn + place) % open.len()).min_by_key(load).unwrap_or(0),
        }
    }

    /// Returns the member for a key.
    pub(super) fn by_key<K: Hash + ?Sized>(&self, key: &K) -> Option<&ProcessServiceRef<S>> {
        let open: Vec<_> = self.services.iter().filter(|service| !service.is_ended()).collect();
        if open.is_empty() { None } else { Some(open[by_hash(&open, key)]) }
    }
}

/// Returns the place of the member for a key: the one with the highest hash of its number and the key.
/// So when a member ends, only its keys move.
fn by_hash<S: ProcessSet, K: Hash + ?Sized>(open: &[&ProcessServiceRef<S>], key: &K) -> usize {
    let hash = |place: &usize| {
        let mut hasher = DefaultHasher::new();
        open[*place].number().hash(&mut hasher);
        key.hash(&mut hasher);
        hasher.finish()
    };
    (0..open.len()).max_by_key(hash).unwrap_or(0)
}
