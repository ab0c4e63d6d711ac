//! rayon, whose threads the runners stand on. Nothing else in the crate names it.

use super::{
    broadcast::{Broadcast, ThreadKey},
    roster::Present,
    simulated::{self, SimThreads},
};
use crate::pool::{
    config::{BuildError, ThreadHandler},
    pool_shared::PoolShared,
};
use crate::{
    call::{
        backend::{Backend, ErasedCall},
        call_ref::CallRef,
    },
    context::thread_context,
    sim_runtime,
    time::clock,
    util::{stack, unwind},
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak, mpsc},
    thread,
    time::Duration,
};

/// The threads that a pool's runners stand on.
#[derive(Clone)]
pub(in crate::pool) enum Threads {
    Rayon(Arc<rayon::ThreadPool>),
    /// Those of a simulation, each a rayon pool of its own: so a `par_iter` within a task is done by its one thread, in order.
    Simulated(Arc<SimThreads>),
}

/// A rayon pool whose threads know that they are `inner`'s.
pub(in crate::pool) fn build(inner: &Arc<PoolShared>, threads: usize) -> Result<Threads, BuildError> {
    let config = inner.config.clone();
    if let Some(world) = &inner.world {
        let crew = SimThreads::new(world.clone(), threads);
        for number in 0..threads {
            let serves = crew.service();
            spawn_alone(inner, config.thread_name(number), move || serves.serve(number))?;
        }
        return Ok(Threads::Simulated(Arc::new(crew)));
    }
    build_named(inner, threads, inner.config.stack_size, move |number| config.thread_name(number))
        .map(|rayon| Threads::Rayon(Arc::new(rayon)))
        .map_err(|error| BuildError::threads(io::Error::other(error)))
}

/// The threads have ended with their simulation: drops what was sent to them.
pub(in crate::pool) fn abandon(threads: &Threads) {
    if let Threads::Simulated(crew) = threads {
        crew.abandon();
    }
}

/// A thread of its own that runs `serve`. It is a rayon pool of one, so that a `par_iter` within a task stays on it:
/// the other threads may all be waiting for this one.
pub(in crate::pool) fn spawn_alone(
    inner: &Arc<PoolShared>,
    name: String,
    serve: impl FnOnce() + Send + 'static,
) -> Result<(), BuildError> {
    let is_simulated = inner.world.is_some();
    // A thread that takes what does not fit another stack has room for more than one such call.
    let stack_size = inner.config.stack_size.map(|bytes| bytes.max(LEAST_ALONE));
    let alone = build_named(inner, 1, stack_size, move |_| name.clone())
        .map(Arc::new)
        .map_err(|error| BuildError::threads(io::Error::other(error)))?;
    let keep = alone.clone();
    alone.spawn(move || {
        if is_simulated {
            unwind::ignore_panics(serve); // it is made to unwind if it is left over
        } else {
            serve();
        }
        drop(keep); // ends the thread
    });
    Ok(())
}

/// How many bytes the stack of a spare thread has at least.
const LEAST_ALONE: usize = 256 * 1_024;

fn build_named(
    inner: &Arc<PoolShared>,
    threads: usize,
    stack_size: Option<usize>,
    mut name: impl FnMut(usize) -> String + 'static,
) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    let config = inner.config.clone();
    let ticket = Mutex::new(inner.world.as_ref().map(|world| world.ticket(&name(0))));
    let exit = config.clone();
    // In a simulation each thread is a pool of its own. It leaves the roster while it is one of the simulation's.
    let leaving = Arc::new(Mutex::new(None));
    let (roster, left) = (inner.roster.clone(), inner.world.is_some().then(|| leaving.clone()));
    let (id, weak, clock) = (inner.id(), Arc::downgrade(inner), inner.clock.clone());
    // In a simulation a program runs alike in every build, so there the calls are counted.
    let known_size = inner.world.is_none().then(|| stack::size(stack_size));
    let builder = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(name)
        .start_handler(move |_| {
            let ticket = ticket.lock().unwrap_or_else(PoisonError::into_inner).take();
            ticket.into_iter().for_each(sim_runtime::Ticket::enter);
            let host: Weak<dyn Backend> = weak.clone();
            thread_context::set_executor(id, host);
            clock::enter(clock.clone()).for_ever();
            stack::mark_base(known_size);
            run(config.on_thread_start.as_ref());
        })
        .exit_handler(move |_| {
            run(exit.on_thread_exit.as_ref());
            let present: Option<Present> = leaving.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(present);
            sim_runtime::leave();
        })
        .spawn_handler(move |thread| {
            let present = roster.enter();
            let number = present.number();
            let mut builder = thread::Builder::new();
            if let Some(name) = thread.name() {
                builder = builder.name(name.to_owned());
            }
            if let Some(bytes) = thread.stack_size() {
                builder = builder.stack_size(bytes);
            }
            let present = match &left {
                Some(left) => {
                    *left.lock().unwrap_or_else(PoisonError::into_inner) = Some(present);
                    None
                }
                None => Some(present),
            };
            let handle = builder.spawn(move || {
                thread.run();
                drop(present);
            })?;
            roster.set_handle(number, handle);
            Ok(())
        });
    match stack_size {
        Some(bytes) => builder.stack_size(bytes).build(),
        None => builder.build(),
    }
}

