//! Small tools: the switch to loom, caught panics, values of one thread, the depth of a stack.

pub(crate) mod loom;
pub(crate) mod per_thread;
pub(crate) mod prefetch;
pub(crate) mod stack;
pub(crate) mod unwind;
