//! Parks a thread until its waker is used (`parker`), and has a condition variable (`condvar`).
//! Both also work for the threads of a deterministic simulation.

pub(crate) mod condvar;
pub(crate) mod parker;
