//! Plain functions as typed calls, run on a thread pool or on services that own their state.
//!
//! [`#[define]`](macro@define) on an `impl` block or a module generates a method for each public
//! function. The method returns a [`Call`]: block on it with `.wait()` (of the trait [`Wait`]),
//! await it on any runtime, or `.submit()` it for a [`Handle`].
//!
//! ```
//! use nanolith::prelude::*;
//!
//! pub struct Geometry;
//!
//! #[define]
//! impl Geometry {
//!     /// Adds two numbers.
//!     pub fn add(x: i64, y: i64) -> i64 {
//!         x + y
//!     }
//! }
//!
//! fn main() -> Result<(), CallError> {
//!     let geometry = Geometry::tasks(); // calls to the global pool
//!     assert_eq!(geometry.add(4, 5).wait()?, 9); // runs on a thread of the pool
//!     assert_eq!(Geometry::add(4, 5), 9); // still a plain function
//!     Ok(())
//! }
//! ```
//!
//! # Where calls run
//!
//! | executor | made by | runs calls |
//! |---|---|---|
//! | the global pool | `Geometry::tasks()` | by priority, on threads of [rayon](https://docs.rs/rayon) |
//! | [`Pool`] | [`Pool::builder`], `Geometry::on(&pool)` | the same, with limits and a queue of its own |
//! | [`Service`] | `Counter::service(..)` | one after the other, on the thread that owns the state |
//! | [`Cluster`] | [`Cluster::launch`] | on one of several services |
//! | [`Local`] | [`Local::builder`] | on the thread that drives it |
//! | [`layers`] | [`layers::stack`] | on the executor inside, with retries, limits or a cache around it |
//!
//! # Errors
//!
//! A call ends once, as its function's output or as a [`CallError`]. A panic is
//! [`CallError::Panicked`] and ends its call only. A task whose output is a `Result` keeps its own
//! error: [`Call::flatten`] joins the two as a [`TaskError`]. A cycle of tasks that wait for each
//! other ends with [`CallError::WouldDeadlock`]; see [`deadlock`].
//!
//! # Async code
//!
//! A call is a future that needs no runtime. Use `.await` in async code, and never `.wait()`, which
//! blocks the thread. Dropping the future of a call cancels the call. Dropping a [`Handle`] does
//! not, unless [`Handle::cancel_on_drop`] is set.
//! [`PoolBuilder::max_in_flight`](pool::PoolBuilder::max_in_flight) bounds the calls that a server
//! accepts.
//!
//! The page [With tokio, tower and axum] has what the features `tokio` and `tower` add: tokio's timers
//! and sockets in tasks, a report of each `.wait()` that blocks a runtime, executors as tower services.
//!
//! # Modules
//!
//! | | |
//! |---|---|
//! | [`pool`], [`service`], [`cluster`], [`local`] | what runs calls, with its settings |
//! | [`call`], [`task`](mod@task), [`executor`] | a call and its errors, the inside of a task, executors of your own |
//! | [`port`], [`messenger`], [`stream`] | messages between two ends, broadcast by name, bytes and values with backpressure |
//! | [`bulk`], [`pipeline`] | many inputs through one task, and stages joined by bounded queues |
//! | [`schedule`], [`time`] | repeated calls, timers and clocks |
//! | [`group`], [`sync`] | calls that end together; semaphores, cancellation tokens, backoff |
//! | [`wire`], [`trace`], [`metrics_export`] | errors that pass to other processes; spans and events; published metrics |
//! | [`sim()`], [`mock`] | tests: deterministic simulation from a seed, and executors with scripted answers |
//!
//! The [README](https://github.com/nanolith-rs/nanolith#readme) says when to use this crate and
//! when not; the [examples] are programs to run.
//!
//! [With tokio, tower and axum]: https://github.com/nanolith-rs/nanolith/blob/main/docs/tokio.md
//! [examples]: https://github.com/nanolith-rs/nanolith/tree/main/examples
// The documentation links to modules of features that are off. `cargo xtask doc` checks all links.
#![cfg_attr(
    not(all(feature = "full", feature = "metrics-export", feature = "tracing", feature = "wire")),
    allow(rustdoc::broken_intra_doc_links)
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

extern crate self as nanolith;

mod attributes;

pub use attributes::{after_task, before_task, define, init, on_close, on_message, on_stream, task};
#[cfg(feature = "cluster")]
#[doc(inline)]
pub use cluster::Cluster;
#[doc(inline)]
pub use {
    call::{BoxError, Call, CallError, Handle, TaskError},
    executor::Executor,
    group::{TaskGroup, scope},
    local::Local,
    pool::Pool,
    service::Service,
    task::{Context, Priority, TaskSet},
};

