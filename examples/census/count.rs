//! Counting one file: the task that the pool runs.

use crate::file::{self, Links};
use nanolith::prelude::*;
use std::{
    io::{self, ErrorKind, Read},
    path::PathBuf,
};

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1_024;

/// A file of this many bytes takes long enough to tell how far it is. From a file that grows while it is read, or that has no
/// length, so many are read at most.
pub(crate) const LARGE: u64 = 16 * 1_024 * 1_024;

/// The tasks of the pool.
pub(crate) struct Census;

#[define]
impl Census {
    /// Opens the file once, and reads it once, from its start to the end that it had then.
    pub(crate) fn count(cx: &Context<Self>, path: PathBuf, links: Links) -> io::Result<Count> {
        let (file, size) = file::open(&path, links)?;
        read(file, size, |bytes| {
            if size >= LARGE {
                cx.progress(bytes, size);
            }
            !cx.is_cancelled()
        })
    }
}

/// Counts what a file of this size holds. `goes_on` is told how many bytes were read, and says whether to read more.
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

/// What there is to know of a file.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) bytes: u64,
    /// Newline bytes.
    pub(crate) lines: u64,
    /// Longest runs of bytes that are not white space.
    pub(crate) words: u64,
    pub(crate) digest: Digest,
}

/// A BLAKE3 digest: files with the same one are taken to be the same.
pub(crate) type Digest = [u8; blake3::OUT_LEN];

/// A count on its way through the file.
#[derive(Default)]
struct Tally {
    count: Count,
    hasher: blake3::Hasher,
    /// The last byte belongs to a word, which may go on in the next chunk.
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

/// White space as C's `isspace` has it; the standard library's leaves out the vertical tab.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
