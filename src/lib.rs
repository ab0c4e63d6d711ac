#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

extern crate self as nanolith;

pub use nanolith_core::{
    Admission, At, BoxError, BuildError, Call, CallError, CallInfo, Caller, CloseError, Closing, Concurrency, Context,
    Control, Current, Drained, Executor, Flatten, GlobalPool, Handle, Job, Launch, LaunchError, MaxQueue, OnFull,
    OnPanic, Outcome, OwnsState, Panic, Pool, PoolBuilder, Priority, Progress, Progressing, Receiver, Refused, Reply,
    RunsLocal, Service, ServiceBuilder, ServiceInfo, ServiceRef, SharedPool, SharedState, SharesState, Stopped, Submit,
    TaskError, TaskInfo, TaskSet, Where, block_in_place, call_size, current, fingerprint, time,
};
pub use nanolith_macros::{after_task, before_task, define, init, on_close, task};

/// What most programs need: `use nanolith::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Call, CallError, CallInfo, Concurrency, Context, Executor, Handle, MaxQueue, OnFull, OnPanic, Outcome, Pool,
        Priority, Service, TaskError, after_task, before_task, define, init, on_close, task,
        time::{MILLISECOND, MINUTE, SECOND},
    };
}

/// For generated code only.
#[doc(hidden)]
pub mod __private {
    pub use nanolith_core::__private::*;
    #[cfg(feature = "wire")]
    pub use serde;
}
