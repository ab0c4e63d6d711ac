//! [`sys`](crate::sys) of Windows.
//!
//! A socket cannot be the standard input of a process there, so the child connects to its parent: twice,
//! for the socket and for the lifeline. It finds the port and a secret on its standard input, which ends
//! after that. A process that does not know the secret is not let in. A [job object](process) ends a child
//! with its parent.

mod connection;
mod process;
mod socket;
mod spawn;
mod stderr;

pub(crate) use connection::{Connection, apply_limits};
pub(crate) use process::{Process, die_with_parent, exit_descriptor, resident_memory, signal};
pub(crate) use socket::{Lifeline, Socket, is_connected};
#[cfg(test)]
pub(crate) use spawn::idle_child;
pub(crate) use spawn::{invitation, spawn};
pub(crate) use stderr::{StderrPipe, await_rest};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{RecvFlags, SendFlags},
};
use socket2::SockRef;
use std::{
    env, io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The child's end of its socket.
pub(crate) type ChildSocket = TcpStream;
/// The child's end of its lifeline.
pub(crate) type ChildLifeline = TcpStream;

/// Whether a child can have a limit of its memory, and its parent can read how much it has.
pub(crate) const HAS_MEMORY_LIMITS: bool = false;
/// Whether a child can have a limit of its processor time, and a nice value.
pub(crate) const HAS_CPU_LIMITS: bool = false;
/// Whether children can share a listening socket.
pub(crate) const HAS_LISTENERS: bool = false;
/// Whether a socket that fails shows that the other end had not read all that was sent.
pub(crate) const ERROR_SHOWS_UNREAD: bool = false;

/// How long a thread waits for a child at most, before it tries to read. The shutdown of a socket ends no
/// wait, and a process that has ended may leave its socket open.
pub(crate) const READ_WAIT: Duration = Duration::from_millis(100);

/// The size of each buffer of a connection.
const BUFFER: usize = 64 * 1024;

/// The variables of the environment without which no process works: without this one it has no sockets.
pub(crate) const REQUIRED_VARIABLES: &[&str] = &["SystemRoot"];

/// The flags of a read that does not wait. The socket of a parent does not block.
pub(crate) const RECV_FLAGS: RecvFlags = RecvFlags::empty();

/// The flags of what a parent sends, and of a child's reports. A socket that blocks is asked first
/// whether it [has room](has_room).
pub(crate) const SEND_FLAGS: SendFlags = SendFlags::empty();

/// Keeps this crate from starting another process while a socket is accepted. The system makes it
/// inheritable at first.
#[must_use = "another process may start when it is dropped"]
struct SpawnGuard {
    _lock: MutexGuard<'static, ()>,
}

impl SpawnGuard {
    fn lock() -> Self {
        static SPAWN: Mutex<()> = Mutex::new(());
        Self { _lock: SPAWN.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// Returns a socket that processes of this machine can connect to.
fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// Accepts a connection that no process inherits.
fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let guard = SpawnGuard::lock();
    let (socket, _) = SockRef::from(listener).accept()?;
    drop(guard);
    Ok(socket.into())
}

/// Returns two sockets that are connected.
pub(crate) fn stream_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = listen()?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let theirs = loop {
        let stream = accept(&listener)?;
        if stream.peer_addr()? == ours.local_addr()? {
            break stream; // other processes may have connected before
        }
    };
    prepare(&ours)?;
    prepare(&theirs)?;
    Ok((ours, theirs))
}

/// Makes a connection send at once, and hold few bytes that are not read. Else the system lets its buffers
/// grow to many megabytes, and a sender of events does not notice that nothing takes them.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)
}

/// Returns whether a small frame can be sent without waiting, if nothing else is sent meanwhile.
pub(crate) fn has_room(socket: &TcpStream) -> bool {
    let mut sockets = [PollFd::new(socket, PollFlags::OUT)];
    poll(&mut sockets, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Returns the file of this program, by an absolute path.
pub(crate) fn program_file() -> io::Result<PathBuf> {
    env::current_exe()
}

/// Returns a path by which the program of this process runs, even if its file was replaced since. A file
/// cannot be replaced while it runs.
pub(crate) fn running_program() -> Option<PathBuf> {
    None
}
