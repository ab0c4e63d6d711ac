//! A hand-written row that shows the highest throughput of a broadcast: one ring that a sender
//! writes once for all its receivers. Each receiver reads at its own pace.

use super::spin::until_soon;
use crossbeam_utils::CachePadded;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The messages that are published at once. It is a power of two.
const BATCH: u64 = 64;

/// A bit in `head` that is set when the sender sends no more.
const OVER: u64 = 1 << 63;

/// The state that both sides see.
struct Shared {
    places: Box<[AtomicU64]>,
    /// The number of published messages.
    head: CachePadded<AtomicU64>,
    /// The number of messages that each receiver has read.
    cursors: Box<[CachePadded<AtomicU64>]>,
}

impl Shared {
    fn place(&self, at: u64) -> &AtomicU64 {
        &self.places[at as usize % self.places.len()]
    }

    /// Returns the number of messages that the slowest receiver has read.
    fn slowest(&self) -> u64 {
        // ORDERING: Acquire, pairs with the Release in `Receiver::each`: the cells are read.
        self.cursors.iter().map(|cursor| cursor.load(Ordering::Acquire)).min().unwrap_or(u64::MAX)
    }
}

/// The sender. Its drop ends the ring.
pub(crate) struct Sender {
    shared: Arc<Shared>,
    next: u64,
    /// The messages up to this number have a free cell, as far as the sender knows.
    room: u64,
}

pub(crate) struct Receiver {
    shared: Arc<Shared>,
    index: usize,
}

/// Creates a ring of `bound` cells for `receivers` receivers. [`BATCH`] divides the number of
/// cells.
pub(crate) fn ring(bound: usize, receivers: usize) -> (Sender, Vec<Receiver>) {
    let shared = Arc::new(Shared {
        places: (0..bound).map(|_| AtomicU64::new(0)).collect(),
        head: CachePadded::default(),
        cursors: (0..receivers).map(|_| CachePadded::default()).collect(),
    });
    let receivers = (0..receivers).map(|index| Receiver { shared: Arc::clone(&shared), index }).collect();
    (Sender { room: bound as u64, next: 0, shared }, receivers)
}

impl Sender {
    /// Sends a message. Waits while the ring is full.
    pub(crate) fn send(&mut self, n: u64) {
        if self.next == self.room {
            self.await_room();
        }
        self.shared.place(self.next).store(n, Ordering::Relaxed);
        self.next += 1;
        if self.next & (BATCH - 1) == 0 {
            self.publish(self.next);
        }
    }

    /// Waits until half the ring is free, so that no thread is woken for a few cells.
    fn await_room(&mut self) {
        let lap = self.shared.places.len() as u64;
        until_soon(|| {
            self.room = self.shared.slowest() + lap;
            self.room >= self.next + lap / 2
        });
    }

    fn publish(&self, head: u64) {
        // ORDERING: Release, pairs with the Acquire in `Receiver::each`: publishes the cells.
        self.shared.head.store(head, Ordering::Release);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.publish(self.next | OVER);
    }
}

impl Receiver {
    /// Passes each message to `hear`, until the sender is gone.
    pub(crate) fn each(&self, mut hear: impl FnMut(u64)) {
        let (mut read, mut head) = (0, 0);
        while head & OVER == 0 {
            until_soon(|| {
                // ORDERING: Acquire, pairs with the Release in `Sender::publish`.
                head = self.shared.head.load(Ordering::Acquire);
                head != read
            });
            (read..head & !OVER).for_each(|at| hear(self.shared.place(at).load(Ordering::Relaxed)));
            read = head & !OVER;
            // ORDERING: Release, pairs with the Acquire in `Shared::slowest`: the cells may be
            // written again.
            self.shared.cursors[self.index].store(read, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn every_receiver_gets_every_message_in_order() {
        let (mut sender, receivers) = ring(128, 2);
        let hear = |receiver: Receiver| {
            thread::spawn(move || {
                let mut heard = Vec::new();
                receiver.each(|n| heard.push(n));
                heard
            })
        };
        let threads: Vec<_> = receivers.into_iter().map(hear).collect();
        (0..1_000).for_each(|n| sender.send(n));
        drop(sender);
        for thread in threads {
            assert_eq!(thread.join().expect("it ends"), (0..1_000).collect::<Vec<u64>>());
        }
    }
}
