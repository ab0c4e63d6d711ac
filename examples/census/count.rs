//! [`Census`]: the task set that the pool runs. Its task counts one file.

use crate::file::{self, Links};
use nanolith::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    io::{self, ErrorKind, Read},
    process, thread,
};

/// The bytes that are read at once.
const CHUNK: usize = 64 * 1_024;

/// A file of at least this many bytes takes long enough to report progress. It is also the most
/// that is read from a file that grows meanwhile or that has no length.
pub(crate) const LARGE: u64 = 16 * 1_024 * 1_024;

/// The tasks of the pool, whose threads may be in child processes.
pub(crate) struct Census;

#[define(wire)]
impl Census {
    /// Opens the file once, and reads it once, from its start to the end that it had when it was
    /// opened.
    ///
    /// The path is an `OsString`, since serde refuses a `PathBuf` that is not Unicode. The error is
    /// its text, since `io::Error` cannot pass to another process.
    pub(crate) fn count(cx: &Context<Self>, path: OsString, links: Links) -> Result<Count, String> {
        let (file, size) = file::open(path.as_ref(), links).map_err(|error| error.to_string())?;
        let goes_on = |bytes| {
            if size >= LARGE {
                cx.progress(bytes, size);
            }
            !cx.is_cancelled()
        };
        let count = read(file, size, goes_on).map_err(|error| error.to_string())?;
        Ok(Count { worker: Worker::current(), ..count })
    }
}

/// Counts the contents of a file of this size. `goes_on` gets the number of bytes read so far, and
/// returns whether to read more.
pub(crate) fn read(file: impl Read, size: u64, mut goes_on: impl FnMut(u64) -> bool) -> io::Result<Count> {
    let mut file = file.take(size.max(LARGE));
    let (mut tally, mut chunk) = (Tally::default(), vec![0; CHUNK]);
    while goes_on(tally.count.bytes) {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(tally.finish()),
            Ok(length) => tally.add(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the call was cancelled"))
}

/// The counts of a file.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) bytes: u64,
    /// The number of newline bytes.
    pub(crate) lines: u64,
    /// The number of longest runs of bytes that are not white space.
    pub(crate) words: u64,
    pub(crate) digest: Digest,
    pub(crate) worker: Worker,
}

/// The thread that counted a file, and its process.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Worker {
    pub(crate) process: u32,
    pub(crate) thread: String,
}

impl Worker {
    fn current() -> Self {
        Self { process: process::id(), thread: thread::current().name().unwrap_or("unnamed").to_owned() }
    }
}

/// A BLAKE3 digest. Files with the same digest count as equal.
pub(crate) type Digest = [u8; blake3::OUT_LEN];

/// The counts so far, while a file is read.
#[derive(Default)]
struct Tally {
    count: Count,
    hasher: blake3::Hasher,
    /// Whether the last byte belongs to a word, which may continue in the next chunk.
    in_word: bool,
}

impl Tally {
    fn add(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
        self.count.bytes += chunk.len() as u64;
        self.count.lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        for byte in chunk {
            let in_word = !is_space(*byte);
            self.count.words += u64::from(in_word && !self.in_word);
            self.in_word = in_word;
        }
    }

    fn finish(self) -> Count {
        Count { digest: *self.hasher.finalize().as_bytes(), ..self.count }
    }
}

/// Whether the byte is white space by C's `isspace`. The standard library's test does not include
/// the vertical tab.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
