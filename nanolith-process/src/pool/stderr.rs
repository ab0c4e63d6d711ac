//! [`StderrTail`]: reads what a child writes to its standard error, passes it on, and keeps the last
//! lines for the errors of calls.

use crate::sys::{self, StderrPipe};
use std::{
    io::{self, Read, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
};

/// The number of bytes that are kept.
const KEPT: usize = 4 * 1024;

/// How many pieces are read at once. A child that writes without a pause does not keep the pool's
/// thread from its other work.
const PIECES: usize = 32;
/// The number of bytes that may wait for the standard error of this process.
const MAX_WAITING: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) struct StderrTail {
    pipe: Arc<StderrPipe>,
    tail: Vec<u8>,
    passes_on: bool,
}

impl StderrTail {
    /// Creates a tail of a pipe that does not block.
    pub(super) fn new(pipe: StderrPipe, passes_on: bool) -> Self {
        Self { pipe: Arc::new(pipe), tail: Vec::new(), passes_on }
    }

    /// Reads what is there, or a part of it. Returns false at the end of the pipe.
    pub(super) fn read(&mut self) -> bool {
        let mut piece = [0; KEPT];
        for _ in 0..PIECES {
            match (&*self.pipe).read(&mut piece) {
                Ok(0) => return false,
                Ok(count) => self.keep(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Reads the rest of a process that has ended.
    pub(super) fn read_rest(&mut self) {
        sys::await_rest(&self.pipe);
        self.read();
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.passes_on {
            pass_on(bytes);
        }
        self.tail.extend_from_slice(bytes);
        let excess = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..excess);
    }

    pub(super) fn pipe(&self) -> &Arc<StderrPipe> {
        &self.pipe
    }

    /// Returns the last lines as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.tail).into_owned()
    }
}

/// The thread that writes to the standard error of this process.
struct Writer {
    pieces: Sender<Vec<u8>>,
    /// The number of bytes that it has not written yet.
    waiting: Arc<AtomicUsize>,
}

/// Writes to the standard error of this process, on a thread of its own: another thread may hold the
/// lock of the standard error while it waits for a call, and a pipe that is full blocks.
///
/// Bytes above [`MAX_WAITING`] are dropped.
fn pass_on(bytes: &[u8]) {
    static WRITER: OnceLock<Option<Writer>> = OnceLock::new();
    let Some(writer) = WRITER.get_or_init(|| start_writer().ok()) else { return };
    // ORDERING: Relaxed, the count publishes nothing.
    if writer.waiting.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len() > MAX_WAITING {
        writer.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        return;
    }
    let _ = writer.pieces.send(bytes.to_vec()); // the thread never ends
}

fn start_writer() -> io::Result<Writer> {
    let (pieces, received) = mpsc::channel::<Vec<u8>>();
    let waiting = Arc::new(AtomicUsize::new(0));
    let written = waiting.clone();
    let write = move || {
        for piece in received {
            let _ = io::stderr().write_all(&piece); // a closed standard error takes nothing
            written.fetch_sub(piece.len(), Ordering::Relaxed);
        }
    };
    thread::Builder::new().name("nanolith-stderr".into()).spawn(write)?;
    Ok(Writer { pieces, waiting })
}
