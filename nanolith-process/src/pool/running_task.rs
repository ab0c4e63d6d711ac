//! [`RunningTask`]: a call whose task a child runs, its types erased. [`Outgoing`]: the same call
//! while it waits in the queue, encoded.

use super::wait::Wait;
use crate::{
    exit::{ChildCrash, Kill},
    message_error::MessageError,
    served::{self, ProcessSet},
    wire::{self, CALL_HEAD, CallHead, Failure, Frame, HEAD, Kind, Report},
};
use nanolith::{
    CallError, TaskSet,
    call::Panic,
    executor::{Job, NotifyProgress, QueuedJob, RunGuard, StopReason, StopSignal, WaitHelper},
    task::Reply,
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::Context,
    time::{Duration, Instant},
};

/// What a job has in the queue: its frame, and how it begins.
pub(super) struct Outgoing {
    frame: Vec<u8>,
    /// The kind of the frame: a call, or a message.
    kind: u8,
    set: u16,
    wait: Option<Wait>,
    start: fn(QueuedJob<Self>) -> Option<Started>,
}

/// A call that has begun, and the frame to send.
pub(super) struct Started {
    pub(super) frame: Arc<Vec<u8>>,
    /// The kind of the frame: a call, or a message.
    pub(super) kind: u8,
    pub(super) set: u16,
    /// How long the call may still take.
    pub(super) left: Option<Duration>,
    /// The wait of the thread that submitted the call.
    pub(super) wait: Option<Wait>,
    pub(super) task: Box<dyn RunningTask>,
    /// How many children died before they had read the call.
    pub(super) moves: u32,
}

impl Outgoing {
    /// Encodes the task of a job. It is an error if the task could not find what is attached to it.
    pub(super) fn encode<S: ProcessSet>(job: &Job<S>, max: usize) -> Result<Self, MessageError> {
        if let Some(messenger) = job.messengers().into_iter().next() {
            return Err(MessageError::messenger(messenger.name));
        }
        let set = served::position::<S>().ok_or(MessageError::not_served(S::NAME))?;
        let mut frame = wire::start_frame();
        frame.extend_from_slice(&[0; CALL_HEAD]);
        #[cfg(feature = "tracing")]
        let set = wire::carrier::write(&job.carrier(), set, &mut frame, max)?;
        let encoded = job.with_task(|task| match S::inbox_message(task) {
            Some(message) => wire::encode(message, &mut frame, max).map(|()| Kind::MESSAGE),
            None => wire::encode(task, &mut frame, max).map(|()| Kind::CALL),
        });
        let kind = encoded.unwrap_or(Ok(Kind::CALL))?;
        Ok(Self { frame, kind, set, wait: None, start: start::<S> })
    }

    /// Records the wait of the thread that submits the call.
    pub(super) fn waited_by(self, wait: Option<Wait>) -> Self {
        Self { wait, ..self }
    }

    pub(super) fn start(job: QueuedJob<Self>) -> Option<Started> {
        (job.item.start)(job)
    }
}

fn start<S: ProcessSet>(job: QueuedJob<Outgoing>) -> Option<Started> {
    let job = job.start::<S>()?;
    job.reply.defer_end();
    let stop = job.reply.stop_signal();
    let Outgoing { frame, kind, set, wait, .. } = job.item;
    drop(job.task); // it is in the frame
    let task = Box::new(TypedTask { reply: job.reply, stop, guard: job.guard });
    Some(Started { frame: Arc::new(frame), kind, set, left: None, wait, task, moves: 0 })
}

impl Started {
    /// Fills in the heads of the frame.
    pub(super) fn address(&mut self, call: u64) {
        let head = CallHead { set: self.set, left: self.left };
        // Of a call that moves, another child may have a part of the frame to send still.
        let frame = Arc::make_mut(&mut self.frame);
        frame[HEAD..HEAD + CALL_HEAD].copy_from_slice(&head.to_bytes());
        wire::finish_frame(frame, self.kind, call);
    }
}

