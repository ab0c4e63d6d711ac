//! The runtime of [nanolith](https://docs.rs/nanolith): typed calls, pools over rayon, services,
//! streams and clusters. Programs use it through `nanolith`, which adds `#[define]`.
//!
//! The modules below are in alphabetical order. `ARCHITECTURE.md` lists them from the lowest to the
//! highest. Each imports only from modules earlier in that list.
#![forbid(unsafe_op_in_unsafe_fn)]
#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]

pub mod bulk;
mod call;
mod channel;
mod cluster;
mod context;
pub mod deadlock;
mod error;
mod executor;
mod group;
pub mod layers;
pub mod local;
#[doc(hidden)]
pub mod macro_support;
mod meta;
#[cfg(not(feature = "metrics"))]
mod metrics;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod mock;
mod park;
pub mod pipeline;
mod pool;
mod sched;
pub mod schedule;
mod service;
pub mod sim;
mod sim_runtime;
mod sync;
mod task;
pub mod time;
mod typed;
mod util;
mod wake;

pub use crate::call::Progress;
pub use crate::call::policy::{QueueOrder, QueuedCall};
pub use crate::channel::{
    messenger::{self, Messenger},
    port, stream,
};
pub use crate::cluster::{
    AddError, AddMember, Balance, BalancePolicy, CallAll, Cluster, ClusterBuilder, ClusterClose, ClusterCloseTimeout,
    ClusterControl, ClusterInfo, ClusterLaunch, ClusterLaunchError, ClusterRef, LaunchMember, MemberId, MemberInfo,
    MemberLoad, Resize, RouteRequest,
};
pub use crate::context::{
    block_on::block_in_place,
    priority_scope::{WithPriority, with_priority, with_priority_async},
    thread_context::{Current, current},
};
pub use crate::error::{BoxError, CallError, CallTrace, Panic, ParentCall, SubmitError, TaskError};
pub use crate::executor::{Admission, Executor, OwnsState, RunsLocal, SharesState, admission::OnFull};
pub use crate::group::{JoinAll, JoinNext, Joined, Scope, Shutdown, Spawn, TaskGroup, TryScope, scope, try_scope};
pub use crate::local::Local;
pub use crate::meta::{
    priority::Priority,
    task_info::{Receiver, TaskInfo, fingerprint},
    thread_kind::ThreadKind,
};
pub use crate::pool::{
    BuildError, CloseTimeout, CloseTimeoutError, Closed, Concurrency, Drained, GlobalPool, MaxQueue, NextPoolEvent,
    Pool, PoolBuilder, PoolEvent, PoolEvents, RunOnAll, RunOnAllError, Share, SharedPool, SharedState, Subscription,
};
pub use crate::service::{
    AttachError, CloseError, Closing, Crash, CreateStream, CreateStreamError, GroupError, InitError, Launch,
    LaunchError, LifeEvent, LifeEvents, NextEvent, NextStream, OnPanic, Restart, RestartError, RestartGroup, Service,
    ServiceBuilder, ServiceCloseTimeout, ServiceControl, ServiceInfo, ServiceRef, WaitForEvent,
};
pub use crate::sim::sim;
pub use crate::sync::backoff::Backoff;
pub use crate::sync::{
    cancel_token::{CancelToken, Cancelled, DropGuard},
    main_guard::{MainGuard, MainGuardTimeoutError, main_guard},
    semaphore::{Acquire, AcquireError, AcquireTimeoutError, Permit, Semaphore, TryAcquireError},
};
pub use crate::task::{
    CallInfo, Context, GivesStreams, HasInbox, HasOutbox, Job, JobEndedError, OpenStreamError, Outcome, Reply,
    SendEvent, TakesStreams, TaskSet, call_size,
    coop::{Step, YieldNow, should_yield, yield_now},
};
pub use crate::typed::{Call, Flatten, FromCall, FromCallError, Handle, Progressing, Sending, Submit, from_call};

/// Items for generated code only.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        error::view::{ErrorView, Probe, ViewError},
        macro_support::*,
        service::{InitOutput, init_output},
        task::{
            After, Before, HookOutput, HookResult, Hooks, Input, LocalFuture, NoState, OnClose, Owner, Run, Scope,
            SendFuture, SharedHandle, StreamArgument, Writer, apart, apart_boxed, coop::steps,
        },
    };
}
