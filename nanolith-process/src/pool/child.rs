//! [`Child`]: a child process as its parent sees it: the socket, the lifeline, and its end.

use super::{
    deliveries::{Deliveries, Received},
    link::{ChildEvent, Link},
    running_task::Started,
    stderr::StderrTail,
};
use crate::{
    sys::{self, ERROR_SHOWS_UNREAD, Lifeline, Process, SEND_FLAGS, Socket},
    wire::{self, Fill, FrameReader, Kind, Request, Waits},
};
use rustix::{fd::OwnedFd, io::Errno, net::send};
use std::{
    collections::VecDeque,
    io::Write,
    net::Shutdown,
    process::ExitStatus,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// A child process.
pub(super) struct Child {
    pub(super) id: u64,
    pub(super) pid: u32,
    pub(super) socket: Arc<Socket>,
    lifeline: Lifeline,
    /// Locked by the thread that reads from the socket, before `link`.
    reader: Mutex<FrameReader>,
    link: Mutex<Link>,
    deliveries: Mutex<Deliveries>,
    /// `None` once it is reaped: from then on its id may name another process.
    process: Mutex<Option<Process>>,
    /// Becomes readable when the process has ended: another process may hold the socket open. `None`
    /// where the system has no such descriptor.
    pub(super) exit: Option<Arc<OwnedFd>>,
    stderr: Mutex<StderrTail>,
    /// Whether it was asked to end after its calls.
    is_asked_to_retire: AtomicBool,
    /// When the pool's thread looks at the child next, in nanoseconds of the pool's clock.
    due: AtomicU64,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The child had read all that was sent.
    Closed,
    /// The child died before it had read all that was sent.
    Unread,
}

/// A call that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// Its number at the child.
    pub(super) call: u64,
    /// Whether the pool's thread watches the socket for the answer.
    pub(super) is_watched: bool,
    /// Whether the socket took all of it.
    pub(super) is_whole: bool,
}

