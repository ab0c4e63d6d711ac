//! [`Driver`]: the shared state of a running pipeline. It spawns the stages on pools, stops or
//! cancels them, and records the items that failed.

use super::{
    error::{Cause, ItemError, OnError},
    stage_stats::StageMetrics,
};
use crate::{
    meta::priority::Priority,
    pool::{self, Pool},
    sim_runtime,
    time::clock,
    util::unwind,
    wake::{AfterUnlock, NewWaker, SingleWaiter, WakeList},
};
use async_task::Task;
use std::{
    convert::Infallible,
    future::poll_fn,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

pub(super) struct Driver {
    /// The metrics of the input, which is not a stage.
    pub(super) input: Arc<StageMetrics>,
    /// The number of items taken from the input, set when the pipeline starts.
    taken: OnceLock<Arc<AtomicU64>>,
    /// The number of results that the consumer took. ORDERING: Relaxed, a figure.
    pub(super) delivered: AtomicU64,
    stages: Mutex<Vec<Arc<StageMetrics>>>,
    cancelled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    on_error: OnError,
    /// The running stages, kept to cancel them. `input` is the task of an input that is a stream.
    tasks: Vec<Task<()>>,
    input: Option<Task<()>>,
    /// Ends the input.
    shut: Option<Box<dyn FnOnce() + Send>>,
    stopped: bool,
    /// The number of tasks that have not ended. `waiter` waits for zero.
    live: usize,
    waiter: SingleWaiter,
    /// The error that ends the pipeline. It is taken when the consumer gets it.
    fatal: Option<ItemError>,
    collected: Vec<ItemError>,
    failed: u64,
    began: Option<Instant>,
    ended: Option<Instant>,
}

/// A part of a pipeline that a pool polls: a future of a stage, or an input that is a stream.
pub(super) trait PipelinePart: Send + 'static {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Driver {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            input: StageMetrics::new("input"),
            taken: OnceLock::new(),
            delivered: AtomicU64::new(0),
            stages: Mutex::default(),
            cancelled: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ----- stages

    pub(super) fn add_stage(&self) -> Arc<StageMetrics> {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let gauge = StageMetrics::new(format!("stage {}", stages.len() + 1));
        stages.push(gauge.clone());
        gauge
    }

    pub(super) fn stages(&self) -> Vec<Arc<StageMetrics>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_on_error(&self, on_error: OnError) {
        self.state().on_error = on_error;
    }

    // ----- start and end

    /// Returns the number of items taken from the input.
    pub(super) fn taken(&self) -> u64 {
        self.taken.get().map_or(0, |taken| taken.load(Ordering::Relaxed))
    }

    /// Starts the pipeline. `taken` counts the items from the input, and `shut` ends the input.
    pub(super) fn begin(&self, taken: Arc<AtomicU64>, shut: Box<dyn FnOnce() + Send>) {
        self.taken.get_or_init(|| taken);
        let mut state = self.state();
        state.began = Some(clock::instant());
        if state.stopped || self.is_cancelled() {
            drop(state);
            shut();
        } else {
            state.shut = Some(shut);
        }
    }

    /// Spawns `work` on `pool`, until it completes or is cancelled.
    pub(super) fn spawn(
        self: &Arc<Self>,
        pool: &Pool,
        priority: Priority,
        stage: &Arc<StageMetrics>,
        work: impl PipelinePart,
    ) {
        let task = self.worker(pool, priority, stage, work);
        let mut state = self.state();
        if self.is_cancelled() {
            drop(state);
            drop(task); // which cancels it
        } else {
            state.tasks.push(task);
        }
    }

    /// Like [`spawn`](Self::spawn), for an input that is a stream. The task ends with the input.
    pub(super) fn spawn_input(self: &Arc<Self>, pool: &Pool, work: impl PipelinePart) {
        let task = self.worker(pool, Priority::Immediate, &self.input, work);
        let mut state = self.state();
        if state.stopped || self.is_cancelled() {
            drop(state);
            drop(task);
        } else {
            state.input = Some(task);
        }
    }

    fn worker(
        self: &Arc<Self>,
        pool: &Pool,
        priority: Priority,
        stage: &Arc<StageMetrics>,
        work: impl PipelinePart,
    ) -> Task<()> {
        self.state().live += 1;
        let mut worker = RunningPart { work: Some(work), is_over: false, stage: stage.clone(), run: self.clone() };
        pool::spawn(pool, priority, poll_fn(move |cx| worker.poll(cx)))
    }

    pub(super) fn is_cancelled(&self) -> bool {
        // ORDERING: Relaxed. A thread that misses the store sees it at its next check; all state
        // that must be seen with it is under the lock.
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Stops taking items from the input. Items that were taken come out.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        let (input, shut) = (state.input.take(), state.shut.take());
        drop(state);
        end_input(input, shut);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped || self.is_cancelled()
    }

    /// Cancels the calls in flight and drops the items between stages.
    pub(super) fn cancel(&self) {
        let mut state = self.state();
        self.cancelled.store(true, Ordering::Relaxed);
        let (tasks, input, shut) = (mem::take(&mut state.tasks), state.input.take(), state.shut.take());
        drop(state);
        end_input(input, shut);
        drop(tasks);
    }

    /// Waits until no stage runs.
    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let (waker, mut after) = (NewWaker::of(cx.waker()), AfterUnlock::<Infallible>::default());
        let mut state = self.state();
        if state.live > 0 {
            state.waiter.register(waker, &mut after);
            return Poll::Pending;
        }
        state.ended.get_or_insert_with(clock::instant);
        let tasks = mem::take(&mut state.tasks);
        drop(state);
        drop(tasks);
        Poll::Ready(())
    }

    /// Removes the waiter for the end, when the wait has ended or is given up.
    pub(super) fn forget_waiter(&self) {
        let mut after = AfterUnlock::<Infallible>::default(); // acts after the release
        self.state().waiter.remove(&mut after);
    }

    // ----- errors

    /// Records that `count` items failed at a stage.
    pub(super) fn failed(&self, stage: &StageMetrics, index: u64, count: usize, cause: Cause) {
        stage.failed(count as u64);
        let error = ItemError::new(stage, index, count, cause);
        let mut state = self.state();
        state.failed += count as u64;
        let unused = match state.on_error {
            OnError::Stop => {
                let unused = put(&mut state.fatal, error);
                drop(state);
                self.cancel();
                unused
            }
            OnError::Skip => Some(error),
            OnError::Collect => {
                state.collected.push(error);
                None
            }
        };
        // The drop of a user's error may panic. The stage must go on, because other items wait for
        // it.
        unwind::ignore_panics(|| drop(unused));
    }

    /// Records a panic that ends the pipeline. The pipeline takes no more items. Items that were
    /// taken come out, and then this error.
    pub(super) fn on_panic(&self, at: &StageMetrics, index: u64, cause: Cause) {
        at.failed(1);
        let error = ItemError::new(at, index, 1, cause);
        let mut state = self.state();
        state.failed += 1;
        let unused = put(&mut state.fatal, error);
        drop(state);
        drop(unused);
        self.stop();
    }

    pub(super) fn take_fatal(&self) -> Option<ItemError> {
        self.state().fatal.take()
    }

    pub(super) fn take_collected(&self) -> Vec<ItemError> {
        mem::take(&mut self.state().collected)
    }

    pub(super) fn failures(&self) -> u64 {
        self.state().failed
    }

    /// Returns how long the pipeline has run, or ran.
    pub(super) fn elapsed(&self) -> Duration {
        let state = self.state();
        let until = state.ended.unwrap_or_else(clock::instant);
        state.began.map_or(Duration::ZERO, |began| until.saturating_duration_since(began))
    }
}

