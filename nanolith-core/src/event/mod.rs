//! Streams of events: what happens to a pool, a service, a circuit breaker or the whole process.
//!
//! Each of these methods returns an [`Events`]:
//!
//! | method | event | unread events | end |
//! |---|---|---|---|
//! | `ServiceControl::life` | `LifeEvent` | all are kept | after the service's last event |
//! | `Pool::events` | `PoolEvent` | one of each kind is kept | the pool is closed and its last call has ended |
//! | `CircuitBreaker::transitions` | `Transition` | all are kept | never |
//! | [`deadlock::suspected`](crate::deadlock::suspected) | [`WaitCycle`](crate::deadlock::WaitCycle) | the first 256 are kept | never |
//! | `blocked_async_threads`, with the feature `tokio` | `BlockedAsyncThread` | the first 256 are kept | never |
//! | `ProcessPool::events`, of `nanolith-process` | `ProcessEvent` | the newest 256 are kept | the pool is closed and its children are gone |
//!
//! The events of a pool are read from its counters, so that a pool under load keeps no list. The
//! reports of suspected deadlocks and of blocked threads are bounded, since a program may leave
//! their stream unread.
//!
//! ```
//! use nanolith::{event::TryRecvError, prelude::*, service::LifeEvent};
//! # use nanolith_doc_sets::*;
//! let counter = Counter::service(10).launch().wait()?;
//! let mut life = counter.control().life();
//! assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
//! assert!(matches!(life.try_recv(), Err(TryRecvError::Empty)));
//! counter.close().wait()?;
//! assert!(matches!(life.next(), Some(LifeEvent::Closed)));
//! assert!(matches!(life.try_recv(), Err(TryRecvError::Ended)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "tokio")]
mod blocked_async_threads;
pub(crate) mod publisher;

#[cfg(feature = "tokio")]
pub use blocked_async_threads::{BlockedAsyncThread, blocked_async_threads};

use crate::{
    call::backend::ExecutorId,
    context::{
        block_on,
        wait::{self, Sealed, Wait},
    },
    wake::subscribers::{Subscribers, Subscription},
};
use futures_util::Stream;
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A stream of events: a `Stream`, a blocking iterator, and [`Events::recv`].
///
/// The [module](self) says which events are kept until they are read. After the last event, every
/// read gives the end: `None`, or [`TryRecvError::Ended`].
#[must_use = "an event is received only if the stream is read"]
pub struct Events<T> {
    source: Box<dyn EventSource<T>>,
}

/// The source of an [`Events`].
pub(crate) trait EventSource<T>: Send + Sync {
    /// Returns the next event, or `None` after the last.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>>;

    /// Like [`poll_next`](Self::poll_next), and leaves the waker of the last poll in place.
    fn try_next(&mut self) -> Poll<Option<T>>;

    /// Drops the waker of the last poll.
    fn forget_waker(&mut self);

    /// Returns the executor whose events these are, if a thread of it may not wait for them.
    fn executor(&self) -> Option<ExecutorId> {
        None
    }
}

impl<T: Send + 'static> EventSource<T> for Subscription<T> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Stream::poll_next(Pin::new(self), cx)
    }

    fn try_next(&mut self) -> Poll<Option<T>> {
        self.try_next()
    }

    fn forget_waker(&mut self) {
        self.forget_waker();
    }
}

impl<T> Events<T> {
    pub(crate) fn new(source: impl EventSource<T> + 'static) -> Self {
        Self { source: Box::new(source) }
    }

    /// Waits for the next event, by `.await` or `.wait()`. Yields `None` after the last event.
    ///
    /// ```
    /// # use nanolith::{pool::PoolEvent, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// # pollster::block_on(async {
    /// let mut events = pool.events();
    /// Geometry::on(&pool).add(4, 5).await?;
    /// assert_eq!(events.recv().await, Some(PoolEvent::Drained));
    /// # Ok::<(), CallError>(()) }).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no event is lost.
    pub fn recv(&mut self) -> Next<'_, T> {
        Next { events: self }
    }

    /// Returns the next event if it has happened, without waiting.
    ///
    /// ```
    /// # use nanolith::{event::TryRecvError, layers::CircuitBreaker};
    /// let breaker = CircuitBreaker::new();
    /// let mut transitions = breaker.transitions();
    /// assert_eq!(transitions.try_recv(), Err(TryRecvError::Empty));
    /// breaker.trip();
    /// assert!(transitions.try_recv().is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`TryRecvError::Empty`] if there is no event now, and [`TryRecvError::Ended`] after
    /// the last event.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.source.try_next() {
            Poll::Ready(event) => event.ok_or(TryRecvError::Ended),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }
}

