//! What comes out of a running pipeline. Dropped, the pipeline is cancelled.

use super::{
    channel::{Item, Reader, Take},
    driver::Driver,
    error::ItemError,
    stats::Report,
};
use crate::time::clock;
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};

/// How many results are taken from the link at once, of which they keep their places.
const CHUNK: usize = 128;

pub(super) struct Output<T> {
    pub(super) run: Arc<Driver>,
    results: Reader<T>,
    /// Taken from the link. Their places are free once all are used.
    taken: VecDeque<Item<T>>,
    held: usize,
    over: bool,
}

impl<T> Output<T> {
    pub(super) fn new(run: Arc<Driver>, results: Reader<T>) -> Self {
        Self { run, results, taken: VecDeque::new(), held: 0, over: false }
    }

    /// The next result that is in hand.
    #[inline]
    pub(super) fn next_in_hand(&mut self) -> Option<T> {
        let (_, item) = self.taken.pop_front()?;
        if self.taken.is_empty() {
            self.results.release(self.held);
            self.run.delivered.fetch_add(self.held as u64, Relaxed);
            self.held = 0;
        }
        Some(item)
    }

    /// The next result; an error is the last.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, ItemError>>> {
        loop {
            if let Some(item) = self.next_in_hand() {
                return Poll::Ready(Some(Ok(item)));
            }
            if self.over {
                return Poll::Ready(None);
            }
            let most = CHUNK.min(self.results.places().div_ceil(4));
            let take = Take { least: 1, most, hold: true };
            if ready!(self.results.poll_take(cx, take, &mut self.taken, clock::now())).is_some() {
                self.held = self.taken.len();
                continue;
            }
            ready!(self.run.poll_over(cx));
            self.over = true;
            return Poll::Ready(self.run.take_fatal().map(Err));
        }
    }

    /// What became of it.
    pub(super) fn report(&self) -> Report {
        Report::of(&self.run)
    }
}

impl<T> Drop for Output<T> {
    fn drop(&mut self) {
        self.run.cancel();
        self.run.forget_waiter();
    }
}
