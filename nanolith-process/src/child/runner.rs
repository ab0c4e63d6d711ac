//! [`Runner`]: decodes one task after another, and runs it on the calling thread.

use crate::{
    served::ProcessSet,
    wire::{self, CallHead, Failure, HEAD, Kind},
};
use nanolith::{Local, call::Call, prelude::*, sync::CancelToken};

/// Runs tasks on the calling thread.
pub(crate) struct Runner {
    local: Local,
    max_message: usize,
    /// Cancels the task that runs.
    token: CancelToken,
}

impl Runner {
    pub(super) fn new(max_message: usize) -> Self {
        Self { local: Local::new(), max_message, token: CancelToken::new() }
    }

    /// Sets the token of the next task.
    pub(super) fn set_token(&mut self, token: CancelToken) {
        self.token = token;
    }

    /// Runs an encoded task: see [`ServedSet::run`](crate::served::ServedSet::run).
    pub(crate) fn run<S: ProcessSet>(&self, head: CallHead, task: &[u8], answer: &mut Vec<u8>) -> u8 {
        let task = match wire::decode::<S::Task>(task) {
            Ok(task) => task,
            Err(error) => return self.fail(&Failure::Message(error.to_string()), answer),
        };
        let mut call = Call::<S, _, _>::new(&self.local, task, Some).cancel_token(&self.token);
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
