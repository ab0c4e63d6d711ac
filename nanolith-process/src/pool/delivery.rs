//! How what was read from a child reaches its receivers: in the order of the socket, without a lock.
//! What happens if an event has no room.

use super::{
    child::{Child, End},
    deliveries::Received,
    pool_shared::{PoolShared, exit_token, socket_token},
    state_source::BlockedEvent,
};
use crate::wire::{Frame, FrameReader, Waits};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, MutexGuard, PoisonError, Weak},
    task::{Context, Wake, Waker},
    time::Instant,
};

/// What a read gave, and whether all of it was handled.
pub(super) struct Reading {
    pub(super) end: Option<End>,
    /// See [`Received::has_more`].
    pub(super) has_more: bool,
    /// False if an event waits for room, or another thread handles what was read before.
    pub(super) is_delivered: bool,
}

impl PoolShared {
    /// Reads once from a child, and handles what was read.
    pub(super) fn read(
        self: &Arc<Self>,
        child: &Arc<Child>,
        mut reader: MutexGuard<'_, FrameReader>,
        waits: Waits,
    ) -> Reading {
        let received = child.receive(&mut reader, waits);
        let (end, has_more) = (received.end, received.has_more);
        child.deliveries().push(received);
        drop(reader);
        Reading { end, has_more, is_delivered: self.deliver(child) }
    }

    /// Handles what was read from a child, unless another thread does. Returns whether all of it is
    /// handled.
    pub(super) fn deliver(self: &Arc<Self>, child: &Arc<Child>) -> bool {
        let mut next = child.deliveries().take();
        while let Some(received) = next {
            if let Some((rest, blocked)) = self.on_received(child, received) {
                self.block(child, rest, blocked);
                return false;
            }
            let mut deliveries = child.deliveries();
            deliveries.finish();
            next = deliveries.take();
        }
        if child.link().ended.is_some() {
            self.look_at_unblocked(child.clone()); // the pool's thread waits for this
        }
        child.deliveries().is_done()
    }

    /// Ends the receivers of the service's events.
    pub(super) fn end_service_events(&self) {
        // The wakers of the receivers are user code.
        let close = || self.state.iter().for_each(|state| state.events.close());
        let _ = catch_unwind(AssertUnwindSafe(close));
    }

    /// Returns whether the children of this pool send events.
    pub(super) fn has_events(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.events.has_events())
    }

    /// Passes an event on to its receivers. Returns what waits for room at one of them.
    pub(super) fn on_event(&self, child: &Child, frame: &Frame) -> Result<Option<BlockedEvent>, String> {
        let state = self.state.as_ref().ok_or("an answer that was not asked for")?;
        // The decoding of the event, and the wakers of its receivers, are user code.
        let accepted = catch_unwind(AssertUnwindSafe(|| state.events.accept(frame.body())));
        let blocked = accepted.map_err(|_| "an event whose decoding panics")?.map_err(|error| error.to_string())?;
        Ok(blocked.filter(|_| !child.deliveries().is_lossy()))
    }

    /// Reads no more from a child until an event has room.
    fn block(&self, child: &Arc<Child>, rest: Received, blocked: BlockedEvent) {
        {
            let mut link = child.link();
            link.is_blocked = true;
            self.set_interest(child, &link);
        }
        child.deliveries().block(rest, blocked);
        self.look_at_unblocked(child.clone()); // the pool's thread polls it
    }

    /// Makes the pool's thread look at a child whose event may have room now.
    fn look_at_unblocked(&self, child: Arc<Child>) {
        self.unblocked.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        self.poller.notify();
    }

    /// Goes on with the children whose event has room.
    pub(super) fn on_unblocked(self: &Arc<Self>) {
        let children = std::mem::take(&mut *self.unblocked.lock().unwrap_or_else(PoisonError::into_inner));
        for child in children {
            let blocked = child.deliveries().take_blocked();
            if let Some(mut blocked) = blocked {
                let waker =
                    Waker::from(Arc::new(Unblock { pool: Arc::downgrade(self), child: Arc::downgrade(&child) }));
                // The wakers of the receivers are user code.
                let is_pending = catch_unwind(AssertUnwindSafe(|| {
                    blocked.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
                }));
                let waits = matches!(is_pending, Ok(true)) && !child.deliveries().is_lossy();
                if waits {
                    child.deliveries().wait(blocked);
                    continue;
                }
                child.deliveries().finish();
                self.unblock(&child);
            }
            let has_ended = child.link().ended.is_some() && self.children().get(child.id).is_some();
            if has_ended && child.deliveries().is_done() {
                self.on_exit(&child);
            }
        }
    }

    /// Reads from a child again.
    fn unblock(self: &Arc<Self>, child: &Arc<Child>) {
        {
            let mut link = child.link();
            link.is_blocked = false;
            self.set_interest(child, &link);
        }
        self.deliver(child);
    }

    /// Keeps a child whose process has ended until its events have room. The events of a child that was
    /// killed do not wait.
    pub(super) fn on_blocked_exit(self: &Arc<Self>, child: &Arc<Child>) {
        // Both are ready until they are removed.
        self.poller.remove(&child.socket, socket_token(child.id));
        child.exit.iter().for_each(|exit| self.poller.remove(exit, exit_token(child.id)));
        let was_killed = {
            let mut link = child.link();
            link.ended.get_or_insert_with(Instant::now);
            link.first().is_some_and(|running| running.killed.is_some()) || link.fault.is_some()
        };
        if was_killed || self.children().is_terminated {
            self.lose_events(child);
        } else {
            self.look_at(child);
            self.look_at_unblocked(child.clone()); // another thread may have handled all meanwhile
        }
    }

    /// Handles what was read from a child that ends, without its events that have no room.
    pub(super) fn lose_events(self: &Arc<Self>, child: &Arc<Child>) {
        let lost = child.deliveries().lose_blocked();
        drop(lost); // user code, after the lock
        self.unblock(child);
    }
}

/// Wakes the pool's thread when an event has room.
struct Unblock {
    pool: Weak<PoolShared>,
    child: Weak<Child>,
}

impl Wake for Unblock {
    fn wake(self: Arc<Self>) {
        if let (Some(pool), Some(child)) = (self.pool.upgrade(), self.child.upgrade()) {
            pool.look_at_unblocked(child);
        }
    }
}
