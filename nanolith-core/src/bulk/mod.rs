//! Bulk work: many inputs through one task ([`each`]), or a plain function over a `Vec` ([`map`]).
//!
//! Needs the cargo feature `bulk`.
//!
//! `window` takes inputs and returns results, and `source` defines where inputs come from.
//! `in_flight` holds the submitted calls, `batch` runs many tasks as one call, and `batch_size`
//! chooses how many. `results` stores the results of a batch. `driver` keeps a window beside the
//! calls that it borrows. [`each`] works with the typed calls of any executor; [`map`] and
//! [`map_reduce`] each make one call of a pool.

mod batch;
mod batch_size;
mod driver;
mod each;
mod each_stream;
mod in_flight;
mod map;
mod results;
mod source;
mod window;

pub use crate::task::Work;
pub use each::{Each, each};
pub use each_stream::{EachStream, each_stream};
pub use map::{Mapping, map, map_reduce};
