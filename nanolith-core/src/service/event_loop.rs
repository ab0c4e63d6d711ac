//! [`EventLoop`]: the main loop of a service. It takes calls in order, runs them, and polls the
//! futures of calls that are not ready yet. It is a future: on a thread of its own it blocks where it
//! has nothing to do, so one poll runs it to its end, and on a pool it is pending there.

use super::{
    events::Crash,
    fast_path::FAST_PATH_AFTER,
    futures::Seen,
    init::Initializer,
    local_tasks::{LocalTasks, required_receiver},
    on_panic::PanicHandler,
    restart::Restarts,
    service_shared::ServiceShared,
    service_state::{Phase, ServiceState},
};
use crate::{
    call::{backend::RunResult, call_ref::CallRef, offload::OffloadedWork},
    metrics::ThreadRecorder,
    park::parker::{DeadlineAlarm, ThreadParker},
    task::{Brought, CallSlot, Input, Owner, ResidentSlot, ServiceEnv, TaskSet, is_large, run_on_service},
    time::clock,
    util::unwind,
    wake::{WakeList, extensions::Extensions},
};
use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// The most calls that a service on a pool runs before the pool may run other work.
const CALLS_PER_POLL: u32 = 64;

/// The data of the service's loop.
pub(super) struct EventLoop<S: TaskSet, E, A> {
    pub(super) inner: Arc<ServiceShared<S>>,
    pub(super) ground: Rc<ServiceEnv<S>>,
    pub(super) data: Extensions,
    /// The initializer, which makes the next state.
    pub(super) init: Box<dyn Initializer<S, E, A>>,
    pub(super) local_tasks: LocalTasks<S>,
    /// The slot in which one-way calls run.
    pub(super) resident: ResidentSlot<S>,
    /// The next call, which waits until it may access the state.
    pub(super) stalled_call: Option<CallRef<CallSlot<S>>>,
    pub(super) on_panic: Option<PanicHandler>,
    pub(super) restarts: Restarts,
    /// The time limit of `#[init]`.
    pub(super) launch_timeout: Option<Duration>,
    /// The reason for a restart, if the state has to be replaced.
    pub(super) crash: Option<Crash>,
    /// The time for which the thread spins for more work before it sleeps.
    pub(super) spin: Duration,
    /// The number of calls run since the last sleep, up to `FAST_PATH_AFTER`.
    pub(super) consecutive_calls: u32,
    /// The measurements of this thread, if metrics are on.
    pub(super) tally: ThreadRecorder,
}

/// The next step of the thread.
enum LoopStep<S: TaskSet> {
    Run(CallRef<CallSlot<S>>),
    /// Take calls from the ring.
    Serve,
    /// Run the work that the timer thread has left.
    Tidy(Vec<OffloadedWork>),
    Again,
    Park,
    Leave,
    Crash(Crash),
}

