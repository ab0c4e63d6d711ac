//! The pipes and sockets between a parent and its children. No process inherits them unless it is
//! given them.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::SendFlags,
};
use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The longest wait of one `poll`. That of macOS refuses waits above 24 days.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps this crate from starting another process while descriptors are made that a child gets.
///
/// macOS makes a descriptor and keeps it from being inherited in two steps. A process that starts
/// between the two inherits it, and then a child that holds a sibling's lifeline outlives its parent.
/// This does not cover processes that the program starts by itself.
#[must_use = "another process may start when it is dropped"]
pub(crate) struct SpawnGuard {
    _lock: Option<MutexGuard<'static, ()>>,
}

impl SpawnGuard {
    pub(crate) fn lock() -> Self {
        static SPAWN: Mutex<()> = Mutex::new(());
        let is_needed = cfg!(not(all(target_os = "linux", not(nanolith_poll))));
        Self { _lock: is_needed.then(|| SPAWN.lock().unwrap_or_else(PoisonError::into_inner)) }
    }
}

/// Returns the two ends of a pipe: the one to read from first.
#[cfg(all(target_os = "linux", not(nanolith_poll)))]
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

#[cfg(not(all(target_os = "linux", not(nanolith_poll))))]
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::io::{FdFlags, fcntl_setfd};
    let (read, write) = rustix::pipe::pipe()?;
    fcntl_setfd(&read, FdFlags::CLOEXEC)?;
    fcntl_setfd(&write, FdFlags::CLOEXEC)?;
    Ok((read, write))
}

/// Returns the socket of a parent and the one of its child. A write to a closed one raises no signal
/// if it has [`SEND_FLAGS`].
pub(crate) fn socket_pair() -> io::Result<(UnixStream, UnixStream)> {
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

/// The flags of what a parent sends, and of a child's reports. A socket that blocks is asked first
/// whether it [has room](has_room).
#[cfg(all(target_os = "linux", not(nanolith_poll)))]
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(all(target_os = "linux", nanolith_poll))]
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(not(target_os = "linux"))]
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::empty();

/// Returns whether a small frame can be sent without waiting, if nothing else is sent meanwhile.
pub(crate) fn has_room(socket: &UnixStream) -> bool {
    if cfg!(all(target_os = "linux", not(nanolith_poll))) {
        return true; // else the flag ends the attempt
    }
    let mut sockets = [PollFd::new(socket, PollFlags::OUT)];
    poll(&mut sockets, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}
