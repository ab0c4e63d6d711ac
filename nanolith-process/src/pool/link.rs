//! [`Link`]: the calls that a child has, and its stage, under the child's lock. Pure data.

use super::{
    builder::Config,
    poller::Interest,
    running_task::{RunningTask, Started},
};
use crate::{
    event::ExitReason,
    exit::KillReason,
    wire::{self, Failure, Frame, Kind, REPORT_INTERVAL, Report},
};
use nanolith::executor::NotifyProgress;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// The average duration of a call below which more calls are sent ahead.
const SHORT: Duration = Duration::from_micros(100);
/// The duration of a call after which calls that were sent ahead go to other children.
const LONG: Duration = Duration::from_millis(1);
/// The number of calls that a child has at most, the running one included, while its calls are
/// short.
const MAX_CALLS: usize = 64;
/// How many reports of a call may come beyond one in each interval: those that a parent finds at once
/// after it was stopped itself.
const MAX_EXTRA_REPORTS: u128 = 1_000;

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not answered yet.
    Starting,
    /// It makes the state of its service.
    Launching,
    /// It runs calls, or waits for one.
    Serving,
    /// It gets no more calls, and is asked to end after those that it has.
    Retiring,
    /// It was asked to end, or was killed while it ran no call.
    Ending,
}

/// Why a child is at fault.
#[derive(Debug)]
pub(super) enum Fault {
    Malformed(String),
    NotReady,
    Unfit(String),
    /// The state of its service was not made, for this reason.
    NotLaunched(Failure),
    /// A task of its service panicked, with this message.
    Panicked(String),
}

/// A call that a child has.
pub(super) struct Running {
    pub(super) call: u64,
    /// `None` after the call has ended: it was cancelled before the child began it.
    pub(super) task: Option<Box<dyn RunningTask>>,
    /// The frame, in case that the call moves to another child.
    frame: Arc<Vec<u8>>,
    kind: u8,
    set: u16,
    /// How many children died before they had read the call.
    pub(super) moves: u32,
    /// When the child began the call, as far as its parent can tell.
    pub(super) since: Instant,
    /// Why and until when the task is asked to stop.
    pub(super) stop: Option<(KillReason, Instant)>,
    /// When the child was killed for it.
    pub(super) killed: Option<Instant>,
    /// How many reports of its task have come.
    reports: u128,
}

impl Running {
    /// Returns the call as one that no child has, unless it has ended.
    pub(super) fn into_started(self) -> Option<Started> {
        let Self { task, frame, kind, set, moves, .. } = self;
        Some(Started { frame, kind, set, left: None, wait: None, task: task?, moves })
    }

    /// Takes a report of the task. The guard is `None` if the call has ended.
    fn report(&mut self, body: &[u8]) -> Result<Option<NotifyProgress>, &'static str> {
        let report = Report::from_bytes(body).ok_or("a report of another length")?;
        self.reports += 1;
        let intervals = self.since.elapsed().as_nanos() / REPORT_INTERVAL.as_nanos();
        if self.reports > MAX_EXTRA_REPORTS + intervals {
            return Err("more reports of progress than a task may send");
        }
        Ok(self.task.as_ref().map(|task| task.progress(report)))
    }
}

/// What a frame of a child says.
pub(super) enum ChildEvent {
    /// The child serves, or says what it would serve.
    Ready(Frame),
    /// The service of the child has its state, or has none for this reason.
    Launched(Result<(), Failure>),
    Answer(Running, Frame),
    /// The task of the first call has come further.
    Progress(Option<NotifyProgress>),
    /// The child has not begun these calls, and will not.
    Revoked(Vec<Running>),
    /// The service of the child has sent an event.
    Sent(Frame),
    /// The child uses its listening sockets.
    Listening,
    Malformed(String),
}

/// What is left of a child at its end.
pub(super) struct Remains {
    pub(super) stage: Stage,
    pub(super) fault: Option<Fault>,
    pub(super) exit: Option<ExitReason>,
    /// Whether the child was killed because its end took too long.
    pub(super) ends_late: bool,
    /// The call that the child had begun.
    pub(super) begun: Option<Running>,
    pub(super) has_answered: bool,
    /// The only call, which the child had not read.
    pub(super) unread: Option<Running>,
    /// The calls that were sent ahead.
    pub(super) ahead: Vec<Running>,
}

