//! A service's thread: its state is made here, its calls run here, and here it ends.

use super::{
    builder::{Init, OnPanic, PanicHandler, Settings},
    crew::Crew,
    inner::{Inner, Life, ServiceRef, asks},
    launch::{LaunchError, Launched},
};
use crate::{
    call::{
        shared::Shared,
        slot::{End, Slot},
    },
    clock,
    host::{Host, Ran, Runnable},
    panics,
    park::{self, Parking},
    place,
    pulse::Pulse,
    queue::Wakes,
    task::{CallSlot, Context, Input, Owner, ServiceGround, TaskSet, on_close, run_on_service},
    wait,
};
use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, Weak, atomic::Ordering},
    task::{self, Poll},
    time::Duration,
};

/// The whole life of a service, on its own thread. `launched` hears of the start.
pub(super) fn live<S: TaskSet, E>(settings: Settings, init: Init<S, E>, launched: impl FnOnce(Launched<S, E>)) {
    let inner = Inner::<S>::new(settings.name, settings.max_queue, settings.on_full, settings.data.clone());
    let host: Weak<dyn Host> = {
        let strong: Arc<dyn Host> = inner.clone();
        Arc::downgrade(&strong)
    };
    place::adopt(inner.id(), host);
    settings.on_thread_start.iter().for_each(|handler| panics::quietly(|| handler()));
    match panics::catch(|| init.make(Context::new(None, settings.data.clone()))) {
        Err(panic) => launched(Err(LaunchError::Panicked(panic))),
        Ok(Err(error)) => launched(Err(LaunchError::Init(error))),
        Ok(Ok(state)) => {
            let ground = Rc::new(ServiceGround {
                owner: Owner::new(state),
                data: settings.data,
                spawned: RefCell::default(),
                panics: RefCell::default(),
            });
            launched(Ok(ServiceRef::new(inner.clone())));
            Desk {
                inner,
                ground,
                crew: Crew::new(),
                held: None,
                on_panic: settings.on_panic,
                spin: settings.spin,
                streak: 0,
            }
            .work();
        }
    }
    settings.on_thread_exit.iter().for_each(|handler| panics::quietly(|| handler()));
}

/// Where the thread works.
struct Desk<S: TaskSet> {
    inner: Arc<Inner<S>>,
    ground: Rc<ServiceGround<S>>,
    crew: Crew<S>,
    /// The next call, which waits until it may have the state.
    held: Option<Shared<CallSlot<S>>>,
    on_panic: Option<PanicHandler>,
    /// How long it looks on for more before it sleeps.
    spin: Duration,
    /// How many calls it has run since it last slept, as far as that matters.
    streak: u32,
}

/// So many calls in a row are worth the inbox: those that come now and then gain nothing without the lock.
const STREAK: u32 = 32;

/// How often the thread looks at the clock while it serves plain calls.
const GRAIN: u64 = 8;

/// What the thread does next.
enum Step<S: TaskSet> {
    Run(Shared<CallSlot<S>>),
    /// Take from the inbox.
    Serve,
    Again,
    Park,
    Leave,
}

impl<S: TaskSet> Desk<S> {
    fn work(mut self) {
        let parking = Parking::of_this_thread();
        let served = panics::catch(|| self.serve(&parking));
        let how = if served.is_ok() { End::Closed } else { End::Crashed };
        // Whatever happened, nobody is left waiting.
        self.inner.lock().life = Life::Terminating;
        self.crew.dismiss(how);
        if let Some(call) = self.held.take() {
            if call.claim() {
                call.discard(how);
            }
        }
        self.inner.end_queued(how);
        let Self { inner, ground, .. } = self;
        let orderly = matches!(served, Ok(Life::Closing));
        let ended = panics::catch(move || end::<S>(ground, orderly));
        inner.over(served.err().or(ended.err()));
    }

    /// Serves until the end; says which.
    fn serve(&mut self, parking: &Parking) -> Life {
        let mut cx = task::Context::from_waker(parking.waker());
        let mut lingered = false;
        loop {
            self.poll_crew(&mut cx);
            match self.next() {
                Step::Run(call) => self.run(&call),
                Step::Again => {}
                Step::Serve => {
                    self.serve_inbox();
                    lingered = true;
                    continue;
                }
                Step::Park => {
                    if lingered || !parking.look_on(self.spin) {
                        self.streak = 0;
                    }
                    parking.park_until(None);
                }
                Step::Leave => return self.inner.lock().life,
            }
            lingered = false;
        }
    }

    /// Lets the futures that were woken go on.
    fn poll_crew(&mut self, cx: &mut task::Context<'_>) {
        if self.crew.is_empty() {
            return;
        }
        while let Poll::Ready(call) = self.crew.poll_over(cx) {
            self.count_over(&call);
            self.hear_panics();
        }
        self.take_up_spawned();
    }

