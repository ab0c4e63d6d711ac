//! Small tools: checks of settings, the switch to loom, ordered maps, thread-local values,
//! prefetching, small values, stack depth, replaceable references, caught panics.

pub(crate) mod ascending_map;
pub(crate) mod checked;
pub(crate) mod loom;
pub(crate) mod ordered_map;
pub(crate) mod per_thread;
pub(crate) mod prefetch;
pub(crate) mod small_value;
pub(crate) mod stack;
pub(crate) mod static_ref;
pub(crate) mod unwind;
