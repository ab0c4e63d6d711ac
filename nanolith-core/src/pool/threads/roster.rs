//! The threads of a pool that have not ended.

use crate::{
    util::unwind,
    wake::{AfterUnlock, Deferred, WaiterHome, WaiterSet},
};
use std::{collections::BTreeMap, mem, sync::Arc, thread::JoinHandle};

/// Knows the threads of a pool, from before they start until their last function has returned.
#[derive(Default)]
pub(in crate::pool) struct Roster {
    state: Deferred<State>,
}

#[derive(Default)]
pub(in crate::pool) struct State {
    last: u64,
    alive: usize,
    /// The threads to join, by number. One that ends takes its handle out, unless the pool ends.
    handles: BTreeMap<u64, Option<JoinHandle<()>>>,
    /// The pool ends: a wait for that joins its threads.
    keeps_handles: bool,
    waiting: WaiterSet,
}

/// The waits for the end of all threads.
impl WaiterHome for Roster {
    type State = State;

    fn with_state<R>(&self, change: impl FnOnce(&mut State, &mut AfterUnlock) -> R) -> R {
        self.state.with(change)
    }

    fn waiters(state: &mut State) -> &mut WaiterSet {
        &mut state.waiting
    }
}

impl State {
    /// Whether all threads have ended.
    pub(in crate::pool) fn is_over(&self) -> bool {
        self.alive == 0
    }
}

/// A thread of the pool. It ends by the drop of this, but for the destructors of its thread-locals.
pub(in crate::pool) struct Present {
    roster: Arc<Roster>,
    number: u64,
}

impl Roster {
    /// One more thread, which is about to be started.
    pub(in crate::pool) fn enter(self: &Arc<Self>) -> Present {
        let number = self.state.with(|state, _| {
            state.last += 1;
            state.alive += 1;
            state.handles.insert(state.last, None);
            state.last
        });
        Present { roster: self.clone(), number }
    }

    /// Keeps the handle of a thread that was started, unless it has ended.
    pub(in crate::pool) fn set_handle(&self, number: u64, handle: JoinHandle<()>) {
        let mut handle = Some(handle);
        self.state.with(|state, _| state.handles.get_mut(&number).map(|known| mem::swap(known, &mut handle)));
        drop(handle);
    }

    /// The pool ends: from now on the handles of its threads are kept.
    pub(in crate::pool) fn keep_handles(&self) {
        self.state.with(|state, _| state.keeps_handles = true);
    }

    /// Joins the threads that have ended since: so the destructors of their thread-locals are over.
    pub(in crate::pool) fn join(&self) {
        let handles = self.state.with(|state, _| mem::take(&mut state.handles));
        for handle in handles.into_values().flatten() {
            unwind::ignore_panics(|| drop(handle.join()));
        }
    }
}

impl Present {
    pub(in crate::pool) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let handle = self.roster.state.with(|state, after| {
            state.alive -= 1;
            if state.alive == 0 {
                state.waiting.notify_all(after);
            }
            if state.keeps_handles { None } else { state.handles.remove(&self.number) }
        });
        drop(handle); // the thread's own: it is detached
    }
}
