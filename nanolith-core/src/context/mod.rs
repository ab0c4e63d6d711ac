//! The context of the running thread: its executor, its task, and how it blocks.

pub(crate) mod block_on;
pub(crate) mod inline;
pub(crate) mod priority_scope;
mod sleep;
pub(crate) mod thread_context;
