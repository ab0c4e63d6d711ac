//! The rayon threads of a pool, on which its workers run. Only this file and `parallel` name rayon.

use super::{
    broadcast::{BroadcastShared, ThreadKey},
    roster::{Present, Roster},
    sim_threads::{self, SimThreads},
};
use crate::{
    call::{
        backend::{Backend, ErasedCall},
        call_ref::CallRef,
    },
    context::{thread_context, thread_runtime::ThreadRuntime},
    pool::{
        config::{BuildError, ThreadHandler},
        pool_shared::PoolShared,
    },
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

/// The threads that a pool keeps for its workers.
#[derive(Clone)]
pub(in crate::pool) enum Threads {
    Rayon(Arc<rayon::ThreadPool>),
    /// The threads of a simulation. Each is a rayon pool of its own, so its one thread runs a
    /// `par_iter` within a task alone and in order.
    Simulated(Arc<SimThreads>),
}

/// Builds a rayon pool whose threads belong to `inner`.
pub(in crate::pool) fn build(inner: &Arc<PoolShared>, threads: usize) -> Result<Threads, BuildError> {
    let config = inner.config.clone();
    if let Some(world) = &inner.world {
        let sim_threads = SimThreads::new(world.clone(), threads);
        for number in 0..threads {
            let serves = sim_threads.service();
            spawn_alone(inner, config.thread_name(number), move || serves.serve(number))?;
        }
        return Ok(Threads::Simulated(Arc::new(sim_threads)));
    }
    build_named(inner, threads, inner.config.stack_size, move |number| config.thread_name(number))
        .map(|rayon| Threads::Rayon(Arc::new(rayon)))
        .map_err(|error| BuildError::threads(io::Error::other(error)))
}

/// Drops the jobs that were sent to the threads of a simulation, which have ended with it.
pub(in crate::pool) fn abandon(threads: &Threads) {
    if let Threads::Simulated(threads) = threads {
        threads.abandon();
    }
}

/// Starts a thread of its own that runs `serve`. The thread is a rayon pool of one, so a `par_iter`
/// within a task stays on it: the other threads may all be waiting for this one.
pub(in crate::pool) fn spawn_alone(
    inner: &Arc<PoolShared>,
    name: String,
    serve: impl FnOnce() + Send + 'static,
) -> Result<(), BuildError> {
    let is_simulated = inner.world.is_some();
    // This thread runs calls for which other stacks are too deep. Its stack has space for several
    // of them.
    let stack_size = inner.config.stack_size.map(|bytes| bytes.max(LEAST_ALONE));
    let alone = build_named(inner, 1, stack_size, move |_| name.clone())
        .map(Arc::new)
        .map_err(|error| BuildError::threads(io::Error::other(error)))?;
    let keep = alone.clone();
    alone.spawn(move || {
        if is_simulated {
            // A thread that is left over at the end of the simulation unwinds here.
            unwind::ignore_panics(serve);
        } else {
            serve();
        }
        drop(keep); // ends the thread
    });
    Ok(())
}

/// The minimum stack size of a spare thread, in bytes.
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
    // In a simulation each thread is a rayon pool of its own. It leaves the roster while it still
    // belongs to the simulation.
    let leaving = Arc::new(Mutex::new(None));
    let (roster, leaves) = (inner.roster.clone(), inner.world.is_some().then(|| leaving.clone()));
    let runtime = config.runtime.clone();
    let (id, weak, clock) = (inner.id(), Arc::downgrade(inner), inner.clock.clone());
    // In a simulation a program runs alike in every build, so the nested calls are counted there
    // instead.
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
        .spawn_handler(move |thread| spawn_listed(thread, &roster, leaves.as_deref(), &runtime));
    match stack_size {
        Some(bytes) => builder.stack_size(bytes).build(),
        None => builder.build(),
    }
}

/// Starts a thread of a rayon pool, and lists it in the roster until it ends. With `leaving`, the
/// thread's exit handler takes it off the list instead. The thread runs within `runtime`.
fn spawn_listed(
    thread: rayon::ThreadBuilder,
    roster: &Arc<Roster>,
    leaving: Option<&Mutex<Option<Present>>>,
    runtime: &ThreadRuntime,
) -> io::Result<()> {
    let present = roster.enter();
    let number = present.number();
    let mut builder = thread::Builder::new();
    if let Some(name) = thread.name() {
        builder = builder.name(name.to_owned());
    }
    if let Some(bytes) = thread.stack_size() {
        builder = builder.stack_size(bytes);
    }
    let present = match leaving {
        Some(leaving) => {
            *leaving.lock().unwrap_or_else(PoisonError::into_inner) = Some(present);
            None
        }
        None => Some(present),
    };
    let runtime = runtime.clone();
    let handle = builder.spawn(move || {
        runtime.run(|| thread.run());
        drop(present);
    })?;
    roster.set_handle(number, handle);
    Ok(())
}