pub(super) struct Link {
    pub(super) stage: Stage,
    /// When the stage began, or since when the child is idle.
    pub(super) since: Instant,
    /// The first call has begun; the others were sent ahead.
    calls: VecDeque<Running>,
    /// The frames that the socket did not take yet, each with the number of bytes that it took.
    pub(super) unsent: VecDeque<(Arc<Vec<u8>>, usize)>,
    /// Whether the pool's thread watches the socket for answers.
    pub(super) is_watched: bool,
    /// Whether an event waits for room at its receivers. Nothing is read meanwhile.
    pub(super) is_blocked: bool,
    /// When the process was found to have ended, while an event waits.
    pub(super) ended: Option<Instant>,
    pub(super) last_call: u64,
    /// The number of answers after which the child is replaced.
    answers_left: u64,
    /// The average duration of a call.
    average: Duration,
    task_timeout: Option<Duration>,
    /// The number of calls that the child has at most.
    max_calls: usize,
    /// The last of the calls that the child was asked to give back, until it answers.
    revoked: Option<u64>,
    pub(super) fault: Option<Fault>,
    /// Why the pool ends the child, once that is decided.
    pub(super) exit: Option<ExitReason>,
    /// Whether the child was killed because its end took too long.
    pub(super) ends_late: bool,
    /// Whether the process has ended, so that it runs no further call.
    pub(super) is_dead: bool,
    /// Whether the child has answered a call.
    pub(super) has_answered: bool,
    /// Whether the child has listening sockets that it does not use yet.
    may_listen: bool,
}

