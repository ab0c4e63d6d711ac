//! A `Local` as the holder of its calls: how its tasks wait, and how its owner does.

use super::{driver::Driving, local_shared::Inner, state::Work};
use crate::{
    call::{
        backend::{Host, HostId, Loan, Over, PermitState, Ran, Runnable, Verdict, WouldDeadlock},
        call_ref::Shared,
        end_batch::EndBatch,
        offload,
        slot::End,
    },
    context::thread_context::{self, Where},
    deadlock::BlockedWaiter,
    executor::admission::OnFull,
    park::parker::Parking,
    pool::{AtWork, end_suspended},
    sched::{policy::Rules, ring::Points},
    time::clock,
    util::unwind,
    wake::{WakeList, extensions::Data},
};
use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

impl Host for Inner {
    fn id(&self) -> HostId {
        self.id
    }

    fn data(&self) -> &Data {
        &self.config.data
    }

    fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    fn whereabouts(&self) -> Where {
        Where::Local(self.config.name.clone())
    }

    /// The thread is the only one: what it waits for, it cannot do meanwhile. If it is another host's too, that lends.
    fn lend(&self, permit: &mut PermitState, target: Option<HostId>) -> Result<Loan, WouldDeadlock> {
        if target == Some(self.id) {
            return Err(WouldDeadlock);
        }
        match self.outer() {
            Some(outer) => outer.lend(permit, target),
            None => Ok(Loan::default()),
        }
    }

    fn take_back(&self, loan: Loan) -> PermitState {
        match self.outer() {
            Some(outer) => outer.take_back(loan),
            None => loan.before,
        }
    }

    fn set_blocked(&self, waiter: Option<BlockedWaiter>) -> Option<Option<BlockedWaiter>> {
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::replace(&mut *blocked, waiter))
    }

    fn blocked(&self) -> Option<BlockedWaiter> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn waits_for_room(&self) -> bool {
        self.config.on_full == OnFull::Wait
    }

    fn awaited(self: Arc<Self>, call: &Shared<dyn Runnable>, blocking: bool) -> Verdict {
        if !call.is_queued() {
            let stands_below = blocking && self.lock().begun.contains(&address(call));
            return if stands_below && !call.is_over() { Verdict::Deadlock } else { Verdict::Wait };
        }
        if !blocking {
            if call.meta().mark_urgent() {
                let mut core = self.lock();
                core.urge(call.clone());
                self.release(core, WakeList::default());
            }
            return Verdict::Wait;
        }
        if !call.claim() {
            return Verdict::Wait;
        }
        let mut core = self.lock();
        let wakes = core.front.begin_out_of_turn(&**call);
        if thread_context::is_deep() {
            let wakes = wakes.and(core.front.queue.over(call.meta().is_inside(), false));
            self.release(core, wakes);
            call.discard(End::WouldDeadlock);
            return Verdict::Deadlock;
        }
        self.release(core, wakes);
        self.run(Work::Call(call.clone()));
        Verdict::Ran
    }

    fn drive_until(
        self: Arc<Self>,
        is_ready: &mut dyn FnMut() -> bool,
        deadline: Option<Instant>,
    ) -> Option<Result<(), WouldDeadlock>> {
        let driving = Driving::as_owner(&self)?;
        if thread_context::is_deep() {
            return Some(Err(WouldDeadlock));
        }
        let parking = Parking::of_this_thread();
        loop {
            let ready = {
                let _here = self.enter();
                is_ready()
            };
            if ready || deadline.is_some_and(|deadline| deadline <= clock::instant()) {
                return Some(Ok(()));
            }
            if !driving.step_or_sleep(parking.waker()) {
                let _lent = thread_context::lend(None);
                parking.park_until(deadline);
            }
        }
    }

    fn is_driven_by_us(&self) -> bool {
        Self::is_driven_by_us(self)
    }

    fn left_queue(&self, call: &dyn Runnable, batch: &mut EndBatch) {
        let mut core = self.lock();
        let wakes = core.front.leave(call);
        self.release_into(core, wakes, batch);
    }

    fn raised(&self, call: &Shared<dyn Runnable>) {
        let expires = self.rules.raised(call.meta());
        let mut core = self.lock();
        core.front.raise(expires, Work::Call(call.clone()));
        self.release(core, WakeList::default());
    }

    fn suspended(&self, call: &Shared<dyn Runnable>) {
        if let Some(how) = self.simulated.as_ref().and_then(|calls| calls.suspended.list(call)) {
            let mut batch = EndBatch::default();
            end_suspended(call.clone(), self.id, how, &mut batch);
            batch.run();
        }
    }

    fn no_more_suspended(&self, call: usize) {
        self.simulated.iter().for_each(|calls| calls.suspended.strike_off(call));
    }

    fn finished(&self, over: Over) {
        let mut core = self.lock();
        let wakes = core.front.queue.over(over.inside, over.began);
        self.release(core, wakes);
    }

    fn run_soon(self: Arc<Self>, work: offload::Work) -> Result<(), offload::Work> {
        if self.lock().abandoned {
            return Err(work);
        }
        offload::resume(self, work);
        Ok(())
    }

    fn resume(self: Arc<Self>, expires: u64, work: async_task::Runnable) {
        let mut core = self.lock();
        if core.abandoned {
            drop(core);
            unwind::quietly(|| drop(work));
            return;
        }
        core.front.queue.resume(expires, Work::Resume(work));
        self.release(core, WakeList::default());
    }
}

impl Inner {
    fn outer(&self) -> Option<Arc<dyn Host>> {
        self.lock().outer.clone()?.upgrade()
    }

    /// Runs work that was begun, on this thread, which drives.
    pub(super) fn run(&self, work: Work) {
        let begun = match &work {
            Work::Call(call) => Some((address(call), call.meta().is_inside())),
            Work::Resume(_) => None,
        };
        {
            let mut core = self.lock();
            core.active += 1;
            core.begun.extend(begun.map(|(address, _)| address));
        }
        let (ran, finished) = thread_context::collect_over(self.id, || {
            let _here = self.enter();
            let _listed = match (&self.simulated, &work) {
                (Some(calls), Work::Call(call)) => Some(AtWork::begin(&calls.at_work, self.id, call)),
                _ => None,
            };
            let now = clock::now();
            clock::tell(now);
            thread_context::run_on_top(|| run(work, now))
        });
        let mut core = self.lock();
        core.active -= 1;
        let mut wakes = WakeList::default();
        if let Some((_, inside)) = begun {
            core.begun.pop();
            if ran != Ran::Spawned {
                wakes = core.front.queue.over(inside, ran == Ran::Done);
            }
        }
        if let Some(over) = finished {
            wakes = wakes.and(core.front.queue.over(over.inside, over.began));
        }
        self.release(core, wakes);
    }
}

/// What its destructors throw stays here.
fn run(work: Work, now: u64) -> Ran {
    match work {
        Work::Call(call) => unwind::catch(|| call.run(None, now)).unwrap_or(Ran::Done),
        Work::Resume(work) => {
            unwind::quietly(|| {
                work.run();
            });
            Ran::Spawned
        }
    }
}

fn address(call: &Shared<dyn Runnable>) -> usize {
    call.points().addr()
}
