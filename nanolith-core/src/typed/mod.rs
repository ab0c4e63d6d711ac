//! Typed calls: what the generated methods give, and what becomes of it.

mod call;
mod flatten;
mod handle;
mod sending;

pub(crate) use call::refuse;
pub use call::{Call, Submit};
pub use flatten::Flatten;
pub use handle::{Handle, Progressing};
pub(crate) use sending::Post;
pub use sending::Sending;
