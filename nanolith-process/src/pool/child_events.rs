//! What a pool does when a child answers, breaks the protocol, or dies.

use super::{
    child::{Child, End},
    deliveries::Received,
    link::{ChildEvent, Fault, Remains, Running, Stage},
    pool_shared::{PoolShared, exit_token, finish, socket_token, stderr_token},
    restart::PoolRestartError,
    running_task::Answer,
    state_source::BlockedEvent,
};
use crate::{
    event::{ExitReason, ProcessEvent},
    exit::{ChildCrash, Kill, KillReason},
    served,
    wire::{self, Failure, Frame, Kind, Ready, Request, Waits},
};
use nanolith::executor::StopReason;
use std::{
    net::Shutdown,
    process::ExitStatus,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How many children may die before they have read a call, until the call ends.
const MAX_MOVES: u32 = 3;

impl Running {
    /// Asks the task to stop, until the grace period ends. Without one it kills the child at once.
    pub(super) fn stop(&mut self, child: &Child, reason: KillReason, grace: Duration) {
        let now = Instant::now();
        self.stop = Some((reason, now.checked_add(grace).unwrap_or(now)));
        if grace.is_zero() {
            self.kill(child, now);
        } else {
            child.request(Request::Stop(self.call));
        }
    }

    pub(super) fn kill(&mut self, child: &Child, now: Instant) {
        self.killed.get_or_insert(now);
        child.kill();
    }

    /// Ends the call after its task has answered.
    fn end_with(self, frame: Frame) {
        let answer = match self.stop {
            None => Answer::Frame(frame),
            Some((KillReason::Cancelled, _)) => Answer::Stopped(StopReason::Cancelled),
            Some(_) => Answer::Stopped(StopReason::TimedOut),
        };
        if let Some(task) = self.task {
            finish(task, answer);
        }
    }
}

/// A child that owned a service and has ended.
pub(super) struct Fallen {
    pub(super) crash: ChildCrash,
    /// What the child did.
    pub(super) stage: Stage,
    /// Why it made no state.
    pub(super) failure: Option<Failure>,
    /// Whether its start took too long.
    pub(super) is_late: bool,
}

impl Fallen {
    /// Creates one of a child that the system did not start.
    pub(super) fn unstarted(crash: ChildCrash) -> Self {
        Self { crash, stage: Stage::Starting, failure: None, is_late: false }
    }
}

impl Remains {
    /// Returns why the child is gone.
    fn exit_reason(&self, crash: &ChildCrash) -> ExitReason {
        let killed = self.begun.as_ref().filter(|running| running.killed.is_some()).and_then(|running| running.stop);
        match (killed, &self.exit) {
            (Some((reason, _)), _) => ExitReason::Killed(reason),
            (None, Some(exit @ ExitReason::Killed(_))) => exit.clone(),
            (None, Some(exit)) if self.stage == Stage::Ending && self.fault.is_none() => exit.clone(),
            _ => ExitReason::Crashed(crash.clone()),
        }
    }
}

impl PoolShared {
    /// Reads what a child has sent, unless another thread reads it.
    pub(super) fn on_readable(self: &Arc<Self>, child: &Arc<Child>) {
        let Some(reader) = child.try_reader() else { return };
        let reading = self.read(child, reader, Waits::No);
        match reading.end {
            Some(end) if reading.is_delivered => self.on_end(child, end),
            Some(_) => self.on_blocked_exit(child),
            None => {}
        }
    }

    /// Ends a child whose process has ended, after what it has sent.
    pub(super) fn on_exit(self: &Arc<Self>, child: &Arc<Child>) {
        let was_dead = std::mem::replace(&mut child.link().is_dead, true);
        // Another process may hold the socket open. A thread that waits for bytes finds its end now. At a
        // shutdown macOS discards the bytes that have arrived, so there the thread first has the time
        // between two looks to read them.
        if child.exit.is_some() || was_dead {
            let _ = child.socket.shutdown(Shutdown::Read);
        }
        while child.deliveries().is_done() {
            let Some(reader) = child.try_reader() else {
                // The exit shows again at once. The thread that reads may wait for this core.
                thread::yield_now();
                return;
            };
            let reading = self.read(child, reader, Waits::No);
            if reading.is_delivered && !reading.has_more {
                self.on_end(child, reading.end.unwrap_or(End::Closed));
                return;
            }
        }
        self.on_blocked_exit(child);
    }

    /// Handles what was read. Returns an event that has no room at a receiver, and what follows it.
    pub(super) fn on_received(
        self: &Arc<Self>,
        child: &Arc<Child>,
        mut received: Received,
    ) -> Option<(Received, BlockedEvent)> {
        let (mut answers, mut has_news, mut blocked) = (Vec::new(), false, None);
        while let Some(event) = received.events.pop_front() {
            has_news |= !matches!(event, ChildEvent::Progress(_) | ChildEvent::Sent(_));
            match event {
                ChildEvent::Ready(frame) => self.on_first_frame(child, &frame),
                ChildEvent::Launched(launched) => self.on_launched(child, launched),
                ChildEvent::Answer(running, frame) => {
                    self.look_for_panic(child, &frame);
                    if !std::mem::replace(&mut child.link().has_answered, true) {
                        self.children().on_first_answer();
                    }
                    answers.push((running, frame));
                }
                ChildEvent::Progress(notify) => drop(notify), // the report is stored; this wakes its waiters
                ChildEvent::Revoked(calls) => self.return_calls(calls),
                ChildEvent::Listening => {
                    let addresses = self.config.listeners.addresses().iter();
                    let pid = child.pid;
                    addresses.for_each(|&address| self.publish(&ProcessEvent::Listening { pid, address }));
                }
                ChildEvent::Sent(frame) => match self.on_event(child, &frame) {
                    Ok(waits) => blocked = waits,
                    Err(what) => Self::on_malformed(child, what),
                },
                ChildEvent::Malformed(what) => Self::on_malformed(child, what),
            }
            if blocked.is_some() {
                break;
            }
        }
        if received.is_idle && blocked.is_none() {
            self.on_idle(child);
        } else if has_news {
            self.look_at(child);
            self.dispatch();
        }
        answers.into_iter().for_each(|(running, frame)| running.end_with(frame));
        blocked.map(|blocked| (received, blocked))
    }

    /// Kills a child that breaks the protocol.
    fn on_malformed(child: &Child, what: String) {
        child.link().fault = Some(Fault::Malformed(what));
        child.kill();
    }

    fn on_first_frame(self: &Arc<Self>, child: &Arc<Child>, frame: &Frame) {
        let mut link = child.link();
        if let Err(why) = check(frame) {
            link.fault = Some(Fault::Unfit(why));
            child.kill();
            return;
        }
        drop(link);
        self.on_serving(child);
    }

    /// Gives the next call to a child that has answered its last one, or replaces the child.
    fn on_idle(self: &Arc<Self>, child: &Arc<Child>) {
        let stage = {
            let link = child.link();
            if link.is_dead { Stage::Ending } else { link.stage }
        };
        match stage {
            Stage::Ending => return, // its end comes
            Stage::Serving if !self.is_too_large(child) => return self.free(child),
            _ => {}
        }
        if self.state.is_some() {
            child.kill(); // its state is lost
            self.watch_end(child);
            return;
        }
        // It is counted before it can end: its end takes the reason away.
        let is_recycled = matches!(child.link().exit, None | Some(ExitReason::Recycled));
        self.children().figures.recycled += u64::from(is_recycled);
        self.end(child, ExitReason::Recycled);
        self.dispatch(); // another child may take the next call
    }

    /// Makes a child get no further call if a task of its service panicked, and the service is to go on
    /// with a new state.
    fn look_for_panic(&self, child: &Child, frame: &Frame) {
        if !self.restarts_after_panic() || frame.kind != Kind::FAILED {
            return;
        }
        if let Ok(Failure::Panicked { message, .. }) = wire::decode(frame.body()) {
            let mut link = child.link();
            link.stage = Stage::Retiring;
            link.fault = Some(Fault::Panicked(message));
        }
    }

    fn is_too_large(&self, child: &Child) -> bool {
        self.config.recycle_above.is_some_and(|most| child.resident_memory().is_some_and(|bytes| bytes > most))
    }

    fn on_end(self: &Arc<Self>, child: &Arc<Child>, end: End) {
        self.poller.remove(&child.socket, socket_token(child.id));
        child.exit.iter().for_each(|exit| self.poller.remove(exit, exit_token(child.id)));
        let status = child.reap();
        let stderr = {
            let mut stderr = child.stderr();
            stderr.read_rest();
            self.poller.remove(stderr.pipe(), stderr_token(child.id));
            stderr.text()
        };
        let remains = child.link().take_remains(end == End::Unread);
        let (crash, failure) = self.crash_of(child.pid, status, stderr, &remains);
        let is_starting = matches!(remains.stage, Stage::Starting | Stage::Launching);
        let was_replacement = self.children().restarts.is_replacement(child.id);
        if remains.stage == Stage::Ending {
            self.on_service_end(&crash, remains.ends_late);
        }
        self.children().remove(child.id);
        let reason = remains.exit_reason(&crash);
        let is_idle = remains.begun.is_none() && remains.unread.is_none() && remains.ahead.is_empty();
        if !is_starting {
            self.children().figures.count_exit(&reason, is_idle);
        }
        self.publish(&ProcessEvent::Exit { pid: child.pid, reason });
        match remains.stage {
            Stage::Ending => {}
            stage if self.state.is_some() => {
                let is_late = matches!(remains.fault, Some(Fault::NotReady));
                self.on_state_lost(Fallen { crash: crash.clone(), stage, failure, is_late });
            }
            Stage::Starting if was_replacement => {
                self.fail_restarts(&PoolRestartError::NotStarted(Arc::new(crash.clone())));
            }
            Stage::Starting => self.on_start_failure(crash.clone()),
            // Else a child that dies at once is started for ever.
            Stage::Serving | Stage::Retiring if is_idle && !remains.has_answered => {
                self.on_start_failure(crash.clone());
            }
            _ => {}
        }
        self.return_calls(remains.ahead);
        self.on_unread_call(remains.unread, &crash);
        Self::on_lost_call(remains.begun, child, crash);
        self.report_free_slots();
        self.dispatch();
    }

    /// Returns how a child ended, and why its service has no state.
    fn crash_of(
        &self,
        pid: u32,
        status: Option<ExitStatus>,
        stderr: String,
        remains: &Remains,
    ) -> (ChildCrash, Option<Failure>) {
        let crash = ChildCrash::exited(pid, status, stderr).limited_to(self.config.memory);
        let limit = match remains.stage {
            Stage::Launching => self.launch_timeout(),
            _ => Some(self.config.start_timeout),
        };
        match &remains.fault {
            None => (crash, None),
            Some(Fault::Malformed(what)) => (crash.malformed(what.clone()), None),
            Some(Fault::NotReady) => (crash.not_ready(limit.unwrap_or_default()), None),
            Some(Fault::Unfit(why)) => (crash.unfit(why.clone()), None),
            Some(Fault::Panicked(message)) => (crash.panicked(message.clone()), None),
            Some(Fault::NotLaunched(failure)) => (crash.not_launched(failure.to_string()), Some(failure.clone())),
        }
    }

    /// Lets other children run calls that a child has not begun.
    fn return_calls(self: &Arc<Self>, calls: Vec<Running>) {
        calls.into_iter().rev().filter_map(Running::into_started).for_each(|call| self.give_back(call));
    }

    /// Lets another child run the call that its child had not read. A call that comes back too often
    /// ends.
    fn on_unread_call(self: &Arc<Self>, call: Option<Running>, crash: &ChildCrash) {
        let Some(mut running) = call else { return };
        running.moves += 1;
        if running.moves <= MAX_MOVES {
            self.return_calls(vec![running]);
        } else {
            running.task.into_iter().for_each(|task| finish(task, Answer::Crashed(crash.clone())));
        }
    }

    /// Ends the call that a child had begun.
    fn on_lost_call(call: Option<Running>, child: &Child, crash: ChildCrash) {
        let Some(Running { task, since, stop, killed, .. }) = call else { return };
        let answer = match (killed, stop) {
            (Some(at), Some((reason, _))) => Answer::Killed(Kill::new(child.pid, reason, at.duration_since(since))),
            _ => Answer::Crashed(crash),
        };
        if let Some(task) = task {
            finish(task, answer);
        }
    }
}

/// Checks that a child serves the same sets.
fn check(frame: &Frame) -> Result<(), String> {
    let ready: Ready = wire::decode(frame.body()).map_err(|error| error.to_string())?;
    let ours = served::served().unwrap_or_default();
    let same = ready.sets.len() == ours.len()
        && ready
            .sets
            .iter()
            .zip(ours)
            .all(|((name, number), set)| name == set.identifier && *number == set.fingerprint);
    if same {
        Ok(())
    } else {
        Err("it serves other sets, or another version of them; was the program's file replaced?".into())
    }
}
