//! The window: takes inputs as long as there is room, hands them out, and gives the results back.
//! [`Each`](super::Each) and [`EachStream`](super::EachStream) ask it by a
//! [`Driver`](super::driver::Driver).

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
    context::block_on,
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
    /// The source has no more.
    is_over: bool,
    wish: Limits,
    priority: Option<Priority>,
    /// How it goes on: known with the first call.
    pace: Option<BatchSizer>,
    crew: Option<(&'a (dyn Crew + 'a), Arc<dyn Crew>)>,
    /// Whose that is.
    executor: Option<&'a E>,
    /// Made, and not with the executor yet.
    line: VecDeque<Tagged<'a, S, E, T>>,
    lot: InFlight<'a, S, E, T>,
    /// Inputs in the two.
    under_way: usize,
    /// Inputs taken so far.
    taken: usize,
    /// What came with the result that was given.
    pub(super) results: Results<T>,
}

/// A batch that is being filled: its first call, without the task, and all tasks.
struct OpenBatch<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    executor: &'a E,
    info: &'static TaskInfo,
    extract: fn(S::Output) -> Option<T>,
    priority: Option<Priority>,
    /// What the call itself says of it, unless all have the same.
    asked: Option<Option<Priority>>,
    submitted: &'static Location<'static>,
    tasks: Vec<S::Task>,
}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, T> OpenBatch<'a, S, E, T> {
    /// Whether the call is of the same kind, for the same executor.
    #[inline(always)]
    fn takes(&self, call: &CallParts<'a, S, E, T>) -> bool {
        let info = S::info(&call.task);
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

    /// What is under way stays as it is.
    pub(super) fn set(&mut self, settings: Settings) {
        let Settings { wish, priority, unordered } = settings;
        (self.wish, self.priority) = (wish, priority);
        if unordered && matches!(&self.lot, InFlight::Ordered(entries) if entries.is_empty()) {
            self.lot = InFlight::Unordered(futures_util::stream::FuturesUnordered::new());
        }
    }

    // ----- results out

    /// The next result, which the thread waits for.
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

    /// Waits for one that is over, if any are under way.
    fn wait_lot(&mut self) -> Option<TaggedResult<T>> {
        let entries = match &mut self.lot {
            InFlight::Ordered(entries) => return entries.pop_front().map(Tagged::finish),
            InFlight::Unordered(entries) => entries,
        };
        let host = self.executor.and_then(Executor::host);
        let next = poll_fn(|cx| Pin::new(&mut *entries).poll_next(cx));
        block_on::block_on(next, host).unwrap_or_else(|WouldDeadlock| {
            // There is no thread left that could run them: waited for one by one, each says so.
            let mut all = mem::take(entries).into_iter();
            let first = all.next();
            entries.extend(all);
            first.map(Tagged::finish)
        })
    }

    /// The next result; else `cx` is woken when there is one.
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

    /// Something came. A single result is given at once, those of a batch wait to be asked for.
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

    // ----- inputs in

    /// Takes inputs as long as there is room for them, and some to be had. Does not wait; without `cx` nobody is woken when
    /// there are more.
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

    /// Brings what was made to the executor, in order. Nothing stands in line for room there while something is under way:
    /// the place might be granted while the one who takes the results is busy, and be kept from others.
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

    /// Takes so many inputs, or fewer if there are no more now. Says whether there may be more.
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

    /// Begins a batch with this call, or makes it one of its own. So many may follow.
    #[inline(never)]
    fn open(&mut self, call: CallParts<'a, S, E, T>, more: usize) -> Option<OpenBatch<'a, S, E, T>> {
        self.settle(call.executor);
        let info = S::info(&call.task);
        if self.crew.is_none() || info.is_async() || S::HOOKS.are_async() {
            self.alone(call.into_call());
            return None;
        }
        let CallParts { executor, task, extract, priority, submitted } = call;
        // One that is to be larger than any other grows as its inputs come: there may be few of them.
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

    /// Finds out how this executor takes them.
    fn settle(&mut self, executor: &'a E) {
        if self.executor.is_some_and(|known| ptr::addr_eq(known, executor)) {
            return;
        }
        self.executor = Some(executor);
        let alone = self.wish.batch.is_some_and(|size| size.get() == 1);
        self.crew = executor.crew().filter(|_| !alone).map(|crew| (crew, crew.to_owned()));
        if self.pace.is_none() {
            self.pace = Some(match &self.crew {
                Some((crew, _)) => BatchSizer::of_batches(self.wish, crew.threads()),
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
