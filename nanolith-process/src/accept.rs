//! [`accept_timeout`]: waits for a connection at a socket that processes share.

use crate::sys::MAX_WAIT;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

/// Accepts a connection, or returns `None` if there is none within `limit`.
///
/// The socket must not block, as those of [`listener`](crate::listener()) do not. Then a child that waits
/// notices in time that it is to end, also if another child accepts the connection. The stream that is
/// returned blocks.
///
/// ```
/// use nanolith::time::MILLISECOND;
/// use std::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// listener.set_nonblocking(true)?;
/// assert!(nanolith_process::accept_timeout(&listener, 10 * MILLISECOND)?.is_none());
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let accepted = nanolith_process::accept_timeout(&listener, 10_000 * MILLISECOND)?;
/// assert_eq!(accepted.map(|(_, address)| address), Some(client.local_addr()?));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`TcpListener::accept`], for example if this process has too many open files. A connection
/// that ended before it was accepted is skipped.
pub fn accept_timeout(listener: &TcpListener, limit: Duration) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    let deadline = Instant::now().checked_add(limit);
    loop {
        match listener.accept() {
            Ok(accepted) => {
                // On macOS and Windows it is as the socket that listens.
                accepted.0.set_nonblocking(false)?;
                return Ok(Some(accepted));
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => {}
                ErrorKind::Interrupted | ErrorKind::ConnectionAborted => continue,
                _ => return Err(error),
            },
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        let left = left.and_then(|left| Timespec::try_from(left.min(MAX_WAIT)).ok());
        match poll(&mut [PollFd::new(listener, PollFlags::IN)], left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
