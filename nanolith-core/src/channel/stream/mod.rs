//! Streams: many chunks of bytes, or many values of one type, between two threads or tasks, with
//! backpressure.
//!
//! [`pipe`] creates a stream of bytes: a [`StreamWriter`] and a [`StreamReader`]. They are also
//! `std::io::Write` and `Read`, `AsyncWrite` and `AsyncRead`, `Sink` and `Stream`. [`items`]
//! creates a stream of typed values: an [`ItemSender`] and an [`ItemReceiver`]. Both ends are
//! `Send`. They travel in a task's arguments or in messages, together with the values that they
//! hold.
//!
//! ```
//! use nanolith::{prelude::*, stream::{self, Credits}};
//!
//! let (mut writer, mut reader) = stream::pipe("greeting.txt", Credits::new())?;
//! let writes = std::thread::spawn(move || {
//!     writer.write("hello ").wait()?;
//!     writer.write("world").wait()?;
//!     writer.finish();
//!     Ok::<(), stream::SendError<stream::Bytes>>(())
//! });
//! assert_eq!(*reader.metadata(), "greeting.txt");
//! let mut text = Vec::new();
//! while let Some(chunk) = reader.read().wait()? { // or `.await`
//!     text.extend(chunk);
//! }
//! assert_eq!(text, b"hello world");
//! # writes.join().expect("no panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//!
//! - Chunks and items are moved, never copied, and arrive in the order in which they were written.
//! - A writer waits for credit. So a reader that stops reading keeps no more than its [`Credits`]
//!   in memory.
//! - Only [`finish`](StreamWriter::finish) ends a stream cleanly. A stream that failed, or whose
//!   writer was dropped or panicked, yields what was written before, and then an error. It never
//!   looks complete.
//! - When a reader cancels or is dropped, the writer's next write returns its chunk with an error.
//! - While neither end has to wait, no lock is taken.
//! - A task that blocks on a stream releases its pool slot while it blocks.

// From the ground up: `notify` wakes the other end. `link` is the state that both ends share
// beside the ring. `write_half` and `read_half` are the two halves of any stream. The other modules
// are the public types around them.
mod credits;
mod drained;
mod error;
mod items;
mod link;
mod notify;
mod offer;
mod read_half;
mod reader;
mod reader_io;
mod recv;
mod send;
mod wait;
mod write_half;
mod writer;
mod writer_io;

pub use bytes::Bytes;
pub use credits::{CreditError, Credits};
pub use drained::Drained;
pub use error::{SendError, StreamError, WriteError};
pub use items::{ItemReceiver, ItemSender, Items, items};
pub use offer::{StreamOffer, offer};
pub use reader::{Chunks, StreamReader};
pub use recv::Recv;
pub use send::SendFuture;
pub use writer::{StreamWriter, pipe};

pub(crate) use writer::pipe_or_back;
