//! [`Calls`]: a pipeline stage that makes a call for each item or batch. A limited number of calls
//! is in flight at once, and results come in order or as they complete.

use super::{
    channel::{Item, WakeTiming, Writer},
    driver::{Driver, PipelinePart},
    error::Cause,
    input::{Input, InputItem},
    stage_stats::StageMetrics,
};
use crate::{executor::Executor, task::TaskSet, time::clock, typed::Call, util::unwind};
use futures_util::{
    Stream,
    stream::{FuturesOrdered, FuturesUnordered},
};
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A call that was made, as a future.
pub(super) type CallFuture<O> = Pin<Box<dyn Future<Output = Result<O, Cause>> + Send>>;

/// The closure that makes the calls of a stage.
pub(super) type Make<I, O> = Box<dyn FnMut(I) -> CallFuture<O> + Send>;

/// Makes a closure that calls `make` on `target`. `finish` turns a task's output into an item.
pub(super) fn make<C, S, E, I, V, O, F>(
    target: C,
    make: F,
    finish: fn(V) -> Result<O, Cause>,
    gauge: Arc<StageMetrics>,
) -> Make<I, O>
where
    C: Send + Sync + 'static,
    S: TaskSet,
    E: Executor<S> + ?Sized + 'static,
    I: Send + 'static,
    V: 'static,
    O: 'static,
    F: for<'a> Fn(&'a C, I) -> Call<'a, S, E, V> + Send + Sync + 'static,
{
    let shared = Arc::new((target, make, gauge));
    Box::new(move |item| {
        let shared = shared.clone();
        Box::pin(async move {
            let (target, make, gauge) = &*shared;
            let call = unwind::catch(|| make(target, item)).map_err(Cause::of_panic)?;
            gauge.name_after(call.task());
            call.await.map_err(Cause::Call).and_then(finish)
        })
    })
}

/// A call in flight, with the items that it is for.
struct CallsInFlight<O> {
    made: CallFuture<O>,
    index: u64,
    began: u64,
    aboard: Running,
}

/// Counts items as in flight until it is dropped.
struct Running {
    gauge: Arc<StageMetrics>,
    count: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gauge.record_finished(self.count);
    }
}

/// The outcome of a call, with its items.
struct Completed<O> {
    outcome: Result<O, Cause>,
    index: u64,
    count: usize,
    began: u64,
}

impl<O> Future for CallsInFlight<O> {
    type Output = Completed<O>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Completed<O>> {
        let this = &mut *self;
        let outcome = match unwind::catch(|| this.made.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome,
            Err(panic) => Err(Cause::of_panic(panic)),
        };
        Poll::Ready(Completed { outcome, index: this.index, count: this.aboard.count, began: this.began })
    }
}

enum Flights<O> {
    Ordered(FuturesOrdered<CallsInFlight<O>>),
    Unordered(FuturesUnordered<CallsInFlight<O>>),
}

impl<O> Flights<O> {
    fn new(ordered: bool) -> Self {
        if ordered { Self::Ordered(FuturesOrdered::new()) } else { Self::Unordered(FuturesUnordered::new()) }
    }

    /// Returns the number of calls whose results were not passed on. With ordered results, that
    /// includes completed calls that wait for an earlier one.
    fn len(&self) -> usize {
        match self {
            Self::Ordered(flights) => flights.len(),
            Self::Unordered(flights) => flights.len(),
        }
    }

    fn push(&mut self, flight: CallsInFlight<O>) {
        match self {
            Self::Ordered(flights) => flights.push_back(flight),
            Self::Unordered(flights) => flights.push(flight),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Completed<O>>> {
        match self {
            Self::Ordered(flights) => Pin::new(flights).poll_next(cx),
            Self::Unordered(flights) => Pin::new(flights).poll_next(cx),
        }
    }
}

/// The number of completed calls after which a poll yields to other tasks of the pool.
const TURN: usize = 64;

/// Makes and polls the calls of a stage.
pub(super) struct Calls<F, I, O> {
    feed: F,
    make: Make<I, O>,
    out: Writer<O>,
    concurrency: usize,
    flights: Flights<O>,
    /// Results that wait for room in the next queue.
    done: VecDeque<Item<O>>,
    input_over: bool,
    gauge: Arc<StageMetrics>,
    run: Arc<Driver>,
}

impl<F, I, O> Calls<F, I, O> {
    pub(super) fn new(
        (feed, make, out): (F, Make<I, O>, Writer<O>),
        concurrency: usize,
        ordered: bool,
        gauge: Arc<StageMetrics>,
        run: Arc<Driver>,
    ) -> Self {
        let (flights, done) = (Flights::new(ordered), VecDeque::new());
        Self { feed, make, out, concurrency, flights, done, input_over: false, gauge, run }
    }
}

impl<F: Input<I>, I: Send + 'static, O: Send + 'static> Calls<F, I, O> {
    /// Makes calls while the input has items and the number in flight is below the limit.
    fn start_calls(&mut self, cx: &mut Context<'_>) {
        while !self.input_over && self.flights.len() + self.done.len() < self.concurrency {
            match self.feed.poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => self.input_over = true,
                Poll::Ready(Some(InputItem { payload, index, count })) => {
                    let aboard = Running { gauge: self.gauge.clone(), count };
                    self.flights.push(CallsInFlight { made: (self.make)(payload), index, began: clock::now(), aboard });
                }
            }
        }
    }

    fn on_complete(&mut self, landed: Completed<O>) {
        let Completed { outcome, index, count, began } = landed;
        let now = clock::now();
        let ran = now.saturating_sub(began);
        self.feed.ran(count, ran);
        match outcome {
            Ok(output) => {
                self.gauge.done(count as u64, ran, now);
                self.done.push_back((index, output));
            }
            Err(cause) => {
                self.gauge.done(0, ran, now);
                self.run.failed(&self.gauge, index, count, cause);
            }
        }
    }
}

impl<F: Input<I>, I: Send + 'static, O: Send + 'static> PipelinePart for Calls<F, I, O> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURN {
            if !self.done.is_empty() {
                if let Poll::Ready(Err(_)) = self.out.poll_push(cx, &mut self.done, WakeTiming::Now) {
                    return Poll::Ready(());
                }
            }
            self.start_calls(cx);
            match self.flights.poll_next(cx) {
                Poll::Ready(Some(landed)) => self.on_complete(landed),
                Poll::Ready(None) if self.input_over && self.done.is_empty() => return Poll::Ready(()),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
            if self.run.is_cancelled() {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
