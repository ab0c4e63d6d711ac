//! [`ProcessServiceBuilder`]: the settings of a service and its child process, and the launch.

use super::{init_args::InitArgs, launch::ProcessLaunch, outbox::OwnerEvents, service_ref::ProcessServiceRef};
use crate::{
    build_error::BuildError,
    pool::{Config, ServiceState, child_settings},
    served::ProcessSet,
};
use nanolith::{executor::JobQueueBuilder, service::ServiceBuilder};
use std::fmt;

/// The settings of a [`ProcessService`](crate::ProcessService) and its child process. Made by
/// [`ProcessService::builder`](crate::ProcessService::builder).
///
/// The name, the queue, the restarts, the outbox and the launch time-out are those of the
/// [`ServiceBuilder`]. A setting of it that is a value or a function of this process, such as
/// [`data`](ServiceBuilder::data) or [`on_panic`](ServiceBuilder::on_panic), fails the launch.
///
/// ```standalone_crate
/// use nanolith::{prelude::*, time::SECOND};
/// use nanolith_process::ProcessService;
///
/// pub struct Counter { total: i64 }
///
/// #[define(wire)]
/// impl Counter {
///     #[init]
///     fn start() -> Self { Self { total: 0 } }
///     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Counter,)>();
///     let counter = ProcessService::builder(Counter::service().name("counter"))
///         .memory_limit(1 << 30)
///         .task_timeout(SECOND) // then the task is asked to stop
///         .env("COLOUR", "blue")
///         .launch()
///         .wait()?;
///     assert_eq!(counter.bump(5).wait()?, 5);
///     Ok(())
/// }
/// ```
#[must_use = "settings do nothing until `launch`"]
pub struct ProcessServiceBuilder<S: ProcessSet> {
    service: ServiceBuilder<S, S::Error, S::Args>,
    config: Config,
    number: usize,
}

impl<S: ProcessSet> ProcessServiceBuilder<S> {
    pub(super) fn new(service: ServiceBuilder<S, S::Error, S::Args>) -> Self {
        Self { service, config: Config::of_service(), number: 0 }
    }

    child_settings!(config);

    /// Sets the number among the members of a cluster.
    pub(crate) fn number(mut self, number: usize) -> Self {
        self.number = number;
        self
    }

    /// Replaces the name of the service.
    pub(crate) fn renamed(mut self, name: String) -> Self {
        self.service = self.service.name(name);
        self
    }

    /// Starts the child, which makes the state. The returned [`ProcessLaunch`] yields the service.
    ///
    /// # Errors
    ///
    /// The returned [`ProcessLaunch`] yields them: see [`LaunchError`](crate::LaunchError).
    pub fn launch(self) -> ProcessLaunch<S> {
        ProcessLaunch::new(self.start())
    }

    fn start(self) -> Result<ProcessServiceRef<S>, BuildError> {
        let Self { service, mut config, number } = self;
        let parts = service.into_parts().map_err(BuildError::queue)?;
        config.name = parts.name.clone();
        let queue = JobQueueBuilder::of_service(&parts);
        let (restart, launch_timeout) = (parts.restart.clone(), parts.launch_timeout);
        let outbox = parts.outbox.clone();
        let events = Box::new(OwnerEvents::<S>::new(outbox.clone()));
        let state = ServiceState::new(Box::new(InitArgs(parts)), events, restart, launch_timeout);
        let pool = config.start(queue, Some(state))?;
        Ok(ProcessServiceRef::new(pool, outbox, number))
    }
}

impl<S: ProcessSet> fmt::Debug for ProcessServiceBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessServiceBuilder").field("set", &S::NAME).finish_non_exhaustive()
    }
}