/// Runs the handler of a thread's start or exit. A panic in it is ignored.
fn run(handler: Option<&ThreadHandler>) {
    if let Some(handler) = handler {
        unwind::ignore_panics(|| handler());
    }
}

/// A job for a rayon thread. All jobs go through one closure, so the depth of the stack shows
/// whether a job runs on top of another.
enum RayonJob {
    /// Starts a worker on a rayon thread of this generation.
    Begin(Arc<PoolShared>, u64),
    /// Sends back the depth of the stack.
    Measure(mpsc::Sender<Option<usize>>),
}

impl RayonJob {
    #[inline(never)]
    fn run(self) {
        let depth = stack::depth();
        match self {
            Self::Begin(pool, generation) => pool.begin_on_rayon(generation, depth),
            // The receiver is gone if the measurement timed out.
            Self::Measure(tell) => drop(tell.send(depth)),
        }
    }
}

fn spawn(rayon: &Arc<rayon::ThreadPool>, sent: RayonJob) {
    // The closure keeps the rayon pool, so a replaced pool lives until its last worker has ended.
    let keep = rayon.clone();
    rayon.spawn(move || {
        sent.run();
        drop(keep);
    });
}

/// Sends a permit to a rayon thread of `generation`. If the rayon pool has been replaced by then,
/// the worker finds that out.
pub(in crate::pool) fn send(inner: &Arc<PoolShared>, generation: u64) {
    let threads = inner.rayon().clone();
    match threads {
        Some(Threads::Rayon(rayon)) => spawn(&rayon, RayonJob::Begin(inner.clone(), generation)),
        Some(Threads::Simulated(threads)) => {
            let pool = inner.clone();
            SimThreads::send(&threads, move || pool.begin_on_rayon(generation, Some(0)));
        }
        None => {}
    }
}

/// Runs a claimed call on a rayon thread, when a thread is free.
pub(in crate::pool) fn run_on_spare(inner: &Arc<PoolShared>, call: CallRef<dyn ErasedCall>) {
    let (threads, pool) = (inner.rayon().clone(), inner.clone());
    match threads {
        Some(Threads::Rayon(rayon)) => rayon.spawn(move || pool.run_on_spare(call)),
        Some(Threads::Simulated(threads)) => SimThreads::send(&threads, move || pool.run_on_spare(call)),
        None => {}
    }
}

/// Returns the number of this thread in its rayon pool.
pub(in crate::pool) fn thread_number() -> Option<usize> {
    sim_threads::number().or_else(rayon::current_thread_index)
}

/// Returns the number of threads.
pub(in crate::pool) fn count(threads: &Threads) -> usize {
    match threads {
        Threads::Rayon(rayon) => rayon.current_num_threads(),
        Threads::Simulated(threads) => threads.threads(),
    }
}

/// Runs `roll` on every thread when the thread is idle.
pub(in crate::pool) fn broadcast(
    threads: &Threads,
    inner: &Arc<PoolShared>,
    roll: &Arc<BroadcastShared>,
    generation: u64,
) {
    match threads {
        Threads::Rayon(rayon) => {
            let (keep, pool, roll) = (rayon.clone(), inner.clone(), roll.clone());
            rayon.spawn_broadcast(move |thread| {
                pool.run_if_pending(&roll, ThreadKey::Rayon(generation, thread.index()));
                let _ = &keep; // a replaced rayon pool lives until then
            });
        }
        Threads::Simulated(threads) => {
            let (pool, roll) = (Arc::downgrade(inner), Arc::downgrade(roll));
            threads.call_all(move |number| {
                if let (Some(pool), Some(roll)) = (pool.upgrade(), roll.upgrade()) {
                    pool.run_if_pending(&roll, ThreadKey::Rayon(generation, number));
                }
            });
        }
    }
}

/// Measures the depth of the stack at a job on the main loop of a new rayon pool, in bytes. Returns
/// zero if this takes too long. Then no job counts as on the main loop.
pub(in crate::pool) fn main_loop_depth(threads: &Threads) -> usize {
    let Threads::Rayon(rayon) = threads else { return 0 };
    let (tell, told) = mpsc::channel();
    spawn(rayon, RayonJob::Measure(tell));
    told.recv_timeout(MEASURE).ok().flatten().unwrap_or(0)
}

/// A time that is sufficient for a new thread to start.
const MEASURE: Duration = Duration::from_secs(2);
