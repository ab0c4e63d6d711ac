//! The executors of [nanolith](https://docs.rs/nanolith): the call and its slot, the pool over rayon, the service. Programs
//! use it through `nanolith`, which adds `#[define]`.
//!
//! The rooms, from the ground up; each imports only from those above it in this list.
#![forbid(unsafe_op_in_unsafe_fn)]
#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]

mod meta;

mod error;
mod util;

pub mod time;

mod park;
mod sim_runtime;
mod wake;

mod call;
mod context;
pub mod deadlock;
#[cfg(not(feature = "metrics"))]
mod metrics;
#[cfg(feature = "metrics")]
pub mod metrics;
mod sched;

mod channel;
mod sync;

mod task;

mod executor;
mod typed;

#[doc(hidden)]
pub mod macro_support;

mod pool;

pub mod local;
mod service;

mod group;

pub mod layers;

mod cluster;

pub mod schedule;

pub mod bulk;

pub mod pipeline;

pub mod mock;

pub mod sim;

pub use call::Progress;
pub use channel::{
    messenger::{self, Messenger},
    port, stream,
};
pub use cluster::{
    AddError, Adding, Arrival, Balance, CallAll, Choose, Cluster, ClusterBuilder, ClusterCloseWithin, ClusterClosing,
    ClusterControl, ClusterInfo, ClusterLaunch, ClusterLaunchError, ClusterRef, LaunchMember, MemberId, MemberInfo,
    MemberLoad, Resizing,
};
pub use context::{
    block_on::block_in_place,
    priority_scope::{WithPriority, with_priority, with_priority_async},
    thread_context::{Current, Where, current},
};
pub use error::{At, BoxError, CallError, Caller, Panic, Refused, TaskError};
pub use executor::{Admission, Executor, OwnsState, RunsLocal, SharesState, admission::OnFull};
pub use group::{JoinAll, JoinNext, Joined, Scope, Shutdown, Spawn, TaskGroup, TryScope, scope, try_scope};
pub use local::Local;
pub use meta::{
    priority::Priority,
    task_info::{Receiver, TaskInfo, fingerprint},
};
pub use pool::{
    BuildError, CloseWithin, Closed, Concurrency, Drained, GlobalPool, MaxQueue, NextPoolEvent, Pool, PoolBuilder,
    PoolEvent, PoolEvents, RunOnAll, RunOnAllError, Share, SharedPool, SharedState, Subscription, Unfinished,
};
pub use sched::policy::{Order, Queued};
pub use service::{
    AttachError, CloseError, Closing, Control, Crash, CreateStream, CreateStreamError, Group, GroupError, InitError,
    Launch, LaunchError, LifeEvent, LifeEvents, NeverRestarts, NextEvent, NextStream, OnPanic, Restart, Service,
    ServiceBuilder, ServiceCloseWithin, ServiceInfo, ServiceRef, WaitForEvent,
};
pub use sim::sim;
pub use sync::{
    cancel_token::{CancelToken, Cancelled, DropGuard},
    main_guard::{MainGuard, StillAlive, main_guard},
    semaphore::{Acquire, AcquireError, AcquireTimeoutError, Permit, Permits, TryAcquireError},
};
pub use task::{
    CallInfo, Context, GivesStreams, HasInbox, HasOutbox, Job, OpenStreamError, Outcome, Reply, SendEvent, Stopped,
    TakesStreams, TaskSet, call_size,
    coop::{Step, YieldNow, should_yield, yield_now},
};
pub use time::backoff::Backoff;
pub use typed::{Call, Flatten, FromCall, FromCallError, Handle, Progressing, Sending, Submit, from_call};

/// For generated code only.
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

/// Runs `work` on the global pool; here and now if that cannot be started. The one place where a lower floor reaches the pool.
fn run_on_global_pool(work: call::offload::Work) {
    match pool::GlobalSpawner::start() {
        Ok(chores) => chores.spawn(async move { util::unwind::ignore_panics(work) }),
        Err(_) => util::unwind::ignore_panics(work),
    }
}
