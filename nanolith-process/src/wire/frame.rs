//! [`FrameReader`]: splits what arrives from a socket into frames. It trusts no length: memory grows
//! with the bytes that have arrived.

use super::spin::Spin;
use crate::{
    message_error::MessageError,
    sys::{READ_WAIT, RECV_FLAGS},
};
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
    io::Errno,
    net::{RecvFlags, recv},
};
use std::{hint, io, time::Instant};

/// The length of a frame's head.
pub(crate) const HEAD: usize = 13;
/// The number of bytes that one read asks for at least.
const READ: usize = 16 * 1024;
/// The number of bytes that a frame asks for at most, before as many have arrived.
const STEP: usize = 1024 * 1024;
/// The number of bytes above which a frame is moved out of the buffer instead of copied.
const LARGE: usize = 64 * 1024;

/// Returns a frame without its body. The body is appended, then [`finish_frame`] fills in the head.
pub(crate) fn start_frame() -> Vec<u8> {
    vec![0; HEAD]
}

/// Fills in the head of a frame.
pub(crate) fn finish_frame(frame: &mut [u8], kind: u8, id: u64) {
    let len = u32::try_from(frame.len() - 4).expect("the limit of a message is below 4 GiB");
    frame[..4].copy_from_slice(&len.to_le_bytes());
    frame[4] = kind;
    frame[5..HEAD].copy_from_slice(&id.to_le_bytes());
}

/// A frame that has arrived whole.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) id: u64,
    bytes: Vec<u8>,
}

impl Frame {
    /// Returns the frame that `bytes` are, if they are all of one.
    pub(crate) fn whole(bytes: &[u8]) -> Option<Self> {
        let len = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
        if bytes.len() < HEAD || bytes.len() != 4 + len {
            return None;
        }
        Some(Self::of(bytes.to_vec()))
    }

    /// The caller has checked that the head is there.
    fn of(bytes: Vec<u8>) -> Self {
        let id = u64::from_le_bytes(bytes[5..HEAD].try_into().expect("it is eight bytes"));
        Self { kind: bytes[4], id, bytes }
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[HEAD..]
    }
}

/// The result of a read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Some bytes have arrived.
    Some,
    /// None have arrived yet.
    Nothing,
    /// The other end is closed.
    End,
}

/// Whether a read waits for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    No,
    /// For some microseconds at most: see [`Spin`].
    Shortly,
    /// Until there are some, or the connection ends.
    Yes,
}

/// The bytes that have arrived and are not yet taken as frames.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: Vec<u8>,
    /// Where the first frame begins.
    from: usize,
    max: usize,
    spin: Spin,
}

impl FrameReader {
    /// Creates a reader of frames of at most `max` bytes. A read that waits spins before it sleeps if
    /// `spins`.
    pub(crate) fn new(max: usize, spins: bool) -> Self {
        Self { buffer: Vec::new(), from: 0, max, spin: Spin::new(spins) }
    }

    /// Makes room for a read.
    fn make_room(&mut self) {
        if self.from == self.buffer.len() {
            self.buffer.clear();
            self.from = 0;
        }
        // A length is not trusted: a long frame asks for as much again as has arrived, or a step.
        let missing = self.missing().min(STEP.max(self.buffer.len()));
        self.buffer.reserve(READ.max(missing));
    }