impl Link {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            stage: Stage::Starting,
            since: Instant::now(),
            calls: VecDeque::new(),
            unsent: VecDeque::new(),
            is_watched: true,
            is_blocked: false,
            ended: None,
            last_call: 0,
            answers_left: config.recycle_after.map_or(u64::MAX, |calls| calls + fastrand::u64(..=calls / 10)),
            average: SHORT,
            task_timeout: config.task_timeout,
            max_calls: MAX_CALLS,
            revoked: None,
            fault: None,
            exit: None,
            ends_late: false,
            is_dead: false,
            has_answered: false,
            may_listen: config.listeners.len() > 0,
        }
    }

    // ----- calls

    /// Keeps calls from being sent ahead. A call that follows a panic is not to run on the same state.
    pub(super) fn send_one_by_one(&mut self) {
        self.max_calls = 1;
    }

    /// Returns the number of the next call. A child has its calls in the order of their numbers.
    pub(super) fn next_call(&mut self) -> u64 {
        self.last_call += 1;
        self.last_call
    }

    pub(super) fn add(&mut self, started: Started, call: u64) {
        let Started { frame, kind, set, task, moves, .. } = started;
        let (since, task) = (Instant::now(), Some(task));
        self.calls.push_back(Running {
            call,
            task,
            frame,
            kind,
            set,
            moves,
            since,
            stop: None,
            killed: None,
            reports: 0,
        });
    }

    /// Returns the call that has begun.
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        self.calls.front_mut()
    }

    pub(super) fn first(&self) -> Option<&Running> {
        self.calls.front()
    }

    /// Returns a call, and whether it has begun.
    pub(super) fn call(&mut self, call: u64) -> Option<(&mut Running, bool)> {
        let position = self.calls.iter().position(|running| running.call == call)?;
        Some((&mut self.calls[position], position == 0))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }

    /// Returns whether the child takes a call: an idle one any call, a busy one a call that goes ahead.
    pub(super) fn takes_call(&self, is_ahead: bool) -> bool {
        let has_room = if is_ahead { !self.is_idle() && self.room_ahead() > 0 } else { self.stage == Stage::Serving };
        has_room && !self.is_dead
    }

    /// Returns how many more calls may be sent ahead of the end of the running one.
    pub(super) fn room_ahead(&self) -> usize {
        let is_short = |running: &Running| running.stop.is_none() && running.since.elapsed() < LONG;
        let takes_more = self.stage == Stage::Serving && self.revoked.is_none() && self.average < SHORT;
        let is_first_short = self.calls.front().is_some_and(is_short);
        if takes_more && is_first_short { self.max_calls.saturating_sub(self.calls.len()) } else { 0 }
    }

    /// Returns when calls that were sent ahead have waited too long for the running one.
    pub(super) fn revoke_at(&self) -> Option<Instant> {
        let (first, _) = (self.calls.front()?, self.calls.get(1)?);
        if self.revoked.is_some() { None } else { first.since.checked_add(LONG) }
    }

    /// Records that the child is asked to give back the calls that it has not begun. Returns the last
    /// of them.
    pub(super) fn revoke(&mut self) -> u64 {
        self.revoked = Some(self.last_call);
        self.last_call
    }

    /// Returns when the running task has run for as long as the pool allows.
    pub(super) fn task_limit(&self) -> Option<Instant> {
        self.calls.front()?.since.checked_add(self.task_timeout?)
    }

    /// Returns what the pool's thread watches the socket for.
    pub(super) fn interest(&self) -> Interest {
        match (self.is_watched && !self.is_blocked, self.unsent.is_empty()) {
            (true, true) => Interest::Read,
            (true, false) => Interest::ReadWrite,
            // The thread that reads also sends, unless no thread reads.
            (false, false) if self.is_blocked => Interest::Write,
            (false, _) => Interest::End,
        }
    }

    // ----- answers

    pub(super) fn accept(&mut self, frame: Frame) -> ChildEvent {
        let first = self.calls.front().map(|running| running.call);
        match frame.kind {
            Kind::READY if self.stage == Stage::Starting => ChildEvent::Ready(frame),
            Kind::LAUNCHED if self.stage == Stage::Launching => ChildEvent::Launched(Ok(())),
            Kind::FAILED if self.stage == Stage::Launching => match wire::decode(frame.body()) {
                Ok(failure) => ChildEvent::Launched(Err(failure)),
                Err(error) => ChildEvent::Malformed(error.to_string()),
            },
            Kind::OUTPUT | Kind::FAILED if first == Some(frame.id) => match self.pop() {
                Some(running) => ChildEvent::Answer(running, frame),
                None => unreachable!("it was just seen"),
            },
            Kind::PROGRESS if first == Some(frame.id) => match self.running().map(|first| first.report(frame.body())) {
                Some(Ok(notify)) => ChildEvent::Progress(notify),
                Some(Err(what)) => ChildEvent::Malformed(what.into()),
                None => unreachable!("it was just seen"),
            },
            Kind::REVOKED if self.revoked.is_some() => {
                // Even the first may be among them, if the child had not read it. A call that was sent
                // after the request is not.
                let given_back = frame.id..=self.revoked.take().unwrap_or(0);
                let calls = std::mem::take(&mut self.calls);
                let (back, kept): (VecDeque<_>, VecDeque<_>) =
                    calls.into_iter().partition(|running| given_back.contains(&running.call));
                self.calls = kept;
                ChildEvent::Revoked(back.into())
            }
            Kind::EVENT if self.stage != Stage::Starting => ChildEvent::Sent(frame),
            Kind::LISTENING if std::mem::take(&mut self.may_listen) => ChildEvent::Listening,
            _ => ChildEvent::Malformed("an answer that was not asked for".into()),
        }
    }

    /// Takes the call that was answered. The next one has begun.
    fn pop(&mut self) -> Option<Running> {
        let (now, running) = (Instant::now(), self.calls.pop_front()?);
        self.average = (self.average * 7 + now.duration_since(running.since)) / 8;
        match self.calls.front_mut() {
            Some(next) => next.since = now,
            None => self.since = now,
        }
        self.answers_left -= 1;
        match running.stop.filter(|_| running.killed.is_some()) {
            Some((reason, _)) => self.retire(ExitReason::Killed(reason)),
            None if self.answers_left == 0 => self.retire(ExitReason::Recycled),
            None => {}
        }
        Some(running)
    }

    // ----- the end

    /// Gives the child no more calls, for this reason unless there is one already.
    pub(super) fn retire(&mut self, reason: ExitReason) {
        self.stage = Stage::Retiring;
        self.exit.get_or_insert(reason);
    }

    /// Takes what is left of the child. `is_unread` says that it died before it had read all that was
    /// sent.
    pub(super) fn take_remains(&mut self, is_unread: bool) -> Remains {
        let stage = std::mem::replace(&mut self.stage, Stage::Ending);
        let mut calls = std::mem::take(&mut self.calls);
        // Of several calls, an unread one is any but the first.
        let is_unread = calls.len() == 1 && (is_unread || !self.unsent.is_empty());
        let first = calls.pop_front();
        let (unread, begun) = match first {
            Some(first) if is_unread && first.killed.is_none() => (Some(first), None),
            first => (None, first),
        };
        let (fault, exit, has_answered) = (self.fault.take(), self.exit.take(), self.has_answered);
        Remains { stage, fault, exit, ends_late: self.ends_late, begun, has_answered, unread, ahead: calls.into() }
    }
}
