//! The I/O traits of [`StreamWriter`]: `std::io::Write`, `AsyncWrite`, and `Sink`.

use super::{error::WriteError, link::WriterEnd, write_half::WriteHalf, writer::StreamWriter};
use bytes::Bytes;
use futures_io::AsyncWrite;
use futures_util::sink::Sink;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

impl<M> StreamWriter<M> {
    /// Buffers some of `bytes`: at least one, if there is one. `inlet` has no buffered chunk when
    /// this is called.
    fn fill_buffer(&mut self, bytes: &[u8]) -> usize {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(self.chunk);
        }
        // The rest of an allocation is used first, so that chunks that are flushed early do not
        // need an allocation each.
        let room = self.buffer.capacity().min(self.chunk) - self.buffer.len();
        let count = room.min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if count == room {
            self.flush_buffer();
            // The chunk is pushed now if there is credit. If the reader is gone, the next write
            // returns the error.
            let _ = self.inlet.try_flush();
        }
        count
    }

    /// Buffers some of `bytes`, if the buffered chunk was flushed without an error.
    fn gather_after(&mut self, flushed: Result<(), WriteError>, bytes: &[u8]) -> io::Result<usize> {
        flushed.and_then(|()| self.inlet.check())?;
        Ok(self.fill_buffer(bytes))
    }

    /// Waits until no chunk and no small write is buffered.
    fn poll_pour(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.flush_buffer();
        self.inlet.poll_flush(cx)
    }

    /// Blocks until no chunk is buffered in `inlet`.
    fn block_for_credit(&mut self) -> Result<(), WriteError> {
        match self.inlet.try_flush() {
            Ok(true) => Ok(()),
            Ok(false) => match self.inlet.block_until(None, WriteHalf::poll_flush) {
                Some(outcome) => outcome,
                None => unreachable!("there is no limit"),
            },
            Err(error) => Err(error),
        }
    }
}

/// Small writes are buffered into chunks of up to 64 KiB. Errors have the [`WriteError`] as their
/// inner error, and `BrokenPipe` as their kind.
///
/// ```
/// use nanolith::stream::{self, Credits};
/// use std::io::Read;
/// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
/// let writes = std::thread::spawn(move || {
///     std::io::copy(&mut std::io::repeat(7).take(3 << 20), &mut writer)?;
///     writer.finish();
///     Ok::<(), std::io::Error>(())
/// });
/// let mut bytes = Vec::new();
/// assert_eq!(reader.read_to_end(&mut bytes)?, 3 << 20);
/// # writes.join().expect("no panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<M> io::Write for StreamWriter<M> {
    /// Blocks while a full chunk waits for credit.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let flushed = self.block_for_credit();
        self.gather_after(flushed, bytes)
    }

    /// Blocks until the buffered bytes are in the stream. It does not wait for the reader to take
    /// them.
    fn flush(&mut self) -> io::Result<()> {
        self.flush_buffer();
        Ok(self.block_for_credit()?)
    }
}

/// Like the `std::io::Write` implementation, without blocking. `close` ends the stream cleanly.
impl<M> AsyncWrite for StreamWriter<M> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let flushed = ready!(self.inlet.poll_flush(cx));
        Poll::Ready(self.gather_after(flushed, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(ready!(self.poll_pour(cx))?))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(ready!(Sink::poll_close(self, cx))?))
    }
}

/// The sink accepts one chunk before there is credit for it. `close` ends the stream cleanly,
/// without waiting for the reader.
impl<M> Sink<Bytes> for StreamWriter<M> {
    type Error = WriteError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.poll_pour(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, chunk: Bytes) -> Result<(), WriteError> {
        let weight = chunk.len();
        self.flush_buffer();
        self.inlet.send_or_buffer(chunk, weight)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.poll_pour(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        ready!(self.poll_pour(cx))?;
        self.end(WriterEnd::Finished);
        Poll::Ready(Ok(()))
    }
}
