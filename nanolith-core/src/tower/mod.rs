//! Executors as [tower] services, and tower's layers around executors.
//!
//! Needs the cargo feature `tower`, which depends on `tower-service` and `tower-layer` alone.
//!
//! | a program has | and wants | type |
//! |---|---|---|
//! | a pool, a service or another executor | a `Service` whose requests are any type, for one task | [`CallService`] |
//! | the same | a `Service` for every task of a set | [`TaskService`] |
//! | a layer of tower, such as `TimeoutLayer` | an executor with that layer around its calls | [`TowerLayer`] |
//!
//! ```
//! use nanolith::{prelude::*, tower::CallService};
//! use tower::{Service as _, ServiceExt as _};
//! # use nanolith_doc_sets::*;
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! let pool = Pool::builder().build()?;
//! let mut add = CallService::<Geometry>::new(pool, |geometry, (x, y)| geometry.add(x, y));
//! # runtime.block_on(async {
//! assert_eq!(add.ready().await?.call((4, 5)).await?, 9);
//! # Ok::<(), CallError>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Back pressure
//!
//! `poll_ready` is pending while the queue of the executor is full, by any of its bounds. Then it
//! waits in line with the calls that wait for room, first come first served. The room that it gets
//! is kept until the next `call`, or until the service is dropped. So each `call` follows a
//! `poll_ready` soon, as tower asks for. `poll_ready` reports a full queue under
//! [`OnFull::Wait`](crate::executor::OnFull::Wait) and
//! [`OnFull::Reject`](crate::executor::OnFull::Reject). Under the other policies a full queue takes
//! each call, so it is always ready.
//!
//! While the queue has room, `poll_ready` reserves none. Another caller may take the room before the
//! `call`. The future of the call then waits for room. Under `OnFull::Reject` it fails as
//! [`CallError::Full`](crate::error::CallError::Full), if there is still none at its first poll.
//!
//! | executor | `poll_ready` |
//! |---|---|
//! | a pool, a share, a service | room in its queue |
//! | a layer of [`layers`](crate::layers) | room in the queue of the inner executor; for its own limit, the future of the call waits |
//! | a cluster, a [`Local`](crate::local::Local), child processes, executors of the program | always ready; the future of the call waits for room |
//!
//! # Cancellation
//!
//! Dropping the future of a call cancels the call: tower's time-outs and a client that disconnects
//! do this. A queued call never runs, and a running task is asked to stop.
//!
//! [tower]: https://docs.rs/tower

mod call_future;
mod call_service;
mod task_service;
mod tower_executor;
mod tower_layer;

pub use call_future::CallFuture;
pub use call_service::CallService;
pub use task_service::{TaskRequest, TaskService};
pub use tower_executor::TowerExecutor;
pub use tower_layer::{TowerFuture, TowerLayer};
