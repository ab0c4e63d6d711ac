//! [`Child`]: a child process as its parent sees it: the socket, the lifeline, the call that it runs,
//! and its end.

use super::{
    running_task::{RunningTask, Started},
    stderr::StderrTail,
};
use crate::{
    exit::KillReason,
    wire::{self, Fill, Frame, FrameReader, Kind},
};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs::File,
    io::{self, Write},
    net::Shutdown,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{self, ExitStatus},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// A child process.
pub(super) struct Child {
    pub(super) id: u64,
    pub(super) pid: u32,
    pub(super) socket: UnixStream,
    lifeline: File,
    link: Mutex<Link>,
    /// `None` once it is reaped: from then on its id may name another process.
    process: Mutex<Option<process::Child>>,
    /// Becomes readable when the process has ended: another process may hold the socket open. `None`
    /// where the system has no such descriptor.
    pub(super) exit: Option<OwnedFd>,
    pub(super) stderr: Mutex<StderrTail>,
    /// When the pool's thread looks at the child next, in nanoseconds of the pool's clock.
    due: AtomicU64,
}

/// The state of a child, under its lock.
pub(super) struct Link {
    reader: FrameReader,
    /// Bytes that the socket did not take yet.
    unsent: Vec<u8>,
    pub(super) stage: Stage,
    /// The number of the latest call that was sent, or was to be sent.
    pub(super) last_call: u64,
    /// Whether the process has ended, so that it runs no further call.
    pub(super) is_dead: bool,
    /// Whether the child has answered a call.
    pub(super) has_answered: bool,
    /// The number of calls after which the child is replaced.
    pub(super) calls_left: u64,
    /// Why the child is to be reported as broken, rather than by its exit.
    pub(super) fault: Option<Fault>,
}

/// Why a child is at fault.
#[derive(Debug)]
pub(super) enum Fault {
    Malformed(String),
    NotReady,
    Unfit(String),
}

/// What a child does.
pub(super) enum Stage {
    /// It has not answered yet.
    Starting {
        since: Instant,
    },
    Idle {
        since: Instant,
    },
    Busy(Box<Running>),
    /// It was asked to end, or killed while it ran no call.
    Ending,
}

/// The call that a child runs.
pub(super) struct Running {
    pub(super) call: u64,
    pub(super) task: Box<dyn RunningTask>,
    /// The frame, until the child has certainly read it.
    pub(super) frame: Vec<u8>,
    pub(super) set: u16,
    pub(super) moves: u32,
    pub(super) since: Instant,
    /// When the pool's limit for a task ends.
    pub(super) limit: Option<Instant>,
    /// Why and until when the task is asked to stop.
    pub(super) stop: Option<(KillReason, Instant)>,
    /// When the child was killed for it.
    pub(super) killed: Option<Instant>,
}

/// What a read of the socket gave.
pub(super) struct Received {
    pub(super) frames: Vec<Frame>,
    pub(super) end: Option<End>,
    /// Whether more may be there: not all was read, and what was read is no fault.
    pub(super) has_more: bool,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The child had read all that was sent.
    Closed,
    /// The child died before it had read all that was sent.
    Unread,
}

