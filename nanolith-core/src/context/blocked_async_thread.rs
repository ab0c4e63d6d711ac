//! [`BlockedAsyncThread`]: the report of a blocking wait on a thread of an async runtime, and its
//! subscribers.

use crate::{
    call::backend::ExecutorId,
    meta::thread_kind::ThreadKind,
    wake::subscribers::{Subscribers, Subscription},
};
use once_cell::sync::Lazy;
use std::{
    fmt,
    panic::Location,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, Thread},
    time::Duration,
};

/// The time after which a wait is reported.
pub(super) const LEAST_REPORTED: Duration = Duration::from_millis(10);

/// The maximum number of reports that wait for a subscriber. Later reports are dropped.
const MOST_REPORTS: usize = 256;

static SUBSCRIBERS: Lazy<Subscribers<BlockedAsyncThread>> = Lazy::new(|| Subscribers::bounded(MOST_REPORTS));

/// Whether the program has ever subscribed.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

// ORDERING of `IS_WATCHED`: Relaxed, pairs with the store in `subscribe`. A wait that begins at the
// moment of the first subscription need not be reported.
#[inline]
pub(super) fn is_watched() -> bool {
    IS_WATCHED.load(Ordering::Relaxed)
}

pub(crate) fn subscribe() -> Subscription<BlockedAsyncThread> {
    IS_WATCHED.store(true, Ordering::Relaxed);
    SUBSCRIBERS.subscribe()
}

/// Sends the report to each subscriber.
pub(super) fn publish(report: &BlockedAsyncThread) {
    SUBSCRIBERS.publish(report);
}

/// The report of a blocking wait, such as `.wait()`, that holds up a thread of a tokio runtime.
///
/// The runtime runs no other task on that thread meanwhile. Its text names the source line:
///
/// ```text
/// the thread `tokio-runtime-worker` of an async runtime blocks at src/main.rs:9:28,
/// for the pool `nanolith`: use `.await`
/// ```
///
/// [`blocked_async_threads`](crate::event::blocked_async_threads) returns the stream of reports.
#[derive(Clone, Debug)]
pub struct BlockedAsyncThread {
    location: &'static Location<'static>,
    thread: Thread,
    awaited: ThreadKind,
}

impl BlockedAsyncThread {
    /// Returns the report of a wait of this thread.
    pub(super) fn here(location: &'static Location<'static>, target: Option<ExecutorId>) -> Self {
        let awaited = target.and_then(ExecutorId::get).map_or(ThreadKind::Outside, |host| host.thread_kind());
        Self { location, thread: thread::current(), awaited }
    }

    /// Returns the source line of the wait: that of `.wait()`, `.wait_timeout(d)` or `.submit()`, for
    /// example.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Returns the thread that is blocked.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Returns the executor that the wait is for. It is [`ThreadKind::Outside`] if the wait is for no
    /// executor, such as a wait for a port, or if the executor is not known.
    #[must_use]
    pub fn awaited(&self) -> &ThreadKind {
        &self.awaited
    }
}

impl fmt::Display for BlockedAsyncThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the thread")?;
        self.thread.name().map_or(Ok(()), |name| write!(f, " `{name}`"))?;
        write!(f, " of an async runtime blocks at {}", self.location)?;
        match &self.awaited {
            ThreadKind::Pool(name) => write!(f, ", for the pool `{name}`")?,
            ThreadKind::Service(name) => write!(f, ", for the service `{name}`")?,
            ThreadKind::Local(name) => write!(f, ", for the local `{name}`")?,
            ThreadKind::Outside => {}
        }
        f.write_str(": use `.await`")
    }
}
