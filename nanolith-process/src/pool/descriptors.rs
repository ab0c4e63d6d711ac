//! The pipes and sockets between a parent and its children. No process inherits them unless it is
//! given them.

use rustix::net::SendFlags;
use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Keeps this crate from starting another process while descriptors are made that a child gets.
///
/// macOS makes a descriptor and keeps it from being inherited in two steps. A process that starts
/// between the two inherits it, and then a child that holds a sibling's lifeline outlives its parent.
/// This does not cover processes that the program starts by itself.
#[must_use = "another process may start when it is dropped"]
pub(super) struct SpawnGuard {
    _lock: Option<MutexGuard<'static, ()>>,
}

impl SpawnGuard {
    pub(super) fn lock() -> Self {
        static SPAWN: Mutex<()> = Mutex::new(());
        let is_needed = cfg!(not(all(target_os = "linux", not(nanolith_poll))));
        Self { _lock: is_needed.then(|| SPAWN.lock().unwrap_or_else(PoisonError::into_inner)) }
    }
}

/// Returns the two ends of a pipe: the one to read from first.
#[cfg(all(target_os = "linux", not(nanolith_poll)))]
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

#[cfg(not(all(target_os = "linux", not(nanolith_poll))))]
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::io::{FdFlags, fcntl_setfd};
    let (read, write) = rustix::pipe::pipe()?;
    fcntl_setfd(&read, FdFlags::CLOEXEC)?;
    fcntl_setfd(&write, FdFlags::CLOEXEC)?;
    Ok((read, write))
}

/// Returns the socket of a parent and the one of its child. A write to a closed one raises no signal
/// if it has [`SEND_FLAGS`].
pub(super) fn socket_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    #[cfg(not(target_os = "linux"))]
    for socket in [&ours, &theirs] {
        rustix::net::sockopt::set_socket_nosigpipe(socket, true)?;
    }
    // `send` of macOS ignores `MSG_DONTWAIT`, so the socket itself must not block. Linux heeds the flag, and
    // a thread that waits for an answer then makes one system call instead of three.
    if cfg!(not(all(target_os = "linux", not(nanolith_poll)))) {
        ours.set_nonblocking(true)?;
    }
    Ok((ours, theirs))
}

/// The flags of what a parent sends.
#[cfg(all(target_os = "linux", not(nanolith_poll)))]
pub(super) const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(all(target_os = "linux", nanolith_poll))]
pub(super) const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(not(target_os = "linux"))]
pub(super) const SEND_FLAGS: SendFlags = SendFlags::empty();
