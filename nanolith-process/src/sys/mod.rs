//! What differs between systems: the connection of a parent and its children, the start and the end of a
//! process, and what a system does not have.
//!
//! - `unix`: Linux and macOS. The socket of a child is its standard input.
//! - `windows`: A child connects to a port of its parent, which it learns from its standard input.
//!
//! Both have the same items, so no other module names a system. The exception is `pool::poller`, which
//! chooses between `epoll` and `poll`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

use crate::wire::Hello;
use std::{net::TcpListener, time::Duration};

/// The longest wait of one `poll`. Those of macOS and Windows refuse waits above 24 days.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A child that was started, as its parent holds it.
pub(crate) struct Spawned {
    pub(crate) process: Process,
    pub(crate) socket: Socket,
    pub(crate) lifeline: Lifeline,
    /// What the process writes to its standard error.
    pub(crate) stderr: StderrPipe,
}

/// What a child has of its parent, besides the socket.
pub(crate) struct Greeting {
    /// A stream that ends with the parent, and that brings requests to stop a call.
    pub(crate) lifeline: ChildLifeline,
    /// The listening sockets that the children share.
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) hello: Hello,
}
