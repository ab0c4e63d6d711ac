//! [`Link`]: the state that the two ends of a stream share beside the ring of values: two wake-ups,
//! and how each end has ended.

use super::{
    error::{SharedError, StreamError, WriteError},
    notify::Notify,
};
use crate::error::BoxError;
use std::sync::OnceLock;

pub(super) struct Link {
    /// Notified by the writer when there is something to read, or when the writer has ended. The
    /// reader registers here.
    pub(super) filled: Notify,
    /// Notified by the reader when there is credit, or when the reader has ended. The writer
    /// registers here.
    pub(super) freed: Notify,
    /// Set once by the writer, after all that it has written.
    pub(super) writer_end: OnceLock<WriterEnd>,
    /// Set once by the reader, before it discards the values that it has not read.
    pub(super) reader_end: OnceLock<ReaderEnd>,
}

impl Link {
    pub(super) fn new() -> Self {
        Self { filled: Notify::new(), freed: Notify::new(), writer_end: OnceLock::new(), reader_end: OnceLock::new() }
    }

    /// Sets the writer's end. The first end that is set stays.
    pub(super) fn end_writer(&self, end: WriterEnd) {
        let _ = self.writer_end.set(end);
        self.filled.notify();
    }

    /// Sets the reader's end. The first end that is set stays.
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

    /// Returns what a read gets after all values.
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
    /// The reader was dropped after it had taken this many values.
    Dropped {
        taken: u64,
    },
}

impl ReaderEnd {
    pub(super) fn cancelled(reason: impl Into<BoxError>) -> Self {
        Self::Cancelled(reason.into().into())
    }

    /// Returns the error that a write gets.
    pub(super) fn error(&self) -> WriteError {
        match self {
            Self::Cancelled(reason) => WriteError::Cancelled(reason.clone()),
            Self::Dropped { .. } => WriteError::Dropped,
        }
    }
}
