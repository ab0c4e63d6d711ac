//! rayon, whose threads the runners stand on. Nothing else in the crate names it.

use super::{
    config::{BuildError, ThreadHandler},
    inner::Inner,
};
use crate::{host::Host, panics, place};
use std::{
    io,
    sync::{Arc, Weak},
};

/// A rayon pool whose threads know that they are `inner`'s.
pub(super) fn build(inner: &Arc<Inner>, threads: usize) -> Result<Arc<rayon::ThreadPool>, BuildError> {
    let config = inner.config.clone();
    build_named(inner, threads, move |number| config.thread_name(number))
        .map(Arc::new)
        .map_err(|error| BuildError::threads(io::Error::other(error)))
}

/// A thread of its own that runs `serve`. It is a rayon pool of one, so that a `par_iter` within a task stays on it: the
/// other threads may all be waiting for this one.
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
    let (id, weak) = (inner.id(), Arc::downgrade(inner));
    let mut builder = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(name)
        .start_handler(move |_| {
            let host: Weak<dyn Host> = weak.clone();
            place::adopt(id, host);
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

/// Sends a permit to a rayon thread.
pub(super) fn send(inner: &Arc<Inner>) {
    // The closure keeps the rayon pool, so that one that was outgrown lives as long as its last runner.
    let (rayon, generation) = {
        let rayon = inner.rayon();
        (rayon.clone(), inner.lock().rayon.generation)
    };
    let Some(rayon) = rayon else { return };
    let pool = inner.clone();
    let keep = rayon.clone();
    rayon.spawn(move || {
        pool.begin_on_rayon(generation);
        drop((pool, keep));
    });
}
