//! The I/O traits of [`StreamReader`]: `std::io::Read` and `BufRead`, `AsyncRead` and
//! `AsyncBufRead`, and `Stream`.

use super::{error::StreamError, reader::StreamReader};
use bytes::{Buf, Bytes};
use futures_io::{AsyncBufRead, AsyncRead};
use futures_util::stream::Stream;
use std::{
    io::{self, BufRead},
    pin::Pin,
    task::{Context, Poll, ready},
};

impl<M> StreamReader<M> {
    /// Returns the unread bytes of the current chunk, or an empty slice.
    fn buffered(&mut self) -> &[u8] {
        self.outlet.rest().as_deref().unwrap_or_default()
    }

    /// Stores the next chunk as the current one. Returns `false` at the end. An empty chunk is
    /// skipped, and is not the end.
    fn store_next(&mut self, next: Result<Option<Bytes>, StreamError>) -> io::Result<bool> {
        let next = next?;
        let more = next.is_some();
        if let Some(chunk) = next.filter(|chunk| !chunk.is_empty()) {
            self.outlet.give_back(chunk);
        }
        Ok(more)
    }

    fn mark_read(&mut self, count: usize) {
        let rest = self.outlet.rest();
        if let Some(chunk) = rest {
            chunk.advance(count.min(chunk.len()));
            if chunk.is_empty() {
                *rest = None;
            }
        }
    }

    /// Copies unread bytes of the current chunk into `buffer`, as far as they fit.
    fn copy_to(&mut self, buffer: &mut [u8]) -> usize {
        let at_hand = self.buffered();
        let count = at_hand.len().min(buffer.len());
        buffer[..count].copy_from_slice(&at_hand[..count]);
        self.mark_read(count);
        count
    }
}

/// Errors have the [`StreamError`] as their inner error. Its documentation lists the kinds.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, Credits}};
/// use std::io::{ErrorKind, Read};
/// let (mut writer, mut reader) = stream::pipe((), Credits::new())?;
/// writer.write("half of it").wait()?;
/// drop(writer);
/// let mut text = String::new();
/// let error = reader.read_to_string(&mut text).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::UnexpectedEof); // never a short text that looks complete
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<M> io::Read for StreamReader<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.fill_buf()?;
        Ok(self.copy_to(buffer))
    }
}

impl<M> BufRead for StreamReader<M> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.outlet.rest().is_none() {
            let next = self.outlet.block();
            if !self.store_next(next)? {
                break;
            }
        }
        Ok(self.buffered())
    }

    fn consume(&mut self, count: usize) {
        self.mark_read(count);
    }
}

impl<M> AsyncRead for StreamReader<M> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.as_mut().poll_fill_buf(cx))?;
        Poll::Ready(Ok(self.copy_to(buffer)))
    }
}

impl<M> AsyncBufRead for StreamReader<M> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let reader = self.get_mut();
        while reader.outlet.rest().is_none() {
            let next = ready!(reader.outlet.poll_recv(cx));
            if !reader.store_next(next)? {
                break;
            }
        }
        Poll::Ready(Ok(reader.buffered()))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.mark_read(count);
    }
}

/// The stream yields the chunks. An error is the last item.
impl<M> Stream for StreamReader<M> {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.outlet.poll_next(cx)
    }
}
