//! [`StderrTail`]: reads what a child writes to its standard error, passes it on, and keeps the last
//! lines for the errors of calls.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd},
};

/// The number of bytes that are kept.
const KEPT: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct StderrTail {
    pipe: File,
    tail: Vec<u8>,
    passes_on: bool,
}

impl StderrTail {
    /// Creates a tail of a pipe that does not block.
    pub(super) fn new(pipe: File, passes_on: bool) -> Self {
        Self { pipe, tail: Vec::new(), passes_on }
    }

    /// Reads what is there. Returns false at the end of the pipe.
    pub(super) fn read(&mut self) -> bool {
        let mut piece = [0; KEPT];
        loop {
            match self.pipe.read(&mut piece) {
                Ok(0) => return false,
                Ok(count) => self.keep(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.passes_on {
            let _ = io::stderr().write_all(bytes); // a closed standard error takes nothing
        }
        self.tail.extend_from_slice(bytes);
        let excess = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..excess);
    }

    /// Returns the last lines as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.tail).into_owned()
    }
}

impl AsFd for StderrTail {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
