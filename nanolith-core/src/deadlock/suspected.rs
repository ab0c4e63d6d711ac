//! [`Suspected`]: the stream of suspected deadlocks, which are cycles of waits that may still end
//! by themselves.

use super::WaitCycle;
use crate::context::block_on;
use futures_util::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

/// The maximum number of reports that wait for a subscriber. Later reports are dropped.
const MOST_REPORTS: usize = 256;

static SUBSCRIBERS: Mutex<Vec<flume::Sender<WaitCycle>>> = Mutex::new(Vec::new());

/// Returns a stream of the deadlocks that are suspected in this process from now on.
///
/// A report is a [`WaitCycle`] in which a task also waits for something else: a timer, a channel, a
/// future of another crate. The other wait may still let the task go on, so the cycle is left
/// running. Each cycle is reported once.
///
/// A subscriber that takes no reports keeps 256 of them, and misses later ones.
///
/// ```no_run
/// std::thread::spawn(|| {
///     for cycle in nanolith::deadlock::suspected() {
///         eprintln!("suspected deadlock: {cycle}");
///     }
/// });
/// ```
pub fn suspected() -> Suspected {
    let (report, reports) = flume::bounded(MOST_REPORTS);
    let mut subscribers = SUBSCRIBERS.lock().unwrap_or_else(PoisonError::into_inner);
    subscribers.retain(|subscriber| !subscriber.is_disconnected());
    subscribers.push(report);
    Suspected { reports: reports.into_stream() }
}

/// Sends the report to each subscriber. A send may wake a subscriber, so no lock is held meanwhile.
pub(super) fn report(cycle: &WaitCycle) {
    let subscribers = SUBSCRIBERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for subscriber in subscribers {
        // If the send fails, the channel is full or the subscriber is gone.
        let _ = subscriber.try_send(cycle.clone());
    }
}

/// A stream of suspected deadlocks, returned by [`suspected`]. It is a [`Stream`] and a blocking
/// iterator, and has [`Suspected::recv`].
#[must_use = "it reports what is suspected when it is iterated, polled or asked"]
pub struct Suspected {
    reports: flume::r#async::RecvStream<'static, WaitCycle>,
}

impl Suspected {
    /// Waits for the next report, by `.await` or `.wait()`.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; no report is lost.
    pub fn recv(&mut self) -> NextSuspected<'_> {
        NextSuspected { suspected: self }
    }
}

impl Stream for Suspected {
    type Item = WaitCycle;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WaitCycle>> {
        Pin::new(&mut self.reports).poll_next(cx)
    }
}

impl Iterator for Suspected {
    type Item = WaitCycle;

    fn next(&mut self) -> Option<WaitCycle> {
        self.recv().wait()
    }
}

impl fmt::Debug for Suspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspected").finish_non_exhaustive()
    }
}

/// A wait for the next report, returned by [`Suspected::recv`].
#[must_use = "does nothing until awaited or waited on"]
pub struct NextSuspected<'a> {
    suspected: &'a mut Suspected,
}

impl NextSuspected<'_> {
    /// Blocks until there is a report.
    #[must_use]
    pub fn wait(self) -> Option<WaitCycle> {
        block_on::block_on_any(self)
    }
}

impl Future for NextSuspected<'_> {
    type Output = Option<WaitCycle>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.suspected).poll_next(cx)
    }
}

impl fmt::Debug for NextSuspected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextSuspected").finish_non_exhaustive()
    }
}