    fn next(&mut self) -> Step<S> {
        let inner = self.inner.clone();
        let mut core = inner.lock();
        if core.life >= Life::Terminating {
            return Step::Leave;
        }
        if core.urgent > 0 {
            if let Some(call) = core.front.sort_out().evict(|call| call.meta.is_urgent()) {
                core.urgent -= 1;
                drop(core);
                return self.begin(call);
            }
            core.urgent = 0;
        }
        if self.crew.has_writer() {
            return Step::Park;
        }
        let calm = self.streak >= STREAK && self.held.is_none() && self.crew.is_empty() && core.life == Life::Open;
        if calm && core.front.may_open() && core.front.has_waiting() && core.front.next_is_plain() {
            core.front.queue.begin_serving();
            core.front.open();
            inner.release(core, Wakes::default());
            return Step::Serve;
        }
        let next = self.held.take().or_else(|| core.front.pop());
        let is_done = core.life == Life::Closing && core.front.in_flight() == 0;
        inner.release(core, Wakes::default());
        match next {
            Some(call) if self.crew.admits(asks::<S>(call.meta.task())) => self.begin(call),
            Some(call) if call.is_queued() => {
                self.held = Some(call);
                Step::Park
            }
            Some(_) => Step::Again, // it was cancelled while it was held
            None if is_done => Step::Leave,
            None => Step::Park,
        }
    }

    /// Claims `call`, if it is not over.
    fn begin(&self, call: Shared<CallSlot<S>>) -> Step<S> {
        if !call.claim() {
            return Step::Again;
        }
        let mut core = self.inner.lock();
        core.active += 1;
        let wakes = core.front.queue.begun(call.meta.is_inside());
        self.inner.release(core, wakes);
        Step::Run(call)
    }

    fn run(&mut self, call: &Shared<CallSlot<S>>) {
        self.streak = STREAK.min(self.streak + 1);
        let ran = call
            .take_input()
            .map(|input| self.run_here([call.clone(), call.clone(), call.clone()], input, clock::now()));
        if ran != Some(Ran::Spawned) {
            self.count_over(call);
        }
        self.hear_panics();
        self.take_up_spawned();
    }

    /// Runs a claimed call, which whoever terminates the service finds meanwhile.
    fn run_here(&self, owners: [Shared<CallSlot<S>>; 3], input: Input<S>, now: u64) -> Ran {
        run_on_service(owners, &self.inner.running, input, &self.ground, now)
    }

    /// Takes plain calls from the inbox until it is empty for a while, until something else waits, or until it is shut.
    fn serve_inbox(&mut self) {
        let inbox = self.inner.inbox.clone();
        let _pulse = Pulse::begin();
        let mut began = clock::now();
        let mut done = 0;
        while !self.inner.hint.is_for_lanes() {
            match inbox.pop() {
                Some(call) => {
                    if let Some((input, [second, third])) = Slot::begin_shared(&call) {
                        self.run_here([call, second, third], input, began.max(clock::recent()));
                        done += 1;
                        if done % GRAIN == 0 {
                            began = clock::now();
                            clock::tell(began);
                        }
                        self.hear_panics();
                        continue;
                    }
                    let mut core = self.inner.lock();
                    core.front.settle(&*call);
                    self.inner.release(core, Wakes::default());
                }
                None => {
                    self.inner.served.fetch_add(std::mem::take(&mut done), Ordering::Relaxed);
                    if self.inner.hint.is_waiting() {
                        self.inner.release(self.inner.lock(), Wakes::default()); // the lane goes on to the inbox
                        if !inbox.has_next() {
                            break;
                        }
                    } else if !self.wait_at_inbox() {
                        break;
                    }
                    began = clock::now();
                    clock::tell(began);
                }
            }
        }
        self.inner.served.fetch_add(done, Ordering::Relaxed);
        let mut core = self.inner.lock();
        core.front.shut();
        let wakes = core.front.queue.end_serving();
        self.inner.release(core, wakes);
    }

    /// Waits a moment for a plain call. Says whether there is one.
    fn wait_at_inbox(&self) -> bool {
        let Inner { inbox, hint, .. } = &*self.inner;
        park::look_on(self.spin, || inbox.has_next() || hint.is_waiting() || !inbox.is_in_use());
        inbox.has_next()
    }

    /// Takes up the futures that tasks left, and polls them at the next round.
    fn take_up_spawned(&mut self) {
        let spawned = std::mem::take(&mut *self.ground.spawned.borrow_mut());
        for spawned in spawned {
            self.crew.join(spawned);
            // A new future has never been polled: the loop comes round at once.
            Parking::of_this_thread().waker().wake_by_ref();
        }
    }

    fn count_over(&self, call: &CallSlot<S>) {
        let mut core = self.inner.lock();
        core.active -= 1;
        let wakes = core.front.queue.finished(call.meta.is_inside());
        self.inner.release(core, wakes);
    }

    /// Shows panics to the exception handler, which says how to go on.
    #[inline]
    fn hear_panics(&mut self) {
        if !self.ground.panics.borrow().is_empty() {
            self.show_panics();
        }
    }

    #[cold]
    fn show_panics(&mut self) {
        let panics = std::mem::take(&mut *self.ground.panics.borrow_mut());
        for error in panics {
            let Some(on_panic) = &mut self.on_panic else { continue };
            let answer = panics::catch(|| on_panic(&error));
            if !matches!(answer, Ok(OnPanic::Continue)) {
                self.inner.begin_close();
            }
        }
    }
}

/// The state's end: in the hands of `#[on_close]` if the close was orderly, dropped else.
fn end<S: TaskSet>(ground: Rc<ServiceGround<S>>, orderly: bool) {
    let owner = ground.owner.clone();
    drop(ground);
    let state = owner.into_state();
    if orderly {
        if let Some(last) = on_close::<S>(state) {
            // Not a wait for a host: there is no slot to lend.
            let _ = wait::block_on(last, None);
        }
    }
}
