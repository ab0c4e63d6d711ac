//! A concurrency limit
//! ([bulkhead](https://learn.microsoft.com/azure/architecture/patterns/bulkhead)): a semaphore
//! around an executor.

use super::layered::{EnterResult, Entering, LayerPolicy, LayerStack, Transparent, layer};
use crate::util::checked::at_least_one;
use crate::{
    context::thread_context,
    error::SubmitError,
    executor::Executor,
    meta::visited_layers::LayerId,
    task::{Job, TaskSet},
    wake::{AfterUnlock, Deferred, NewWaker, WaitQueue, WaitState, WaitTicket},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// A layer that lets at most a fixed number of calls run at the same time. Other calls wait their
/// turn, first come first served, or are rejected. So calls of one kind cannot take all of an
/// executor that several kinds share.
///
/// ```
/// use nanolith::{TaskSet, layers::{ConcurrencyLimit, Layer}, prelude::*};
/// # use nanolith_doc_sets::*;
/// let limit = ConcurrencyLimit::new(2);
/// let geometry = Geometry::calls(limit.clone().layer(Pool::builder().build()?));
/// let jobs: Vec<_> = (0..100).map(|n| geometry.add(n, n).submit()).collect(); // waits while two are under way
/// for job in jobs {
///     job.wait()?;
/// }
/// assert_eq!((limit.in_flight(), limit.waiting()), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A call counts from the moment when it is let through until it is over, however it ends. A task
/// that is cancelled while it runs may continue for a while after that. A waiting call that is
/// cancelled, or times out, leaves the line. Clones share the limit.
///
/// A task that came through the limit may itself submit calls through the same limit. Such a call
/// is let through at once, beyond the limit, since the task would wait for itself otherwise.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct ConcurrencyLimit {
    places: Arc<Places>,
}

struct Places {
    id: LayerId,
    most: usize,
    most_waiting: usize,
    taken: Deferred<Taken>,
}

#[derive(Default)]
struct Taken {
    count: usize,
    line: WaitQueue,
}

impl ConcurrencyLimit {
    /// Creates a limit of `calls` at the same time: at least 1. Any number of calls may wait.
    ///
    /// # Panics
    ///
    /// If `calls` is 0.
    #[track_caller]
    pub fn new(calls: usize) -> Self {
        Self::with(at_least_one("calls", calls), usize::MAX)
    }

    /// Sets the maximum number of calls that wait. Further calls are rejected. With 0 no call
    /// waits.
    ///
    /// This returns a new layer with its own line, so set it before the layer is cloned.
    ///
    /// ```
    /// # use nanolith::layers::ConcurrencyLimit;
    /// let strict = ConcurrencyLimit::new(8).max_waiting(0);
    /// ```
    pub fn max_waiting(self, calls: usize) -> Self {
        Self::with(self.places.most, calls)
    }

    fn with(most: usize, most_waiting: usize) -> Self {
        let taken = Deferred::default();
        Self { places: Arc::new(Places { id: LayerId::new(), most, most_waiting, taken }) }
    }

    /// Returns the number of calls that were let through and are not over.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.places.taken.with(|taken, _| taken.count)
    }

    /// Returns the number of calls that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.places.taken.with(|taken, _| taken.line.waiting())
    }
}

impl Places {
    fn free(&self, taken: &Taken) -> usize {
        self.most.saturating_sub(taken.count + taken.line.granted())
    }

    /// Takes a free place if no call waits for it, or a place beyond the limit for a call from
    /// inside.
    fn take(self: &Arc<Self>) -> Option<Place> {
        let inside = thread_context::is_within_layer(self.id);
        let is_taken = self.taken.with(|taken, _| {
            let has_place = inside || self.has_place(taken);
            taken.count += usize::from(has_place);
            has_place
        });
        is_taken.then(|| Place(self.clone()))
    }

    fn has_place(&self, taken: &Taken) -> bool {
        self.free(taken) > 0 && !taken.line.has_waiting()
    }