impl Child {
    pub(super) fn new(
        id: u64,
        process: Process,
        (socket, lifeline): (Socket, Lifeline),
        stderr: StderrTail,
        reader: FrameReader,
        link: Link,
    ) -> Self {
        Self {
            id,
            pid: process.id(),
            exit: sys::exit_descriptor(process.id()).map(Arc::new),
            socket: Arc::new(socket),
            lifeline,
            reader: Mutex::new(reader),
            link: Mutex::new(link),
            deliveries: Mutex::default(),
            process: Mutex::new(Some(process)),
            stderr: Mutex::new(stderr),
            is_asked_to_retire: AtomicBool::new(false),
            due: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stderr(&self) -> MutexGuard<'_, StderrTail> {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the reader, unless another thread reads.
    pub(super) fn try_reader(&self) -> Option<MutexGuard<'_, FrameReader>> {
        match self.reader.try_lock() {
            Ok(reader) => Some(reader),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
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

    /// Sends a call.
    ///
    /// # Errors
    ///
    /// Returns the call if the child died or was killed since it was chosen, or if the call would go
    /// ahead of the end of others and that is no longer so.
    pub(super) fn send(&self, mut started: Started, is_ahead: bool) -> Result<Sent, Started> {
        let mut link = self.link();
        if !link.takes_call(is_ahead) {
            return Err(started);
        }
        let call = link.next_call();
        started.address(call);
        let sent = if link.unsent.is_empty() { write(&self.socket, &started.frame) } else { 0 };
        if sent < started.frame.len() {
            link.unsent.push_back((started.frame.clone(), sent));
        }
        link.add(started, call);
        Ok(Sent { call, is_watched: link.is_watched, is_whole: link.unsent.is_empty() })
    }

    /// Sends a frame that is no call. Returns whether the socket took all of it.
    pub(super) fn send_frame(&self, frame: Vec<u8>) -> bool {
        let mut link = self.link();
        let sent = if link.unsent.is_empty() { write(&self.socket, &frame) } else { 0 };
        if sent < frame.len() {
            link.unsent.push_back((Arc::new(frame), sent));
        }
        link.unsent.is_empty()
    }

    /// Sends more of what is left. Returns whether bytes are left still.
    pub(super) fn flush(&self) -> bool {
        let mut link = self.link();
        while let Some((frame, from)) = link.unsent.front_mut() {
            *from += write(&self.socket, &frame[*from..]);
            if *from < frame.len() {
                return true;
            }
            link.unsent.pop_front();
        }
        false
    }

    /// Reads once from the socket.
    pub(super) fn receive(&self, reader: &mut FrameReader, waits: Waits) -> Received {
        let filled = if sys::is_connected(&self.socket) { reader.fill(&self.socket, waits) } else { Ok(Fill::Nothing) };
        let (end, mut has_more) = match filled {
            Ok(Fill::Some) => (None, true),
            Ok(Fill::Nothing) => (None, false),
            Ok(Fill::End) => (Some(End::Closed), false),
            Err(_) if ERROR_SHOWS_UNREAD => (Some(End::Unread), false),
            Err(_) => (Some(End::Closed), false),
        };
        let (mut events, mut link) = (VecDeque::new(), self.link());
        loop {
            let event = match reader.next() {
                Ok(Some(frame)) => link.accept(frame),
                Ok(None) => break,
                Err(error) => ChildEvent::Malformed(error.to_string()),
            };
            let is_last = matches!(event, ChildEvent::Malformed(_));
            events.push_back(event);
            if is_last {
                has_more = false; // what follows means nothing
                break;
            }
        }
        let loses_call = |event: &ChildEvent| match event {
            ChildEvent::Answer(..) => true,
            ChildEvent::Revoked(calls) => !calls.is_empty(),
            ChildEvent::Ready(_)
            | ChildEvent::Launched(_)
            | ChildEvent::Listening
            | ChildEvent::Progress(_)
            | ChildEvent::Sent(_)
            | ChildEvent::Malformed(_) => false,
        };
        let is_idle = events.iter().any(loses_call) && link.is_idle();
        Received { events, is_idle, end, has_more }
    }

    /// Sends a request over the lifeline.
    pub(super) fn request(&self, request: Request) {
        // A lifeline that is full has requests enough.
        let _ = (&self.lifeline).write(&request.to_bytes());
    }

    /// Lets a task of the child know that the child ends after its calls.
    pub(super) fn ask_to_retire(&self) {
        // ORDERING: Relaxed, it keeps a second request away and publishes nothing.
        if !self.is_asked_to_retire.swap(true, Ordering::Relaxed) {
            self.request(Request::Retire);
        }
    }

    /// Asks an idle child to end.
    pub(super) fn ask_to_end(&self) {
        let mut frame = wire::start_frame();
        wire::finish_frame(&mut frame, Kind::END, 0);
        write(&self.socket, &frame); // the child has read all else, so there is room
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Kills the child, and the processes that it started and that the system keeps together with it.
    pub(super) fn kill(&self) {
        if let Some(process) = &mut *self.process() {
            process.kill();
        }
    }

    /// Returns whether the process has ended and is not reaped.
    pub(super) fn has_ended(&self) -> bool {
        self.process().as_mut().is_some_and(Process::has_ended)
    }

    /// Kills what is left of the child and of the processes that it started, and returns how the child
    /// ended. A process that had begun to exit keeps its status.
    pub(super) fn reap(&self) -> Option<ExitStatus> {
        let mut process = self.process();
        let status = process.take()?.reap(); // under the lock: the id may name another process after it
        drop(process);
        status
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the resident memory in bytes.
    pub(super) fn resident_memory(&self) -> Option<u64> {
        sys::resident_memory(self.pid)
    }
}

/// Writes as much as the socket takes. Returns the number of bytes. The end of the connection shows
/// in the next read.
fn write(socket: &Socket, bytes: &[u8]) -> usize {
    let mut sent = 0;
    while sent < bytes.len() {
        match send(socket, &bytes[sent..], SEND_FLAGS) {
            Ok(count) => sent += count,
            Err(Errno::INTR) => {}
            Err(_) => break,
        }
    }
    sent
}
