//! [`ProcessEvent`]: what happens to the children of a pool. [`ExitReason`]: why one is gone.

use crate::exit::{ChildCrash, KillReason};
use std::net::SocketAddr;

/// What happens to a child of a [`ProcessPool`](crate::ProcessPool): see
/// [`ProcessPool::events`](crate::ProcessPool::events).
///
/// ```standalone_crate
/// use nanolith::prelude::*;
/// use nanolith_process::{ExitReason, ProcessEvent, ProcessPool};
///
/// pub struct Worker;
///
/// #[define(wire)]
/// impl Worker {
///     pub fn exit(code: i32) { std::process::exit(code) }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Worker,)>();
///     let children = ProcessPool::builder().max_children(1).build()?;
///     let mut events = children.events();
///     assert!(Worker::on(&children).exit(3).wait().is_err());
///     children.close();
///     let Some(ProcessEvent::Started { pid }) = events.next() else { panic!() };
///     assert!(matches!(events.next(), Some(ProcessEvent::Online { pid: online }) if online == pid));
///     let Some(ProcessEvent::Exit { reason: ExitReason::Crashed(crash), .. }) = events.next() else { panic!() };
///     assert_eq!(crash.code(), Some(3));
///     assert!(events.next().is_none()); // the pool is closed, and its children are gone
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProcessEvent {
    /// A process was started, as Node's `fork` reports.
    Started {
        /// The id of the process.
        pid: u32,
    },
    /// A child serves: the pool gives it calls from now on. Node's `online` comes earlier, before the
    /// program of the worker runs.
    Online {
        /// The id of the process.
        pid: u32,
    },
    /// A child uses a listening socket for the first time: it has called [`listener`](crate::listener()) or
    /// [`listeners`](crate::listeners). With several sockets, each is an event. Node's `listening` is the
    /// same. It precedes `Online` if the function of
    /// [`on_child_start`](crate::Init::on_child_start) makes the call.
    Listening {
        /// The id of the process.
        pid: u32,
        /// The address of the socket.
        address: SocketAddr,
    },
    /// A process has ended, as Node's `exit` reports. Its parent has waited for it, so the id may name
    /// another process from now on. It is the last event of the process.
    Exit {
        /// The id of the process.
        pid: u32,
        /// Why it ended.
        reason: ExitReason,
    },
}

/// Why a child process ended: see [`ProcessEvent::Exit`].
///
/// Node's `exitedAfterDisconnect` is true for all of these but the first two.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExitReason {
    /// The process ended by itself, was killed from outside, or broke the protocol.
    Crashed(ChildCrash),
    /// The pool killed the process.
    Killed(KillReason),
    /// The pool replaces the child because of [`recycle_after`](crate::ProcessPoolBuilder::recycle_after)
    /// or [`recycle_above`](crate::ProcessPoolBuilder::recycle_above).
    Recycled,
    /// The child was idle for longer than the pool's
    /// [`idle_timeout`](crate::ProcessPoolBuilder::idle_timeout).
    Idle,
    /// [`ProcessPool::restart`](crate::ProcessPool::restart) has replaced the child.
    Restarted,
    /// The pool is [closed](crate::ProcessPool::close), and the child had no call left.
    Closed,
}

#[cfg(feature = "tracing")]
impl ProcessEvent {
    /// Passes the event on to the subscriber of `tracing`. `pool` is the name of the pool.
    pub(crate) fn trace(&self, pool: &str) {
        use tracing::{Level, event};
        const TARGET: &str = "nanolith::process";
        match self {
            Self::Started { pid } => {
                event!(target: TARGET, Level::DEBUG, executor = pool, pid, "a child process started");
            }
            Self::Online { pid } => {
                event!(target: TARGET, Level::DEBUG, executor = pool, pid, "a child process serves");
            }
            Self::Listening { pid, address } => {
                event!(target: TARGET, Level::DEBUG, executor = pool, pid, %address, "a child process listens");
            }
            Self::Exit { pid, reason: ExitReason::Crashed(crash) } => {
                event!(target: TARGET, Level::WARN, executor = pool, pid, reason = %crash, "a child process crashed");
            }
            Self::Exit { pid, reason: ExitReason::Killed(reason) } => {
                event!(target: TARGET, Level::WARN, executor = pool, pid, ?reason, "a child process was killed");
            }
            Self::Exit { pid, reason } => {
                event!(target: TARGET, Level::DEBUG, executor = pool, pid, ?reason, "a child process ended");
            }
        }
    }
}
