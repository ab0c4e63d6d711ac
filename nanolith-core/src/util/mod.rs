//! Small tools: the switch to loom, an ordered map, thread-local values, prefetching, stack depth,
//! caught panics.

pub(crate) mod loom;
#[allow(dead_code)]
pub(crate) mod ordered_map;
pub(crate) mod per_thread;
pub(crate) mod prefetch;
pub(crate) mod stack;
pub(crate) mod unwind;
