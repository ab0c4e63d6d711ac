//! [`Window`]: the calls in flight of one bulk operation. It takes inputs while there is capacity,
//! submits their calls, and returns the results. [`Each`](super::Each) and
//! [`EachStream`](super::EachStream) call it through a [`Driver`](super::driver::Driver).

use super::{
    batch::{Batch, Done},
    batch_size::{self, BatchSizer, Limits},
    driver::{Figures, Settings},
    in_flight::{InFlight, Submission, Tagged, TaggedResult, TaskOutcome},
    results::Results,
    source::Source,
};
use crate::{
    call::backend::WouldDeadlock,
    context::{block_on, thread_context},
    error::CallError,
    executor::{Crew, Executor},
    meta::{priority::Priority, task_info::TaskInfo},
    task::{TaskSet, downcast_output},
    time::clock,
    typed::{Call, CallParts},
};
use futures_util::Stream;
use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    panic::Location,
    pin::Pin,
    ptr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

pub(super) struct Window<'a, S: TaskSet, E: Executor<S> + ?Sized, T, M> {
    source: M,
    /// Whether the source has no more inputs.
    is_over: bool,
    wish: Limits,
    priority: Option<Priority>,
    /// The batch size and limits, known from the first call on.
    pace: Option<BatchSizer>,
    crew: Option<(&'a (dyn Crew + 'a), Arc<dyn Crew>)>,
    /// The executor that `crew` belongs to.
    executor: Option<&'a E>,
    /// Calls that are made and not submitted yet.
    line: VecDeque<Tagged<'a, S, E, T>>,
    lot: InFlight<'a, S, E, T>,
    /// The number of inputs in `line` and `lot`.
    under_way: usize,
    /// The number of inputs taken.
    taken: usize,
    /// The other results of the batch whose first result was returned.
    pub(super) results: Results<T>,
}

/// A batch that is being filled: the options of its first call, and all tasks.
struct OpenBatch<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    executor: &'a E,
    info: &'static TaskInfo,
    extract: fn(S::Output) -> Option<T>,
    priority: Option<Priority>,
    /// The priority that the call itself sets; `None` if the settings override the priorities of
    /// all calls.
    asked: Option<Option<Priority>>,
    submitted: &'static Location<'static>,
    tasks: Vec<S::Task>,
}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, T> OpenBatch<'a, S, E, T> {
    /// Returns whether the call has the same task and priority, and the same executor.
    #[inline(always)]
    fn takes(&self, call: &CallParts<'a, S, E, T>) -> bool {
        let info = S::task_info(&call.task);
        (ptr::eq(info, self.info) || info == self.info)
            && self.asked.is_none_or(|asked| asked == call.priority)
            && ptr::addr_eq(call.executor, self.executor)
    }
}

