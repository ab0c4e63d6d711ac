//! What is known of a call before it exists: its task's description, priorities, and visited
//! layers.

pub(crate) mod priority;
pub(crate) mod task_info;
pub(crate) mod thread_kind;
pub(crate) mod visited_layers;

pub use priority::Priority;
pub use task_info::{Receiver, TaskInfo, fingerprint};
pub use thread_kind::ThreadKind;
