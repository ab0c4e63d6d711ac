//! [`sys`](crate::sys) of Linux and macOS: pipes and sockets that no process inherits unless it is given
//! them, process groups, and limits of resources.

mod connection;
mod process;
mod spawn;

pub(crate) use connection::{Connection, apply_limits};
pub(crate) use process::{Process, die_with_parent, exit_descriptor, resident_memory, signal};
#[cfg(test)]
pub(crate) use spawn::idle_child;
pub(crate) use spawn::{invitation, spawn};

use crate::sys::MAX_WAIT;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{RecvFlags, SendFlags},
};
use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The parent's end of a child's socket.
pub(crate) type Socket = UnixStream;
/// The child's end of its socket.
pub(crate) type ChildSocket = UnixStream;
/// The parent's end of a child's lifeline, a pipe that does not block.
pub(crate) type Lifeline = File;
/// The child's end of its lifeline.
pub(crate) type ChildLifeline = File;
/// The parent's end of the pipe that is a child's standard error. It does not block.
pub(crate) type StderrPipe = File;

/// Whether a child can have a limit of its memory, and its parent can read how much it has.
pub(crate) const HAS_MEMORY_LIMITS: bool = cfg!(target_os = "linux");
/// Whether a child can have a limit of its processor time, and a nice value.
pub(crate) const HAS_CPU_LIMITS: bool = true;
/// Whether children can share a listening socket.
pub(crate) const HAS_LISTENERS: bool = true;
/// Whether a socket that fails shows that the other end had not read all that was sent. Linux reports
/// `ECONNRESET` for that. Elsewhere an error says nothing of it.
pub(crate) const ERROR_SHOWS_UNREAD: bool = cfg!(target_os = "linux");

/// How long a thread waits for a child at most, before it tries to read. The shutdown of a socket ends a
/// wait at once.
pub(crate) const READ_WAIT: Duration = MAX_WAIT;

/// The variables of the environment without which no process works.
pub(crate) const REQUIRED_VARIABLES: &[&str] = &[];

/// Keeps this crate from starting another process while descriptors are made that a child gets.
///
/// macOS makes a descriptor and keeps it from being inherited in two steps. A process that starts
/// between the two inherits it, and then a child that holds a sibling's lifeline outlives its parent.
/// This does not cover processes that the program starts by itself.
#[must_use = "another process may start when it is dropped"]
struct SpawnGuard {
    _lock: Option<MutexGuard<'static, ()>>,
}

impl SpawnGuard {
    fn lock() -> Self {
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

/// Returns two sockets that are connected. A write to a closed one raises no signal if it has
/// [`SEND_FLAGS`].
pub(crate) fn stream_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    #[cfg(not(target_os = "linux"))]
    for socket in [&ours, &theirs] {
        rustix::net::sockopt::set_socket_nosigpipe(socket, true)?;
    }
    Ok((ours, theirs))
}

/// Returns the socket of a parent and the one of its child.
fn socket_pair() -> io::Result<(Socket, ChildSocket)> {
    let (ours, theirs) = stream_pair()?;
    // `send` of macOS ignores `MSG_DONTWAIT`, so the socket itself must not block. Linux heeds the flag, and
    // a thread that waits for an answer then makes one system call instead of three.
    if cfg!(not(all(target_os = "linux", not(nanolith_poll)))) {
        ours.set_nonblocking(true)?;
    }
    Ok((ours, theirs))
}

/// Returns whether the child has its end of the socket. It has it from its start.
pub(crate) fn is_connected(_: &Socket) -> bool {
    true
}

/// The flags of a read that does not wait.
pub(crate) const RECV_FLAGS: RecvFlags = RecvFlags::DONTWAIT;

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

/// Prepares the last read from the standard error of a process that has ended. A pipe has all that the
/// process wrote.
pub(crate) fn await_rest(_: &StderrPipe) {}

/// Returns the file of this program, without links in its path.
pub(crate) fn program_file() -> io::Result<PathBuf> {
    std::env::current_exe()?.canonicalize()
}

/// Returns a path by which the program of this process runs, even if its file was replaced since.
pub(crate) fn running_program() -> Option<PathBuf> {
    cfg!(all(target_os = "linux", not(nanolith_poll))).then(|| "/proc/self/exe".into())
}
