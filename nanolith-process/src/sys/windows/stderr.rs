//! [`StderrPipe`]: what a child writes to its standard error, as a socket.

use super::stream_pair;
use std::{
    io::{self, Read},
    net::TcpStream,
    os::windows::io::{AsSocket, BorrowedSocket},
    process::ChildStderr,
    thread,
    time::Duration,
};

/// The size of the stack of the thread that copies.
const STACK: usize = 64 * 1024;
/// How long the last bytes of a process that has ended may take. A process that it started, and that
/// left its job, may hold the pipe open.
const REST_LIMIT: Duration = Duration::from_millis(500);

/// The standard error of a child. `poll` takes sockets alone, so a thread copies a pipe to a socket.
#[derive(Debug)]
pub(crate) struct StderrPipe {
    stream: TcpStream,
}

impl StderrPipe {
    /// Starts the thread, which ends with the pipe.
    pub(super) fn new(mut pipe: ChildStderr) -> io::Result<Self> {
        let (stream, mut write) = stream_pair()?;
        stream.set_nonblocking(true)?;
        let copy = move || {
            let _ = io::copy(&mut pipe, &mut write); // it fails when the other end is dropped
        };
        thread::Builder::new().name("nanolith-stderr-copy".into()).stack_size(STACK).spawn(copy)?;
        Ok(Self { stream })
    }
}

impl AsSocket for StderrPipe {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.stream.as_socket()
    }
}

impl Read for &StderrPipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.stream).read(buffer)
    }
}

/// Prepares the last read from the standard error of a process that has ended: it waits for the end of
/// the pipe.
pub(crate) fn await_rest(pipe: &StderrPipe) {
    let _ = pipe.stream.set_nonblocking(false);
    let _ = pipe.stream.set_read_timeout(Some(REST_LIMIT));
}
