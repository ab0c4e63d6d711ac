//! A service's thread: its state is made here, its calls run here, and here it ends.

use super::{
    builder::{Init, OnPanic, PanicHandler, Settings},
    crew::Crew,
    inner::{Inner, Life, ServiceRef, asks},
    launch::{LaunchError, Launched},
};
use crate::{
    call::slot::End,
    host::{Host, Ran, Runnable},
    panics,
    park::{self, Parking},
    place,
    queue::Wakes,
    task::{CallSlot, Context, Owner, ServiceGround, TaskSet, on_close, run_on_service},
    wait,
};
use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, Weak},
    task::{self, Poll},
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
            let ground = ServiceGround {
                owner: Owner::new(state),
                data: settings.data,
                spawned: Rc::default(),
                panics: Rc::new(RefCell::default()),
            };
            launched(Ok(ServiceRef::new(inner.clone())));
            Desk { inner, ground, crew: Crew::new(), held: None, on_panic: settings.on_panic }.work();
        }
    }
    settings.on_thread_exit.iter().for_each(|handler| panics::quietly(|| handler()));
}

/// Where the thread works.
struct Desk<S: TaskSet> {
    inner: Arc<Inner<S>>,
    ground: ServiceGround<S>,
    crew: Crew<S>,
    /// The next call, which waits until it may have the state.
    held: Option<Arc<CallSlot<S>>>,
    on_panic: Option<PanicHandler>,
}

/// What the thread does next.
enum Step<S: TaskSet> {
    Run(Arc<CallSlot<S>>),
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
        loop {
            self.poll_crew(&mut cx);
            match self.next() {
                Step::Run(call) => self.run(&call),
                Step::Again => {}
                Step::Park => {
                    parking.look_on(park::LINGER);
                    parking.park_until(None);
                }
                Step::Leave => return self.inner.lock().life,
            }
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
            if let Some(call) = core.queue.evict(|call| call.meta.is_urgent()) {
                core.urgent -= 1;
                drop(core);
                return self.begin(call);
            }
            core.urgent = 0;
        }
        if self.crew.has_writer() {
            return Step::Park;
        }
        let next = self.held.take().or_else(|| core.queue.pop());
        let is_done = core.life == Life::Closing && core.queue.in_flight() == 0;
        drop(core);
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
    fn begin(&self, call: Arc<CallSlot<S>>) -> Step<S> {
        if !call.claim() {
            return Step::Again;
        }
        let wakes = {
            let mut core = self.inner.lock();
            core.active += 1;
            core.running = Some(call.clone());
            core.queue.begun(call.meta.is_inside())
        };
        wakes.wake();
        Step::Run(call)
    }

    fn run(&mut self, call: &Arc<CallSlot<S>>) {
        match run_on_service(call.clone(), &self.ground) {
            Ran::Done => self.count_over(call),
            Ran::Spawned => self.inner.lock().running = None,
        }
        self.hear_panics();
        self.take_up_spawned();
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
        let wakes: Wakes = {
            let mut core = self.inner.lock();
            core.active -= 1;
            core.running = None; // it was this one, or none: futures go on between calls
            core.queue.finished(call.meta.is_inside())
        };
        wakes.wake();
    }

    /// Shows panics to the exception handler, which says how to go on.
    fn hear_panics(&mut self) {
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
fn end<S: TaskSet>(ground: ServiceGround<S>, orderly: bool) {
    let ServiceGround { owner, spawned, panics, .. } = ground;
    drop((spawned, panics));
    let state = owner.into_state();
    if orderly {
        if let Some(last) = on_close::<S>(state) {
            // Not a wait for a host: there is no slot to lend.
            let _ = wait::block_on(last, None);
        }
    }
}
