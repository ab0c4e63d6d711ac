//! The event loop of a service's thread: it makes the state, runs the calls, restarts, and ends the
//! service.

use super::{
    CloseError, InitError,
    builder::{OnPanic, PanicHandler, Settings},
    events::{Crash, LifeEvent},
    futures::Seen,
    init::Initializer,
    launch::{LaunchAttempt, LaunchError, Launched},
    local_tasks::LocalTasks,
    restart::Restarts,
    service_ref::ServiceRef,
    service_shared::{Ending, Phase, ServiceShared, ServiceState, required_receiver},
};
use crate::{
    call::{
        backend::{Backend, RunResult},
        call_ref::CallRef,
        offload::Work,
        slot::Slot,
    },
    context::{block_on, thread_context},
    error::{CallError, Unwind},
    metrics::ThreadRecorder,
    park::parker::{self, ThreadParker},
    sim_runtime,
    task::{
        Brought, CallSlot, Context, Input, Owner, PanicSource, ServiceEnv, TaskSet, is_large, on_close, run_on_service,
    },
    time::{
        clock,
        coarse::CoarseTicker,
        timer::{self, TimerAction},
    },
    util::unwind,
    wake::{WakeList, extensions::Extensions},
};
use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    sync::{Arc, Weak, atomic::Ordering},
    task::{self, Poll, Waker},
    time::{Duration, Instant},
};

/// Runs a service from its start to its end, on the service's thread. Calls `launched` with the
/// result of the start.
pub(super) fn run_service<S: TaskSet, E: Send + 'static, A>(
    settings: Settings,
    mut init: Box<dyn Initializer<S, E, A>>,
    attempt: &LaunchAttempt,
    launched: impl FnOnce(Launched<S, E>),
) {
    let inner = ServiceShared::<S>::new(&settings);
    let host: Weak<dyn Backend> = {
        let strong: Arc<dyn Backend> = inner.clone();
        Arc::downgrade(&strong)
    };
    thread_context::set_executor(inner.id(), host);
    settings.on_thread_start.iter().for_each(|handler| unwind::ignore_panics(|| handler()));
    attempt.watch(ThreadParker::of_this_thread().waker());
    let made = unwind::catch(|| init.make(Context::new(None, settings.data.clone()), &|| attempt.is_given_up()));
    attempt.forget_thread();
    match made {
        Err(panic) if panic.is::<Unwind>() => launched(Err(LaunchError::Lost)),
        Err(panic) => launched(Err(LaunchError::Panicked(panic))),
        Ok(None) => launched(Err(LaunchError::Lost)), // given up: a first start has its arguments
        Ok(Some(Err(error))) => launched(Err(LaunchError::Init(error))),
        Ok(Some(Ok(state))) => {
            launched(Ok(ServiceRef::new(inner.clone())));
            let tally = inner.recorder.tally();
            EventLoop {
                tally,
                ground: ground(state, &settings.data),
                inner,
                data: settings.data,
                init,
                local_tasks: LocalTasks::new(),
                stalled_call: None,
                on_panic: settings.on_panic,
                restarts: Restarts::new(settings.restart),
                launch_timeout: settings.launch_timeout,
                crash: None,
                spin: settings.spin,
                consecutive_calls: 0,
            }
            .run();
        }
    }
    settings.on_thread_exit.iter().for_each(|handler| unwind::ignore_panics(|| handler()));
}

fn ground<S: TaskSet>(state: Option<S>, data: &Extensions) -> Rc<ServiceEnv<S>> {
    Rc::new(ServiceEnv {
        owner: Owner::new(state),
        data: data.clone(),
        spawned: RefCell::default(),
        panics: RefCell::default(),
    })
}

