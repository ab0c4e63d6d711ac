//! [`KeepAlive`]: a guard of a call or a service that keeps the program alive. `main_guard` waits
//! until no guard is left.

use super::{AfterUnlock, Deferred, Registration, WaiterHome, WaiterSet};
use crate::{sim_runtime, util::ordered_map::OrderedMap};
use std::task::{Context, Poll};

/// The number of calls and services that keep the program alive, and the waits until there are
/// none.
#[derive(Default)]
pub(crate) struct KeepAliveState {
    count: usize,
    waiting: WaiterSet,
}

/// The states by realm: see [`sim_runtime::realm`].
static KEPT: Deferred<OrderedMap<u64, KeepAliveState>> = Deferred::new(OrderedMap::new());

/// Changes the state of one realm.
fn with_kept<R>(realm: u64, change: impl FnOnce(&mut KeepAliveState, &mut AfterUnlock) -> R) -> R {
    KEPT.with(|all, after| {
        let kept = all.get_or_insert_with(realm, Default::default);
        let result = change(kept, after);
        if kept.count == 0 && kept.waiting.len() == 0 {
            all.remove(realm);
        }
        result
    })
}

/// A guard that keeps the program alive until it is dropped.
#[derive(Debug)]
pub(crate) struct KeepAlive(u64);

impl KeepAlive {
    pub(crate) fn new() -> Self {
        let realm = sim_runtime::realm();
        with_kept(realm, |kept, _| kept.count += 1);
        Self(realm)
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        with_kept(self.0, |kept, after| {
            kept.count -= 1;
            if kept.count == 0 {
                kept.waiting.notify_all(after);
            }
        });
    }
}

/// A realm, as the home of waits until nothing in it keeps the program alive.
pub(crate) struct Realm(u64);

impl WaiterHome for Realm {
    type State = KeepAliveState;

    fn with_state<R>(&self, change: impl FnOnce(&mut KeepAliveState, &mut AfterUnlock) -> R) -> R {
        with_kept(self.0, change)
    }

    fn waiters(state: &mut KeepAliveState) -> &mut WaiterSet {
        &mut state.waiting
    }
}

/// Returns a wait in this realm, for [`poll_none`].
pub(crate) fn waiter() -> Registration<Realm> {
    Registration::new(Realm(sim_runtime::realm()))
}

/// Returns ready when nothing keeps the program alive.
pub(crate) fn poll_none(waiter: &mut Registration<Realm>, cx: &Context<'_>) -> Poll<()> {
    waiter.poll_until(cx.waker(), |kept| kept.count == 0)
}

/// Returns the number of calls and services that keep the program alive.
pub(crate) fn count() -> usize {
    with_kept(sim_runtime::realm(), |kept, _| kept.count)
}
