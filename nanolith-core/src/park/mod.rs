//! Threads that sleep until they are woken, in a simulation too.

pub(crate) mod condvar;
pub(crate) mod parker;
