//! Child processes that run the tasks of [nanolith](https://docs.rs/nanolith).
//!
//! A task that may crash, leak or never end runs in a child process, by the same definition and the
//! same typed call. A running task can be killed: after a time-out or a cancel, the pool asks the
//! task to stop, and kills its process after a grace period. If a child dies, its call ends with the
//! reason, and another child takes over.
//!
//! A child is the same program, started again. The first statement of `main` decides what a process
//! is: in a child, [`Init::serve`] runs tasks and does not return.
//!
//! ```standalone_crate
//! use nanolith::{prelude::*, time::MILLISECOND};
//! use nanolith_process::ProcessPool;
//!
//! pub struct Geometry;
//!
//! #[define(wire)]
//! impl Geometry {
//!     pub fn add(x: i64, y: i64) -> i64 { x + y }
//!     pub fn spin() { loop { std::hint::spin_loop() } }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     nanolith_process::init().serve::<(Geometry,)>();
//!     let children = ProcessPool::builder().max_children(2).build()?;
//!     let geometry = Geometry::on(&children);
//!     assert_eq!(geometry.add(4, 5).wait()?, 9);
//!     let error = geometry.spin().timeout(50 * MILLISECOND).wait().unwrap_err();
//!     assert!(matches!(error, CallError::Killed(_)));
//!     Ok(())
//! }
//! ```
//!
//! # What a child process can do
//!
//! | | |
//! |---|---|
//! | `.wait()`, `.await`, `.submit()`, priorities, bounds of the queue | as on a [`Pool`](nanolith::Pool) |
//! | `.timeout()`, `.cancel()`, a token | the task is asked to stop; after the grace its process is killed |
//! | retries, limits and other layers | as on a `Pool` |
//! | a panic | its call ends as `Panicked`, with message and place; the child lives on |
//! | exit, abort, a signal, a stack overflow, no memory | the call ends as `Crashed`; another child takes over |
//! | `restart`, `warm_spare` | children are replaced one by one; the next child is there before it is needed |
//! | `events` | what happens to each child, and why it ended |
//! | `listener` | children accept connections at one listening socket |
//! | tasks with `&self` or `&mut self` | on a [`ProcessService`], whose state lives in a child, or on a [`ProcessCluster`] |
//! | `cx.progress(..)` | as on a `Pool`, at most 100 reports a second and the last one |
//! | `cx.send(..)` | events reach the handles of a [`ProcessService`]; on a `ProcessPool` an error, as on a `Pool` |
//! | `.send(..)` of a handle, `#[on_message]` | messages of a [`ProcessService`] and a [`ProcessCluster`], as on a [`Service`](nanolith::Service) |
//! | `cx.create_stream(..)` | as on a `Pool`: an error, also on a [`ProcessService`] |
//! | `cx.data()` | finds nothing |
//! | `.messenger(..)` of a call | the call is refused |
//! | streams, ports and messengers as arguments | do not compile |
//!
//! # Limits
//!
//! This version runs on Linux. It runs under Wine, but has not run on Windows itself. It compiles for
//! macOS, where it has not run yet. See [Processes] for what differs there. On other systems the crate is
//! empty.
//!
//! The page [Processes] says when to use child processes, how each call ends, which limits there are,
//! what the parent trusts, how to handle signals, and how to write tests.
//!
//! [Processes]: https://github.com/nanolith-rs/nanolith/blob/main/docs/processes.md
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]
#![cfg(any(target_os = "linux", target_os = "macos", windows))]

#[cfg(fuzzing)]
#[doc(hidden)]
#[path = "fuzz.rs"]
pub mod __fuzz;
mod accept;
mod build_error;
mod child;
mod close_error;
mod cluster;
mod event;
mod exit;
mod exit_code;
mod init;
mod last_line;
mod launch_error;
mod message_error;
mod pool;
mod program;
mod served;
mod service;
mod sys;
mod wire;

pub use accept::accept_timeout;
pub use build_error::BuildError;
pub use child::{is_retiring, listener, listeners};
pub use close_error::CloseError;
pub use cluster::{
    ProcessCluster, ProcessClusterBuilder, ProcessClusterClosed, ProcessClusterControl, ProcessClusterInfo,
    ProcessClusterLaunch, ProcessClusterLaunchError, ProcessClusterRef,
};
pub use event::{ExitReason, ProcessEvent};
pub use exit::{ChildCrash, Kill, KillReason};
pub use init::{Init, Role, init, role};
pub use launch_error::LaunchError;
pub use message_error::MessageError;
pub use pool::{Closed, PoolRestart, PoolRestartError, ProcessPool, ProcessPoolBuilder, ProcessPoolInfo, Stdout};
pub use served::{ProcessSet, ServedSets};
pub use service::{
    ProcessLaunch, ProcessService, ProcessServiceBuilder, ProcessServiceClose, ProcessServiceControl,
    ProcessServiceInfo, ProcessServiceRef,
};

#[cfg(doctest)]
#[doc = include_str!("../../docs/processes.md")]
mod processes {}
