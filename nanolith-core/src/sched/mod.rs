//! The order of calls: lanes (a first-in first-out queue for each priority), the bounded queue made
//! of them, and the lock-free ring in front of it.

pub(crate) mod injector;
pub(crate) mod lanes;
pub(crate) mod queue;
pub(crate) mod ring;
