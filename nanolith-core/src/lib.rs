//! The runtime of [nanolith](https://docs.rs/nanolith): typed calls, pools over rayon, services,
//! streams and clusters. Programs use it through `nanolith`, which adds `#[define]`.
//!
//! The modules below are in alphabetical order. `ARCHITECTURE.md` lists them from the lowest to the
//! highest. Each imports only from modules earlier in that list.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_op_in_unsafe_fn)]
#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]
// The lower modules have items that only a module with a feature uses.
#![cfg_attr(not(feature = "full"), allow(dead_code, unreachable_pub, unused_imports))]
// Their documentation links to modules of features that are off. `cargo xtask doc` checks all links.
#![cfg_attr(not(feature = "full"), allow(rustdoc::broken_intra_doc_links))]

#[cfg(feature = "bulk")]
pub mod bulk;
pub mod call;
pub mod channel;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod context;
pub mod deadlock;
pub mod error;
pub mod event;
pub mod executor;
pub mod group;
#[cfg(feature = "job-queue")]
pub mod job_queue;
#[cfg(feature = "layers")]
pub mod layers;
pub mod local;
#[doc(hidden)]
pub mod macro_support;
pub mod meta;
#[cfg(not(feature = "metrics"))]
mod metrics;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "metrics-export")]
pub mod metrics_export;
#[cfg(feature = "test-util")]
pub mod mock;
mod park;
#[cfg(feature = "pipeline")]
pub mod pipeline;
pub mod pool;
mod sched;
#[cfg(feature = "schedule")]
pub mod schedule;
pub mod service;
#[cfg(feature = "test-util")]
pub mod sim;
mod sim_runtime;
pub mod sync;
pub mod task;
pub mod time;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(not(feature = "tracing"))]
mod trace;
#[cfg(feature = "tracing")]
pub mod trace;
pub mod typed;
mod util;
mod wake;

/// Items for generated code only.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        call::backend::ExecutorId,
        context::wait::{Sealed as WaitSealed, timeout as wait_timeout},
        error::error_view::{ErrorView, Probe, ViewError},
        event::publisher::EventPublisher,
        macro_support::*,
        service::{InitOutput, RemoteOutbox, Restarts, ServiceParts, init_output},
        task::{
            After, Before, ForwardEvents, HookOutput, HookResult, Hooks, Input, LocalFuture, NoState, OnClose, Owner,
            Run, Scope, SendFuture, SharedHandle, StreamArgument, Writer, apart, apart_boxed, coop::steps,
        },
    };
}
