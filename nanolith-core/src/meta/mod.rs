//! What is known of a call's task before the call exists: the task's description, priorities, layers that were visited.

pub(crate) mod priority;
pub(crate) mod task_info;
pub(crate) mod thread_kind;
pub(crate) mod visited_layers;
