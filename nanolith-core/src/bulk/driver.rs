//! [`Driver`] polls a coroutine made from an `async` block. The block holds a [`Window`], which is
//! the calls in flight of one bulk operation, and the value that these calls borrow.
//!
//! A window borrows the value that its calls are made from, and one iterator owns both. Therefore
//! both live in one `async` block, which the compiler lets borrow from itself. This future never
//! completes: each poll asks the window for the next result. The [`Link`] carries the question in
//! and the answer out.

use super::{batch_size::Limits, results::Results, source::Source, window::Window};
use crate::{error::CallError, executor::Executor, meta::priority::Priority, task::TaskSet};
use std::{
    any::Any,
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    mem,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The options of an [`Each`](super::Each) or an [`EachStream`](super::EachStream).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    pub(super) wish: Limits,
    pub(super) priority: Option<Priority>,
    pub(super) unordered: bool,
}

/// The shared state of the iterator and the future that holds the window.
pub(super) struct Link<T>(Mutex<State<T>>);

struct State<T> {
    settings: Settings,
    /// Whether the asking thread blocks until the answer exists.
    blocks: bool,
    answer: Option<Answer<T>>,
    figures: Figures,
}

struct Answer<T> {
    next: Next<T>,
    /// The other results of the same batch.
    rest: Results<T>,
}

enum Next<T> {
    Result(Option<Result<T, CallError>>),
    /// The payload of a panic in the inputs or in the closure that makes calls.
    Panic(Box<dyn Any + Send>),
}

#[derive(Clone, Copy, Default)]
pub(super) struct Figures {
    /// The number of inputs taken.
    pub(super) taken: usize,
    /// The number of inputs without a result yet.
    pub(super) under_way: usize,
    /// Whether no result follows.
    pub(super) is_over: bool,
}

impl<T> Link<T> {
    pub(super) fn new() -> Arc<Self> {
        let (settings, figures) = (Settings::default(), Figures::default());
        Arc::new(Self(Mutex::new(State { settings, blocks: false, answer: None, figures })))
    }

    /// Locks the state. Under the lock, values are only moved: no user code runs.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers each poll with the next result of `window`.
pub(super) async fn serve<'a, S, E, T, M>(mut window: Window<'a, S, E, T, M>, link: Arc<Link<T>>) -> Infallible
where
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
    M: Source<'a, S, E, T>,
{
    poll_fn(|cx| {
        let State { settings, blocks, .. } = *link.lock();
        window.set(settings);
        let next = panic::catch_unwind(AssertUnwindSafe(|| match blocks {
            true => Poll::Ready(window.wait_next()),
            false => window.poll_next(cx),
        }));
        let next = match next {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(result)) => Some(Next::Result(result)),
            Err(payload) => Some(Next::Panic(payload)),
        };
        let answer = next.map(|next| Answer { next, rest: mem::replace(&mut window.results, Results::none()) });
        let figures = window.figures();
        let mut state = link.lock();
        (state.answer, state.figures) = (answer, figures);
        Poll::Pending
    })
    .await
}

/// The iterator's side of the [`Link`].
pub(super) struct Driver<T, D> {
    run: Pin<Box<D>>,
    link: Arc<Link<T>>,
    /// Results that have arrived and were not returned yet.
    results: Results<T>,
}

impl<T: Send + 'static, D: Future<Output = Infallible>> Driver<T, D> {
    pub(super) fn new(run: D, link: Arc<Link<T>>) -> Self {
        Self { run: Box::pin(run), link, results: Results::none() }
    }

    /// Changes the settings. The change takes effect when the next result is requested.
    pub(super) fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.link.lock().settings);
    }

    /// Returns the next stored output, unless an error comes before it.
    #[inline(always)]
    pub(super) fn next_output(&mut self) -> Option<T> {
        self.results.next_output()
    }

    /// Blocks until the next result exists and returns it.
    #[inline(never)]
    pub(super) fn wait_next(&mut self) -> Option<Result<T, CallError>> {
        match self.ask(true, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => unreachable!("a question that waits is answered"),
        }
    }

    /// Returns the next result. If it is pending, `cx` is woken when it exists.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        self.ask(false, cx)
    }

    fn ask(&mut self, blocks: bool, cx: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        if let Some(result) = self.results.next() {
            return Poll::Ready(Some(result));
        }
        self.link.lock().blocks = blocks;
        let Poll::Pending = self.run.as_mut().poll(cx);
        let Some(Answer { next, rest }) = self.link.lock().answer.take() else { return Poll::Pending };
        self.results = rest;
        match next {
            Next::Result(result) => Poll::Ready(result),
            Next::Panic(payload) => panic::resume_unwind(payload),
        }
    }

    /// Returns whether no result follows.
    pub(super) fn is_over(&self) -> bool {
        self.results.is_empty() && self.link.lock().figures.is_over
    }
}

impl<T, D> Driver<T, D> {
    pub(super) fn describe(&self, mut f: fmt::DebugStruct<'_, '_>) -> fmt::Result {
        let Figures { taken, under_way, .. } = self.link.lock().figures;
        f.field("taken", &taken).field("under_way", &under_way).finish_non_exhaustive()
    }
}