impl Child {
    pub(super) fn new(
        id: u64,
        process: process::Child,
        (socket, lifeline): (UnixStream, File),
        stderr: StderrTail,
        max_message: usize,
        calls_left: u64,
    ) -> Self {
        let link = Link {
            reader: FrameReader::new(max_message),
            unsent: Vec::new(),
            stage: Stage::Starting { since: Instant::now() },
            last_call: 0,
            is_dead: false,
            has_answered: false,
            calls_left,
            fault: None,
        };
        Self {
            id,
            pid: process.id(),
            exit: exit_descriptor(process.id()),
            socket,
            lifeline,
            link: Mutex::new(link),
            process: Mutex::new(Some(process)),
            stderr: Mutex::new(stderr),
            due: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stderr(&self) -> MutexGuard<'_, StderrTail> {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ORDERING: SeqCst, see `PoolShared::look_at`.
    pub(super) fn due(&self) -> u64 {
        self.due.load(Ordering::SeqCst)
    }

    /// Makes the pool's thread look at `due` or before. Only the pool's thread sets a later moment, by
    /// [`clear_due`](Self::clear_due). So two threads that ask for a look do not undo each other.
    pub(super) fn look_by(&self, due: u64) {
        self.due.fetch_min(due, Ordering::SeqCst);
    }

    /// Forgets the moment. The pool's thread then looks at the state under its lock, and asks for the
    /// next look. A state that changes after that look is followed by another `look_by`.
    pub(super) fn clear_due(&self) {
        self.due.store(u64::MAX, Ordering::SeqCst);
    }

    /// Sends a call to an idle child. Returns whether bytes are left for a moment at which the
    /// socket takes them.
    ///
    /// # Errors
    ///
    /// Returns the call if the child died or was killed since it was taken from the idle ones.
    pub(super) fn send(&self, started: Started, call: u64, limit: Option<Instant>) -> Result<bool, Started> {
        let mut link = self.link();
        link.last_call = call;
        if link.is_dead || !matches!(link.stage, Stage::Idle { .. }) {
            return Err(started);
        }
        let Started { frame, set, task, moves } = started;
        let sent = write(&self.socket, &frame);
        link.unsent.extend_from_slice(&frame[sent..]);
        let since = Instant::now();
        let running = Running { call, task, frame, set, moves, since, limit, stop: None, killed: None };
        link.stage = Stage::Busy(Box::new(running));
        Ok(!link.unsent.is_empty())
    }

    /// Sends more of what is left. Returns whether bytes are left still.
    pub(super) fn flush(&self) -> bool {
        let mut link = self.link();
        let sent = write(&self.socket, &link.unsent);
        link.unsent.drain(..sent);
        !link.unsent.is_empty()
    }

    /// Reads once from the socket.
    pub(super) fn receive(&self) -> Received {
        let mut link = self.link();
        let (end, mut has_more) = match link.reader.fill(&self.socket) {
            Ok(Fill::Some) => (None, true),
            Ok(Fill::Nothing) => (None, false),
            Ok(Fill::End) => (Some(End::Closed), false),
            Err(_) => (Some(End::Unread), false), // `ECONNRESET`, which Linux reports for unread bytes
        };
        let mut frames = Vec::new();
        loop {
            match link.reader.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    link.fault = Some(Fault::Malformed(error.to_string()));
                    drop(link);
                    self.kill();
                    has_more = false;
                    break;
                }
            }
        }
        Received { frames, end, has_more }
    }

    /// Asks the task of a call to stop.
    pub(super) fn ask_to_stop(&self, call: u64) {
        // A pipe that is full has requests enough.
        let _ = (&self.lifeline).write(&wire::stop_request(call));
    }

    /// Asks an idle child to end.
    pub(super) fn ask_to_end(&self) {
        let mut frame = wire::start_frame();
        wire::finish_frame(&mut frame, Kind::END, 0);
        write(&self.socket, &frame); // the child has read all else, so there is room
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Kills the child, and the processes that it started and that stayed in its group.
    pub(super) fn kill(&self) {
        if self.process().is_some() {
            self.kill_group();
        }
    }

    /// Kills the group of the child. The child is not reaped, so its id names no other group.
    fn kill_group(&self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL); // all of it may be zombies
        }
    }

    /// Kills what is left of the child and of its group, and returns how the child ended. A process
    /// that had begun to exit keeps its status.
    pub(super) fn reap(&self) -> Option<ExitStatus> {
        let mut process = self.process();
        let child = process.as_mut()?;
        self.kill_group();
        let status = child.wait().ok();
        *process = None;
        status
    }

    fn process(&self) -> MutexGuard<'_, Option<process::Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the child did at its end, why it is at fault, and whether it had not read all that
    /// was sent.
    pub(super) fn take_end(&self, end: End) -> (Stage, Option<Fault>, bool) {
        let mut link = self.link();
        let stage = std::mem::replace(&mut link.stage, Stage::Ending);
        (stage, link.fault.take(), end == End::Unread || !link.unsent.is_empty())
    }

    /// Returns the resident memory in bytes.
    pub(super) fn resident_memory(&self) -> Option<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid)).ok()?;
        let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
        Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
    }
}

impl Drop for Child {
    /// A child whose start failed half-way leaves no process behind.
    fn drop(&mut self) {
        self.reap();
    }
}

/// Returns a descriptor that becomes readable when the process has ended.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn exit_descriptor(pid: u32) -> Option<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok() // since Linux 5.3
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn exit_descriptor(_: u32) -> Option<OwnedFd> {
    None
}

/// Writes as much as the socket takes. Returns the number of bytes. The end of the connection shows
/// in the next read.
fn write(mut socket: &UnixStream, bytes: &[u8]) -> usize {
    let mut sent = 0;
    while sent < bytes.len() {
        match socket.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    sent
}