/// The data of the service's thread.
struct EventLoop<S: TaskSet, E, A> {
    inner: Arc<ServiceShared<S>>,
    ground: Rc<ServiceEnv<S>>,
    data: Extensions,
    /// The initializer, which makes the next state.
    init: Box<dyn Initializer<S, E, A>>,
    local_tasks: LocalTasks<S>,
    /// The next call, which waits until it may access the state.
    stalled_call: Option<CallRef<CallSlot<S>>>,
    on_panic: Option<PanicHandler>,
    restarts: Restarts,
    /// The time limit of `#[init]`.
    launch_timeout: Option<Duration>,
    /// The reason for a restart, if the state has to be replaced.
    crash: Option<Crash>,
    /// How long the thread spins for more work before it sleeps.
    spin: Duration,
    /// The number of calls run since the last sleep, up to `FAST_PATH_AFTER`.
    consecutive_calls: u32,
    /// The measurements of this thread, if metrics are on.
    tally: ThreadRecorder,
}

/// The number of calls in a row after which the thread takes calls from the ring. Calls that come
/// rarely gain nothing from it.
const FAST_PATH_AFTER: u32 = 32;

/// The number of fast-path calls between two reads of the clock.
const CLOCK_EVERY: u64 = 8;

/// The number of fast-path calls between two samples of their duration, if metrics are on.
const STATS_EVERY: u64 = 32;

/// The next step of the thread.
enum LoopStep<S: TaskSet> {
    Run(CallRef<CallSlot<S>>),
    /// Take calls from the ring.
    Serve,
    /// Run the work that the timer thread has left.
    Tidy(Vec<Work>),
    Again,
    Park,
    Leave,
    Crash(Crash),
}

