//! [`SlotService`]: a hand-written service for one caller. It has two slots of one value each: one
//! for the question, one for the answer.

use super::{Peer, STOP, Service, Start, TOTAL, slot::Slot};
use crate::work::{Sum, caught};
use crossbeam_utils::CachePadded;
use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

/// The two slots between a caller and its service.
#[derive(Default)]
struct SlotPair<S> {
    question: CachePadded<S>,
    answer: CachePadded<S>,
}

/// A hand-written service for one caller: a thread, and one slot in each direction.
pub(crate) struct SlotService<S> {
    slots: Arc<SlotPair<S>>,
    thread: JoinHandle<()>,
}

fn serve<S: Slot>(slots: &SlotPair<S>) {
    let mut sum = Sum::default();
    loop {
        match slots.question.take() {
            STOP => return,
            TOTAL => slots.answer.fill(sum.total()),
            n => slots.answer.fill(caught(|| sum.add(n)).unwrap_or(0)),
        }
    }
}

impl<S: Slot> Peer for SlotService<S> {
    type Handle = ();

    fn start(_: &Start) -> Self {
        let slots = Arc::new(SlotPair::<S>::default());
        let thread = thread::spawn({
            let slots = Arc::clone(&slots);
            move || serve(&slots)
        });
        Self { slots, thread }
    }

    fn submit(&self, n: u64) {
        self.slots.question.fill(n);
    }

    fn take(&self, (): ()) -> u64 {
        self.slots.answer.take()
    }

    fn stop(self) {
        self.slots.question.fill(STOP);
        self.thread.join().expect("it ends");
    }
}

impl<S: Slot> Service for SlotService<S> {
    fn total(&self) -> u64 {
        self.ask(TOTAL)
    }
}
