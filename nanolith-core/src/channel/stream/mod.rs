//! Streams: many chunks of bytes, or many values of one type, from one thread or task to another, with backpressure.
//!
//! [`pipe`] makes a stream of bytes: a [`StreamWriter`] and a [`StreamReader`], which are also `std::io::Write` and `Read`,
//! `AsyncWrite` and `AsyncRead`, `Sink` and `Stream`. [`items`] makes one of typed values: an [`ItemSender`] and an
//! [`ItemReceiver`]. Both ends are `Send`, so they travel in a task's arguments or in messages, with what they hold.
//!
//! ```
//! use nanolith::stream::{self, Credits};
//!
//! let (mut writer, mut reader) = stream::pipe("greeting.txt", Credits::new())?;
//! let writes = std::thread::spawn(move || {
//!     writer.write("hello ").wait()?;
//!     writer.write("world").wait()?;
//!     writer.finish();
//!     Ok::<(), stream::Unsent<stream::Bytes>>(())
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
//! # What always holds
//!
//! - Chunks and items are moved, never copied, and come out in the order in which they went in.
//! - A writer waits for credit, so a reader that stands still keeps no more than its [`Credits`] in memory.
//! - Only [`finish`](StreamWriter::finish) ends a stream cleanly. One that failed, or whose writer was dropped or panicked,
//!   gives what was written before, and then an error: it never looks complete.
//! - A reader that cancels, or is dropped, is seen by the writer, who gets its chunk back.
//! - While neither side has to wait, no lock is taken.
//! - A task that blocks on a stream lends its pool slot meanwhile.

// The rooms, from the ground up. `bell` wakes the other side, `link` is what both sides share beside the ring, `inlet`
// and `outlet` are the two ends of any stream; the rest gives them their faces.
mod consumer;
mod credits;
mod error;
mod finished;
mod items;
mod notify;
mod offer;
mod producer;
mod reader;
mod reader_io;
mod recv;
mod send;
mod shared;
mod wait;
mod writer;
mod writer_io;

pub use bytes::Bytes;
pub use credits::{CreditError, Credits};
pub use error::{StreamError, Unsent, WriteError};
pub use finished::Finished;
pub use items::{ItemReceiver, ItemSender, Items, items};
pub use offer::{StreamOffer, offer};
pub use reader::{Chunks, StreamReader};
pub use recv::{Receiving, ReceivingWithin};
pub use send::Sending;
pub use writer::{StreamWriter, pipe};

pub(crate) use writer::pipe_or_back;