impl<S: TaskSet, E: Send + 'static, A> EventLoop<S, E, A> {
    fn run(mut self) {
        let parking = ThreadParker::of_this_thread();
        loop {
            let crash = match unwind::catch(|| self.serve(&parking)) {
                Ok(Ok(life)) => return self.end(life, None),
                Ok(Err(crash)) => crash,
                Err(panic) => Crash::Loop(panic),
            };
            if let Err(crash) = self.restart(crash, &parking) {
                return self.end(Phase::Terminating, crash);
            }
        }
    }

    /// Ends the service: in the way of the phase `life`, or because of `crash`. Every waiting
    /// caller is answered in each case.
    fn end(mut self, life: Phase, crash: Option<Crash>) {
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
        let ended = unwind::catch(|| end::<S>(ground, life == Phase::Closing, &|| inner.is_cut_short()));
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

    /// Drops the state and makes a new one, as often as the policy allows. Queued calls stay queued
    /// meanwhile.
    ///
    /// The error is the crash that ends the service, or `None` if the service was terminated
    /// meanwhile.
    fn restart(&mut self, mut crash: Crash, parking: &ThreadParker) -> Result<(), Option<Crash>> {
        self.drop_state(&crash);
        let mut is_for_group = matches!(crash, Crash::Group);
        let mut has_failed = false;
        loop {
            if self.inner.is_terminated() {
                if is_for_group {
                    self.inner.lock().restart_request = Some(Crash::Group); // keep the request
                }
                return Err(None);
            }
            let wait = match crash {
                Crash::Asked | Crash::Group => Some(Duration::ZERO), // not a failure of this service
                _ => self.restarts.next(clock::instant()),
            };
            let Some(wait) = wait else { return Err(Some(crash)) };
            if !self.wait_backoff(wait, has_failed, parking) {
                continue;
            }
            // This start answers all requests made so far.
            is_for_group |= matches!(self.inner.lock().restart_request.take(), Some(Crash::Group));
            let (cx, inner) = (Context::new(None, self.data.clone()), self.inner.clone());
            has_failed = true;
            let limit = InitLimit::begin(self.launch_timeout, parking);
            let is_to_stop = || inner.is_terminated() || limit.is_over();
            crash = match unwind::catch(|| self.init.make(cx, &is_to_stop)) {
                Ok(Some(Ok(state))) => {
                    self.ground = ground(state, &self.data);
                    self.count_restart(&crash);
                    return Ok(());
                }
                Ok(Some(Err(error))) => Crash::Init(InitError::of::<S, E>(error)),
                Ok(None) if self.inner.is_terminated() => continue,
                Ok(None) if limit.is_over() => Crash::InitTimedOut,
                Ok(None) => return Err(Some(crash)),
                Err(panic) => Crash::InitPanicked(panic),
            };
        }
    }

    /// Ends the calls that have begun, and drops the state.
    fn drop_state(&mut self, crash: &Crash) {
        self.go_down();
        for call in self.local_tasks.dismiss(&Ending::Crashed(crash.reason())) {
            self.inner.list_suspended(&call, false);
            self.count_over(&call, true);
        }
        let ground = std::mem::replace(&mut self.ground, ground(None, &self.data));
        unwind::ignore_panics(|| drop(ground));
        self.consecutive_calls = 0;
    }

    /// Waits before a restart. Returns whether the service should restart.
    ///
    /// A close ends the wait early, since the accepted calls still need a state. It does not if an
    /// earlier start `has_failed`, because an `#[init]` that never succeeds would then be retried
    /// without a pause.
    fn wait_backoff(&self, wait: Duration, has_failed: bool, parking: &ThreadParker) -> bool {
        let until = clock::after(wait);
        loop {
            match self.inner.lock().phase {
                Phase::Closing if !has_failed => return true,
                Phase::Open | Phase::Closing => {}
                Phase::Terminating | Phase::Over => return false,
            }
            let is_late = until.is_some_and(|until| until <= clock::instant());
            if is_late || !parking.park_until(until) {
                return true;
            }
        }
    }

    fn count_restart(&self, crash: &Crash) {
        let mut core = self.inner.lock();
        core.restarts += 1;
        core.is_down = false;
        let restarts = core.restarts;
        self.inner.release(core, WakeList::default());
        self.inner.watchers.publish(&LifeEvent::Restarted { crash: crash.clone(), restarts });
        self.inner.group.get().into_iter().for_each(|place| place.restarted(crash));
    }

    /// Runs calls until the service ends or crashes. Returns the phase in which the service ends.
    fn serve(&mut self, parking: &ThreadParker) -> Result<Phase, Crash> {
        let mut cx = task::Context::from_waker(parking.waker());
        let mut lingered = false;
        loop {
            self.poll_local_tasks(&mut cx);
            // Begin no call on a state that is about to be replaced, and do not sleep before that.
            if let Some(crash) = self.crash.take() {
                return Err(crash);
            }
            match self.next_step() {
                LoopStep::Run(call) => self.run_call(&call),
                LoopStep::Tidy(leftovers) => leftovers.into_iter().for_each(unwind::ignore_panics),
                LoopStep::Again => {}
                LoopStep::Serve => {
                    self.run_fast_path();
                    lingered = true;
                    continue;
                }
                LoopStep::Park => {
                    self.inner.futures.answer(|| self.seen());
                    if lingered || !parking.spin_until(self.spin) {
                        self.consecutive_calls = 0;
                    }
                    parking.park_until(None);
                }
                LoopStep::Leave => return Ok(self.inner.lock().phase),
                LoopStep::Crash(crash) => return Err(crash),
            }
            lingered = false;
        }
    }

    /// Returns the pending futures, and the call that waits for the state, for the deadlock check.
    fn seen(&self) -> Seen {
        let held =
            self.stalled_call.as_ref().map(|call| (required_receiver::<S>(call.header.task()), call.clone().erase()));
        Seen { calls: self.local_tasks.calls(), held }
    }

    /// Polls the futures that were woken.
    fn poll_local_tasks(&mut self, cx: &mut task::Context<'_>) {
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
        let calm = self.consecutive_calls >= FAST_PATH_AFTER
            && self.stalled_call.is_none()
            && self.local_tasks.is_empty()
            && core.phase == Phase::Open;
        let calm = calm && !sim_runtime::is_here();
        if calm && core.injector.can_use_ring() && core.injector.has_waiting() && core.injector.head_is_fast() {
            core.injector.queue.add_ring_consumer();
            core.injector.open_ring();
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
        let input = call.take_input_to_run::<I>()?;
        Some(self.run_here([call.clone(), call.clone(), call.clone()], input, now))
    }

    /// Begins a queued call and runs it. Returns the call if another thread claimed it first.
    #[inline(always)]
    fn run_queued<I: Brought<S>>(
        &self,
        call: CallRef<CallSlot<S>>,
        began: u64,
    ) -> Result<RunResult, CallRef<CallSlot<S>>> {
        let Some((input, [second, third])) = Slot::begin_shared_in::<I, 2>(&call) else { return Err(call) };
        Ok(self.run_here([call, second, third], input, began.max(clock::coarse_now())))
    }

    /// Runs a claimed call. A concurrent terminate finds the call in `running`.
    fn run_here<I: Brought<S>>(&self, owners: [CallRef<CallSlot<S>>; 3], input: I, now: u64) -> RunResult {
        run_on_service(owners, &self.inner.running, input, &self.ground, now)
    }

    /// Runs fast-path calls from the ring. Returns when the ring stays empty for a while, when
    /// other work waits, or when the ring is closed.
    fn run_fast_path(&mut self) {
        let inbox = self.inner.ring.clone();
        let _serving = Serving { inner: self.inner.clone() };
        let _pulse = CoarseTicker::begin();
        let mut began = clock::now();
        let mut seen_from = began;
        let mut done = 0;
        while !self.inner.hint.is_for_lanes() && self.crash.is_none() {
            match inbox.pop() {
                Some(call) => {
                    if self.tally.is_on() {
                        self.tally.see(call.header.task(), || call.header.submitted_at());
                    }
                    let ran = if const { is_large::<S>() } {
                        self.run_queued::<Box<Input<S>>>(call, began)
                    } else {
                        self.run_queued::<Input<S>>(call, began)
                    };
                    if let Ok(RunResult::Skipped) = ran {
                        self.tally.unsee();
                        continue;
                    }
                    let Err(call) = ran else {
                        done += 1;
                        if done % CLOCK_EVERY == 0 {
                            began = clock::now();
                            if done % STATS_EVERY == 0 {
                                self.sample_clock(seen_from, began);
                                seen_from = began;
                            }
                            clock::publish_coarse(began);
                        }
                        self.handle_panics();
                        continue;
                    };
                    self.tally.unsee();
                    let mut core = self.inner.lock();
                    core.injector.account_claimed(&*call);
                    self.inner.release(core, WakeList::default());
                }
                None => {
                    self.inner.served.fetch_add(std::mem::take(&mut done), Ordering::Relaxed);
                    if self.tally.is_on() {
                        self.sample_clock(seen_from, clock::now());
                    }
                    if self.inner.hint.is_waiting() {
                        self.inner.release(self.inner.lock(), WakeList::default()); // refill the ring from the lane
                        if !inbox.has_next() {
                            break;
                        }
                    } else if !self.spin_for_call() {
                        break;
                    }
                    began = clock::now();
                    seen_from = began;
                    clock::publish_coarse(began);
                }
            }
        }
        self.inner.served.fetch_add(done, Ordering::Relaxed);
        if self.tally.is_on() {
            self.sample_clock(seen_from, clock::now());
            self.tally.flush();
        }
    }

    #[inline]
    fn sample_clock(&mut self, began: u64, now: u64) {
        if self.tally.is_on() {
            self.tally.end_grain(began, now);
        }
    }

    /// Spins briefly for a fast-path call. Returns whether there is one.
    fn spin_for_call(&self) -> bool {
        let ServiceShared { ring: inbox, hint, .. } = &*self.inner;
        parker::spin_until(self.spin, || inbox.has_next() || hint.is_waiting() || !inbox.has_consumer());
        inbox.has_next()
    }

    /// Takes over the futures that tasks left pending. The next round of the loop polls them.
    fn adopt_spawned(&mut self) {
        let spawned = std::mem::take(&mut *self.ground.spawned.borrow_mut());
        for spawned in spawned {
            self.inner.list_suspended(&spawned.call, true);
            self.local_tasks.join(spawned);
            self.inner.futures.are_some(true);
            // A new future has never been polled: the loop continues without sleeping.
            ThreadParker::of_this_thread().waker().wake_by_ref();
        }
    }

    fn count_over(&self, call: &CallSlot<S>, began: bool) {
        let mut core = self.inner.lock();
        core.active -= 1;
        let wakes = core.injector.queue.over(call.header.is_nested(), began);
        self.inner.release(core, wakes);
    }

    /// Records a crash. Callers do this before they count a call as over, so that no new call
    /// begins in the freed slot.
    #[cold]
    fn crashed(&mut self, crash: Crash) {
        self.crash.get_or_insert(crash);
        self.go_down();
    }

    fn go_down(&self) {
        let mut core = self.inner.lock();
        core.is_down = true;
        self.inner.release(core, WakeList::default());
    }

    /// Passes panics to the exception handler, which decides how the service continues.
    #[inline]
    fn handle_panics(&mut self) {
        if !self.ground.panics.borrow().is_empty() {
            self.report_panics();
        }
    }

    #[cold]
    fn report_panics(&mut self) {
        let panics = std::mem::take(&mut *self.ground.panics.borrow_mut());
        for (whose, error) in panics {
            match self.panic_action(whose, &error) {
                OnPanic::Continue => {}
                OnPanic::Restart => {
                    self.crashed(match whose {
                        PanicSource::Task => Crash::Task(error),
                        PanicSource::Hook => Crash::Hook(error),
                    });
                }
                OnPanic::Close => self.inner.begin_close(),
            }
        }
    }

    /// Returns how the service continues: by the exception handler if there is one, and by the
    /// restart policy otherwise.
    fn panic_action(&mut self, whose: PanicSource, error: &CallError) -> OnPanic {
        let policy = self.restarts.policy();
        match &mut self.on_panic {
            Some(on_panic) => unwind::catch(|| on_panic(error)).unwrap_or(OnPanic::Close),
            None if policy.after_panic() || (whose == PanicSource::Hook && policy.after_crash()) => OnPanic::Restart,
            None => OnPanic::Continue,
        }
    }
}

/// The time limit of an `#[init]` in a restart. When the time passes, the service's thread is
/// woken.
struct InitLimit {
    due: Option<Instant>,
    timer: Option<timer::Key>,
}

impl InitLimit {
    fn begin(limit: Option<Duration>, parking: &ThreadParker) -> Self {
        let due = limit.and_then(clock::after);
        let timer = due.map(|due| timer::arm(due, TimerAction::Wake(parking.waker().clone())));
        Self { due, timer }
    }

    fn is_over(&self) -> bool {
        self.due.is_some_and(|due| due <= clock::instant())
    }
}

impl Drop for InitLimit {
    fn drop(&mut self) {
        self.timer.into_iter().for_each(timer::disarm);
    }
}

/// A guard: the ring is open until this is dropped.
struct Serving<S: TaskSet> {
    inner: Arc<ServiceShared<S>>,
}

impl<S: TaskSet> Drop for Serving<S> {
    fn drop(&mut self) {
        let mut core = self.inner.lock();
        core.injector.close_ring();
        let wakes = core.injector.queue.end_serving();
        self.inner.release(core, wakes);
    }
}

/// Ends the state: passes it to `#[on_close]` after an orderly close, and drops it otherwise. A
/// terminate drops the future of `#[on_close]` at its next await.
fn end<S: TaskSet>(ground: Rc<ServiceEnv<S>>, orderly: bool, is_cut_short: &dyn Fn() -> bool) {
    let owner = ground.owner.clone();
    drop(ground);
    let state = owner.into_state();
    if orderly {
        if let Some(mut last) = on_close::<S>(state) {
            let ended = poll_fn(|cx| if is_cut_short() { Poll::Ready(()) } else { last.as_mut().poll(cx) });
            // This wait has no target executor: the thread has no permit to lend.
            let _ = block_on::block_on(ended, None);
        }
    }
}
