//! What is known of a call before it runs: its task's description, its priority, the layers that it
//! has passed, and the kinds of threads.

pub(crate) mod priority;
pub(crate) mod task_info;
pub(crate) mod thread_kind;
pub(crate) mod visited_layers;

pub use priority::Priority;
pub use task_info::{Receiver, TaskInfo, fingerprint};
pub use thread_kind::ThreadKind;
