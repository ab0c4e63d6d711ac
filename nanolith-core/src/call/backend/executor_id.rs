//! [`ExecutorId`]: the number of an executor, and the global registry by which the number resolves
//! to the executor as long as the executor exists.

use super::Backend;
use crate::{time::clock, util::ordered_map::OrderedMap};
use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

/// A number that identifies an executor. No number is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecutorId(NonZero<u64>);

impl ExecutorId {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed, the number publishes nothing but itself.
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Self(NonZero::new(number).expect("a process makes fewer than 2⁶⁴ executors"))
    }

    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn from_raw(number: u64) -> Option<Self> {
        NonZero::new(number).map(Self)
    }

    /// Registers the executor under this number.
    pub(crate) fn insert(self, host: Weak<dyn Backend>) {
        let known = Known { host, has_system_clock: clock::source().is_none() };
        hosts().insert(self.number(), known);
    }

    /// Removes the executor, which is being dropped.
    pub(crate) fn remove(self) {
        hosts().remove(self.number());
    }

    pub(crate) fn get(self) -> Option<Arc<dyn Backend>> {
        hosts().get(self.number()).and_then(|known| known.host.upgrade())
    }
}

/// Returns the executors that use the system's clock.
pub(crate) fn all_by_the_system_clock() -> Vec<Weak<dyn Backend>> {
    hosts().values().filter(|known| known.has_system_clock).map(|known| known.host.clone()).collect()
}

/// Every live executor by its number. A call's handle and timer keep only the number: they come and
/// go with each call, and so do not touch the executor's reference count.
static HOSTS: Mutex<OrderedMap<u64, Known>> = Mutex::new(OrderedMap::new());

struct Known {
    host: Weak<dyn Backend>,
    /// Whether the thread that made the executor uses the system's clock.
    has_system_clock: bool,
}

fn hosts() -> MutexGuard<'static, OrderedMap<u64, Known>> {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}
