//! Work in bulk: many inputs through one task ([`each`]), or a plain function over a `Vec` ([`map`]).
//!
//! `window` takes inputs and gives results, `source` says where inputs come from, `flight` is what
//! is under way, `batch` runs many tasks as one call, `pace` says how many, `driver` keeps a window
//! beside the calls that it borrows. [`each`] stands on the typed calls of any executor; [`map`]
//! and [`map_reduce`] are calls of a pool by themselves.

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
