//! Threads that sleep and are woken, in a simulation too.

pub(crate) mod condvar;
pub(crate) mod parker;
