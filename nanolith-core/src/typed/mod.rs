//! Typed calls: what the generated methods give, and what becomes of it.

mod call;
mod ending;
mod flatten;
mod from_call;
mod handle;
mod later;
mod sending;

pub use call::{Call, Submit};
pub(crate) use call::{PlainCall, refuse};
pub use flatten::Flatten;
pub(crate) use flatten::flatten;
pub use from_call::{FromCall, FromCallError, from_call};
pub use handle::{Handle, Progressing};
pub(crate) use sending::Post;
pub use sending::Sending;
