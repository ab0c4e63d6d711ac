//! A runner: it holds a permit, drains the lanes, lingers a moment, and steps down.

use super::{core::Work, inner::Inner};
use crate::{
    host::{Host, Ran, Runnable},
    panics, park, place,
    queue::Wakes,
};
use std::sync::{Arc, atomic::Ordering};

/// What a runner did last.
enum Last {
    Nothing,
    Call { inside: bool, ran: Ran },
    Resumed,
}

impl Inner {
    /// A permit has come to a rayon thread, whose stack is so deep.
    pub(super) fn begin_on_rayon(self: &Arc<Self>, generation: u64, depth: Option<usize>) {
        let mut core = self.lock();
        let current = core.rayon.generation == generation;
        if current {
            core.rayon.coming -= 1;
        }
        if self.is_on_top(depth) {
            // Stolen on top of a task that waits in `par_iter` and may hold a lock, or of a piece that such a task waits
            // for: another thread has to begin.
            drop(core);
            self.send_spare(self.clone());
            return;
        }
        drop(core);
        self.begin(Some(generation));
    }

    /// A permit has come to a spare thread.
    pub(super) fn begin_spare(self: &Arc<Self>) {
        self.begin(None);
    }

    /// Takes up permits as long as there are some.
    fn begin(self: &Arc<Self>, generation: Option<u64>) {
        while self.lock().take_token(generation) {
            place::as_runner(|| self.drain(generation));
        }
    }

    fn drain(self: &Arc<Self>, generation: Option<u64>) {
        let mut last = Last::Nothing;
        while let Some(work) = self.next(last, generation) {
            last = match work {
                Work::Call(call) => {
                    let inside = call.meta().is_inside();
                    Last::Call { inside, ran: self.run_call(call) }
                }
                Work::Resume(work) => {
                    panics::quietly(|| {
                        work.run();
                    });
                    Last::Resumed
                }
            };
        }
    }

    /// Runs a claimed call; what its destructors throw stays here.
    pub(super) fn run_call(&self, call: Arc<dyn Runnable>) -> Ran {
        let Some(me) = self.me.upgrade() else { return Ran::Done };
        let host: Arc<dyn Host> = me;
        panics::catch(|| call.run(&host)).unwrap_or(Ran::Done)
    }

    /// Counts what was done last, and takes what is next. `None`: the permit is given back.
    #[allow(clippy::needless_pass_by_value)] // what was done last is counted once
    fn next(&self, last: Last, generation: Option<u64>) -> Option<Work> {
        let mut core = self.lock();
        let mut wakes = match last {
            Last::Nothing => Wakes::default(),
            Last::Call { inside, ran: Ran::Done } => {
                core.active -= 1;
                core.queue.finished(inside)
            }
            Last::Call { .. } | Last::Resumed => {
                core.active -= 1;
                Wakes::default()
            }
        };
        let mut lingered = false;
        loop {
            if core.is_superfluous(generation) {
                break;
            }
            let (work, more) = core.take();
            wakes = wakes.and(more);
            if work.is_some() {
                core.active += 1;
                self.release(core, wakes);
                return work;
            }
            if lingered || core.paused || core.closed {
                break;
            }
            lingered = true;
            core.lingering += 1;
            self.hint.store(0, Ordering::Relaxed);
            drop(core);
            std::mem::take(&mut wakes).wake();
            self.look_on();
            core = self.lock();
            core.lingering -= 1;
        }
        core.step_down(generation);
        self.release(core, wakes);
        None
    }

    /// Waits a moment for work, off the lock.
    fn look_on(&self) {
        // ORDERING: Relaxed, a hint: the lock is taken before anything is believed.
        park::look_on(park::LINGER, || self.hint.load(Ordering::Relaxed) > 0);
    }

    /// Counts a call that was run outside of a runner's round.
    pub(super) fn after(&self, ran: Ran) {
        let mut core = self.lock();
        core.active -= 1;
        let wakes = match ran {
            Ran::Done => core.queue.finished(false),
            Ran::Spawned => Wakes::default(),
        };
        self.release(core, wakes);
    }

    /// Runs a call that somebody waits for on a spare thread, beyond the concurrency: the pool is paused, or its one
    /// who waits cannot run it.
    pub(super) fn run_apart(self: &Arc<Self>, call: Arc<dyn Runnable>) {
        let inside = call.meta().is_inside();
        {
            let mut core = self.lock();
            core.running += 1;
            core.active += 1;
        }
        place::as_runner(|| {
            let ran = self.run_call(call);
            let mut core = self.lock();
            core.active -= 1;
            core.running -= 1;
            let wakes = if ran == Ran::Done { core.queue.finished(inside) } else { Wakes::default() };
            self.release(core, wakes);
        });
    }
}
