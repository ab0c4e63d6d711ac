//! What the two ends of a stream share beside the ring of chunks: a bell each, and how each of them ended.

use super::{
    error::{SharedError, StreamError, WriteError},
    notify::Notify,
};
use crate::error::BoxError;
use std::sync::OnceLock;

pub(super) struct Link {
    /// Rung by the writer: there is something to read, or there will be no more. The reader asks for it.
    pub(super) filled: Notify,
    /// Rung by the reader: there is credit, or nobody reads any more. The writer asks for it.
    pub(super) freed: Notify,
    /// Set once, by the writer, after all that it has written.
    pub(super) writer_end: OnceLock<WriterEnd>,
    /// Set once, by the reader, before it throws away what it has not read.
    pub(super) reader_end: OnceLock<ReaderEnd>,
}

impl Link {
    pub(super) fn new() -> Self {
        Self { filled: Notify::new(), freed: Notify::new(), writer_end: OnceLock::new(), reader_end: OnceLock::new() }
    }

    /// The writer has ended; what it said first counts.
    pub(super) fn end_writer(&self, end: WriterEnd) {
        let _ = self.writer_end.set(end);
        self.filled.notify();
    }

    /// The reader has ended; what it said first counts.
    pub(super) fn end_reader(&self, end: ReaderEnd) {
        let _ = self.reader_end.set(end);
        self.freed.notify();
    }
}

pub(super) enum WriterEnd {
    Finished,
    Failed(SharedError),
    Dropped,
}

impl WriterEnd {
    pub(super) fn failed(error: impl Into<BoxError>) -> Self {
        Self::Failed(error.into().into())
    }

    /// What it is to one who reads on.
    pub(super) fn outcome<T>(&self) -> Result<Option<T>, StreamError> {
        match self {
            Self::Finished => Ok(None),
            Self::Failed(source) => Err(StreamError::Failed(source.clone())),
            Self::Dropped => Err(StreamError::Dropped),
        }
    }
}

pub(super) enum ReaderEnd {
    Cancelled(SharedError),
    /// After it had taken so many.
    Dropped {
        taken: u64,
    },
}

impl ReaderEnd {
    pub(super) fn cancelled(reason: impl Into<BoxError>) -> Self {
        Self::Cancelled(reason.into().into())
    }

    /// What it is to one who writes on.
    pub(super) fn error(&self) -> WriteError {
        match self {
            Self::Cancelled(reason) => WriteError::Cancelled(reason.clone()),
            Self::Dropped { .. } => WriteError::Dropped,
        }
    }
}
