//! [`ServiceControl`]: less common operations of a service: its restart, its life events, its
//! measurements, its thread.

#[cfg(feature = "metrics-export")]
use super::Service;
use super::{
    Close,
    events::{Crash, LifeEvent},
    service_shared::ServiceShared,
};
#[cfg(feature = "metrics-export")]
use crate::metrics::MetricsSource;
use crate::{event::Events, task::TaskSet};
use std::{fmt, sync::Arc, thread::Thread};

/// The restart, the life events, the metrics and the thread of a service, and what is attached to
/// it. Returned by [`Service::control`](super::Service::control).
///
/// ```
/// use nanolith::{prelude::*, service::LifeEvent};
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?; // the counter starts at 10
/// let control = counter.control();
/// assert!(matches!(control.life().recv().wait(), Some(LifeEvent::Started)));
/// assert_eq!(control.thread().map(|thread| thread.id()), counter.info().thread_id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ServiceControl<'a, S: TaskSet> {
    pub(super) inner: &'a Arc<ServiceShared<S>>,
}

impl<S: TaskSet> ServiceControl<'_, S> {
    /// Waits until the service has ended. Does not close it.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// let end = counter.control().closed();
    /// drop(counter); // the last handle: the service closes
    /// end.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The returned [`Close`] yields them: see [`CloseError`](super::CloseError).
    pub fn closed(&self) -> Close<S> {
        Close::new(self.inner.clone())
    }

    /// Restarts the service, as after a crash: the state is dropped and `#[init]` makes a new one.
    /// The running call finishes first. This restart counts against no limit. Requests made before
    /// the restart begins are merged into one. Does nothing if the service has already ended.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::{LifeEvent, Restart}};
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).restart(Restart::on_panic()).launch().wait()?;
    /// assert_eq!(counter.bump(5).wait()?, 15);
    /// let mut life = counter.control().life();
    /// counter.control().restart()?;
    /// assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
    /// assert!(matches!(life.recv().wait(), Some(LifeEvent::Restarted { .. })));
    /// assert_eq!(counter.bump(5).wait()?, 15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RestartError`] if the service was launched without a restart policy.
    pub fn restart(&self) -> Result<(), RestartError> {
        if !self.inner.restarts {
            return Err(RestartError);
        }
        self.inner.restart(Crash::Asked);
        Ok(())
    }

    /// Returns the stream of the service's life events. It begins with the latest start, restart or
    /// end. It keeps all events until they are read, and ends after [`LifeEvent::Closed`] or
    /// [`LifeEvent::GaveUp`].
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::LifeEvent};
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().launch().wait()?;
    /// let life = geometry.control().life();
    /// drop(geometry);
    /// for event in life {
    ///     println!("{event:?}"); // Started, Closed
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn life(&self) -> Events<LifeEvent> {
        self.inner.watchers.join()
    }

    /// Returns how long calls waited and ran, by task, and how busy the thread was. `None` unless
    /// the service was built with metrics. A restart keeps the measurements.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let geometry = Geometry::service().metrics(true).launch().wait()?;
    /// geometry.add(4, 5).wait()?;
    /// if let Some(metrics) = geometry.control().metrics() {
    ///     println!("{}", metrics.run_time());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(&self) -> Option<crate::metrics::Metrics> {
        self.inner.recorder.read(1)
    }

    /// Discards the measurements and starts again from zero.
    #[cfg(feature = "metrics")]
    pub fn reset_metrics(&self) {
        self.inner.recorder.reset();
    }

    /// Returns the service's own thread, or `None` if the service runs on a pool.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).name("counter").launch().wait()?;
    /// let thread = counter.control().thread().expect("it has a thread of its own");
    /// assert_eq!(thread.name(), Some("counter"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn thread(&self) -> Option<Thread> {
        self.inner.thread()
    }
}

#[cfg(feature = "metrics-export")]
impl<S: TaskSet> Service<S> {
    /// Returns what an exporter reads. It does not keep the service.
    pub(crate) fn metrics_source(&self) -> MetricsSource {
        let inner = self.executor.inner();
        let service = Arc::downgrade(inner);
        let depth = move || service.upgrade().map(|service| service.info()).map(|info| info.queue_len + info.overflow);
        MetricsSource::new(inner.name.clone(), inner.recorder.clone(), depth)
    }
}

impl<S: TaskSet> Clone for ServiceControl<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: TaskSet> Copy for ServiceControl<'_, S> {}

impl<S: TaskSet> fmt::Debug for ServiceControl<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceControl").field("service", &self.inner.info()).finish()
    }
}

/// The error of [`ServiceControl::restart`] for a service that was launched without a restart
/// policy.
///
/// ```
/// use nanolith::{prelude::*, service::RestartError};
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::service().launch().wait()?;
/// assert_eq!(geometry.control().restart(), Err(RestartError));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartError;

impl fmt::Display for RestartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service has no restart policy: launch it with `.restart(..)`")
    }
}

impl std::error::Error for RestartError {}