/// Stores the first error. Returns the error that is not stored.
fn put(fatal: &mut Option<ItemError>, error: ItemError) -> Option<ItemError> {
    match fatal {
        Some(_) => Some(error),
        None => {
            *fatal = Some(error);
            None
        }
    }
}

/// Ends the input. Dropping its task cancels the task.
fn end_input(input: Option<Task<()>>, shut: Option<Box<dyn FnOnce() + Send>>) {
    if let Some(shut) = shut {
        shut();
    }
    drop(input);
}

/// A part that runs as a task on a pool. It drops its queue ends before it reports its end.
struct RunningPart<W> {
    work: Option<W>,
    /// Whether the work is complete.
    is_over: bool,
    stage: Arc<StageMetrics>,
    run: Arc<Driver>,
}

impl<W: PipelinePart> RunningPart<W> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(work) = self.work.as_mut().filter(|_| !self.run.is_cancelled()) else { return Poll::Ready(()) };
        let polled = unwind::catch(|| work.poll(cx)).unwrap_or_else(|panic| {
            self.run.on_panic(&self.stage, 0, Cause::of_panic(panic));
            Poll::Ready(())
        });
        self.is_over = polled.is_ready();
        polled
    }
}

impl<W> Drop for RunningPart<W> {
    fn drop(&mut self) {
        // Without an error, a pipeline that is dropped with its simulation would look complete.
        if !self.is_over && sim_runtime::is_past_grace() && !self.run.is_stopped() {
            self.run.on_panic(&self.stage, 0, Cause::SimulationOver);
        }
        let work = self.work.take();
        unwind::ignore_panics(|| drop(work));
        let mut state = self.run.state();
        state.live -= 1;
        let wakes = if state.live == 0 { state.waiter.take() } else { WakeList::default() };
        drop(state);
        wakes.wake();
    }
}
