//! [`ForwardedEvents`]: sends the events of the service that this child owns to the parent.
//!
//! The socket is the only queue. If the parent does not read, because a receiver of events is behind,
//! the socket fills, and the sender of the next event waits for room.

use super::{calls::Calls, reports::send_unless_full};
use crate::wire::{self, Kind};
use nanolith::{__private::ForwardEvents, messenger::TrySendError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use std::{sync::Arc, time::Instant};

/// The parent, as the owner of a service. The program in the parent may have any number of receivers.
const OWNERS: usize = 1;

pub(super) struct ForwardedEvents {
    calls: Arc<Calls>,
    max_message: usize,
}

impl ForwardedEvents {
    pub(super) fn new(calls: Arc<Calls>, max_message: usize) -> Self {
        Self { calls, max_message }
    }
}

impl<T: Serialize> ForwardEvents<T> for ForwardedEvents {
    fn forward(&self, event: T, deadline: Option<Instant>) -> Result<usize, TrySendError<T>> {
        let mut frame = wire::start_frame();
        if wire::encode(&event, &mut frame, self.max_message).is_err() {
            return Err(TrySendError::Closed(event));
        }
        wire::finish_frame(&mut frame, Kind::EVENT, 0);
        if self.calls.send_event(&frame, deadline) { Ok(OWNERS) } else { Err(TrySendError::Full(event)) }
    }
}

impl Calls {
    /// Sends an event. Returns false if the socket has no room until the deadline.
    fn send_event(&self, frame: &[u8], deadline: Option<Instant>) -> bool {
        loop {
            let state = self.lock(); // it keeps the other threads' frames out of this one
            let is_sent = send_unless_full(&self.socket, frame);
            drop(state);
            if is_sent {
                return true;
            }
            // The lock is free meanwhile, so the parent can ask the task to stop.
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            let limit = left.and_then(|left| Timespec::try_from(left).ok());
            let _ = poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], limit.as_ref());
        }
    }
}
