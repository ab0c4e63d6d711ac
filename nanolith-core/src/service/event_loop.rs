//! A service's thread: its state is made here, its calls run here, and here it ends.

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

/// The whole life of a service, on its own thread. `launched` hears of the start.
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
        Ok(None) => launched(Err(LaunchError::Lost)), // it was given up, since a first start has its arguments
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

/// Where the thread works.
struct EventLoop<S: TaskSet, E, A> {
    inner: Arc<ServiceShared<S>>,
    ground: Rc<ServiceEnv<S>>,
    data: Extensions,
    /// Makes the next state.
    init: Box<dyn Initializer<S, E, A>>,
    local_tasks: LocalTasks<S>,
    /// The next call, which waits until it may have the state.
    stalled_call: Option<CallRef<CallSlot<S>>>,
    on_panic: Option<PanicHandler>,
    restarts: Restarts,
    /// How long `#[init]` may take.
    launch_timeout: Option<Duration>,
    /// Why the state is to be made anew, if it is.
    crash: Option<Crash>,
    /// How long it looks on for more before it sleeps.
    spin: Duration,
    /// How many calls it has run since it last slept, as far as that matters.
    consecutive_calls: u32,
    /// What it has measured, if it was asked to.
    tally: ThreadRecorder,
}

/// So many calls in a row are worth the inbox: those that come now and then gain nothing without the lock.
const FAST_PATH_AFTER: u32 = 32;

/// How often the thread looks at the clock while it serves plain calls.
const CLOCK_EVERY: u64 = 8;

/// How often it notes how long they took, where somebody measures.
const STATS_EVERY: u64 = 32;

/// What the thread does next.
enum LoopStep<S: TaskSet> {
    Run(CallRef<CallSlot<S>>),
    /// Take from the inbox.
    Serve,
    /// Run what the timer's thread has left.
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

    /// Ends in the way of `life`, or by a crash. Whatever happened, nobody is left waiting.
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