#[cfg(feature = "layers")]
pub use nanolith_core::layers;
#[cfg(feature = "pipeline")]
pub use nanolith_core::pipeline;
#[cfg(feature = "schedule")]
pub use nanolith_core::schedule;
#[cfg(feature = "tower")]
pub use nanolith_core::tower;
pub use nanolith_core::{
    channel::{messenger, port},
    deadlock, event, local, time,
};
pub use nanolith_core::{context::Wait, typed::join};
#[cfg(feature = "test-util")]
pub use nanolith_core::{
    mock,
    sim::{self, sim},
};

/// Metrics of pools and services that were built with `.metrics(true)`: how long calls waited and
/// ran, by task, and how busy the threads were.
///
/// Needs the cargo feature `metrics`.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().metrics(true).build()?;
/// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
/// pool.drained().wait();
/// let metrics: nanolith::metrics::Metrics = pool.metrics().ok_or("it was asked to measure")?;
/// println!("waited {}, ran {}", metrics.wait_time(), metrics.run_time());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "metrics")]
pub use nanolith_core::metrics;

#[cfg(feature = "metrics-export")]
pub use nanolith_core::metrics_export;
#[cfg(feature = "tracing")]
pub use nanolith_core::trace;

/// One call: its value, its handle, and the errors with which it can end.
///
/// A typed method returns a [`Call`], which does nothing yet. Its options, such as
/// [`Call::timeout`], change it before it starts.
///
/// ```
/// use nanolith::{call::CallTrace, prelude::*};
/// # use nanolith_doc_sets::*;
/// let handle: Handle<Geometry, i64> = Geometry::tasks().add(4, 5).submit();
/// handle.cancel();
/// let trace: CallTrace = match handle.wait() {
///     Ok(sum) => return assert_eq!(sum, 9), // the call was faster
///     Err(error) => error.trace().clone(),
/// };
/// assert_eq!(trace.task().name(), "add");
/// ```
pub mod call {
    pub use nanolith_core::{
        call::Progress,
        context::{WithPriority, with_priority, with_priority_async},
        error::{BoxError, CallError, CallTrace, Panic, ParentCall, SubmitError, TaskError},
        typed::{Call, Flatten, Handle, ProgressReceiver, RecvProgress, SendFuture, Submit, Tell},
    };
}

pub mod executor;

/// Inside of a task: its [`Context`], slices of long tasks, and what is known of a task's function.
///
/// ```
/// use nanolith::{prelude::*, task::should_yield};
/// # pub struct Numbers;
///
/// #[define]
/// impl Numbers {
///     /// Counts until a more urgent call waits.
///     pub fn count(limit: u64) -> u64 {
///         (0..limit).take_while(|_| !should_yield()).count() as u64
///     }
/// }
///
/// assert_eq!(Numbers::tasks().count(10).wait()?, 10);
/// # Ok::<(), CallError>(())
/// ```
pub mod task {
    pub use nanolith_core::{
        context::{Current, block_in_place, current},
        meta::{Priority, Receiver, TaskInfo, ThreadKind, fingerprint},
        task::{
            CallInfo, Context, GivesStreams, HasInbox, HasOutbox, OpenStreamError, Outcome, Reply, SendEvent, Step,
            TakesStreams, TaskSet, YieldNow, call_size, should_yield, yield_now,
        },
    };
}

/// Pools of threads: [`Pool`], its builder, its events, and shares with limits of their own.
///
/// ```
/// use nanolith::{pool::Concurrency, prelude::*};
/// # use nanolith_doc_sets::*;
/// let pool = Pool::builder().name("pictures").concurrency(Concurrency::Half).build()?;
/// assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod pool {
    pub use nanolith_core::pool::{
        Broadcast, BroadcastError, BuildError, CloseTimeout, CloseTimeoutError, Closed, Concurrency, Drained,
        GlobalPool, Pool, PoolBuilder, PoolEvent, PoolExecutor, PoolInfo, Share, ShareBuilder, ShareInfo, SharedPool,
        SharedState, Subscription,
    };
    pub use nanolith_core::task::Work;
}

/// Services, which own the state of a set, on a thread of their own or on a pool: launching, supervision
/// and closing.
///
/// ```
/// use nanolith::{prelude::*, service::Restart};
/// pub struct Counter { total: i64 }
///
/// #[define]
/// impl Counter {
///     #[init]
///     fn start() -> Self { Self { total: 0 } }
///     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// }
///
/// let counter = Counter::service().restart(Restart::on_panic()).launch().wait()?;
/// assert_eq!(counter.bump(5).wait()?, 5);
/// counter.close().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod service {
    pub use nanolith_core::service::{
        AttachError, Close, CloseError, CloseTimeout, Crash, CreateStream, CreateStreamError, GroupError, InitError,
        Launch, LaunchError, LifeEvent, OnPanic, RecvStream, Restart, RestartError, RestartGroup, Service,
        ServiceBuilder, ServiceControl, ServiceInfo, ServiceRef, ServiceSet, WaitForEvent,
    };
}