impl<'a, S, E, T, M> Window<'a, S, E, T, M>
where
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
    M: Source<'a, S, E, T>,
{
    pub(super) fn new(source: M) -> Self {
        Self {
            source,
            is_over: false,
            wish: Limits::default(),
            priority: None,
            pace: None,
            crew: None,
            executor: None,
            line: VecDeque::new(),
            lot: InFlight::Ordered(VecDeque::new()),
            under_way: 0,
            taken: 0,
            results: Results::none(),
        }
    }

    /// Applies new settings. Calls in flight keep theirs.
    pub(super) fn set(&mut self, settings: Settings) {
        let Settings { wish, priority, unordered } = settings;
        (self.wish, self.priority) = (wish, priority);
        if unordered && matches!(&self.lot, InFlight::Ordered(entries) if entries.is_empty()) {
            self.lot = InFlight::Unordered(futures_util::stream::FuturesUnordered::new());
        }
    }

    // ----- returning results

    /// Blocks until the next result exists and returns it.
    #[inline(never)]
    pub(super) fn wait_next(&mut self) -> Option<Result<T, CallError>> {
        loop {
            if let Some(result) = self.results.next() {
                return Some(result);
            }
            self.fill(None);
            let arrival = self.wait_lot().or_else(|| self.line.pop_front().map(Tagged::finish));
            if let Some(result) = self.on_finished(arrival?) {
                return Some(result);
            }
        }
    }

    /// Blocks until one submission is complete. Returns `None` if none is in flight.
    fn wait_lot(&mut self) -> Option<TaggedResult<T>> {
        let entries = match &mut self.lot {
            InFlight::Ordered(entries) => return entries.pop_front().map(Tagged::finish),
            InFlight::Unordered(entries) => entries,
        };
        let host = self.executor.and_then(Executor::host);
        let next = poll_fn(|cx| Pin::new(&mut *entries).poll_next(cx));
        block_on::block_on(next, host).unwrap_or_else(|WouldDeadlock| {
            // No thread is left to run these calls. Waiting for each in turn gives each its own
            // error.
            let mut all = mem::take(entries).into_iter();
            let first = all.next();
            entries.extend(all);
            first.map(Tagged::finish)
        })
    }

    /// Returns the next result. If it is pending, `cx` is woken when it exists.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        loop {
            if let Some(result) = self.results.next() {
                return Poll::Ready(Some(result));
            }
            self.fill(Some(cx));
            match self.lot.poll_next(cx) {
                Poll::Ready(Some(arrival)) => {
                    if let Some(result) = self.on_finished(arrival) {
                        return Poll::Ready(Some(result));
                    }
                }
                Poll::Ready(None) if self.is_over && self.line.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Records a completed submission. Returns a single result at once; the results of a batch are
    /// stored in `results`.
    fn on_finished(&mut self, arrival: TaggedResult<T>) -> Option<Result<T, CallError>> {
        let TaggedResult { came, first, count } = arrival;
        self.under_way -= count;
        match came {
            TaskOutcome::One(result) => return Some(result.map_err(|error| error.of_item(first))),
            TaskOutcome::Batch(Ok(Done { results, took, rest })) => {
                if let Some(pace) = &mut self.pace {
                    pace.ran(results.len(), took);
                }
                let mut next = first + results.len();
                let entry = |(handle, count)| {
                    let first = next;
                    next += count;
                    Tagged { flight: Submission::Rest(handle), first, count }
                };
                self.under_way += rest.iter().map(|(_, count)| count).sum::<usize>();
                self.lot.replace(rest.into_iter().map(entry).collect());
                self.results = results.into_results(first);
            }
            TaskOutcome::Batch(Err(error)) => self.results = Results::all(&error, count, first),
        }
        None
    }

    // ----- taking inputs

    /// Takes inputs while there is capacity and the source has some ready. Does not block. Without
    /// `cx`, no waker is registered for later inputs.
    fn fill(&mut self, mut cx: Option<&mut Context<'_>>) {
        loop {
            self.enter(cx.as_deref_mut());
            if self.is_over || !self.line.is_empty() {
                return;
            }
            let room = match &self.pace {
                Some(pace) => pace.room(self.under_way, self.lot.len()),
                None => self.wish.first(),
            };
            let more = room > 0 && self.fill_batch(room, cx.as_deref_mut());
            if !more {
                return self.enter(cx);
            }
        }
    }

    /// Submits the calls in `line`, in order. While a call is in flight, nothing waits for queue
    /// room: the queue might grant the room while the consumer of the results is busy, and so
    /// withhold it from other callers.
    fn enter(&mut self, mut cx: Option<&mut Context<'_>>) {
        while let Some(entry) = self.line.front_mut() {
            let is_in = match cx.as_deref_mut() {
                Some(cx) if self.lot.len() == 0 => entry.begin(cx),
                _ => entry.try_begin(),
            };
            if !is_in {
                return;
            }
            self.line.pop_front().into_iter().for_each(|entry| self.lot.push(entry));
        }
    }

    /// Takes `room` inputs, or fewer if the source has no more now. Returns whether there may be
    /// more.
    fn fill_batch(&mut self, room: usize, cx: Option<&mut Context<'_>>) -> bool {
        let nobody = &mut Context::from_waker(Waker::noop());
        let cx = cx.unwrap_or(nobody);
        let adapts = self.pace.as_ref().is_some_and(BatchSizer::adapts);
        let began = if adapts { clock::now() } else { 0 };
        let mut open: Option<OpenBatch<'a, S, E, T>> = None;
        let mut number = 0;
        let mut more = true;
        while number < room {
            let call = match self.source.poll_call(cx) {
                Poll::Ready(Some(call)) => call,
                Poll::Ready(None) => {
                    self.is_over = true;
                    more = false;
                    break;
                }
                Poll::Pending => {
                    more = false;
                    break;
                }
            };
            number += 1;
            match (call.into_plain(), &mut open) {
                (Ok(call), Some(batch)) if batch.takes(&call) => batch.tasks.push(call.task),
                (Ok(call), _) => {
                    self.close(open.take());
                    open = self.open(call, room - number);
                }
                (Err(call), _) => {
                    self.close(open.take());
                    self.alone(call);
                }
            }
        }
        self.close(open);
        if let (true, Some(pace)) = (adapts, &mut self.pace) {
            pace.filled(clock::now() - began);
        }
        more
    }

    /// Starts a batch with this call, or submits it as a single call. Up to `more` calls may
    /// follow.
    #[inline(never)]
    fn open(&mut self, call: CallParts<'a, S, E, T>, more: usize) -> Option<OpenBatch<'a, S, E, T>> {
        self.settle(call.executor);
        let info = S::task_info(&call.task);
        if self.crew.is_none() || info.is_async() || S::HOOKS.are_async() {
            self.alone(call.into_call());
            return None;
        }
        let CallParts { executor, task, extract, priority, submitted } = call;
        // A batch with a size above `MAX_BATCH` grows with its inputs, since there may be few of
        // them.
        let mut tasks = Vec::with_capacity(more.min(batch_size::MAX_BATCH - 1) + 1);
        tasks.push(task);
        let asked = self.priority.is_none().then_some(priority);
        let priority = self.priority.or(priority);
        Some(OpenBatch { executor, info, extract, priority, asked, submitted, tasks })
    }

    #[inline(never)]
    fn alone(&mut self, call: Call<'a, S, E, T>) {
        self.settle(call.executor());
        let call = match self.priority {
            Some(priority) => call.priority(priority),
            None => call,
        };
        self.enqueue(Submission::One(call), 1);
    }

    /// Detects whether this executor accepts batches.
    fn settle(&mut self, executor: &'a E) {
        if self.executor.is_some_and(|known| ptr::addr_eq(known, executor)) {
            return;
        }
        self.executor = Some(executor);
        let alone = self.wish.batch.is_some_and(|size| size.get() == 1);
        self.crew = executor.crew().filter(|_| !alone).map(|crew| (crew, crew.to_owned()));
        if self.pace.is_none() {
            self.pace = Some(match &self.crew {
                Some((crew, _)) => {
                    let mut pace = BatchSizer::of_batches(self.wish, crew.threads());
                    if thread_context::runs_calls_of(crew.host()) {
                        pace.begin_within(self.source.least(), crew.threads());
                    }
                    pace
                }
                None => BatchSizer::of_singles(self.wish),
            });
        }
    }

    fn close(&mut self, open: Option<OpenBatch<'a, S, E, T>>) {
        let (Some(open), Some((crew, owned))) = (open, &self.crew) else { return };
        let OpenBatch { executor, info, extract, priority, submitted, tasks, .. } = open;
        let (count, crew) = (tasks.len(), *crew);
        let batch = Batch::<S, T> { tasks, info, extract, shared: executor.shared(), crew: owned.clone() };
        let call =
            CallParts { executor: crew, task: batch.into_piece(), extract: downcast_output, priority, submitted };
        self.enqueue(Submission::Batch(call.into_call()), count);
    }

    fn enqueue(&mut self, flight: Submission<'a, S, E, T>, count: usize) {
        self.line.push_back(Tagged { flight, first: self.taken, count });
        self.taken += count;
        self.under_way += count;
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T, M> Window<'_, S, E, T, M> {
    pub(super) fn figures(&self) -> Figures {
        let is_over = self.is_over && self.under_way == 0;
        Figures { taken: self.taken, under_way: self.under_way, is_over }
    }
}