    /// Drops the state and makes another, as often as the policy lets it. Calls that were not begun wait meanwhile.
    ///
    /// The error is why it cannot; `None` if it was terminated meanwhile.
    fn restart(&mut self, mut crash: Crash, parking: &ThreadParker) -> Result<(), Option<Crash>> {
        self.drop_state(&crash);
        let mut is_for_group = matches!(crash, Crash::Group);
        let mut has_failed = false;
        loop {
            if self.inner.is_terminated() {
                if is_for_group {
                    self.inner.lock().restart_request = Some(Crash::Group); // and so it stays
                }
                return Err(None);
            }
            let wait = match crash {
                Crash::Asked | Crash::Group => Some(Duration::ZERO), // no fault of its own
                _ => self.restarts.next(clock::instant()),
            };
            let Some(wait) = wait else { return Err(Some(crash)) };
            if !self.wait_backoff(wait, has_failed, parking) {
                continue;
            }
            // Whoever asked until now has what they asked for.
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

    /// Ends what was begun, and drops the state.
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

    /// Waits before a restart. A close cuts that short, since the calls that were accepted still want the state; but not
    /// where a start `has_failed`, or one that never succeeds would be tried without a pause. Says whether the service is to
    /// live on.
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

    /// Serves until the end, and says which, or until a crash.
    fn serve(&mut self, parking: &ThreadParker) -> Result<Phase, Crash> {
        let mut cx = task::Context::from_waker(parking.waker());
        let mut lingered = false;
        loop {
            self.poll_local_tasks(&mut cx);
            // Nothing more is begun on a state that is to go, and nobody sleeps over it.
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

    /// The futures that are pending, and the call that waits for the state, for a check.
    fn seen(&self) -> Seen {
        let held =
            self.stalled_call.as_ref().map(|call| (required_receiver::<S>(call.header.task()), call.clone().erase()));
        Seen { calls: self.local_tasks.calls(), held }
    }

    /// Lets the futures that were woken go on.
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
            Some(_) => LoopStep::Again, // it was cancelled while it was held
            None if is_done => LoopStep::Leave,
            None => LoopStep::Park,
        }
    }

    /// The future of those that gave way whose turn has come: nothing that waits expires earlier, or it cannot begin before
    /// futures have gone on.
    fn next_to_go_on(&self, core: &mut ServiceState<S>) -> Option<Waker> {
        let first = core.yielded.earliest()?;
        let hinders = self.stalled_call.is_some() || self.local_tasks.has_writer();
        if hinders || core.injector.earliest().is_none_or(|expires| first <= expires) {
            core.yielded.pop()
        } else {
            None
        }
    }

    /// Claims `call`, if it is not over.
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

    /// Brings what was measured to the book, unless more waits: a service without work has it all.
    fn bring(&mut self) {
        if !self.inner.hint.is_waiting() {
            self.tally.flush();
        }
    }

    fn run_claimed<I: Brought<S>>(&self, call: &CallRef<CallSlot<S>>, now: u64) -> Option<RunResult> {
        let input = call.take_input_to_run::<I>()?;
        Some(self.run_here([call.clone(), call.clone(), call.clone()], input, now))
    }

    /// Begins a queued call and runs it; gives it back if another thread was first.
    #[inline(always)]
    fn run_queued<I: Brought<S>>(
        &self,
        call: CallRef<CallSlot<S>>,
        began: u64,
    ) -> Result<RunResult, CallRef<CallSlot<S>>> {
        let Some((input, [second, third])) = Slot::begin_shared_in::<I, 2>(&call) else { return Err(call) };
        Ok(self.run_here([call, second, third], input, began.max(clock::coarse_now())))
    }

    /// Runs a claimed call, which whoever terminates the service finds meanwhile.
    fn run_here<I: Brought<S>>(&self, owners: [CallRef<CallSlot<S>>; 3], input: I, now: u64) -> RunResult {
        run_on_service(owners, &self.inner.running, input, &self.ground, now)
    }

    /// Takes plain calls from the inbox until it is empty for a while, until something else waits, or until it is shut.
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
                        self.inner.release(self.inner.lock(), WakeList::default()); // the lane goes on to the inbox
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

    /// Waits a moment for a plain call. Says whether there is one.
    fn spin_for_call(&self) -> bool {
        let ServiceShared { ring: inbox, hint, .. } = &*self.inner;
        parker::spin_until(self.spin, || inbox.has_next() || hint.is_waiting() || !inbox.has_consumer());
        inbox.has_next()
    }

    /// Takes up the futures that tasks left, and polls them at the next round.
    fn adopt_spawned(&mut self) {
        let spawned = std::mem::take(&mut *self.ground.spawned.borrow_mut());
        for spawned in spawned {
            self.inner.list_suspended(&spawned.call, true);
            self.local_tasks.join(spawned);
            self.inner.futures.are_some(true);
            // A new future has never been polled: the loop comes round at once.
            ThreadParker::of_this_thread().waker().wake_by_ref();
        }
    }

    fn count_over(&self, call: &CallSlot<S>, began: bool) {
        let mut core = self.inner.lock();
        core.active -= 1;
        let wakes = core.injector.queue.over(call.header.is_nested(), began);
        self.inner.release(core, wakes);
    }

    /// Notes that the state is to go, before a call that is over leaves a free slot behind.
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

    /// Shows panics to the exception handler, which says how to go on.
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

    /// How to go on: what the exception handler says, or else the restart policy.
    fn panic_action(&mut self, whose: PanicSource, error: &CallError) -> OnPanic {
        let policy = self.restarts.policy();
        match &mut self.on_panic {
            Some(on_panic) => unwind::catch(|| on_panic(error)).unwrap_or(OnPanic::Close),
            None if policy.after_panic() || (whose == PanicSource::Hook && policy.after_crash()) => OnPanic::Restart,
            None => OnPanic::Continue,
        }
    }
}

/// The limit of an `#[init]` that starts a service anew. Its end wakes the service's thread.
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

/// The inbox is open until this goes.
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

/// The state's end: in the hands of `#[on_close]` if the close was orderly, dropped else. A terminate drops the future of
/// `#[on_close]` at its next await.
fn end<S: TaskSet>(ground: Rc<ServiceEnv<S>>, orderly: bool, is_cut_short: &dyn Fn() -> bool) {
    let owner = ground.owner.clone();
    drop(ground);
    let state = owner.into_state();
    if orderly {
        if let Some(mut last) = on_close::<S>(state) {
            let ended = poll_fn(|cx| if is_cut_short() { Poll::Ready(()) } else { last.as_mut().poll(cx) });
            // Not a wait for a host: there is no slot to lend.
            let _ = block_on::block_on(ended, None);
        }
    }
}
