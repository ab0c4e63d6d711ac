//! rayon, whose threads the runners stand on. Nothing else in the crate names it.

use super::{
    config::BuildError,
    inner::Inner,
    spares::{exited, started},
};
use crate::{host::Host, place};
use std::{
    io,
    sync::{Arc, Weak},
};

/// A rayon pool whose threads know that they are `inner`'s.
pub(super) fn build(inner: &Arc<Inner>, threads: usize) -> Result<Arc<rayon::ThreadPool>, BuildError> {
    let config = inner.config.clone();
    let names = config.clone();
    let exit = config.clone();
    let (id, weak) = (inner.id(), Arc::downgrade(inner));
    let mut builder = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |number| names.thread_name(number))
        .start_handler(move |_| {
            let host: Weak<dyn Host> = weak.clone();
            place::adopt(id, host);
            started(&config);
        })
        .exit_handler(move |_| exited(&exit));
    if let Some(bytes) = inner.config.stack_size {
        builder = builder.stack_size(bytes);
    }
    builder.build().map(Arc::new).map_err(|error| BuildError::threads(io::Error::other(error)))
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
