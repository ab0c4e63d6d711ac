//! [`spawn`] starts the thread of a service. [`run`] runs a service from `#[init]` to its end, on its
//! thread or on a pool.

use super::{
    event_loop::{EventLoop, ground},
    init::{Initializer, make_state},
    launch_future::{LaunchAttempt, LaunchError, Launched},
    local_tasks::LocalTasks,
    restart::Restarts,
    service_ref::ServiceRef,
    service_shared::{Home, ServiceShared},
    settings::Settings,
};
use crate::{
    call::backend::Backend,
    context::thread_context,
    error::Unwind,
    park::parker::ThreadParker,
    pool::{BuildError, GlobalSpawner},
    sim_runtime,
    task::{Context, Outbox, ResidentSlot, TaskSet},
    time::{clock, timer},
    trace::ServiceSpan,
    util::{stack, unwind},
    wake::keep_alive::KeepAlive,
};
use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Weak},
    task, thread,
};

/// Checks the settings, and adds the service's outbox to them.
pub(super) fn prepare(settings: &mut Settings) -> Result<(), BuildError> {
    settings.validate()?;
    timer::start().map_err(BuildError::threads)?;
    GlobalSpawner::take_offloaded_work();
    settings.data.share();
    let outbox = Outbox::new(settings.outbox, settings.forwarder.take());
    if !settings.has_owners {
        outbox.close();
    }
    settings.data.insert(outbox);
    Ok(())
}

/// Spawns the thread of a service. The thread sends the result of the start to `tell`.
pub(super) fn spawn<S: TaskSet, E: Send + 'static, A: 'static>(
    mut settings: Settings,
    init: Box<dyn Initializer<S, E, A>>,
    tell: flume::Sender<Launched<S, E>>,
    attempt: Arc<LaunchAttempt>,
) -> Result<(), BuildError> {
    prepare(&mut settings)?;
    let mut builder = thread::Builder::new().name(settings.name.to_string());
    if let Some(bytes) = settings.stack_size {
        builder = builder.stack_size(bytes);
    }
    let alive = settings.keep_alive.then(KeepAlive::new);
    let clock = clock::source();
    let stack_size = sim_runtime::world().is_none().then(|| stack::size(settings.stack_size));
    let ticket = sim_runtime::world().map(|world| world.ticket(&settings.name));
    let span = ServiceSpan::open(S::NAME, &settings.name);
    let runtime = settings.runtime.clone();
    let body = move || {
        let _leave = sim_runtime::Leave; // dropped last
        ticket.into_iter().for_each(sim_runtime::Ticket::enter);
        clock::enter(clock).for_ever();
        stack::mark_base(stack_size);
        let _alive = alive;
        let live = || {
            let launched = move |launched| {
                // If the launch was dropped, so is the handle in `launched`, which closes the
                // service.
                let _ = tell.send(launched);
            };
            span.run(|| run_on_thread(settings, init, &attempt, launched));
        };
        runtime.run(|| sim_runtime::bounded(live));
    };
    builder.spawn(body).map(drop).map_err(BuildError::threads)
}

/// Runs a service on the calling thread, which becomes the service's thread.
fn run_on_thread<S: TaskSet, E: Send + 'static, A>(
    mut settings: Settings,
    init: Box<dyn Initializer<S, E, A>>,
    attempt: &LaunchAttempt,
    launched: impl FnOnce(Launched<S, E>),
) {
    let inner = ServiceShared::<S>::new(&settings, Home::here());
    let host: Weak<dyn Backend> = {
        let strong: Arc<dyn Backend> = inner.clone();
        Arc::downgrade(&strong)
    };
    thread_context::set_executor(inner.id(), host);
    let (start, exit) = (settings.on_thread_start.take(), settings.on_thread_exit.take());
    start.iter().for_each(|handler| unwind::ignore_panics(|| handler()));
    let mut service = pin!(run(inner, settings, init, attempt, launched));
    let poll = service.as_mut().poll(&mut task::Context::from_waker(ThreadParker::of_this_thread().waker()));
    assert!(poll.is_ready(), "a service blocks its own thread where it has nothing to do");
    exit.iter().for_each(|handler| unwind::ignore_panics(|| handler()));
}

/// Runs a service from its start to its end. Calls `launched` with the result of the start.
pub(super) async fn run<S: TaskSet, E: Send + 'static, A>(
    inner: Arc<ServiceShared<S>>,
    settings: Settings,
    mut init: Box<dyn Initializer<S, E, A>>,
    attempt: &LaunchAttempt,
    launched: impl FnOnce(Launched<S, E>),
) {
    attempt.watch(inner.waker());
    let cx = Context::new(None, settings.data.clone());
    let made = make_state(&mut *init, cx, inner.home.is_pool(), &|| attempt.is_given_up()).await;
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
                resident: ResidentSlot::new(),
                stalled_call: None,
                on_panic: settings.on_panic,
                restarts: Restarts::new(settings.restart),
                launch_timeout: settings.launch_timeout,
                crash: None,
                spin: settings.spin,
                consecutive_calls: 0,
            }
            .run()
            .await;
        }
    }
}
