//! The order of calls: lanes, the ring in front of them, the bounded queue, and the policy that sorts it.

pub(crate) mod injector;
pub(crate) mod lanes;
pub(crate) mod queue;
pub(crate) mod ring;
