//! [`PoolShared::read_for`]: how a thread that blocks for a call reads the answer itself.

use super::{child::Child, pool_shared::PoolShared};
use crate::{sys::READ_WAIT, wire::Waits};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{sync::Arc, time::Instant};

impl PoolShared {
    /// Reads from a child until a call that it runs is answered, for the thread that blocks for the
    /// call. The pool's thread does not read meanwhile.
    pub(super) fn read_for(self: &Arc<Self>, child: &Arc<Child>, call: u64, deadline: Option<Instant>) {
        // A read that sleeps does not end at a deadline. So the first one only spins then, and the others
        // follow a wait for something to read.
        let mut waits = if deadline.is_some() { Waits::Shortly } else { Waits::Yes };
        while let Some(reader) = child.try_reader() {
            // The answer is still to come as long as the call is the first, since the reader is ours.
            // A call that was sent ahead may end without an answer, so its thread sleeps.
            let is_ours = self.unwatch(child, call) && send_rest(child, deadline);
            if !is_ours || waits == Waits::No && wait_for(child, PollFlags::IN, deadline).is_empty() {
                break;
            }
            if self.read(child, reader, waits).end.is_some() {
                break; // the pool's thread does the rest
            }
            if deadline.is_some() {
                waits = Waits::No;
            }
        }
        let is_unwatched = {
            let link = child.link();
            // A service sends events also while it runs no call.
            !link.is_watched && (!link.is_idle() || self.has_events())
        };
        if is_unwatched {
            self.watch(child);
        }
    }

    /// Keeps the pool's thread from reading, if the child runs this call. Returns whether it does.
    fn unwatch(&self, child: &Child, call: u64) -> bool {
        let mut link = child.link();
        if link.is_blocked || link.first().is_none_or(|running| running.call != call) {
            return false;
        }
        if std::mem::replace(&mut link.is_watched, false) {
            self.set_interest(child, &link);
        }
        true
    }
}

/// Sends what is left to send. Returns false at the deadline.
fn send_rest(child: &Child, deadline: Option<Instant>) -> bool {
    while child.flush() {
        let ready = wait_for(child, PollFlags::IN | PollFlags::OUT, deadline);
        if ready.is_empty() {
            return false;
        }
        if ready != PollFlags::OUT {
            break; // the child has answered, or has ended
        }
    }
    true
}

/// Waits for events of the socket. Returns none at the deadline.
fn wait_for(child: &Child, events: PollFlags, deadline: Option<Instant>) -> PollFlags {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = left.map_or(READ_WAIT, |left| left.min(READ_WAIT));
        let limit = Timespec::try_from(limit).ok();
        let mut sockets = [PollFd::new(&child.socket, events)];
        match poll(&mut sockets, limit.as_ref()) {
            Err(Errno::INTR) => {}
            Ok(0) if child.link().is_dead => return PollFlags::IN, // the read finds its end
            Ok(0) if left.is_none_or(|left| left > READ_WAIT) => {}
            _ => return sockets[0].revents(),
        }
    }
}
