//! The order of calls: lanes, the ring in front of them, and the bounded queue.

pub(crate) mod injector;
pub(crate) mod lanes;
pub(crate) mod queue;
pub(crate) mod ring;
