//! rayon, whose threads the runners stand on. Nothing else in the crate names it.

use super::{
    config::{BuildError, ThreadHandler},
    inner::Inner,
    run_on_all::{Roll, Who},
    stack,
};
use crate::{
    call::shared::Shared,
    clock,
    host::{Host, Runnable},
    panics, place,
};
use std::{
    io,
    sync::{Arc, Weak, mpsc},
    time::Duration,
};

/// A rayon pool whose threads know that they are `inner`'s.
pub(super) fn build(inner: &Arc<Inner>, threads: usize) -> Result<Arc<rayon::ThreadPool>, BuildError> {
    let config = inner.config.clone();
    build_named(inner, threads, move |number| config.thread_name(number))
        .map(Arc::new)
        .map_err(|error| BuildError::threads(io::Error::other(error)))
}

/// A thread of its own that runs `serve`. It is a rayon pool of one, so that a `par_iter` within a task stays on it:
/// the other threads may all be waiting for this one.
pub(super) fn spawn_alone(
    inner: &Arc<Inner>,
    name: String,
    serve: impl FnOnce() + Send + 'static,
) -> Result<(), BuildError> {
    let alone = build_named(inner, 1, move |_| name.clone())
        .map(Arc::new)
        .map_err(|error| BuildError::threads(io::Error::other(error)))?;
    let keep = alone.clone();
    alone.spawn(move || {
        serve();
        drop(keep); // ends the thread
    });
    Ok(())
}

fn build_named(
    inner: &Arc<Inner>,
    threads: usize,
    name: impl FnMut(usize) -> String + 'static,
) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    let config = inner.config.clone();
    let exit = config.clone();
    let (id, weak, clock) = (inner.id(), Arc::downgrade(inner), inner.clock.clone());
    let mut builder = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(name)
        .start_handler(move |_| {
            let host: Weak<dyn Host> = weak.clone();
            place::adopt(id, host);
            clock::enter(clock.clone()).for_ever();
            stack::mark_base();
            run(config.on_thread_start.as_ref());
        })
        .exit_handler(move |_| run(exit.on_thread_exit.as_ref()));
    if let Some(bytes) = inner.config.stack_size {
        builder = builder.stack_size(bytes);
    }
    builder.build()
}

/// The handler of a thread's start or exit; what it throws stays here.
fn run(handler: Option<&ThreadHandler>) {
    if let Some(handler) = handler {
        panics::quietly(|| handler());
    }
}

/// What is sent to a rayon thread. All goes through one closure, so that the depth of the stack tells where it stands.
enum Sent {
    /// A permit, to rayon threads of this generation.
    Begin(Arc<Inner>, u64),
    /// To tell how deep the stack is.
    Measure(mpsc::Sender<Option<usize>>),
}

impl Sent {
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

fn spawn(rayon: &Arc<rayon::ThreadPool>, sent: Sent) {
    // The closure keeps the rayon pool, so that one that was outgrown lives as long as its last runner.
    let keep = rayon.clone();
    rayon.spawn(move || {
        sent.run();
        drop(keep);
    });
}

/// Sends a permit to a rayon thread of `generation`; should there be larger ones by now, its runner finds that out.
pub(super) fn send(inner: &Arc<Inner>, generation: u64) {
    let rayon = inner.rayon().clone();
    if let Some(rayon) = rayon {
        spawn(&rayon, Sent::Begin(inner.clone(), generation));
    }
}

/// Runs a claimed call on a rayon thread, when one is free.
pub(super) fn run_apart(inner: &Arc<Inner>, call: Shared<dyn Runnable>) {
    let rayon = inner.rayon().clone();
    if let Some(rayon) = rayon {
        let pool = inner.clone();
        rayon.spawn(move || pool.run_apart(call));
    }
}

/// Which of its rayon pool's threads this is.
pub(super) fn thread_number() -> Option<usize> {
    rayon::current_thread_index()
}

/// Has every thread of `rayon` come to `roll`, when it is idle.
pub(super) fn call_on_all(rayon: &Arc<rayon::ThreadPool>, inner: &Arc<Inner>, roll: &Arc<Roll>, generation: u64) {
    let (keep, pool, roll) = (rayon.clone(), inner.clone(), roll.clone());
    rayon.spawn_broadcast(move |thread| {
        pool.come_to(&roll, Who::Rayon(generation, thread.index()));
        let _ = &keep; // one that was outgrown lives as long
    });
}

/// How deep the stack is at a job on the main loop of a new rayon pool. Zero if that is not found out in time, and then
/// no job counts as on the main loop.
pub(super) fn main_loop_depth(rayon: &Arc<rayon::ThreadPool>) -> usize {
    let (tell, told) = mpsc::channel();
    spawn(rayon, Sent::Measure(tell));
    told.recv_timeout(MEASURE).ok().flatten().unwrap_or(0)
}

/// Long enough for a new thread to begin.
const MEASURE: Duration = Duration::from_secs(2);
