//! Small tools: the switch to loom, caught panics, thread-local values, stack depth, prefetching.

pub(crate) mod loom;
#[allow(dead_code)]
pub(crate) mod ordered_map;
pub(crate) mod per_thread;
pub(crate) mod prefetch;
pub(crate) mod stack;
pub(crate) mod unwind;