/// Several services behind one handle: [`Cluster`], its members, and how calls are spread over
/// them.
///
/// Needs the cargo feature `cluster`.
///
/// ```
/// use nanolith::{Cluster, cluster::Balance, prelude::*};
/// pub struct Counter { total: i64 }
///
/// #[define]
/// impl Counter {
///     #[init]
///     fn start() -> Self { Self { total: 0 } }
///     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// }
///
/// let counters = Cluster::builder().balance(Balance::RoundRobin).launch(2, Counter::service).wait()?;
/// assert_eq!(counters.bump(5).wait()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "cluster")]
pub mod cluster {
    pub use nanolith_core::cluster::{
        AddError, AddMember, Balance, BalancePolicy, CallAll, Cluster, ClusterBuilder, ClusterClose,
        ClusterCloseTimeout, ClusterControl, ClusterInfo, ClusterLaunch, ClusterLaunchError, ClusterRef, LaunchMember,
        MemberId, MemberInfo, MemberLoad, Resize, RouteError, RouteRequest,
    };
}

/// Groups of calls that end together: [`TaskGroup`] and [`scope`].
///
/// ```
/// use nanolith::{group::scope, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::tasks();
/// let sums: Vec<_> = scope(|group| (0..3).map(|n| group.spawn(geometry.add(n, n))).collect());
/// assert_eq!(sums.len(), 3); // all three calls have ended
/// ```
pub mod group {
    pub use nanolith_core::group::{
        JoinAll, JoinNext, Joined, Scope, Shutdown, Spawn, TaskGroup, TryScope, scope, try_scope,
    };
}

/// Synchronization for programs: semaphores, cancellation tokens, backoff, and the guard of `main`.
/// They work in tasks, in other threads and in async code.
///
/// ```
/// use nanolith::{Wait, sync::{CancelToken, Semaphore}};
/// let connections = Semaphore::new(2);
/// let permit = connections.acquire().wait()?;
/// assert_eq!(connections.available_permits(), 1);
/// let token = CancelToken::new();
/// token.cancel();
/// assert!(token.is_cancelled());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod sync {
    pub use nanolith_core::sync::{
        Acquire, AcquireError, Backoff, CancelToken, Cancelled, DropGuard, MainGuard, MainGuardTimeoutError, Permit,
        Semaphore, TryAcquireError, main_guard,
    };
}

/// Streams from one thread to another: of bytes ([`stream::pipe`]), of values ([`stream::items`]),
/// and of the values that one call produces ([`stream::from_call`]).
///
/// Chunks and values are moved, never copied. A writer waits for credit, so a slow reader keeps no
/// more than its credits in memory. Only `finish` ends a stream without an error. After a failed or
/// dropped writer, the reader gets what was written before, and then an error. After a cancelled or
/// dropped reader, a write fails and returns its chunk.
///
/// ```
/// use nanolith::stream::{self, Credits};
/// use std::io::{Read, Write};
/// let (mut writer, mut reader) = stream::pipe((), Credits::new().bytes(1 << 20).chunks(16))?;
/// std::thread::spawn(move || {
///     writer.write_all(b"hello").expect("the reader is there");
///     writer.finish();
/// });
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod stream {
    #[doc(inline)]
    pub use nanolith_core::channel::stream::*;
    pub use nanolith_core::typed::{FromCall, FromCallError, from_call};
}

#[cfg(feature = "bulk")]
pub mod bulk;

#[cfg(feature = "wire")]
pub mod wire;
#[cfg(feature = "wire")]
mod wire_value;

/// The names that most programs need: the attributes, calls and their errors, pools and services,
/// and the trait [`Wait`].
///
/// ```
/// use nanolith::prelude::*;
/// let pool = Pool::builder().build()?;
/// # use nanolith_doc_sets::*;
/// assert_eq!(Geometry::on(&pool).add(4, 5).priority(Priority::UserBlocking).wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod prelude {
    pub use crate::{
        Call, CallError, Context, Handle, Pool, Priority, Service, Wait, after_task, before_task, define, init,
        on_close, on_message, on_stream,
    };
    pub use nanolith_macros::task;
}

/// Names for generated code only.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "wire")]
    pub use crate::wire_value::{NoMessage, WireValue, wire_value};
    pub use nanolith_core::__private::*;
    pub use nanolith_macros::reserved_names;
    #[cfg(feature = "wire")]
    pub use serde;
}

#[cfg(doctest)]
mod pages;
