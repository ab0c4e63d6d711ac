//! [`Input`]: takes the input of a stage's next call from the queue before the stage: one item
//! ([`SingleInput`]) or a batch ([`BatchInput`]).

use super::{
    batch_size::Size,
    channel::{Item, Reader, Take},
    stage_stats::StageMetrics,
};
use crate::time::{Limit, clock};
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// The input of one call.
pub(super) struct InputItem<I> {
    pub(super) payload: I,
    /// The index of the first item; `count` is the number of items.
    pub(super) index: u64,
    pub(super) count: usize,
}

/// Takes the input of the next call from a queue.
pub(super) trait Input<I>: Send + 'static {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<InputItem<I>>>;

    /// Records that a call of `count` items took `nanos` nanoseconds.
    fn ran(&mut self, count: usize, nanos: u64);
}

/// One item for each call.
pub(super) struct SingleInput<I> {
    input: Reader<I>,
    taken: VecDeque<Item<I>>,
}

impl<I> SingleInput<I> {
    pub(super) fn new(input: Reader<I>) -> Self {
        Self { input, taken: VecDeque::with_capacity(1) }
    }
}

impl<I: Send + 'static> Input<I> for SingleInput<I> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<InputItem<I>>> {
        let taken = self.input.poll_take(cx, Take::up_to(1), &mut self.taken, clock::now());
        taken.map(|_| self.taken.pop_front().map(|(index, payload)| InputItem { payload, index, count: 1 }))
    }

    fn ran(&mut self, _: usize, _: u64) {}
}

/// Several items for each call: as many as wait, up to a size that follows the run times of the
/// calls.
pub(super) struct BatchInput<I> {
    input: Reader<I>,
    taken: VecDeque<Item<I>>,
    size: Size,
    gauge: Arc<StageMetrics>,
    /// The target duration of a call. It is also the maximum time that too few items wait for more.
    latency: Duration,
    waits: Option<Limit>,
}

impl<I> BatchInput<I> {
    pub(super) fn new(input: Reader<I>, size: Size, latency: Duration, gauge: Arc<StageMetrics>) -> Self {
        Self { input, taken: VecDeque::new(), size, gauge, latency, waits: None }
    }

    /// Returns how many items a call needs. One is enough once items have waited for `latency`.
    fn least(&mut self, cx: &mut Context<'_>) -> usize {
        let least = self.size.least();
        let depth = if least > 1 { self.input.depth() } else { 0 };
        if depth == 0 || depth >= least {
            self.waits = None;
            return least;
        }
        let waits = self.waits.get_or_insert_with(|| Limit::new(self.latency));
        if waits.poll(cx).is_ready() { 1 } else { least }
    }
}

impl<I: Send + 'static> Input<Vec<I>> for BatchInput<I> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<InputItem<Vec<I>>>> {
        loop {
            let take = Take { least: self.least(cx), most: self.size.now(), hold: false };
            let Poll::Ready(taken) = self.input.poll_take(cx, take, &mut self.taken, clock::now()) else {
                // The first items may have arrived during this poll. Then their wait starts now.
                let depth = if self.size.least() > 1 && self.waits.is_none() { self.input.depth() } else { 0 };
                if depth > 0 {
                    continue;
                }
                return Poll::Pending;
            };
            self.waits = None;
            let Some((index, count)) = self.taken.front().map(|(index, _)| (*index, self.taken.len())) else {
                debug_assert!(taken.is_none());
                return Poll::Ready(None);
            };
            let payload = self.taken.drain(..).map(|(_, item)| item).collect();
            return Poll::Ready(Some(InputItem { payload, index, count }));
        }
    }

    fn ran(&mut self, count: usize, nanos: u64) {
        self.size.ran(count, nanos);
        self.gauge.set_batch(self.size.now());
    }
}
