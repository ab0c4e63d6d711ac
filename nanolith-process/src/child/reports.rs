//! [`Reports`]: which report of the running task its parent does not have yet, and when it is sent.
//!
//! A report replaces the one before it. The task's thread sends one at once if the last was sent an
//! interval ago or more. Otherwise a thread of its own sends what is there at the end of the
//! interval, or the answer takes it along. So a task that reports all the time sends little, and a
//! report is not late by more than an interval.

use super::calls::{Calls, State};
use crate::{
    sys::{ChildSocket, SEND_FLAGS, has_room},
    wire::{self, Kind, REPORT_INTERVAL, Report},
};
use rustix::{io::Errno, net::send};
use std::{
    io::Write,
    sync::{Arc, PoisonError},
    thread,
    time::Instant,
};

/// The size of the stack of the thread that sends reports, which counts as memory of the child.
const STACK: usize = 64 * 1024;

/// The reports of a child. Pure data.
#[derive(Default)]
pub(super) struct Reports {
    /// The last report of the running task, if it is not sent.
    unsent: Option<Report>,
    /// No report is sent before, except with an answer.
    next: Option<Instant>,
    /// Whether the sender is to look at `next`.
    is_scheduled: bool,
    has_sender: bool,
}

impl Reports {
    /// Takes the report that goes before an answer.
    pub(super) fn take(&mut self) -> Option<Report> {
        self.unsent.take()
    }
}

impl Calls {
    /// Takes a report of a call's task. It is ignored once the task has returned: a clone of its
    /// context may live on.
    pub(super) fn report(self: &Arc<Self>, call: u64, report: Report) {
        let mut state = self.lock();
        if !state.is_running(call) {
            return;
        }
        let now = Instant::now();
        state.reports.unsent = Some(report);
        if state.reports.next.is_none_or(|next| next <= now) {
            self.send_report(&mut state, now);
        }
        if state.reports.unsent.is_some() && !std::mem::replace(&mut state.reports.is_scheduled, true) {
            if !std::mem::replace(&mut state.reports.has_sender, true) {
                self.start_sender();
            }
            self.report_is_unsent.notify_one();
        }
    }

    /// Sends the report that is unsent, unless the socket is full. The lock keeps other frames out of
    /// this one.
    fn send_report(&self, state: &mut State, now: Instant) {
        let Some(report) = state.reports.unsent else { return };
        state.reports.next = now.checked_add(REPORT_INTERVAL);
        if send_unless_full(&self.socket, &frame(state.latest, report)) {
            state.reports.unsent = None;
        }
    }

    /// Starts the thread that sends reports. Without one, a report waits for the next, or for the
    /// answer.
    fn start_sender(self: &Arc<Self>) {
        let calls = self.clone();
        let sender = thread::Builder::new().name("nanolith-progress".into()).stack_size(STACK);
        let _ = sender.spawn(move || calls.send_reports());
    }

    fn send_reports(&self) -> ! {
        let mut state = self.lock();
        loop {
            if !state.reports.is_scheduled {
                state = self.report_is_unsent.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let now = Instant::now();
            let left = state.reports.next.map(|next| next.saturating_duration_since(now));
            if let Some(left) = left.filter(|left| !left.is_zero()) {
                let waited = self.report_is_unsent.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            self.send_report(&mut state, now);
            state.reports.is_scheduled = state.reports.unsent.is_some();
        }
    }
}

/// Returns the frame of a report.
pub(super) fn frame(call: u64, report: Report) -> Vec<u8> {
    let mut frame = wire::start_frame();
    frame.extend_from_slice(&report.to_bytes());
    wire::finish_frame(&mut frame, Kind::PROGRESS, call);
    frame
}

/// Sends a frame whole, or returns false if the socket takes none of it.
pub(super) fn send_unless_full(mut socket: &ChildSocket, frame: &[u8]) -> bool {
    if !has_room(socket) {
        return false;
    }
    match send(socket, frame, SEND_FLAGS) {
        Ok(sent) => {
            let _ = socket.write_all(&frame[sent..]); // nothing, for a frame below the socket's buffer
            true
        }
        Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true, // the end of the connection, which another thread finds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;
    use std::{sync::mpsc, time::Duration};

    #[test]
    fn report_does_not_wait_for_room() {
        let (parent, child) = sys::stream_pair().expect("a pair of sockets");
        let (sender, sent) = mpsc::channel();
        let sending = thread::spawn(move || {
            let frames = (0..1_000_000).take_while(|_| send_unless_full(&child, &[0; 40]));
            let _ = sender.send(frames.count());
        });
        let count = sent.recv_timeout(Duration::from_secs(20)).expect("the thread does not block");
        assert!(count < 1_000_000, "the socket is full before");
        drop(parent);
        sending.join().expect("it does not panic");
    }
}
