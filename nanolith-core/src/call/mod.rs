//! One call: its `slot` (state, input, outcome), its `header`, its memory and its cancellation.

pub(crate) mod aging;
mod alarms;
pub(crate) mod ancestry;
pub(crate) mod backend;
pub(crate) mod call_ref;
pub(crate) mod cancel_tree;
pub(crate) mod end_batch;
pub(crate) mod header;
pub(crate) mod offload;
pub(crate) mod overruns;
pub(crate) mod policy;
pub(crate) mod running_call;
mod slab;
pub(crate) mod slot;
#[cfg(test)]
mod slot_tests;
pub(crate) mod wait_graph;
mod wait_helper;

pub use header::{NotifyProgress, Progress, StopReason};
pub use policy::{QueueOrder, QueuedCall};
pub use wait_helper::WaitHelper;
