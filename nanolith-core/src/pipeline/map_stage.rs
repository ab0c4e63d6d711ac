//! [`Functions`]: a pipeline stage that runs a plain function on each item. A few futures on a pool
//! take batches of items, so that tiny items cost little.

use super::{
    batch_size::Size,
    channel::{Item, Reader, Take, WakeTiming, Writer},
    driver::{Driver, PipelinePart},
    error::Cause,
    stage_stats::StageMetrics,
};
use crate::{
    time::clock,
    util::{ordered_map::OrderedMap, unwind},
    wake::{Deferred, NewWaker, SingleWaiter},
};
use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    sync::Arc,
    task::{Context, Poll},
};

/// The range of the number of items in a batch.
pub(super) const SIZES: RangeInclusive<usize> = 1..=256;

/// The maximum number of a stage's futures, unless the pool has more threads. A pool with fewer
/// threads may grow later.
pub(super) const FUTURES: usize = 1_024;

/// The target run time of a batch, in nanoseconds.
pub(super) const TARGET: u64 = 30_000;

/// The time for which a future works before it yields to other tasks of the pool, in nanoseconds.
const SLICE: u64 = 120_000;

/// Lets batches pass in order: holds the number of the batch that may pass next.
#[derive(Default)]
pub(super) struct OrderGate(Deferred<Turn>);

#[derive(Default)]
struct Turn {
    next: u64,
    /// The waiting futures, by the number of their batch.
    waiting: OrderedMap<u64, SingleWaiter>,
}

impl OrderGate {
    /// Returns whether `batch` is next. If not, its future is woken when it is.
    fn has_come(&self, batch: u64, cx: &mut Context<'_>) -> bool {
        let mut new = Some(NewWaker::of(cx.waker())); // a waker that is not needed drops after the release
        self.0.with(|turn, after| {
            let has_come = turn.next == batch;
            if let Some(waker) = new.take_if(|_| !has_come) {
                turn.waiting.get_or_insert_with(batch, Default::default).register(waker, after);
            }
            has_come
        })
    }

    fn pass(&self, batch: u64) {
        self.0.with(|turn, after| {
            turn.next = batch + 1;
            turn.waiting.remove(turn.next).into_iter().for_each(|mut next| next.notify(after));
        });
    }
}

/// One of the futures of the stage.
pub(super) struct Functions<F, I, O> {
    pub(super) function: Arc<F>,
    pub(super) input: Reader<I>,
    pub(super) out: Writer<O>,
    /// `None` if the order is not kept, or if the stage has one future.
    pub(super) turns: Option<Arc<OrderGate>>,
    pub(super) gauge: Arc<StageMetrics>,
    pub(super) run: Arc<Driver>,
    pub(super) size: Size,
    pub(super) taken: VecDeque<Item<I>>,
    pub(super) made: VecDeque<Item<O>>,
    /// The number of the batch that this future is processing.
    pub(super) batch: Option<u64>,
}

impl<F, I, O> Functions<F, I, O>
where
    F: Fn(I) -> Result<O, Cause> + Send + Sync + 'static,
    I: Send + 'static,
    O: Send + 'static,
{
    /// Passes on the results of the batch. Returns `false` if the next queue is closed.
    fn forward_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(batch) = self.batch else { return Poll::Ready(true) };
        if self.turns.as_ref().is_some_and(|turns| !turns.has_come(batch, cx)) {
            return Poll::Pending;
        }
        if !self.made.is_empty() {
            match self.out.poll_push(cx, &mut self.made, WakeTiming::Deferred) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.batch = None;
        if let Some(turns) = &self.turns {
            turns.pass(batch);
        }
        Poll::Ready(true)
    }

    /// Runs the function on the items that were taken. Returns the time after that.
    fn work(&mut self, began: u64) -> u64 {
        let count = self.taken.len();
        let mut failed = Vec::new();
        let mut at = 0;
        while !self.taken.is_empty() {
            let ran = unwind::catch(|| {
                while let Some((index, item)) = self.taken.pop_front() {
                    at = index;
                    match (self.function)(item) {
                        Ok(output) => self.made.push_back((index, output)),
                        Err(cause) => failed.push((index, cause)),
                    }
                }
            });
            if let Err(panic) = ran {
                failed.push((at, Cause::of_panic(panic)));
            }
        }
        let now = clock::now();
        let ran = now.saturating_sub(began);
        self.size.ran(count, ran);
        self.gauge.set_batch(self.size.now());
        self.gauge.done((count - failed.len()) as u64, ran, now);
        self.gauge.record_finished(count);
        for (index, cause) in failed {
            self.run.failed(&self.gauge, index, 1, cause);
        }
        now
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let began = clock::now();
        let mut now = began;
        loop {
            if self.run.is_cancelled() {
                return Poll::Ready(());
            }
            match self.forward_ready(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            if now.saturating_sub(began) > SLICE {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.input.poll_take(cx, Take::up_to(self.size.now()), &mut self.taken, now) {
                Poll::Ready(Some(batch)) => self.batch = Some(batch),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            now = self.work(now);
        }
    }
}

impl<F, I, O> PipelinePart for Functions<F, I, O>
where
    F: Fn(I) -> Result<O, Cause> + Send + Sync + 'static,
    I: Send + 'static,
    O: Send + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let over = self.go_on(cx);
        self.out.ring();
        over
    }
}
