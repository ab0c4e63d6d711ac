//! Bulk work: many inputs through one task, or a plain function over all items of a `Vec`.
//!
//! Needs the cargo feature `bulk`.
//!
//! [`each`] makes a call for each input of an iterator and returns the results as an iterator.
//! [`each_stream`] takes and returns streams. Both work with every executor; on a pool, tiny tasks
//! are batched by their measured run time. [`map`] and [`map_reduce`] split a `Vec` over a pool's
//! threads, as one call.
//!
//! ```
//! use nanolith::{bulk::{each, map}, prelude::*};
//!
//! pub struct Numbers;
//!
//! #[define]
//! impl Numbers {
//!     pub fn root(n: u64) -> f64 { (n as f64).sqrt() }
//! }
//!
//! let mut sum = 0.0;
//! for root in each(Numbers::tasks(), 0..100_000, |numbers, n| numbers.root(n)) {
//!     sum += root?;
//! }
//! let pool = Pool::builder().build()?;
//! let roots = map(&pool, (0..100_000).collect(), Numbers::root).wait()?;
//! assert_eq!(roots.iter().sum::<f64>(), sum);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(inline)]
pub use nanolith_core::bulk::*;
