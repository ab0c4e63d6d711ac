//! The executors of [nanolith](https://docs.rs/nanolith): the call and its slot, the pool over rayon, the service. Programs
//! use it through `nanolith`, which adds `#[define]`.
//!
//! The rooms, from the ground up; each imports only from those above it in this list.
#![forbid(unsafe_op_in_unsafe_fn)]
#![deny(unsafe_code)]
#![warn(missing_debug_implementations)]

mod clock;
mod expirations;
mod id;
mod lanes;
mod priority;
mod sync;

mod alive;
mod attached;
mod background;
mod baton;
mod condvar;
mod data;
pub mod deadlock;
mod error;
mod inbox;
mod panics;
mod park;
mod passed;
mod per_thread;
mod pulse;
mod stack;
mod subscribers;
mod timer;
mod wake;

mod call;
mod elsewhere;
mod end_batch;
mod front;
mod host;
mod lineage;
mod main_guard;
#[cfg(not(feature = "metrics"))]
mod metrics;
#[cfg(feature = "metrics")]
pub mod metrics;
mod mock_clock;
mod order;
mod overruns;
mod place;
mod queue;
mod slices;
mod stop;
mod wait;
mod with_priority;

mod backoff;
mod broadcast;
mod cancel_token;
#[doc(hidden)]
pub mod check;
pub mod messenger;
mod permits;
pub mod port;
pub mod time;

pub mod stream;
mod task;

mod executor;
mod gate;
pub mod layers;
pub mod mock;
mod typed;

mod group;

mod pool;
mod service;

mod cluster;
pub mod local;
pub mod schedule;

pub mod pipeline;

pub mod bulk;
pub mod sim;

pub use backoff::Backoff;
pub use call::Progress;
pub use cancel_token::{CancelToken, Cancelled, DropGuard};
pub use cluster::{
    AddError, Adding, Arrival, Balance, CallAll, Choose, Cluster, ClusterBuilder, ClusterCloseWithin, ClusterClosing,
    ClusterControl, ClusterInfo, ClusterLaunch, ClusterLaunchError, ClusterRef, LaunchMember, MemberId, MemberInfo,
    MemberLoad, Resizing,
};
pub use error::{At, BoxError, CallError, Caller, Panic, Refused, TaskError};
pub use executor::{Admission, Executor, OwnsState, RunsLocal, SharesState};
pub use gate::OnFull;
pub use group::{JoinAll, JoinNext, Joined, Scope, Shutdown, Spawn, TaskGroup, TryScope, scope, try_scope};
pub use id::{Receiver, TaskInfo, fingerprint};
pub use local::Local;
pub use main_guard::{MainGuard, StillAlive, main_guard};
pub use messenger::Messenger;
pub use order::{Order, Queued};
pub use permits::{Acquire, AcquireError, AcquireTimeoutError, Permit, Permits, TryAcquireError};
pub use place::{Current, Where, current};
pub use pool::{
    BuildError, CloseWithin, Closed, Concurrency, Drained, GlobalPool, MaxQueue, NextPoolEvent, Pool, PoolBuilder,
    PoolEvent, PoolEvents, RunOnAll, RunOnAllError, Share, SharedPool, SharedState, Subscription, Unfinished,
};
pub use priority::Priority;
pub use service::{
    AttachError, CloseError, Closing, Control, Crash, CreateStream, CreateStreamError, Group, GroupError, InitError,
    Launch, LaunchError, LifeEvent, LifeEvents, NeverRestarts, NextEvent, NextStream, OnPanic, Restart, Service,
    ServiceBuilder, ServiceCloseWithin, ServiceInfo, ServiceRef, WaitForEvent,
};
pub use sim::sim;
pub use slices::{Step, YieldNow, should_yield, yield_now};
pub use task::{
    CallInfo, Context, GivesStreams, HasInbox, HasOutbox, Job, OpenStreamError, Outcome, Reply, SendEvent, Stopped,
    TakesStreams, TaskSet, call_size,
};
pub use typed::{Call, Flatten, FromCall, FromCallError, Handle, Progressing, Sending, Submit, from_call};
pub use wait::block_in_place;
pub use with_priority::{WithPriority, with_priority, with_priority_async};

/// For generated code only.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        check::*,
        error::view::{ErrorView, Probe, ViewError},
        service::{InitOutput, init_output},
        slices::steps,
        task::{
            After, Before, HookOutput, HookResult, Hooks, Input, LocalFuture, NoState, OnClose, Owner, Run, Scope,
            SendFuture, SharedHandle, StreamArgument, Writer, apart, apart_boxed,
        },
    };
}

/// Runs `work` on the global pool; here and now if that cannot be started. The one place where a lower floor reaches the pool.
fn run_on_global_pool(work: elsewhere::Work) {
    match pool::Chores::start() {
        Ok(chores) => chores.spawn(async move { panics::quietly(work) }),
        Err(_) => panics::quietly(work),
    }
}
