//! The context of the running thread: its executor, its task, and how it blocks.

pub(crate) mod block_on;
#[cfg(feature = "tokio")]
pub(crate) mod blocked_async_thread;
pub(crate) mod inline;
pub(crate) mod long_wait;
pub(crate) mod priority_scope;
mod sleep;
pub(crate) mod thread_context;
pub(crate) mod thread_runtime;
pub(crate) mod wait;

pub use block_on::block_in_place;
pub use priority_scope::{WithPriority, with_priority, with_priority_async};
pub use thread_context::{Current, current};
pub use wait::Wait;
