//! [`Output`]: takes the results of a running pipeline from its last queue. Dropping it cancels the
//! pipeline.

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

/// The maximum number of results taken from the last queue at once. They keep their queue places.
const CHUNK: usize = 128;

pub(super) struct Output<T> {
    pub(super) run: Arc<Driver>,
    results: Reader<T>,
    /// Results taken from the queue. Their places are released when all of them are used.
    taken: VecDeque<Item<T>>,
    held: usize,
    over: bool,
}

impl<T> Output<T> {
    pub(super) fn new(run: Arc<Driver>, results: Reader<T>) -> Self {
        Self { run, results, taken: VecDeque::new(), held: 0, over: false }
    }

    /// Returns the next result that is already taken from the queue.
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

    /// Returns the next result; an error is the last.
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

    /// Returns the report so far. Collected errors move into it.
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
