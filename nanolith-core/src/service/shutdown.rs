//! The end of a service. After a close, accepted calls finish first. A termination, a crash, or the
//! end of a simulation ends the calls that have not finished.

use super::{
    CloseError,
    event_loop::EventLoop,
    events::{Crash, LifeEvent},
    service_shared::ServiceShared,
    service_state::{Phase, ServiceState},
};
use crate::{
    call::{backend::ErasedCall, call_ref::CallRef, end_batch::EndBatch, header::Header, slot::EndReason},
    context::{block_on, thread_context},
    error::{Cause, Panic},
    task::{CallSlot, Outbox, ServiceEnv, TaskSet, on_close},
    trace,
    util::unwind,
    wake::WakeList,
};
use std::{
    future::poll_fn,
    rc::Rc,
    sync::{MutexGuard, atomic::Ordering},
    task::Poll,
};

/// The way in which a service ends the calls that it has not finished.
#[derive(Clone, Debug, Default)]
pub(super) enum Ending {
    #[default]
    Closed,
    /// The limit of `close_timeout` has passed.
    Cancelled,
    /// The simulation of the service is over.
    SimulationOver,
    Crashed(Cause),
}

impl Ending {
    /// Returns the end of one call. After a crash, the call's error names the crash.
    pub(super) fn of(&self, call: &Header) -> EndReason {
        match self {
            Self::Closed => EndReason::Closed,
            Self::Cancelled => EndReason::Cancelled,
            Self::SimulationOver => EndReason::SimulationOver,
            Self::Crashed(crash) => {
                call.keep_crash(crash);
                EndReason::Crashed
            }
        }
    }
}

impl<S: TaskSet> ServiceShared<S> {
    /// Closes the service: it rejects calls from outside, and the accepted calls finish.
    pub(super) fn begin_close(&self) {
        let mut batch = EndBatch::default();
        let mut core = self.lock();
        let wakes = core.advance_to(Phase::Closing);
        self.release_into(core, wakes, &mut batch);
        self.wake();
        batch.run();
    }

    /// Closes the service if it has nothing to do. Returns whether it did.
    pub(super) fn close_if_idle(&self) -> bool {
        let mut core = self.lock();
        core.injector.drain_ring();
        let at_work = self.at_work(&core) > 0;
        let calls = core.injector.queue.in_flight() - core.injector.queue.ring_consumers();
        let idle = core.phase == Phase::Open && calls == 0 && !at_work;
        if idle {
            core.phase = Phase::Closing;
        }
        self.release(core, WakeList::default());
        if idle {
            self.begin_close();
        }
        idle
    }

    /// Ends the service without waiting for its calls.
    pub(super) fn terminate(&self) {
        let mut batch = EndBatch::default();
        self.terminate_into(&mut batch);
        batch.run();
    }

    /// Like [`terminate`](Self::terminate), but leaves user code to `batch`.
    pub(super) fn terminate_into(&self, batch: &mut EndBatch) {
        self.terminate_as(&Ending::Closed, batch);
        if let Some(call) = self.running.call() {
            call.end_into(EndReason::Closed, batch);
            batch.drop_owner(call.erase());
        }
    }

    /// Ends the service. Calls that are queued or suspended end with `ending`. Returns how many had
    /// not begun, and how many had.
    pub(super) fn terminate_as(&self, ending: &Ending, batch: &mut EndBatch) -> (usize, usize) {
        let mut core = self.lock();
        if core.phase < Phase::Terminating {
            core.ending = ending.clone();
        }
        let wakes = core.advance_to(Phase::Terminating);
        let ended = self.end_queued_under(core, wakes, None, ending, batch);
        self.wake();
        ended
    }

    /// Ends the service and its calls because the simulation is over.
    pub(super) fn end_with_simulation(&self) {
        let mut batch = EndBatch::default();
        self.ask_to_stop();
        self.terminate_as(&Ending::SimulationOver, &mut batch);
        self.suspended.iter().for_each(|calls| calls.end_all(self.id, EndReason::SimulationOver, &mut batch));
        if let Some(call) = self.running.call() {
            call.end_into(EndReason::SimulationOver, &mut batch);
            batch.drop_owner(call.erase());
        }
        batch.run();
    }

    /// Asks every task to stop, from now on.
    pub(super) fn ask_to_stop(&self) {
        // ORDERING: Relaxed. Tasks poll this flag repeatedly through `is_asked_to_stop`, and no
        // other data depends on it.
        self.stopping.store(true, Ordering::Relaxed);
        thread_context::note_shutdown();
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.lock().phase >= Phase::Terminating
    }

    /// Returns whether the service was terminated, even in the middle of an orderly end.
    pub(super) fn is_cut_short(&self) -> bool {
        self.lock().terminated
    }

    /// Marks that the thread runs no more calls. Returns whether the group had requested a restart
    /// of this service, and of others after it.
    pub(super) fn stop_serving(&self) -> bool {
        let mut core = self.lock();
        core.phase = Phase::Terminating;
        core.injector.close_ring();
        let wakes = core.injector.queue.wake_all_waiting().and(core.phase_waiters.take_all());
        let asked = core.restart_request.take();
        self.release(core, wakes);
        matches!(asked, Some(Crash::Group))
    }

