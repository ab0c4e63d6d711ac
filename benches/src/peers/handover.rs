//! [`TwoLines`] and [`OneLine`]: hand-written rows that show the least latency of a call. A thread
//! hands one number to another core over one or two cache lines and takes the answer, by spinning
//! alone.

use super::{Peer, STOP, Service, Start, TOTAL, spin::until};
use crate::work::{Body, Sum, Tiny, caught};
use crossbeam_utils::CachePadded;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A number, and the side that may act: the caller if `turn` is even, the server if it is odd.
#[derive(Default)]
struct Line {
    turn: AtomicU64,
    value: AtomicU64,
}

impl Line {
    fn pass(&self, turn: u64, value: u64) {
        self.value.store(value, Ordering::Relaxed);
        // ORDERING: Release, pairs with the Acquire in `receive`: publishes the value.
        self.turn.store(turn, Ordering::Release);
    }

    fn receive(&self, turn: u64) -> u64 {
        // ORDERING: Acquire, pairs with the Release in `pass`.
        until(|| self.turn.load(Ordering::Acquire) == turn);
        self.value.load(Ordering::Relaxed)
    }
}

/// The lines for questions and answers: one line for both, or one for each.
#[derive(Default)]
struct Lines {
    lines: [CachePadded<Line>; 2],
    turn: AtomicU64,
}

/// A thread that answers one caller over one or two cache lines.
pub(crate) struct Handover<const LINES: usize> {
    shared: Arc<Lines>,
    thread: JoinHandle<()>,
}

impl<const LINES: usize> Handover<LINES> {
    /// Answers each question but the last.
    fn serve(shared: &Lines, mut answer: impl FnMut(u64) -> u64) {
        let mut turn = 1;
        loop {
            let question = shared.lines[0].receive(turn);
            if question == STOP {
                return;
            }
            shared.lines[LINES - 1].pass(turn + 1, answer(question));
            turn += 2;
        }
    }

    fn launch(answer: impl FnMut(u64) -> u64 + Send + 'static) -> Self {
        let shared = Arc::new(Lines::default());
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || Self::serve(&shared, answer)
        });
        Self { shared, thread }
    }

    fn submit(&self, n: u64) {
        // Only the caller writes it.
        let turn = self.shared.turn.load(Ordering::Relaxed);
        self.shared.turn.store(turn + 2, Ordering::Relaxed);
        self.shared.lines[0].pass(turn + 1, n);
    }

    fn take(&self) -> u64 {
        self.shared.lines[LINES - 1].receive(self.shared.turn.load(Ordering::Relaxed))
    }

    fn stop(self) {
        self.submit(STOP);
        self.thread.join().expect("it ends");
    }
}

/// Two lines: the first is for the question, the second for the answer.
pub(crate) struct TwoLines(Handover<2>);

impl Peer for TwoLines {
    type Handle = ();

    fn start(_: &Start) -> Self {
        Self(Handover::launch(|n| caught(|| Tiny::run(n)).unwrap_or(0)))
    }

    fn submit(&self, n: u64) {
        self.0.submit(n);
    }

    fn take(&self, (): ()) -> u64 {
        self.0.take()
    }

    fn stop(self) {
        self.0.stop();
    }
}

/// One line there and back, to a thread with a state.
pub(crate) struct OneLine(Handover<1>);

impl Peer for OneLine {
    type Handle = ();

    fn start(_: &Start) -> Self {
        let mut sum = Sum::default();
        Self(Handover::launch(move |n| if n == TOTAL { sum.total() } else { caught(|| sum.add(n)).unwrap_or(0) }))
    }

    fn submit(&self, n: u64) {
        self.0.submit(n);
    }

    fn take(&self, (): ()) -> u64 {
        self.0.take()
    }

    fn stop(self) {
        self.0.stop();
    }
}

impl Service for OneLine {
    fn total(&self) -> u64 {
        self.ask(TOTAL)
    }
}
