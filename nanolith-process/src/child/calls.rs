//! [`Calls`]: which call a child runs, and the requests of its parent about calls, which another thread
//! brings.

use super::reports::{self, Reports};
use crate::{
    sys::ChildSocket,
    wire::{self, Kind},
};
use nanolith::sync::CancelToken;
use std::{
    io::{self, ErrorKind, IoSlice, Write},
    ops::RangeInclusive,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// The calls of a child, and its end of the socket for writing.
pub(super) struct Calls {
    state: Mutex<State>,
    pub(super) socket: ChildSocket,
    /// A report waits for the end of the interval.
    pub(super) report_is_unsent: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// The call that began last.
    pub(super) latest: u64,
    /// Cancels that call while it runs.
    token: Option<CancelToken>,
    /// Calls that are to stop and have not begun.
    stopped: Vec<u64>,
    /// Calls that were given back.
    revoked: Vec<RangeInclusive<u64>>,
    pub(super) reports: Reports,
}

impl State {
    /// Returns whether the task of this call runs.
    pub(super) fn is_running(&self, call: u64) -> bool {
        self.latest == call && self.token.is_some()
    }
}

impl Calls {
    pub(super) fn new(socket: ChildSocket) -> Self {
        Self { state: Mutex::default(), socket, report_is_unsent: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call. Returns its token, or `None` if the call was given back.
    pub(super) fn begin(&self, call: u64) -> Option<CancelToken> {
        let mut state = self.lock();
        state.revoked.retain(|range| call <= *range.end());
        if state.revoked.iter().any(|range| range.contains(&call)) {
            return None;
        }
        let (token, is_stopped) = (CancelToken::new(), state.stopped.contains(&call));
        state.stopped.retain(|stopped| call < *stopped);
        state.latest = call;
        state.token = Some(token.clone());
        drop(state);
        if is_stopped {
            token.cancel();
        }
        Some(token)
    }

    /// Sends the answer of the running call, after the last report of its task.
    pub(super) fn answer(&self, frame: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.token = None;
        // The lock keeps the other threads' frames out of these.
        let sent = match state.reports.take() {
            None => (&self.socket).write_all(frame),
            Some(report) => write_both(&self.socket, &reports::frame(state.latest, report), frame),
        };
        drop(state);
        sent
    }

    /// Sends a frame that answers no call.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        let state = self.lock(); // it keeps the other threads' frames out of this one
        let sent = (&self.socket).write_all(frame);
        drop(state);
        sent
    }

    /// Asks the task of a call to stop.
    pub(super) fn stop(&self, call: u64) {
        let mut state = self.lock();
        if state.latest < call {
            state.stopped.push(call);
            return;
        }
        let token = state.token.clone().filter(|_| state.latest == call);
        drop(state);
        if let Some(token) = token {
            token.cancel();
        }
    }

    /// Gives back the calls up to `last` that have not begun.
    pub(super) fn revoke(&self, last: u64) {
        let mut frame = wire::start_frame();
        let mut state = self.lock();
        let first = state.latest + 1;
        state.revoked.push(first..=last);
        wire::finish_frame(&mut frame, Kind::REVOKED, first);
        let _ = (&self.socket).write_all(&frame); // the other thread finds the end of the connection
        drop(state);
    }
}

/// Sends two frames, with one system call if the socket has room. Two would wake the parent twice.
fn write_both(mut socket: impl Write, first: &[u8], second: &[u8]) -> io::Result<()> {
    let sent = match socket.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
        Err(error) if error.kind() == ErrorKind::Interrupted => 0,
        sent => sent?,
    };
    socket.write_all(&first[sent.min(first.len())..])?;
    socket.write_all(&second[sent.saturating_sub(first.len())..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most `most` bytes at a time, and is interrupted before each time.
    struct Slow {
        most: usize,
        is_interrupted: bool,
        taken: Vec<u8>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            self.is_interrupted = !self.is_interrupted;
            if self.is_interrupted {
                return Err(ErrorKind::Interrupted.into());
            }
            let before = self.taken.len();
            self.taken.extend(pieces.iter().flat_map(|piece| piece.iter()).take(self.most));
            Ok(self.taken.len() - before)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn two_frames_arrive_whole_whatever_the_pieces() {
        for (most, is_interrupted) in (1..12).flat_map(|most| [(most, false), (most, true)]) {
            let mut slow = Slow { most, is_interrupted, taken: Vec::new() };
            write_both(&mut slow, &[1, 2, 3, 4], &[5, 6, 7, 8, 9]).expect("it is sent");
            assert_eq!(slow.taken, [1, 2, 3, 4, 5, 6, 7, 8, 9], "pieces of {most}");
        }
    }
}