/// The handler of a thread's start or exit; what it throws stays here.
fn run(handler: Option<&ThreadHandler>) {
    if let Some(handler) = handler {
        unwind::ignore_panics(|| handler());
    }
}

/// What is sent to a rayon thread. All goes through one closure, so that the depth of the stack tells where it stands.
enum RayonJob {
    /// A permit, to rayon threads of this generation.
    Begin(Arc<PoolShared>, u64),
    /// To tell how deep the stack is.
    Measure(mpsc::Sender<Option<usize>>),
}

impl RayonJob {
    #[inline(never)]
    fn run(self) {
        let depth = stack::depth();
        match self {
            Self::Begin(pool, generation) => pool.begin_on_rayon(generation, depth),
            // Nobody listens if the pool was given up meanwhile.
            Self::Measure(tell) => drop(tell.send(depth)),
        }
    }
}

fn spawn(rayon: &Arc<rayon::ThreadPool>, sent: RayonJob) {
    // The closure keeps the rayon pool, so that one that was outgrown lives as long as its last runner.
    let keep = rayon.clone();
    rayon.spawn(move || {
        sent.run();
        drop(keep);
    });
}

/// Sends a permit to a rayon thread of `generation`; should there be larger ones by now, its runner finds that out.
pub(in crate::pool) fn send(inner: &Arc<PoolShared>, generation: u64) {
    let threads = inner.rayon().clone();
    match threads {
        Some(Threads::Rayon(rayon)) => spawn(&rayon, RayonJob::Begin(inner.clone(), generation)),
        Some(Threads::Simulated(crew)) => {
            let pool = inner.clone();
            SimThreads::send(&crew, move || pool.begin_on_rayon(generation, Some(0)));
        }
        None => {}
    }
}

/// Runs a claimed call on a rayon thread, when one is free.
pub(in crate::pool) fn run_on_spare(inner: &Arc<PoolShared>, call: CallRef<dyn ErasedCall>) {
    let (threads, pool) = (inner.rayon().clone(), inner.clone());
    match threads {
        Some(Threads::Rayon(rayon)) => rayon.spawn(move || pool.run_on_spare(call)),
        Some(Threads::Simulated(crew)) => SimThreads::send(&crew, move || pool.run_on_spare(call)),
        None => {}
    }
}

/// Which of its rayon pool's threads this is.
pub(in crate::pool) fn thread_number() -> Option<usize> {
    simulated::number().or_else(rayon::current_thread_index)
}

/// How many threads there are.
pub(in crate::pool) fn count(threads: &Threads) -> usize {
    match threads {
        Threads::Rayon(rayon) => rayon.current_num_threads(),
        Threads::Simulated(crew) => crew.threads(),
    }
}

/// Has every thread come to `roll`, when it is idle.
pub(in crate::pool) fn broadcast(threads: &Threads, inner: &Arc<PoolShared>, roll: &Arc<Broadcast>, generation: u64) {
    match threads {
        Threads::Rayon(rayon) => {
            let (keep, pool, roll) = (rayon.clone(), inner.clone(), roll.clone());
            rayon.spawn_broadcast(move |thread| {
                pool.run_if_pending(&roll, ThreadKey::Rayon(generation, thread.index()));
                let _ = &keep; // one that was outgrown lives as long
            });
        }
        Threads::Simulated(crew) => {
            let (pool, roll) = (Arc::downgrade(inner), Arc::downgrade(roll));
            crew.call_all(move |number| {
                if let (Some(pool), Some(roll)) = (pool.upgrade(), roll.upgrade()) {
                    pool.run_if_pending(&roll, ThreadKey::Rayon(generation, number));
                }
            });
        }
    }
}

/// How deep the stack is at a job on the main loop of a new rayon pool. Zero if that is not found out in time, and then
/// no job counts as on the main loop.
pub(in crate::pool) fn main_loop_depth(threads: &Threads) -> usize {
    let Threads::Rayon(rayon) = threads else { return 0 };
    let (tell, told) = mpsc::channel();
    spawn(rayon, RayonJob::Measure(tell));
    told.recv_timeout(MEASURE).ok().flatten().unwrap_or(0)
}

/// Long enough for a new thread to begin.
const MEASURE: Duration = Duration::from_secs(2);
