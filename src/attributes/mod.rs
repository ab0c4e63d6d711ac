//! The attribute macros of nanolith-macros, exported again with their documentation.

mod define;
mod lifecycle;
mod messages;
mod task;

pub use define::define;
pub use lifecycle::{after_task, before_task, init, on_close};
pub use messages::{on_message, on_stream};
pub use task::task;