    /// Ends every queued call, and `held`, the `stalled_call` of the service's thread.
    pub(super) fn end_queued(&self, held: Option<CallRef<CallSlot<S>>>, ending: &Ending) {
        let mut batch = EndBatch::default();
        self.end_queued_under(self.lock(), WakeList::default(), held, ending, &mut batch);
        batch.run();
    }

    /// Marks the service as over. Publishes the last event and wakes the callers that wait for the
    /// end.
    pub(super) fn over(&self, error: Option<CloseError>, last: &LifeEvent) {
        if let Some(outlets) = Outbox::of(&self.data) {
            outlets.close();
        }
        if let LifeEvent::GaveUp(crash) = last {
            trace::gave_up(&self.name, crash);
        }
        self.watchers.publish(last); // before the end: a caller that waited for it finds the event
        let (closers, leftovers) = {
            let mut core = self.lock();
            core.phase = Phase::Over;
            core.error = error;
            (core.close_waiters.take_all(), std::mem::take(&mut core.leftovers))
        };
        leftovers.into_iter().for_each(unwind::ignore_panics);
        closers.wake();
    }

    /// Like [`end_queued`](Self::end_queued) under the lock `core`, which this method releases.
    /// Leaves user code to `batch`. Returns how many calls had not begun, and how many had.
    fn end_queued_under(
        &self,
        mut core: MutexGuard<'_, ServiceState<S>>,
        mut wakes: WakeList,
        mut held: Option<CallRef<CallSlot<S>>>,
        ending: &Ending,
        batch: &mut EndBatch,
    ) -> (usize, usize) {
        core.injector.close_ring();
        let urgent = core.awaited_calls.take_all();
        let queue = core.injector.drain_ring();
        let mut ended = Vec::new();
        while let Some(call) = held.take().or_else(|| queue.pop()) {
            if call.claim() {
                wakes = wakes.and(queue.discarded(call.header.is_nested()));
                ended.push(call);
            } else {
                queue.discard_stale(call); // the last owner drops the output
            }
        }
        // The thread may hold one more call. It ends that call itself, or begins it at this moment.
        let (figures, more) = core.injector.figures();
        let queued = ended.len() + figures.queued_outside + figures.overflow;
        let running = core.active + self.at_work(&core);
        self.release_into(core, wakes.and(more), batch);
        batch.count_at(self.id);
        for call in ended {
            let how = ending.of(&call.header);
            batch.end_claimed(call.erase(), how);
        }
        batch.drop_later(urgent);
        (queued, running)
    }
}

impl<S: TaskSet, E: Send + 'static, A> EventLoop<S, E, A> {
    /// Ends the service: in the way of the phase `life`, or because of `crash`. Every waiting
    /// caller is answered in each case.
    pub(super) async fn end(mut self, life: Phase, crash: Option<Crash>) {
        let is_owed = self.inner.stop_serving();
        let ending = match &crash {
            Some(crash) => Ending::Crashed(crash.reason()),
            None => self.inner.lock().ending.clone(),
        };
        for call in self.local_tasks.dismiss(&ending) {
            self.inner.list_suspended(&call, false);
            self.count_over(&call, true);
        }
        self.inner.end_queued(self.stalled_call.take(), &ending);
        let Self { inner, ground, .. } = self;
        let ended = end_state::<S>(ground, life == Phase::Closing, &inner).await;
        let thrown = ended.err().map(CloseError::Panicked);
        let error = crash.clone().map(CloseError::Crashed).or(thrown);
        let has_crashed = crash.is_some();
        inner.over(error, &crash.map_or(LifeEvent::Closed, LifeEvent::GaveUp));
        match inner.group.get() {
            Some(place) if has_crashed => place.on_give_up(),
            Some(place) if is_owed => place.skip_restart(),
            _ => {}
        }
    }
}

/// Ends the state: passes it to `#[on_close]` after an orderly close, and drops it otherwise. A
/// terminate drops the future of `#[on_close]` at its next await.
async fn end_state<S: TaskSet>(
    ground: Rc<ServiceEnv<S>>,
    orderly: bool,
    inner: &ServiceShared<S>,
) -> Result<(), Panic> {
    let mut last = unwind::catch(|| {
        let owner = ground.owner.clone();
        drop(ground);
        let state = owner.into_state();
        if orderly { on_close::<S>(state) } else { None }
    })?;
    let ended = poll_fn(|cx| {
        let Some(last) = last.as_mut().filter(|_| !inner.is_cut_short()) else { return Poll::Ready(Ok(())) };
        match unwind::catch(|| last.as_mut().poll(cx)) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    let ended = if inner.home.is_pool() {
        ended.await
    } else {
        // This wait has no target executor: the thread has no permit to lend.
        block_on::block_on(ended, None).unwrap_or(Ok(()))
    };
    ended.and(unwind::catch(|| drop(last)))
}
