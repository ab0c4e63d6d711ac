//! [`SlotService`]: a hand-written service for one caller. It has two slots of one value each: one
//! for the question, one for the answer.

use super::{Peer, STOP, Service, Start, TOTAL, slot::Slot};
use crate::work::{Sum, caught};
use crossbeam_utils::CachePadded;
use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

/// The two slots of a caller and its service.
#[derive(Default)]
struct Desk<S> {
    question: CachePadded<S>,
    answer: CachePadded<S>,
}

/// A hand-written service for one caller: a thread, and one slot in each direction.
pub(crate) struct SlotService<S> {
    desk: Arc<Desk<S>>,
    thread: JoinHandle<()>,
}

fn serve<S: Slot>(desk: &Desk<S>) {
    let mut sum = Sum::default();
    loop {
        match desk.question.take() {
            STOP => return,
            TOTAL => desk.answer.fill(sum.total()),
            n => desk.answer.fill(caught(|| sum.add(n)).unwrap_or(0)),
        }
    }
}

impl<S: Slot> Peer for SlotService<S> {
    type Handle = ();

    fn start(_: &Start) -> Self {
        let desk = Arc::new(Desk::<S>::default());
        let thread = thread::spawn({
            let desk = Arc::clone(&desk);
            move || serve(&desk)
        });
        Self { desk, thread }
    }

    fn submit(&self, n: u64) {
        self.desk.question.fill(n);
    }

    fn take(&self, (): ()) -> u64 {
        self.desk.answer.take()
    }

    fn stop(self) {
        self.desk.question.fill(STOP);
        self.thread.join().expect("it ends");
    }
}

impl<S: Slot> Service for SlotService<S> {
    fn total(&self) -> u64 {
        self.ask(TOTAL)
    }
}
