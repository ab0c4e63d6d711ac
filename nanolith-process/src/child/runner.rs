//! [`Runner`]: runs one decoded task after another on the calling thread. [`Stops`]: the requests to
//! stop one of them.

use crate::{
    served::ProcessSet,
    wire::{self, CallHead, Failure, HEAD, Kind},
};
use nanolith::{Local, call::Call, prelude::*, sync::CancelToken};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs tasks on the calling thread.
pub(crate) struct Runner {
    local: Local,
    max_message: usize,
    stops: Arc<Stops>,
}

impl Runner {
    pub(super) fn new(max_message: usize) -> Self {
        Self { local: Local::new(), max_message, stops: Arc::default() }
    }

    pub(super) fn stops(&self) -> Arc<Stops> {
        self.stops.clone()
    }

    /// Records which call runs from now on.
    pub(super) fn begin(&self, call: u64) {
        self.stops.begin(call);
    }

    /// Records that no call runs.
    pub(super) fn end(&self) {
        self.stops.lock().token = None;
    }

    /// Runs an encoded task: see [`ServedSet::run`](crate::served::ServedSet::run).
    pub(crate) fn run<S: ProcessSet>(&self, head: CallHead, task: &[u8], answer: &mut Vec<u8>) -> u8 {
        let task = match wire::decode::<S::Task>(task) {
            Ok(task) => task,
            Err(error) => return self.fail(&Failure::Message(error.to_string()), answer),
        };
        let mut call = Call::<S, _, _>::new(&self.local, task, Some);
        if let Some(token) = &self.stops.lock().token {
            call = call.cancel_token(token);
        }
        if let Some(left) = head.left {
            call = call.timeout(left);
        }
        match call.wait() {
            Ok(output) => match wire::encode(&output, answer, self.max_message) {
                Ok(()) => Kind::OUTPUT,
                Err(error) => self.fail(&Failure::Message(error.to_string()), answer),
            },
            Err(error) => self.fail(&failure(&error), answer),
        }
    }

    fn fail(&self, failure: &Failure, answer: &mut Vec<u8>) -> u8 {
        answer.truncate(HEAD);
        if wire::encode(failure, answer, self.max_message).is_err() {
            answer.truncate(HEAD); // the parent finds an empty reason
        }
        Kind::FAILED
    }
}

fn failure(error: &CallError) -> Failure {
    match error {
        CallError::Panicked(panic, _) => Failure::Panicked {
            message: panic.message().to_owned(),
            place: panic.place().map(|(file, line)| (file.to_owned(), line)),
        },
        CallError::Cancelled(_) | CallError::TimedOut(_) => Failure::Stopped,
        CallError::Hook(source, _) => Failure::Hook(source.to_string()),
        other => Failure::Other(other.to_string()),
    }
}

/// The call that runs, and the requests to stop it, which another thread brings.
#[derive(Default)]
pub(super) struct Stops(Mutex<Running>);

#[derive(Default)]
struct Running {
    call: u64,
    /// `None` while no call runs.
    token: Option<CancelToken>,
    /// The latest call that is to stop, which may not have arrived yet.
    stopped: u64,
}

impl Stops {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, call: u64) {
        let token = CancelToken::new();
        let mut running = self.lock();
        let is_stopped = running.stopped == call;
        running.call = call;
        running.token = Some(token.clone());
        drop(running);
        if is_stopped {
            token.cancel();
        }
    }

    /// Asks the task of `call` to stop.
    pub(super) fn stop(&self, call: u64) {
        let mut running = self.lock();
        running.stopped = call;
        let token = running.token.clone().filter(|_| running.call == call);
        drop(running);
        if let Some(token) = token {
            token.cancel();
        }
    }
}
