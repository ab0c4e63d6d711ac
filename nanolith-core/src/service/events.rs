//! The life events of a service, and the streams that deliver them to subscribers.

use super::InitError;
use crate::{
    error::{CallError, Cause, Panic},
    event::Events,
    meta::task_info::TaskInfo,
    wake::subscribers::Subscribers,
};
use std::{error::Error, fmt, sync::Arc};

/// The reason of a service's crash or restart.
///
/// ```
/// use nanolith::{prelude::*, service::{Crash, LifeEvent, Restart}};
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::service().restart(Restart::on_panic()).launch().wait()?;
/// let mut life = geometry.control().life();
/// assert!(geometry.add(i64::MAX, 1).wait().is_err());
/// assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
/// match life.recv().wait() {
///     Some(LifeEvent::Restarted { crash: Crash::Task(error), .. }) => println!("{error}"),
///     other => unreachable!("not {other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Crash {
    /// A task panicked, and the exception handler or
    /// [`Restart::on_panic`](super::Restart::on_panic) decided on a restart.
    Task(CallError),
    /// A hook panicked.
    Hook(CallError),
    /// The loop that runs the calls panicked: a future panicked as it was dropped, for example.
    Loop(Panic),
    /// `#[init]` returned this error at a restart.
    Init(InitError),
    /// `#[init]` panicked at a restart.
    InitPanicked(Panic),
    /// `#[init]` took longer than [`launch_timeout`](super::ServiceBuilder::launch_timeout) at a
    /// restart.
    InitTimedOut,
    /// [`ServiceControl::restart`](super::ServiceControl::restart) requested the restart.
    Asked,
    /// Another member of the service's [group](super::RestartGroup) crashed.
    Group,
    /// A test crashed the service: [`sim::crash`](crate::sim::crash).
    Simulated,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(error) | Self::Hook(error) => error.fmt(f),
            Self::Loop(panic) => write!(f, "the service panicked{panic}"),
            Self::Init(error) => write!(f, "`#[init]` failed during a restart: {error}"),
            Self::InitPanicked(panic) => write!(f, "`#[init]` panicked during a restart{panic}"),
            Self::InitTimedOut => f.write_str("`#[init]` did not finish in time during a restart"),
            Self::Asked => f.write_str("the service was asked to start anew"),
            Self::Group => f.write_str("another service of the group crashed"),
            Self::Simulated => f.write_str("a test had the service crash"),
        }
    }
}

impl Error for Crash {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Init(error) => Some(error),
            Self::Task(error) | Self::Hook(error) => error.source(), // the text is that of the error
            _ => None,
        }
    }
}

impl Crash {
    /// Returns this crash as the reason in the errors of the service's calls.
    pub(super) fn reason(&self) -> Cause {
        Arc::new(self.clone())
    }
}

/// An event in a service's life.
///
/// ```
/// use nanolith::{prelude::*, service::LifeEvent};
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?;
/// let life = counter.control().life();
/// counter.close().wait()?;
/// let events: Vec<LifeEvent> = life.collect();
/// assert!(matches!(events[..], [LifeEvent::Started, LifeEvent::Closed]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LifeEvent {
    /// `#[init]` returned the state.
    Started,
    /// The service crashed, or was restarted, and has a new state.
    Restarted {
        /// The reason of the restart.
        crash: Crash,
        /// The number of restarts in the service's life, including this restart.
        restarts: u64,
    },
    /// A task of this kind runs far beyond its timeout: for as long again as until the timeout, and
    /// for at least a second. The service runs no other call meanwhile.
    /// [`ServiceInfo::overrunning`](super::ServiceInfo::overrunning) explains what to do.
    Overrun(&'static TaskInfo),
    /// The service crashed and ended, because its policy does not restart it, or the limit was
    /// reached.
    GaveUp(Crash),
    /// The service was closed or terminated, and has ended.
    Closed,
}

/// The publisher of a service's life events. A new subscriber first receives the latest start,
/// restart or end.
pub(super) struct Watchers(Subscribers<LifeEvent>);

impl Watchers {
    pub(super) fn new() -> Self {
        Self(Subscribers::replaying(LifeEvent::Started))
    }

    pub(super) fn join(&self) -> Events<LifeEvent> {
        Events::of(&self.0)
    }

    pub(super) fn publish(&self, event: &LifeEvent) {
        match event {
            LifeEvent::Closed | LifeEvent::GaveUp(_) => self.0.publish_last(event),
            LifeEvent::Started | LifeEvent::Restarted { .. } => self.0.publish(event),
            LifeEvent::Overrun(_) => self.0.publish_without_replay(event),
        }
    }
}