    /// Takes bytes as if they had arrived from a socket.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.make_room();
        self.buffer.extend_from_slice(bytes);
    }

    /// Reads once.
    pub(crate) fn fill(&mut self, socket: &impl AsFd, waits: Waits) -> io::Result<Fill> {
        self.make_room();
        let end = if waits == Waits::No { None } else { self.spin.begin() };
        if let Some(end) = end {
            let filled = self.look_until(socket, end);
            let is_over = !matches!(filled, Ok(Fill::Nothing));
            self.spin.end(is_over);
            if is_over {
                return filled;
            }
        }
        match waits {
            Waits::Yes => self.wait_for_bytes(socket),
            Waits::No | Waits::Shortly => self.look(socket),
        }
    }

    /// Reads what is there.
    fn look(&mut self, socket: &impl AsFd) -> io::Result<Fill> {
        match self.receive(socket, RECV_FLAGS) {
            Err(Errno::AGAIN) => Ok(Fill::Nothing),
            filled => Ok(filled?),
        }
    }

    /// Reads what is there, as soon as something is.
    fn look_until(&mut self, socket: &impl AsFd, end: Instant) -> io::Result<Fill> {
        loop {
            match self.look(socket) {
                Ok(Fill::Nothing) if Instant::now() < end => hint::spin_loop(),
                filled => return filled,
            }
        }
    }

    fn wait_for_bytes(&mut self, socket: &impl AsFd) -> io::Result<Fill> {
        loop {
            match self.receive(socket, RecvFlags::empty()) {
                Err(Errno::AGAIN) => {
                    // The socket itself does not wait. An interruption leads to the next read.
                    let limit = Timespec::try_from(READ_WAIT).ok();
                    let _ = poll(&mut [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)], limit.as_ref());
                }
                filled => return Ok(filled?),
            }
        }
    }

    fn receive(&mut self, socket: &impl AsFd, flags: RecvFlags) -> Result<Fill, Errno> {
        loop {
            match recv(socket.as_fd(), spare_capacity(&mut self.buffer), flags) {
                Ok((_, 0)) => return Ok(Fill::End),
                Ok(_) => return Ok(Fill::Some),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the next frame, if all of it has arrived.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, MessageError> {
        let arrived = &self.buffer[self.from..];
        let Some(len) = arrived.first_chunk().map(|len| u32::from_le_bytes(*len) as usize) else { return Ok(None) };
        let len = 4 + len;
        if len < HEAD {
            return Err(MessageError::decode("a frame is shorter than its head".into()));
        }
        if len > self.max {
            return Err(MessageError::too_large(self.max));
        }
        if arrived.len() < len {
            return Ok(None);
        }
        Ok(Some(Frame::of(self.take(len))))
    }

    /// Returns how many bytes of the first frame have not arrived, as far as its length is known.
    fn missing(&self) -> usize {
        let arrived = &self.buffer[self.from..];
        let len = arrived.first_chunk().map_or(0, |len| 4 + u32::from_le_bytes(*len) as usize);
        len.min(self.max).saturating_sub(arrived.len())
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        if self.from == 0 && len >= LARGE {
            let rest = self.buffer.split_off(len);
            return std::mem::replace(&mut self.buffer, rest);
        }
        let frame = self.buffer[self.from..self.from + len].to_vec();
        self.from += len;
        if self.from >= LARGE {
            self.buffer.drain(..self.from);
            self.from = 0;
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::stream_pair;
    use std::{io::Write, thread, time::Duration};

    fn frame(id: u64, body: &[u8]) -> Vec<u8> {
        let mut frame = start_frame();
        frame.extend_from_slice(body);
        finish_frame(&mut frame, 7, id);
        frame
    }

    fn read_all(bytes: &[u8], piece: usize, max: usize) -> Result<Vec<(u64, usize)>, MessageError> {
        let (mut write, read) = stream_pair().expect("a pair of sockets");
        read.set_nonblocking(true).expect("it is set");
        let (mut reader, mut found) = (FrameReader::new(max, false), Vec::new());
        let mut take = |waits| {
            while reader.fill(&read, waits).expect("it is read") == Fill::Some {
                while let Some(frame) = reader.next()? {
                    found.push((frame.id, frame.body().len()));
                }
            }
            Ok(())
        };
        for piece in bytes.chunks(piece) {
            write.write_all(piece).expect("it is written");
            take(Waits::No)?;
        }
        drop(write);
        take(Waits::Yes)?; // until the end
        Ok(found)
    }

    #[test]
    fn frames_arrive_whole_whatever_the_pieces() {
        let lens = [0, 1, 40_000, 200_000, 3, 100_000];
        let bytes: Vec<u8> = (0..).zip(lens).flat_map(|(id, len)| frame(id, &vec![1; len])).collect();
        for piece in [1_000, 13, 65_000] {
            let found = read_all(&bytes, piece, 1 << 20).expect("they are frames");
            assert_eq!(found, (0..).zip(lens).collect::<Vec<_>>(), "pieces of {piece}");
        }
    }

    #[test]
    fn lengths_out_of_range_are_errors() {
        assert!(read_all(&[8, 0, 0, 0], 4, 100).is_err(), "shorter than a head");
        assert!(read_all(&200_u32.to_le_bytes(), 4, 100).is_err(), "longer than the limit");
    }

    #[test]
    fn memory_grows_with_what_arrives() {
        let (mut write, read) = stream_pair().expect("a pair of sockets");
        let mut reader = FrameReader::new(usize::MAX, false);
        write.write_all(&u32::MAX.to_le_bytes()).expect("it is written");
        reader.fill(&read, Waits::Yes).expect("it is read");
        assert!(reader.next().expect("it may come").is_none());
        assert!(reader.buffer.capacity() < 100_000);
    }

    #[test]
    fn read_waits_though_its_socket_does_not() {
        let (mut write, read) = stream_pair().expect("a pair of sockets");
        read.set_nonblocking(true).expect("it is set");
        let mut reader = FrameReader::new(100, false);
        assert_eq!(reader.fill(&read, Waits::No).expect("it is read"), Fill::Nothing);
        let writing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20)); // mostly, the read waits by then
            write.write_all(b"x").expect("it is written");
        });
        assert_eq!(reader.fill(&read, Waits::Yes).expect("it is read"), Fill::Some);
        writing.join().expect("it does not panic");
    }

    #[test]
    fn closed_socket_is_the_end() {
        let (write, read) = stream_pair().expect("a pair of sockets");
        drop(write);
        assert_eq!(FrameReader::new(100, false).fill(&read, Waits::Yes).expect("it is read"), Fill::End);
    }
}