impl<T: Clone + Send + 'static> Events<T> {
    /// Subscribes to the events that `publisher` publishes.
    pub(crate) fn of(publisher: &Subscribers<T>) -> Self {
        Self::new(publisher.subscribe())
    }
}

impl<T> Stream for Events<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.source.poll_next(cx)
    }
}

impl<T> Iterator for Events<T> {
    type Item = T;

    #[cfg_attr(feature = "tokio", track_caller)]
    fn next(&mut self) -> Option<T> {
        self.recv().wait()
    }
}

impl<T> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// A future that waits for the next event. [`Events::recv`] creates it.
///
/// A dropped `Next` removes its waker.
#[must_use = "does nothing until awaited or waited on"]
pub struct Next<'a, T> {
    events: &'a mut Events<T>,
}

impl<T> Sealed for Next<'_, T> {}

impl<T> Wait for Next<'_, T> {
    type Pending = Self;

    /// Waits until the next event. On the last free thread of a pool, a wait for an event of that
    /// pool returns `None`, because the wait would prevent the event.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// let mut events = pool.events();
    /// pool.close();
    /// assert_eq!(events.recv().wait(), None);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    fn wait(self) -> Option<T> {
        let executor = self.events.source.executor();
        block_on::block_on(self, executor).ok().flatten()
    }

    fn wait_timeout(self, limit: Duration) -> Result<Option<T>, Self> {
        match self.events.source.executor() {
            Some(executor) => wait::timeout_on(self, executor, limit).map(|event| event.ok().flatten()),
            None => wait::timeout(self, limit),
        }
    }
}

impl<T> Future for Next<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.events.source.poll_next(cx)
    }
}

impl<T> Drop for Next<'_, T> {
    fn drop(&mut self) {
        self.events.source.forget_waker();
    }
}

impl<T> fmt::Debug for Next<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

/// The error of [`Events::try_recv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no event now. An event may still happen.
    Empty,
    /// There will be no more events.
    Ended,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there is no event now",
            Self::Ended => "the stream of events has ended",
        })
    }
}

impl Error for TryRecvError {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::wake::test_waker::CountingWaker;
    use futures_util::StreamExt as _;
    use std::pin::pin;

    #[test]
    fn every_read_gives_the_same_events_and_then_the_end() {
        let publisher = Subscribers::replaying(1);
        let [mut waits, mut polls, mut tries] = [(); 3].map(|()| Events::of(&publisher));
        assert_eq!(tries.try_recv(), Ok(1));
        assert_eq!(tries.try_recv(), Err(TryRecvError::Empty));
        publisher.publish_last(&2);
        assert_eq!([(); 3].map(|()| waits.recv().wait()), [Some(1), Some(2), None]);
        let polled: Vec<_> = block_on::block_on_any(futures_util::StreamExt::collect(&mut polls));
        assert_eq!((polled, polls.recv().wait()), (vec![1, 2], None));
        assert_eq!([(); 3].map(|()| tries.try_recv()), [Ok(2), Err(TryRecvError::Ended), Err(TryRecvError::Ended)]);
    }

    #[test]
    fn dropped_next_removes_its_waker_and_keeps_events() {
        let publisher = Subscribers::new();
        let (mut events, waker) = (Events::of(&publisher), CountingWaker::new());
        {
            let mut next = pin!(events.recv());
            assert!(next.as_mut().poll(&mut Context::from_waker(&waker.waker())).is_pending());
        }
        publisher.publish(&7);
        assert_eq!((waker.wakes(), waker.clones()), (0, 0));
        assert_eq!(events.recv().wait(), Some(7));
    }

    #[test]
    fn try_recv_keeps_the_waker_of_a_poll() {
        let publisher = Subscribers::new();
        let (mut events, waker) = (Events::of(&publisher), CountingWaker::new());
        assert!(events.poll_next_unpin(&mut Context::from_waker(&waker.waker())).is_pending());
        assert_eq!(events.try_recv(), Err(TryRecvError::Empty));
        publisher.publish(&7);
        assert_eq!((waker.wakes(), events.try_recv()), (1, Ok(7)));
    }

    #[test]
    fn bounded_stream_keeps_the_first_events() {
        let publisher = Subscribers::bounded(2);
        let mut events = Events::of(&publisher);
        (1..=3).for_each(|event| publisher.publish(&event));
        assert_eq!([(); 3].map(|()| events.try_recv()), [Ok(1), Ok(2), Err(TryRecvError::Empty)]);
    }
}
