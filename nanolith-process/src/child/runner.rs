//! [`Runner`]: decodes one task after another, and runs it: on the calling thread, or by the service
//! that this child owns.

use super::{calls::Calls, events::ForwardedEvents};
use crate::{
    served::ProcessSet,
    wire::{self, CallHead, Failure, Frame, HEAD, Kind, Launch, Report},
};
use nanolith::{
    BoxError, Executor, Local, TaskSet,
    call::{Call, Panic, Progress, SubmitError},
    executor::{Admission, Job},
    prelude::*,
    service::{CloseError, LaunchError, ServiceRef},
    sync::CancelToken,
    wire::RemoteError,
};
use std::sync::Arc;

/// Runs tasks on the calling thread.
pub(crate) struct Runner {
    local: Local,
    max_message: usize,
    calls: Arc<Calls>,
    /// The call that runs.
    call: u64,
    /// The kind of its frame: a call, or a message.
    kind: u8,
    /// Cancels the task that runs.
    token: CancelToken,
    /// The carrier of the call's span, if it came with the call.
    #[cfg(feature = "tracing")]
    carrier: nanolith::trace::Carrier,
}

impl Runner {
    pub(super) fn new(max_message: usize, calls: Arc<Calls>) -> Self {
        Self {
            local: Local::new(),
            max_message,
            calls,
            call: 0,
            kind: Kind::CALL,
            token: CancelToken::new(),
            #[cfg(feature = "tracing")]
            carrier: nanolith::trace::Carrier::new(),
        }
    }

    /// Takes the carrier of the next call from what follows its head. Returns the head and the task, or
    /// `None` if the carrier is malformed.
    #[cfg(feature = "tracing")]
    pub(super) fn take_carrier<'a>(&mut self, head: CallHead, rest: &'a [u8]) -> Option<(CallHead, &'a [u8])> {
        let (head, carrier, task) = wire::carrier::split(head, rest)?;
        self.carrier = carrier;
        Some((head, task))
    }

    /// Sets the number, the kind and the token of the next call.
    pub(super) fn set_call(&mut self, frame: &Frame, token: CancelToken) {
        (self.call, self.kind, self.token) = (frame.id, frame.kind, token);
    }

    /// Runs an encoded task: see [`ServedSet::run`](crate::served::ServedSet::run).
    pub(crate) fn run<S: ProcessSet>(&self, head: CallHead, task: &[u8], answer: &mut Vec<u8>) -> u8 {
        self.run_by::<S>(&self.local, head, task, answer)
    }

    fn run_by<S: ProcessSet>(
        &self,
        executor: &impl Executor<S>,
        head: CallHead,
        task: &[u8],
        answer: &mut Vec<u8>,
    ) -> u8 {
        let task = match self.kind {
            Kind::MESSAGE => wire::decode(task).map(S::inbox_task),
            _ => wire::decode(task),
        };
        let task = match task {
            Ok(task) => task,
            Err(error) => return self.fail(&Failure::Message(error.to_string()), answer),
        };
        let (calls, number) = (self.calls.clone(), self.call);
        let report = move |Progress { done, total }| calls.report(number, Report { done, total });
        let mut call = Call::<S, _, _>::new(executor, task, Some).cancel_token(&self.token).on_progress(report);
        if let Some(left) = head.left {
            call = call.timeout(left);
        }
        #[cfg(feature = "tracing")]
        if !self.carrier.is_empty() {
            call = call.trace_parent(self.carrier.clone());
        }
        match call.wait() {
            Ok(output) => match wire::encode(&output, answer, self.max_message) {
                Ok(()) => Kind::OUTPUT,
                Err(error) => self.fail(&Failure::Message(error.to_string()), answer),
            },
            Err(error) => self.fail(&failure(&error), answer),
        }
    }

    pub(super) fn fail(&self, failure: &Failure, answer: &mut Vec<u8>) -> u8 {
        answer.truncate(HEAD);
        if wire::encode(failure, answer, self.max_message).is_err() {
            answer.truncate(HEAD); // the parent finds an empty reason
        }
        Kind::FAILED
    }
}

fn failure(error: &CallError) -> Failure {
    match error {
        CallError::Panicked(panic, _) => panicked(panic),
        CallError::Cancelled(_) | CallError::TimedOut(_) => Failure::Stopped,
        CallError::Hook(source, _) => Failure::Hook(source.to_string()),
        other => Failure::Other(other.to_string()),
    }
}

fn panicked(panic: &Panic) -> Failure {
    Failure::Panicked {
        message: panic.message().to_owned(),
        place: panic.place().map(|(file, line)| (file.to_owned(), line)),
    }
}

/// A service whose calls end when their tasks do. So a task that does not stop when it is asked to has
/// no answer, and the parent kills this process.
struct WholeCalls<S: TaskSet>(ServiceRef<S>);

impl<S: TaskSet> Executor<S> for WholeCalls<S> {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        job.defer_end();
        self.0.try_execute(job)
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        job.defer_end();
        self.0.execute(job)
    }
}

/// A service that this child owns, its types erased.
pub(crate) trait OwnedService {
    /// Runs an encoded task: see [`ServedSet::run`](crate::served::ServedSet::run).
    fn run(&self, runner: &Runner, head: CallHead, task: &[u8], answer: &mut Vec<u8>) -> u8;

    /// Ends the service, after its `#[on_close]`.
    fn close(self: Box<Self>) -> Result<(), CloseError>;
}

/// Makes a service from a [`Launch`]. Its events go to the parent.
pub(crate) fn launch<S: ProcessSet>(runner: &Runner, launch: &[u8]) -> Result<Box<dyn OwnedService>, Failure> {
    let Launch { name, stack_size, slice, args } =
        wire::decode::<Launch<S::Args>>(launch).map_err(|error| Failure::Message(error.to_string()))?;
    let events = ForwardedEvents::new(runner.calls.clone(), runner.max_message);
    let mut service =
        S::service_of(args).name(name).slice(slice).without_owners().forward_events::<S::OutboxEvent>(events);
    if let Some(bytes) = stack_size {
        service = service.stack_size(bytes);
    }
    match service.launch().wait() {
        Ok(service) => Ok(Box::new(service)),
        Err(LaunchError::Init(error)) => Err(Failure::Init(RemoteError::from(error.into() as BoxError))),
        Err(LaunchError::Panicked(panic)) => Err(panicked(&panic)),
        Err(LaunchError::Build(error)) => Err(Failure::Other(error.to_string())),
        Err(_) => Err(Failure::Other("the service ended before it started".into())),
    }
}

impl<S: ProcessSet> OwnedService for Service<S> {
    fn run(&self, runner: &Runner, head: CallHead, task: &[u8], answer: &mut Vec<u8>) -> u8 {
        runner.run_by::<S>(&WholeCalls(ServiceRef::from(self)), head, task, answer)
    }

    fn close(self: Box<Self>) -> Result<(), CloseError> {
        Service::close(&self).wait()
    }
}