    /// Changes the count or the line under the lock, and grants free places to waiting calls.
    fn change(&self, change: impl FnOnce(&mut Taken, &mut AfterUnlock)) {
        self.taken.with(|taken, after| {
            change(taken, after);
            let free = self.free(taken);
            taken.line.grant_first(free, after);
        });
    }

    /// Refuses the job because no place is free. The job may wait for a place, unless too many
    /// calls wait.
    fn refuse<S: TaskSet>(&self, job: Job<S>) -> SubmitError<Job<S>> {
        if self.taken.with(|taken, _| taken.line.waiting()) >= self.most_waiting {
            return reject(job);
        }
        let error = job.full();
        SubmitError::new(job, error)
    }

    /// Lets the job through. It keeps the place until its call is over.
    fn let_in<S: TaskSet>(&self, job: Job<S>, place: Place) -> EnterResult<S, ()> {
        let Ok((task, reply)) = job.start_delegating() else { return EnterResult::Finished };
        let job = Job::delegate(reply, task, |reply, outcome| {
            drop(place);
            reply.complete(outcome);
        });
        job.mark_layer(self.id);
        EnterResult::Forward(job, ())
    }
}

fn reject<S: TaskSet>(job: Job<S>) -> SubmitError<Job<S>> {
    let error = job.rejected("ConcurrencyLimit");
    SubmitError::new(job, error)
}

/// A place that is taken until this value is dropped.
struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.change(|taken, _| taken.count -= 1);
    }
}

layer!(ConcurrencyLimit);
impl Transparent for ConcurrencyLimit {}

impl<S: TaskSet> LayerPolicy<S> for ConcurrencyLimit {
    type Reservation = ();

    fn enter<E: Executor<S> + 'static>(around: &Arc<LayerStack<Self, E>>, job: Job<S>) -> EnterResult<S, ()> {
        let places = &around.layer.places;
        match places.take() {
            Some(place) => places.let_in(job, place),
            None => EnterResult::Refused(places.refuse(job)),
        }
    }

    fn admit<'a, E>(around: &'a Arc<LayerStack<Self, E>>, job: Job<S>) -> Entering<'a, S, ()>
    where
        E: Executor<S> + 'static,
    {
        let places = &around.layer.places;
        Box::pin(async move {
            match (Waiting { places, ticket: None }).await {
                Some(place) => places.let_in(job, place),
                None => EnterResult::Refused(reject(job)),
            }
        })
    }
}

/// A future that waits for a place. Its output is `None` if too many calls wait.
struct Waiting<'a> {
    places: &'a Arc<Places>,
    ticket: Option<WaitTicket>,
}

impl Waiting<'_> {
    fn ask(&mut self, waker: &Waker) -> Poll<Option<Place>> {
        if self.ticket.is_none() {
            if let Some(place) = self.places.take() {
                return Poll::Ready(Some(place));
            }
        }
        let (mut waker, places) = (NewWaker::of(waker), self.places);
        let takes = places.taken.with(|taken, _| {
            let takes = match self.ticket {
                Some(ticket) if taken.line.redeem(ticket, &mut waker) == WaitState::Granted(()) => Poll::Ready(true),
                Some(_) => Poll::Pending,
                // A place may have become free since the check above, while no call waited.
                None if places.has_place(taken) => Poll::Ready(true),
                None if taken.line.waiting() >= places.most_waiting => Poll::Ready(false),
                None => {
                    self.ticket = Some(taken.line.join((), &mut waker));
                    Poll::Pending
                }
            };
            taken.count += usize::from(takes == Poll::Ready(true));
            takes
        });
        if takes.is_ready() {
            self.ticket = None;
        }
        takes.map(|takes| takes.then(|| Place(places.clone())))
    }
}

impl Future for Waiting<'_> {
    type Output = Option<Place>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Place>> {
        self.ask(cx.waker())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.places.change(|taken, after| _ = taken.line.leave(ticket, after));
        }
    }
}

impl fmt::Debug for ConcurrencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("most", &self.places.most)
            .field("in_flight", &self.in_flight())
            .field("waiting", &self.waiting())
            .finish()
    }
}
