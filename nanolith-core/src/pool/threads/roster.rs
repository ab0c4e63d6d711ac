//! [`Roster`]: the list of a pool's threads that have not ended. The wait for the pool's end joins
//! them.

use crate::{
    util::{ordered_map::OrderedMap, unwind},
    wake::{AfterUnlock, Deferred, WaiterHome, WaiterSet},
};
use std::{mem, sync::Arc, thread::JoinHandle};

/// A list of a pool's threads, from before they start until their last function has returned.
#[derive(Default)]
pub(in crate::pool) struct Roster {
    state: Deferred<State>,
}

#[derive(Default)]
pub(in crate::pool) struct State {
    last: u64,
    alive: usize,
    /// The handles to join the threads, by number. A thread that ends removes its handle, unless
    /// the pool ends.
    handles: OrderedMap<u64, Option<JoinHandle<()>>>,
    /// Whether the pool ends. A wait for its end joins the threads.
    keeps_handles: bool,
    waiting: WaiterSet,
}

/// The waiters for the end of all threads.
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
    /// Returns whether all threads have ended.
    pub(in crate::pool) fn is_over(&self) -> bool {
        self.alive == 0
    }
}

/// A thread's entry in the roster. Its drop is the end of the thread, except for the destructors of
/// its thread-locals.
pub(in crate::pool) struct Present {
    roster: Arc<Roster>,
    number: u64,
}

impl Roster {
    /// Adds a thread that is about to be started.
    pub(in crate::pool) fn enter(self: &Arc<Self>) -> Present {
        let number = self.state.with(|state, _| {
            state.last += 1;
            state.alive += 1;
            state.handles.insert(state.last, None);
            state.last
        });
        Present { roster: self.clone(), number }
    }

    /// Keeps the handle of a thread that was started, unless the thread has ended.
    pub(in crate::pool) fn set_handle(&self, number: u64, handle: JoinHandle<()>) {
        let mut handle = Some(handle);
        self.state.with(|state, _| state.handles.get_mut(number).map(|known| mem::swap(known, &mut handle)));
        drop(handle);
    }

    /// Keeps the handles of the threads from now on, since the pool ends.
    pub(in crate::pool) fn keep_handles(&self) {
        self.state.with(|state, _| state.keeps_handles = true);
    }

    /// Joins the threads that have ended since the handles are kept. The destructors of their
    /// thread-locals have run then.
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
            if state.keeps_handles { None } else { state.handles.remove(self.number) }
        });
        drop(handle); // detaches the current thread
    }
}
