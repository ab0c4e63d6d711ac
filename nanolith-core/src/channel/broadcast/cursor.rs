//! [`PublishedCursor`]: the position of a receiver of a broadcast log, which senders read.
//! [`SenderWaiting`]: the flag for waiting senders, which receivers read.
//!
//! A sender that finds a receiver full joins the line of blocked senders, sets the flag, and reads
//! the positions once more. A receiver that has taken all messages, or a whole block, first
//! publishes its position and then reads the flag. Each side writes before it reads, as in
//! [Dekker's algorithm](https://en.wikipedia.org/wiki/Dekker%27s_algorithm). So at least one side
//! sees the write of the other, and no sender waits for capacity that is free.

use crate::util::loom::{AtomicU32, AtomicU64, Ordering, fence};

/// The position of one receiver. It has a cache line of its own, which only its receiver writes to.
#[repr(align(128))]
pub(super) struct PublishedCursor {
    /// The number of the message that the receiver reads next.
    next: AtomicU64,
    /// The number of messages of its owner that the receiver has passed.
    own: AtomicU64,
}

impl PublishedCursor {
    pub(super) fn new(next: u64) -> Self {
        Self { next: AtomicU64::new(next), own: AtomicU64::new(0) }
    }

    /// Publishes `next` as the receiver's position.
    #[inline]
    pub(super) fn advance(&self, next: u64) {
        // ORDERING: Release, pairs with the Acquire in `load`: a thread that reads this position
        // also sees `own` of the messages before it.
        self.next.store(next, Ordering::Release);
    }

    /// Publishes `next` as the position after messages of the receiver's owner. `own` counts all
    /// messages of its owner before `next`.
    pub(super) fn go_on_past_own(&self, next: u64, own: u64) {
        // ORDERING: Relaxed, the Release store in `advance` publishes it.
        self.own.store(own, Ordering::Relaxed);
        self.advance(next);
    }

    /// Returns the position, and the number of messages of its owner that the receiver has passed.
    ///
    /// The second number may be newer than the first. Then more messages seem to be ahead of the
    /// receiver than there are, never fewer.
    pub(super) fn load(&self) -> (u64, u64) {
        // ORDERING: Acquire, pairs with the Release in `advance`.
        let next = self.next.load(Ordering::Acquire);
        (next, self.own.load(Ordering::Relaxed))
    }
}

/// The flag that senders wait for capacity.
pub(super) struct SenderWaiting(AtomicU32);

impl SenderWaiting {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Sets the flag. The sender reads the positions after this call, and under the log's lock.
    pub(super) fn set(&self) {
        self.0.store(1, Ordering::Relaxed);
        // ORDERING: SeqCst, pairs with the fence in `is_set`: the flag is seen there, or the
        // position is seen here.
        fence(Ordering::SeqCst);
    }

    /// Clears the flag when no sender waits. The caller holds the log's lock.
    pub(super) fn clear(&self) {
        // ORDERING: Relaxed, a receiver that still sees the flag finds the line empty under the
        // lock.
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// Returns the flag. The receiver publishes its position before this call.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        // ORDERING: SeqCst, pairs with the fence in `set`.
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[cfg(loom)]
    use loom::thread;
    #[cfg(not(loom))]
    use std::thread;

    fn check(f: impl Fn() + Sync + Send + 'static) {
        #[cfg(loom)]
        loom::model(f);
        #[cfg(not(loom))]
        (0..if cfg!(miri) { 4 } else { 200 }).for_each(|_| f());
    }

    #[test]
    fn sender_sees_the_room_or_the_receiver_sees_the_sender() {
        check(|| {
            let shared = Arc::new((PublishedCursor::new(0), SenderWaiting::new()));
            let receiver = thread::spawn({
                let shared = shared.clone();
                move || {
                    let (stand, wanted) = &*shared;
                    stand.advance(1);
                    wanted.is_set()
                }
            });
            let (stand, wanted) = &*shared;
            wanted.set();
            let room = stand.load().0 == 1;
            let notified = receiver.join().expect("it ends");
            assert!(room || notified, "the sender sleeps, and no side wakes it");
        });
    }

    #[test]
    fn receiver_is_never_less_behind_than_its_cursor_shows() {
        check(|| {
            // Three messages: of another sender, of the owner, of another sender.
            let stand = Arc::new(PublishedCursor::new(0));
            let receiver = thread::spawn({
                let stand = stand.clone();
                move || {
                    stand.advance(1);
                    stand.go_on_past_own(2, 1);
                    stand.advance(3);
                }
            });
            let (next, own) = stand.load();
            let others_passed = next - own.min(next);
            assert!(others_passed <= [0, 1, 1, 2][next as usize]);
            receiver.join().expect("it ends");
        });
    }
}
