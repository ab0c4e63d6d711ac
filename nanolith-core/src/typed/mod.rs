//! Typed calls: what the generated methods give, and what becomes of it.

mod call;
mod delayed;
mod flatten;
mod from_call;
mod handle;
mod options;
mod send;

pub use call::{Call, Submit};
pub(crate) use call::{PlainCall, refuse};
pub use flatten::Flatten;
pub(crate) use flatten::flatten;
pub use from_call::{FromCall, FromCallError, from_call};
pub use handle::{Handle, Progressing};
pub(crate) use send::Post;
pub use send::Sending;
