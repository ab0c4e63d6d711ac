//! [`ServiceState`]: what a pool of one child needs to make the state of its service in each new child.
//! What the pool does when a child has the state, or has lost it.

use super::{
    child::Child,
    child_events::Fallen,
    link::Stage,
    pool_shared::{PoolShared, finish},
    running_task::{Answer, Outgoing},
};
use crate::{
    close_error::CloseError, event::ProcessEvent, exit::ChildCrash, launch_error::LaunchError,
    message_error::MessageError, wire::Failure,
};
use nanolith::{__private::Restarts, call::Panic, service::Restart};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

/// Makes the frames from which children make the state of a service.
pub(crate) trait StateSource: Send {
    /// Returns the frame that makes the state in the next child. This runs user code.
    fn launch_frame(&mut self, max: usize) -> Result<Vec<u8>, MessageError>;
}

/// Passes the events of a service on to its owners.
pub(crate) trait EventSink: Send + Sync {
    /// Returns whether the set of the service has events.
    fn has_events(&self) -> bool;

    /// Decodes an event and passes it on, if all receivers have room. Otherwise it returns the future
    /// that does so when they have. This runs user code.
    fn accept(&self, event: &[u8]) -> Result<Option<BlockedEvent>, MessageError>;

    /// Ends the receivers, after the events that have arrived.
    fn close(&self);
}

/// Passes an event on when all receivers have room.
pub(crate) type BlockedEvent = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a pool of one child has for its service.
pub(crate) struct ServiceState {
    /// Locked while user code makes the next frame. Nothing else locks it.
    source: Mutex<Box<dyn StateSource>>,
    restarts: Mutex<Restarts>,
    pub(super) events: Box<dyn EventSink>,
    /// Whether a panic of a task leads to a new state.
    pub(super) restarts_after_panic: bool,
    /// How long `#[init]` may take.
    pub(super) launch_timeout: Option<Duration>,
}

impl ServiceState {
    pub(crate) fn new(
        source: Box<dyn StateSource>,
        events: Box<dyn EventSink>,
        restart: Restart,
        launch_timeout: Option<Duration>,
    ) -> Self {
        Self {
            source: Mutex::new(source),
            events,
            restarts_after_panic: restart.after_panic(),
            restarts: Mutex::new(Restarts::new(restart)),
            launch_timeout,
        }
    }

    fn launch_frame(&self, max: usize) -> Result<Vec<u8>, MessageError> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).launch_frame(max)
    }

    /// Counts a restart. Returns how long to wait before it, or `None` if the service ends.
    fn next_restart(&self) -> Option<Duration> {
        self.restarts.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now())
    }
}

/// How far the first start of a service is.
#[derive(Debug, Default)]
pub(crate) enum LaunchStage {
    #[default]
    Starting,
    Done,
    /// The error, until it is taken.
    Failed(Option<LaunchError>),
}

impl PoolShared {
    /// Returns whether a panic of a task leads to a new state.
    pub(super) fn restarts_after_panic(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.restarts_after_panic)
    }

    /// Returns how long the state may take to be made.
    pub(super) fn launch_timeout(&self) -> Option<Duration> {
        self.state.as_ref()?.launch_timeout
    }

    /// Makes a child that serves available, or first lets it make the state of its service.
    pub(super) fn on_serving(self: &Arc<Self>, child: &Arc<Child>) {
        let Some(frame) = self.state.as_ref().map(|state| state.launch_frame(self.config.max_message)) else {
            self.on_launched(child, Ok(()));
            return;
        };
        match frame {
            Ok(frame) => {
                {
                    let mut link = child.link();
                    (link.stage, link.since) = (Stage::Launching, Instant::now());
                }
                if !child.send_frame(frame) {
                    self.watch(child);
                }
                self.look_at(child);
            }
            Err(error) => self.on_launched(child, Err(Failure::Message(error.to_string()))),
        }
    }

    /// Makes a child available that has its state. A child without one is killed.
    pub(super) fn on_launched(self: &Arc<Self>, child: &Arc<Child>, launched: Result<(), Failure>) {
        let mut link = child.link();
        if let Err(failure) = launched {
            link.fault = Some(super::link::Fault::NotLaunched(failure));
            child.kill();
            return;
        }
        (link.stage, link.since) = (Stage::Serving, Instant::now());
        if self.restarts_after_panic() {
            link.send_one_by_one();
        }
        drop(link);
        self.publish(&ProcessEvent::Online { pid: child.pid }); // before the launch ends
        let waiting = {
            let mut children = self.children();
            children.on_ready(child.id);
            children.launch_ended(LaunchStage::Done)
        };
        waiting.into_iter().for_each(Waker::wake);
        self.free(child);
    }

    /// Restarts a service whose child died or did not start, or ends it.
    pub(super) fn on_state_lost(self: &Arc<Self>, fallen: Fallen) {
        let (was_launched, is_terminated) = {
            let children = self.children();
            (matches!(children.launch, LaunchStage::Done), children.is_terminated)
        };
        if was_launched && !is_terminated {
            let wait = self.state.as_ref().and_then(ServiceState::next_restart);
            if let Some(wait) = wait {
                self.children().restart_after(wait);
                self.poller.notify(); // the pool's thread may wait for something later
                return;
            }
        }
        let crash = fallen.crash.clone();
        if was_launched && !is_terminated {
            self.children().close_error = Some(CloseError::Crashed(crash.clone()));
        }
        if !was_launched {
            let failed = LaunchStage::Failed(Some(launch_error(fallen)));
            let waiting = self.children().launch_ended(failed);
            waiting.into_iter().for_each(Waker::wake);
        }
        self.give_up(crash);
    }

    /// Records how the child of a service ended that was asked to end.
    pub(super) fn on_service_end(&self, crash: &ChildCrash, ends_late: bool) {
        let mut children = self.children();
        if self.state.is_none() || children.is_terminated || crash.code() == Some(0) {
            return;
        }
        let error = if ends_late { CloseError::TimedOut } else { CloseError::Crashed(crash.clone()) };
        children.close_error.get_or_insert(error);
    }

    /// Ends the queued calls, because no child will run them.
    pub(super) fn give_up(self: &Arc<Self>, crash: ChildCrash) {
        let crash = Arc::new(crash);
        self.children().failed = Some(crash.clone());
        self.close();
        let returned = self.children().take_all_returned();
        let queued = std::iter::from_fn(|| self.queue.take()).filter_map(Outgoing::start);
        for started in returned.into_iter().chain(queued) {
            finish(started.task, self.answer_without_child(&crash));
        }
    }

    /// Returns the answer of a call that no child runs.
    pub(super) fn answer_without_child(&self, crash: &Arc<ChildCrash>) -> Answer {
        if self.state.is_some() { Answer::Crashed((**crash).clone()) } else { Answer::NotStarted(crash.clone()) }
    }
}

/// Returns why the first start of a service failed.
fn launch_error(fallen: Fallen) -> LaunchError {
    let Fallen { crash, stage, failure, is_late } = fallen;
    match failure {
        Some(Failure::Init(error)) => LaunchError::Init(error),
        Some(Failure::Panicked { message, place }) => {
            let place = place.as_ref().map(|(file, line)| (file.as_str(), *line));
            LaunchError::Panicked(Panic::remote(message, place))
        }
        None if is_late && stage == Stage::Launching => LaunchError::TimedOut,
        _ => LaunchError::Crashed(crash),
    }
}
