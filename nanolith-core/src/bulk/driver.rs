//! [`Driver`]: a window, together with the calls that it borrows.
//!
//! A window borrows what its calls are made of, and both belong to one iterator. So they live in a
//! future that the compiler lets borrow from itself. This future never ends: each poll asks the
//! window for the next result, and the [`Link`] carries the question in and the answer out.

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

/// How the work is done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    pub(super) wish: Limits,
    pub(super) priority: Option<Priority>,
    pub(super) unordered: bool,
}

/// What the iterator and the future with the window say to each other.
pub(super) struct Link<T>(Mutex<State<T>>);

struct State<T> {
    settings: Settings,
    /// Whether the thread that asks waits for the answer.
    blocks: bool,
    answer: Option<Answer<T>>,
    figures: Figures,
}

struct Answer<T> {
    next: Next<T>,
    /// What came with it.
    rest: Results<T>,
}

enum Next<T> {
    Result(Option<Result<T, CallError>>),
    /// What the inputs, or the closure that makes calls, threw.
    Panic(Box<dyn Any + Send>),
}

#[derive(Clone, Copy, Default)]
pub(super) struct Figures {
    /// Inputs taken so far.
    pub(super) taken: usize,
    /// Inputs whose result has not come.
    pub(super) under_way: usize,
    /// Whether nothing will come any more.
    pub(super) is_over: bool,
}

impl<T> Link<T> {
    pub(super) fn new() -> Arc<Self> {
        let (settings, figures) = (Settings::default(), Figures::default());
        Arc::new(Self(Mutex::new(State { settings, blocks: false, answer: None, figures })))
    }

    /// Nothing but moves happens under it.
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

/// The iterator's end of it.
pub(super) struct Driver<T, D> {
    run: Pin<Box<D>>,
    link: Arc<Link<T>>,
    /// What has come and was not given out yet.
    results: Results<T>,
}

impl<T: Send + 'static, D: Future<Output = Infallible>> Driver<T, D> {
    pub(super) fn new(run: D, link: Arc<Link<T>>) -> Self {
        Self { run: Box::pin(run), link, results: Results::none() }
    }

    /// Has an effect when the next result is asked for.
    pub(super) fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.link.lock().settings);
    }

    /// An output that is there, unless an error comes first.
    #[inline(always)]
    pub(super) fn next_output(&mut self) -> Option<T> {
        self.results.next_output()
    }

    /// The next result, which the thread waits for.
    #[inline(never)]
    pub(super) fn wait_next(&mut self) -> Option<Result<T, CallError>> {
        match self.ask(true, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => unreachable!("a question that waits is answered"),
        }
    }

    /// The next result; else `cx` is woken when there is one.
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

    /// Whether nothing will come any more.
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