impl<S: TaskSet, E: Send + 'static, A> EventLoop<S, E, A> {
    /// Runs the service until it ends.
    pub(super) async fn run(mut self) {
        loop {
            let served = poll_fn(|cx| match unwind::catch(|| self.serve(cx)) {
                Ok(served) => served,
                Err(panic) => Poll::Ready(Err(Crash::Loop(panic))),
            });
            let crash = match served.await {
                Ok(life) => return self.end(life, None).await,
                Err(crash) => crash,
            };
            if let Err(crash) = self.replace_state(crash).await {
                return self.end(Phase::Terminating, crash).await;
            }
        }
    }

    /// Runs calls until the service ends or crashes. Returns the phase in which the service ends. On
    /// a pool, this is pending when the service has nothing to do, or has run for a while.
    fn serve(&mut self, cx: &mut Context<'_>) -> Poll<Result<Phase, Crash>> {
        let parking = if self.inner.home.is_pool() { None } else { Some(ThreadParker::of_this_thread()) };
        let mut lingered = false;
        let mut calls = 0;
        loop {
            self.poll_local_tasks(cx);
            // Begin no call on a state that is about to be replaced, and do not sleep before that.
            if let Some(crash) = self.crash.take() {
                return Poll::Ready(Err(crash));
            }
            if parking.is_none() && calls >= CALLS_PER_POLL {
                self.give_way();
                return Poll::Pending;
            }
            match self.next_step() {
                LoopStep::Run(call) => {
                    self.run_call(&call);
                    calls += 1;
                }
                LoopStep::Tidy(leftovers) => leftovers.into_iter().for_each(unwind::ignore_panics),
                LoopStep::Again => {}
                LoopStep::Serve => {
                    self.run_fast_path();
                    lingered = true;
                    continue;
                }
                LoopStep::Park => {
                    self.tally.flush();
                    self.inner.futures.answer(|| self.seen());
                    let Some(parking) = &parking else { return Poll::Pending };
                    if lingered || !parking.spin_until(self.spin) {
                        self.consecutive_calls = 0;
                    }
                    parking.park_until(None);
                }
                LoopStep::Leave => return Poll::Ready(Ok(self.inner.lock().phase)),
                LoopStep::Crash(crash) => return Poll::Ready(Err(crash)),
            }
            lingered = false;
        }
    }

    /// Wakes this loop, to be polled again once the pool has run what is more urgent.
    fn give_way(&self) {
        let first = self.inner.lock().injector.earliest();
        self.inner.wake_for(first);
    }

    /// Waits until the loop is woken, or until `due`.
    pub(super) async fn idle_until(&self, due: Option<Instant>) {
        let mut alarm = None;
        let mut is_woken = false;
        poll_fn(|cx| {
            if !self.inner.home.is_pool() {
                ThreadParker::of_this_thread().park_until(due);
                return Poll::Ready(());
            }
            if std::mem::replace(&mut is_woken, true) {
                return Poll::Ready(());
            }
            alarm = due.map(|due| DeadlineAlarm::new(due, cx.waker()));
            Poll::Pending
        })
        .await;
        drop(alarm);
    }

    /// Returns the pending futures, and the call that waits for the state, for the deadlock check.
    pub(super) fn seen(&self) -> Seen {
        let held =
            self.stalled_call.as_ref().map(|call| (required_receiver::<S>(call.header.task()), call.clone().erase()));
        Seen { calls: self.local_tasks.calls(), held }
    }

    /// Polls the futures that were woken.
    fn poll_local_tasks(&mut self, cx: &mut Context<'_>) {
        if self.local_tasks.is_empty() {
            return;
        }
        while self.crash.is_none() {
            let Poll::Ready((call, thrown)) = self.local_tasks.poll_over(cx) else { break };
            self.inner.list_suspended(&call, false);
            if self.tally.is_on() {
                self.tally.note(
                    call.header.task(),
                    clock::nanos(call.header.waited()),
                    clock::nanos(call.header.ran()),
                    1,
                );
                if call.was_ended() {
                    self.inner.recorder.count_vain_run(call.header.task());
                }
                self.bring();
            }
            self.handle_panics();
            if let Some(panic) = thrown {
                self.crashed(Crash::Loop(panic));
            }
            self.count_over(&call, true);
        }
        self.inner.futures.are_some(!self.local_tasks.is_empty());
        self.adopt_spawned();
    }

    fn next_step(&mut self) -> LoopStep<S> {
        let inner = self.inner.clone();
        let mut core = inner.lock();
        if core.phase >= Phase::Terminating {
            return LoopStep::Leave;
        }
        if let Some(crash) = core.restart_request.take() {
            return LoopStep::Crash(crash);
        }
        if !core.leftovers.is_empty() {
            return LoopStep::Tidy(std::mem::take(&mut core.leftovers));
        }
        while let Some(call) = core.awaited_calls.pop(self.local_tasks.has_writer()) {
            if call.claim() {
                core.active += 1;
                let wakes = core.injector.start_out_of_order(&*call);
                inner.release(core, wakes);
                return LoopStep::Run(call);
            }
            core.injector.discard_stale(call);
        }
        if let Some(future) = self.next_to_go_on(&mut core) {
            drop(core);
            unwind::ignore_panics(|| future.wake());
            return LoopStep::Again;
        }
        if self.local_tasks.has_writer() {
            return LoopStep::Park;
        }
        if self.try_open_ring(&mut core) {
            inner.release(core, WakeList::default());
            return LoopStep::Serve;
        }
        let next = self.stalled_call.take().or_else(|| core.injector.pop());
        let is_done = core.phase == Phase::Closing && core.injector.in_flight() == 0;
        let others_go_on = core.yielded.len() > 0;
        inner.release(core, WakeList::default());
        match next {
            Some(call) if self.local_tasks.admits(required_receiver::<S>(call.header.task())) => self.begin(call),
            Some(call) if call.is_queued() => {
                self.stalled_call = Some(call);
                if others_go_on { LoopStep::Again } else { LoopStep::Park }
            }
            Some(_) => LoopStep::Again, // it was cancelled while it was stalled
            None if is_done => LoopStep::Leave,
            None => LoopStep::Park,
        }
    }

    /// Returns the waker of the yielded future that should continue now. That is the case if no
    /// queued call expires earlier, or if the next call cannot begin before pending futures have
    /// finished.
    fn next_to_go_on(&self, core: &mut ServiceState<S>) -> Option<Waker> {
        let first = core.yielded.earliest()?;
        let hinders = self.stalled_call.is_some() || self.local_tasks.has_writer();
        if hinders || core.injector.earliest().is_none_or(|expires| first <= expires) {
            core.yielded.pop()
        } else {
            None
        }
    }

    /// Claims `call`, if it is still queued.
    fn begin(&self, call: CallRef<CallSlot<S>>) -> LoopStep<S> {
        if !call.claim() {
            return LoopStep::Again;
        }
        let mut core = self.inner.lock();
        core.active += 1;
        let wakes = core.injector.queue.on_start(call.header.is_nested());
        self.inner.release(core, wakes);
        LoopStep::Run(call)
    }

    fn run_call(&mut self, call: &CallRef<CallSlot<S>>) {
        self.consecutive_calls = FAST_PATH_AFTER.min(self.consecutive_calls + 1);
        let began = clock::now();
        let ran = unwind::catch(|| {
            if const { is_large::<S>() } {
                self.run_claimed::<Box<Input<S>>>(call, began)
            } else {
                self.run_claimed::<Input<S>>(call, began)
            }
        });
        if self.tally.is_on() {
            let took = clock::now().saturating_sub(began);
            self.tally.busy(took);
            if matches!(ran, Ok(Some(RunResult::Finished))) {
                self.tally.note(call.header.task(), began.saturating_sub(call.header.submitted_at()), took, 1);
            }
            self.bring();
        }
        let (is_over, began) =
            (!matches!(ran, Ok(Some(RunResult::Pending))), !matches!(ran, Ok(Some(RunResult::Skipped) | None)));
        self.handle_panics();
        if let Err(panic) = ran {
            self.crashed(Crash::Loop(panic));
        }
        if is_over {
            self.count_over(call, began);
        }
        self.adopt_spawned();
    }

    /// Publishes the measurements, unless more calls wait. So the measurements of an idle service
    /// are complete.
    fn bring(&mut self) {
        if !self.inner.hint.is_waiting() {
            self.tally.flush();
        }
    }

    fn run_claimed<I: Brought<S>>(&self, call: &CallRef<CallSlot<S>>, now: u64) -> Option<RunResult> {
        let input = call.input_to_run::<I>()?;
        Some(self.run_here([call.clone(), call.clone(), call.clone()], input, now))
    }

    /// Runs a claimed call. A concurrent terminate finds the call in `running`.
    #[inline]
    pub(super) fn run_here<I: Brought<S>>(&self, owners: [CallRef<CallSlot<S>>; 3], input: I, now: u64) -> RunResult {
        run_on_service(owners, &self.inner.running, input, &self.ground, now)
    }

    /// Takes over the futures that tasks left pending. The next round of the loop polls them.
    fn adopt_spawned(&mut self) {
        let spawned = std::mem::take(&mut *self.ground.spawned.borrow_mut());
        for spawned in spawned {
            self.inner.list_suspended(&spawned.call, true);
            self.local_tasks.join(spawned);
            self.inner.futures.are_some(true);
            // A new future has never been polled: the loop continues without sleeping.
            self.inner.wake();
        }
    }

    pub(super) fn count_over(&self, call: &CallSlot<S>, began: bool) {
        let mut core = self.inner.lock();
        core.active -= 1;
        let wakes = core.injector.queue.over(call.header.is_nested(), began);
        self.inner.release(core, wakes);
    }

    /// Records a crash. Callers do this before they count a call as over, so that no new call
    /// begins in the freed slot.
    #[cold]
    pub(super) fn crashed(&mut self, crash: Crash) {
        self.crash.get_or_insert(crash);
        self.go_down();
    }

    pub(super) fn go_down(&self) {
        let mut core = self.inner.lock();
        core.is_down = true;
        self.inner.release(core, WakeList::default());
    }
}

/// Returns the environment of tasks on this state.
pub(super) fn ground<S: TaskSet>(state: Option<S>, data: &Extensions) -> Rc<ServiceEnv<S>> {
    Rc::new(ServiceEnv {
        owner: Owner::new(state),
        data: data.clone(),
        spawned: RefCell::default(),
        panics: RefCell::default(),
    })
}
