//! [`CallSpan`]: the span of a call, from its submission to its end.

use super::{Carrier, propagator};
use crate::{
    meta::{priority::Priority, task_info::TaskInfo},
    time::clock,
    util::unwind,
};
use std::{
    cell::RefCell,
    marker::PhantomData,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tracing::{
    Level, Span, enabled,
    field::Empty,
    level_filters::{LevelFilter, STATIC_MAX_LEVEL},
    span,
};

/// Returns whether the program has a subscriber at all, for any level.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    STATIC_MAX_LEVEL != LevelFilter::OFF && LevelFilter::current() != LevelFilter::OFF
}

/// The relation of a new span to the code that submits its call.
#[derive(Clone, Copy)]
pub(crate) enum SpanParent<'a> {
    /// The current span is the parent.
    Current,
    /// The span is a root that follows from the current span.
    Linked,
    /// The parent is in another process.
    Carrier(&'a Carrier),
}

/// The span of a call.
pub(crate) struct CallSpan {
    /// The span, until the call is over.
    span: Mutex<Option<Arc<Span>>>,
    /// Whether the span is of this crate. Otherwise it is the span in which the call was submitted.
    is_own: bool,
    /// When the task began first, in nanoseconds of `clock::now`; zero until then.
    began: AtomicU64,
}

impl CallSpan {
    /// Opens the span of a call that is submitted now on this thread. Returns `None` if the subscriber
    /// does not want it, and there is no other span for the task.
    #[cold]
    pub(crate) fn open(task: &'static TaskInfo, priority: Priority, parent: SpanParent<'_>) -> Option<Self> {
        let own = own_span(task, priority, parent);
        let is_own = !own.is_disabled();
        let span = if is_own { own } else { submitter(parent)? };
        Some(Self { span: Mutex::new(Some(Arc::new(span))), is_own, began: AtomicU64::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Span>>> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the span, unless the call is over.
    pub(crate) fn get(&self) -> Option<Arc<Span>> {
        self.lock().clone()
    }

    /// Records the start of the task. `submitted_at` is the moment of the submission, in nanoseconds.
    /// If the task begins again, nothing is recorded.
    pub(crate) fn begin(&self, submitted_at: u64, executor: Option<&str>) {
        let now = clock::now().max(1);
        // ORDERING: Relaxed, also in `close`: a time. The end of the call follows its start by the
        // slot's state.
        if !self.is_own || self.began.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let Some(span) = self.get() else { return };
        unwind::ignore_panics(|| {
            span.record("wait_us", micros(now.saturating_sub(submitted_at)));
            if let Some(executor) = executor {
                span.record("executor", executor);
            }
        });
    }

    /// Takes the span out, because the call ends. [`EndedSpan::close`] follows. Only the first end
    /// gets the span.
    pub(crate) fn end(&self, outcome: &'static str) -> Option<EndedSpan> {
        let span = self.lock().take()?;
        let began = self.began.load(Ordering::Relaxed);
        let ran = (began > 0).then(|| clock::now().saturating_sub(began));
        Some(EndedSpan { span, is_own: self.is_own, ran, outcome })
    }
}

/// The span of a call that is over.
#[must_use = "the subscriber learns of the end by `close`"]
pub(crate) struct EndedSpan {
    span: Arc<Span>,
    is_own: bool,
    ran: Option<u64>,
    outcome: &'static str,
}

impl EndedSpan {
    /// Records how the call ended, and closes the span. This runs code of the subscriber.
    pub(crate) fn close(self) {
        let Self { span, is_own, ran, outcome } = self;
        unwind::ignore_panics(move || {
            if is_own {
                if let Some(ran) = ran {
                    span.record("run_us", micros(ran));
                }
                span.record("outcome", outcome);
            }
            drop(span);
        });
    }
}

/// Makes a span the current span of this thread until it is dropped.
#[must_use = "the span is left when this is dropped"]
pub(crate) struct SpanGuard {
    span: Arc<Span>,
    here: PhantomData<*const ()>,
}

impl SpanGuard {
    pub(crate) fn enter(span: Arc<Span>) -> Self {
        unwind::ignore_panics(|| {
            span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
        });
        Self { span, here: PhantomData }
    }
}

impl Drop for SpanGuard {
    #[cold]
    fn drop(&mut self) {
        unwind::ignore_panics(|| {
            self.span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
        });
    }
}

thread_local! {
    /// The spans of the synchronous tasks that run on this thread, the innermost last.
    static ENTERED: RefCell<Vec<SpanGuard>> = const { RefCell::new(Vec::new()) };
}

/// Makes a span the current span of this thread until [`leave`]. Unlike a guard, it takes no room in
/// the frame of a task without a span.
pub(crate) fn enter(span: Arc<Span>) -> bool {
    let guard = SpanGuard::enter(span);
    ENTERED.try_with(|entered| entered.borrow_mut().push(guard)).is_ok()
}

/// Leaves the span that this thread entered last.
#[cold]
pub(crate) fn leave() {
    let guard = ENTERED.try_with(|entered| entered.borrow_mut().pop());
    drop(guard);
}

/// Returns the span in which a call without a span of its own was submitted.
fn submitter(parent: SpanParent<'_>) -> Option<Span> {
    match parent {
        SpanParent::Current if enabled!(target: "nanolith::context", Level::ERROR) => {
            Some(Span::current()).filter(|span| !span.is_disabled())
        }
        _ => None,
    }
}

/// Returns the number of a call.
fn next_identifier() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // ORDERING: Relaxed, the number publishes nothing but itself.
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

fn own_span(task: &'static TaskInfo, priority: Priority, parent: SpanParent<'_>) -> Span {
    macro_rules! open {
        ($name:literal, $($parent:tt)*) => {
            span!(
                target: "nanolith::call",
                $($parent)*
                Level::TRACE,
                $name,
                set = task.set(),
                task = task.name(),
                identifier = next_identifier(),
                priority = ?priority,
                executor = Empty,
                wait_us = Empty,
                run_us = Empty,
                outcome = Empty,
            )
        };
    }
    match parent {
        SpanParent::Current => open!("call",),
        SpanParent::Linked => {
            let span = open!("message", parent: None,);
            span.follows_from(Span::current());
            span
        }
        SpanParent::Carrier(carrier) => {
            let span = open!("call", parent: None,);
            if !span.is_disabled() {
                propagator::extract(&span, carrier);
            }
            span
        }
    }
}

#[allow(clippy::cast_precision_loss)] // a duration in microseconds, to a fraction
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}
