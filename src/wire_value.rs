//! The check of a type under `#[define(wire)]`, for generated code. [`WireValue`] exists for the
//! compiler's message. [`NoMessage`] stands for the event or the message that a set does not have.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A type that a task of a set with `#[define(wire)]` can take or return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot pass to another process",
    label = "this is not `Serialize` and `Deserialize`",
    note = "a type of your own needs `#[derive(serde::Serialize, serde::Deserialize)]`",
    note = "for an error of another crate or of std, return `Result<_, nanolith::wire::RemoteError>`: `?` converts to it",
    note = "streams, ports and messengers stay in their process: write a set without `wire` for their tasks"
)]
pub trait WireValue: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> WireValue for T {}

#[allow(missing_docs)] // hidden: for generated code
pub const fn wire_value<T: WireValue>() {}

/// The event of a set without an outbox, and the message of a set without an inbox. It has no value.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // hidden: for generated code
pub enum NoMessage {}
