//! Notifies a host, such as a game loop, that its `Local` has work: by a handler, or by the future
//! [`WorkAvailable`].

use super::{Local, local_shared::Watchers, state::LocalState};
use crate::{
    context::wait::{self, Sealed, Wait},
    wake::{Registration, WakeList},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

/// A description of the work that arrived at an idle [`Local`].
///
/// ```
/// use nanolith::{Local, prelude::*};
/// use std::sync::mpsc::channel;
/// # use nanolith_doc_sets::*;
/// let local = Local::new();
/// let (post, messages) = channel();
/// local.on_work(move |hint| drop(post.send(hint)));
/// let job = Geometry::on(&local).add(4, 5).priority(Priority::Immediate).submit();
/// assert!(messages.recv()?.is_expired(), "it is to run before all else");
/// # drop(job);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkHint {
    serve_within: Duration,
}

impl WorkHint {
    pub(super) fn new(serve_within: Duration) -> Self {
        Self { serve_within }
    }

    /// Returns how long the work may wait at most: the time until the first of it expires. Zero if
    /// it has expired.
    #[must_use]
    pub fn serve_within(&self) -> Duration {
        self.serve_within
    }

    /// Returns whether the work should run at once.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.serve_within.is_zero()
    }
}

impl Local {
    /// Sets a handler that is called when work arrives while no thread drives. It is called once,
    /// until the next turn. The handler can post a message to the host's loop. A later handler
    /// replaces an earlier handler.
    ///
    /// The handler runs on the thread that submits or wakes the work: any thread, or the timer
    /// thread. So it should be brief, and must not drive. A handle of this `Local` inside the
    /// handler keeps the `Local` alive for ever. A panic of the handler is ignored. Work that is
    /// [left](crate::local::RunReport::has_work) after a turn does not call the handler again.
    ///
    /// ```
    /// use nanolith::{Local, prelude::*};
    /// use std::sync::mpsc::channel;
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let (wake, wakes) = channel(); // the host's own loop
    /// local.on_work(move |_| drop(wake.send(())));
    /// let geometry = Geometry::on(&local);
    /// let jobs = [(1, 2), (4, 5)].map(|(x, y)| geometry.add(x, y).submit());
    /// wakes.recv()?;
    /// assert_eq!(local.run_slice().ran(), 2);
    /// assert!(wakes.try_recv().is_err(), "it is called once");
    /// # drop(jobs);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_work(&self, handler: impl Fn(WorkHint) + Send + Sync + 'static) {
        let handler: Arc<dyn Fn(WorkHint) + Send + Sync> = Arc::new(handler);
        let before = {
            let mut known = self.inner().on_work.lock().unwrap_or_else(PoisonError::into_inner);
            known.replace(handler)
        };
        drop(before);
        let mut core = self.inner().lock();
        core.notified = false;
        self.inner().release(core, WakeList::default());
    }

    /// Waits until there is work and no thread drives.
    ///
    /// ```
    /// # use nanolith::{Local, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let local = Local::new();
    /// let geometry = Geometry::on(&local);
    /// let submitted = std::thread::spawn(move || geometry.add(4, 5).submit());
    /// # pollster::block_on(async {
    /// local.work_available().await; // in the host's own async loop
    /// # });
    /// assert_eq!(local.run_slice().ran(), 1);
    /// # submitted.join().expect("it does not panic");
    /// ```
    pub fn work_available(&self) -> WorkAvailable {
        WorkAvailable { waiter: Registration::new(Watchers(self.inner().clone())) }
    }
}

/// A future that completes when there is work and no thread drives. Made by
/// [`Local::work_available`].
///
/// ```
/// # use nanolith::{Local, prelude::*};
/// # use nanolith_doc_sets::*;
/// # let local = Local::new();
/// let job = Geometry::on(&local).add(4, 5).submit();
/// local.work_available().wait(); // there is some
/// # drop(job);
/// ```
///
/// # Cancel safety
///
/// The future can be dropped and created again at any time.
#[must_use = "does nothing until awaited or waited on"]
pub struct WorkAvailable {
    waiter: Registration<Watchers>,
}

impl Future for WorkAvailable {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiter.poll_until(cx.waker(), LocalState::has_work_for_driver)
    }
}

impl Sealed for WorkAvailable {}

impl Wait for WorkAvailable {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl fmt::Debug for WorkAvailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkAvailable").finish_non_exhaustive()
    }
}
