//! Message handlers, which are futures on the global pool.

pub(super) mod messenger;
pub(super) mod port;
pub(super) mod subscription;
