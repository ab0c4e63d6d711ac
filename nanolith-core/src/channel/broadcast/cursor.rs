//! Where a receiver stands, for senders to see without asking; and whether a sender waits, for receivers to see.
//!
//! A sender that finds no room stands in line, says that somebody waits, and looks at the stands once more. A receiver that
//! has taken all there is, or a whole block, has told its stand before, and then looks whether somebody waits. Whichever
//! comes first, the other sees it: so nobody waits for room that is there.

use crate::util::loom::{AtomicU32, AtomicU64, Ordering, fence};

/// How far one receiver has come. It stands alone on its cache line, which only its receiver writes to.
#[repr(align(128))]
pub(super) struct PublishedCursor {
    /// The number of the message that it reads next.
    next: AtomicU64,
    /// How many of the messages that it has passed are its owner's.
    own: AtomicU64,
}

impl PublishedCursor {
    pub(super) fn new(next: u64) -> Self {
        Self { next: AtomicU64::new(next), own: AtomicU64::new(0) }
    }

    /// The receiver goes on to `next`.
    #[inline]
    pub(super) fn advance(&self, next: u64) {
        // ORDERING: Release, pairs with the Acquire in `load`: what was passed on the way is counted.
        self.next.store(next, Ordering::Release);
    }

    /// It goes on past messages of its owner, of which it has passed `own` by then.
    pub(super) fn go_on_past_own(&self, next: u64, own: u64) {
        // ORDERING: Relaxed, `advance` publishes it.
        self.own.store(own, Ordering::Relaxed);
        self.advance(next);
    }

    /// Where it stands, and how many of its owner's messages it has passed. The latter may be as of a moment later, by which
    /// more seems to be ahead of it, never less.
    pub(super) fn load(&self) -> (u64, u64) {
        // ORDERING: Acquire, pairs with the Release in `advance`.
        let next = self.next.load(Ordering::Acquire);
        (next, self.own.load(Ordering::Relaxed))
    }
}

/// Whether senders wait for room.
pub(super) struct SenderWaiting(AtomicU32);

impl SenderWaiting {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// A sender waits: it looks at the stands after this, and under the log's lock.
    pub(super) fn set(&self) {
        self.0.store(1, Ordering::Relaxed);
        // ORDERING: SeqCst, pairs with the fence in `is_set`: the flag is seen there, or the stand is seen here.
        fence(Ordering::SeqCst);
    }

    /// Nobody waits any more; the log's lock is held.
    pub(super) fn clear(&self) {
        // ORDERING: Relaxed, one who still sees the flag finds the line empty under the lock.
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// For a receiver that has told its stand.
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
    fn a_sender_sees_the_room_or_the_receiver_sees_the_sender() {
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
            let told = receiver.join().expect("it ends");
            assert!(room || told, "the sender sleeps, and nobody wakes it");
        });
    }

    #[test]
    fn never_less_is_ahead_of_a_receiver_than_seems() {
        check(|| {
            // Messages: somebody's, the owner's, somebody's.
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