/// How a call ends that a child has run, or has failed to run.
pub(super) enum Answer {
    Frame(Frame),
    Crashed(ChildCrash),
    Killed(Kill),
    /// The task stopped when it was asked to, for this reason.
    Stopped(StopReason),
    /// No child can be started.
    NotStarted(Arc<ChildCrash>),
}

pub(super) trait RunningTask: Send {
    /// Ends the call. This may run user code.
    fn finish(self: Box<Self>, answer: Answer);

    /// Returns why the task is asked to stop. Otherwise `cx` is woken when it is.
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Option<StopReason>;

    /// Stores how far the task has come. The guard is dropped when no lock is held.
    fn progress(&self, report: Report) -> NotifyProgress;

    /// Sets what a thread does that blocks for the call.
    fn help_waits(&self, helper: Arc<dyn WaitHelper>);

    /// Returns the moment at which the call times out.
    fn deadline(&self) -> Option<Instant>;
}

struct TypedTask<S: TaskSet> {
    reply: Reply<S>,
    stop: StopSignal<S>,
    guard: RunGuard<Outgoing>,
}

impl<S: ProcessSet> RunningTask for TypedTask<S> {
    fn finish(self: Box<Self>, answer: Answer) {
        let Self { reply, stop, guard } = *self;
        drop(stop);
        let outcome = match answer {
            Answer::Frame(frame) if frame.kind == Kind::OUTPUT => match wire::decode::<S::Output>(frame.body()) {
                Ok(output) => Ok(output),
                Err(error) => Err(CallError::Rejected(LAYER, reply.trace().caused_by(error))),
            },
            Answer::Frame(frame) => Err(failed(&reply, &frame)),
            Answer::Crashed(crash) => Err(CallError::Crashed(reply.trace().caused_by(crash))),
            Answer::Killed(kill) => Err(CallError::Killed(reply.trace().caused_by(kill))),
            Answer::Stopped(StopReason::Cancelled) => Err(CallError::Cancelled(reply.trace())),
            Answer::Stopped(_) => Err(CallError::TimedOut(reply.trace())),
            Answer::NotStarted(crash) => Err(CallError::NotStarted(crash, reply.trace())),
        };
        drop(guard); // a caller that has the outcome finds the call counted
        reply.complete(outcome);
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Option<StopReason> {
        let is_asked = Pin::new(&mut self.stop).poll(cx).is_ready();
        is_asked.then(|| self.reply.stop_reason().unwrap_or(StopReason::Cancelled))
    }

    fn progress(&self, Report { done, total }: Report) -> NotifyProgress {
        self.reply.progress(done, total)
    }

    fn help_waits(&self, helper: Arc<dyn WaitHelper>) {
        self.reply.help_waits(helper);
    }

    fn deadline(&self) -> Option<Instant> {
        self.reply.deadline()
    }
}

/// The name by which `CallError::Rejected` names this crate.
pub(super) const LAYER: &str = "nanolith-process";

/// Returns the error of a call that the child could not finish.
fn failed<S: TaskSet>(reply: &Reply<S>, frame: &Frame) -> CallError {
    let trace = reply.trace();
    match wire::decode::<Failure>(frame.body()) {
        Ok(Failure::Panicked { message, place }) => {
            let place = place.as_ref().map(|(file, line)| (file.as_str(), *line));
            CallError::Panicked(Panic::remote(message, place), trace)
        }
        // The child's clock may be ahead of the request to stop, of which this side has heard nothing.
        Ok(Failure::Stopped) => match reply.stop_reason() {
            Some(StopReason::Cancelled) => CallError::Cancelled(trace),
            _ => CallError::TimedOut(trace),
        },
        Ok(Failure::Hook(text)) => CallError::Hook(Arc::new(MessageError::remote(text)), trace),
        Ok(Failure::Init(error)) => {
            CallError::Rejected(LAYER, trace.caused_by(MessageError::remote(error.to_string())))
        }
        Ok(Failure::Message(text) | Failure::Other(text)) => {
            CallError::Rejected(LAYER, trace.caused_by(MessageError::remote(text)))
        }
        Err(error) => CallError::Rejected(LAYER, trace.caused_by(error)),
    }
}
