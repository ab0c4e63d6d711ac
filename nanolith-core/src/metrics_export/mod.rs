//! Publishes the metrics of executors by the facade crate `metrics`, for Prometheus and other systems.
//!
//! A [`Publisher`] reads pools and services that were built with `.metrics(true)`, and passes what is
//! new to the recorder that the program has installed, once a second.
//!
//! | metric | kind | labels | unit | what |
//! |---|---|---|---|---|
//! | `nanolith_calls_total` | counter | `set`, `task`, `outcome` | calls | calls that have ended: see [`TaskMetrics::outcomes`](crate::metrics::TaskMetrics::outcomes) |
//! | `nanolith_call_wait_seconds` | histogram | `set`, `task` | seconds | the time from the submission of a call to the start of its task |
//! | `nanolith_call_run_seconds` | histogram | `set`, `task` | seconds | the time from the start of a task to its end, awaits included |
//! | `nanolith_queue_depth` | gauge | `executor` | calls | the calls that wait in the queue now |
//!
//! Executors of one name share a series, and so do equal tasks of several executors.
//!
//! The recorder may be installed after the publisher has started. It then gets each counter with all
//! calls so far. A histogram has the calls since then.
//!
//! The time of a publication grows with the number of tasks. A recorder may also take time for each
//! call in a histogram: that of `metrics-exporter-prometheus` does.
//!
//! ```
//! use nanolith::{metrics_export::Publisher, prelude::*, time::SECOND};
//! # use nanolith_doc_sets::*;
//! let pool = Pool::builder().name("pictures").metrics(true).build()?;
//! let counter = Counter::service(10).name("counter").metrics(true).launch().wait()?;
//! let publishing = Publisher::new().pool(&pool).service(&counter).every(5 * SECOND).start()?;
//! assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
//! drop(publishing); // publishes once more
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod deltas;
mod publisher;
mod publishing;

pub use publisher::{PublishError, Publisher};
pub use publishing::Publishing;
