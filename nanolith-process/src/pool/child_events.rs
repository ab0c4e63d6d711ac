//! What a pool does when a child answers, breaks the protocol, or dies.

use super::{
    child::{Child, End, Fault, Running, Stage},
    pool_shared::{PoolShared, finish},
    running_task::{Answer, Started},
};
use crate::{
    exit::{ChildCrash, Kill, KillReason},
    served,
    wire::{self, Frame, Kind, Ready},
};
use nanolith::executor::StopReason;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How many children may die before they have read a call, until the call ends.
const MAX_MOVES: u32 = 3;

impl Running {
    /// Asks the task to stop, and returns when to kill the child. Without a grace period it kills the
    /// child at once.
    pub(super) fn stop(&mut self, child: &Child, reason: KillReason, grace: Duration) -> Option<Instant> {
        let now = Instant::now();
        let kill_at = now.checked_add(grace);
        self.stop = Some((reason, kill_at.unwrap_or(now)));
        if grace.is_zero() {
            self.kill(child, now);
            return None;
        }
        child.ask_to_stop(self.call);
        kill_at
    }

    pub(super) fn kill(&mut self, child: &Child, now: Instant) {
        self.killed.get_or_insert(now);
        child.kill();
    }

    /// Returns how the call ends if its task has answered.
    fn answer(&self, frame: Frame) -> Answer {
        match self.stop {
            None => Answer::Frame(frame),
            Some((KillReason::Cancelled, _)) => Answer::Stopped(StopReason::Cancelled),
            Some(_) => Answer::Stopped(StopReason::TimedOut),
        }
    }
}

impl PoolShared {
    pub(super) fn on_readable(self: &Arc<Self>, child: &Arc<Child>) {
        let received = child.receive();
        received.frames.into_iter().for_each(|frame| self.on_frame(child, frame));
        if let Some(end) = received.end {
            self.on_end(child, end);
        }
    }

    /// Ends a child whose process has ended, after what it has sent.
    pub(super) fn on_exit(self: &Arc<Self>, child: &Arc<Child>) {
        child.link().is_dead = true;
        loop {
            let received = child.receive();
            received.frames.into_iter().for_each(|frame| self.on_frame(child, frame));
            if !received.has_more {
                return self.on_end(child, received.end.unwrap_or(End::Closed));
            }
        }
    }

    fn on_frame(self: &Arc<Self>, child: &Arc<Child>, frame: Frame) {
        let mut link = child.link();
        match &link.stage {
            Stage::Starting { .. } if frame.kind == Kind::READY => {
                if let Err(why) = check(&frame) {
                    link.fault = Some(Fault::Unfit(why));
                    child.kill();
                    return;
                }
                link.stage = Stage::Idle { since: Instant::now() };
                drop(link);
                self.children().on_ready();
                self.free(child);
            }
            Stage::Busy(running) if running.call == frame.id && matches!(frame.kind, Kind::OUTPUT | Kind::FAILED) => {
                let Stage::Busy(running) = std::mem::replace(&mut link.stage, Stage::Idle { since: Instant::now() })
                else {
                    unreachable!("it was just seen to be busy");
                };
                link.calls_left -= 1;
                let calls_left = link.calls_left;
                let is_dead = link.is_dead;
                let is_first = !std::mem::replace(&mut link.has_answered, true);
                drop(link);
                if is_first {
                    self.children().on_first_answer();
                }
                if running.killed.is_some() || is_dead || calls_left == 0 || self.is_too_large(child) {
                    self.children().figures.recycled += u64::from(running.killed.is_none() && !is_dead);
                    self.end(child);
                } else {
                    self.free(child);
                }
                let answer = running.answer(frame);
                finish(running.task, answer);
            }
            _ => {
                link.fault = Some(Fault::Malformed("an answer that was not asked for".into()));
                child.kill();
            }
        }
    }

    fn is_too_large(&self, child: &Child) -> bool {
        self.config.recycle_above.is_some_and(|most| child.resident_memory().is_some_and(|bytes| bytes > most))
    }

    fn on_end(self: &Arc<Self>, child: &Arc<Child>, end: End) {
        self.poller.remove(&child.socket);
        child.exit.iter().for_each(|exit| self.poller.remove(exit));
        let status = child.reap();
        let stderr = {
            let mut stderr = child.stderr();
            stderr.read();
            self.poller.remove(&*stderr);
            stderr.text()
        };
        let has_answered = child.link().has_answered;
        let (stage, fault, is_unread) = child.take_end(end);
        let crash = ChildCrash::exited(child.pid, status, stderr);
        let crash = match fault {
            None => crash,
            Some(Fault::Malformed(what)) => crash.malformed(what),
            Some(Fault::NotReady) => crash.not_ready(self.config.start_timeout),
            Some(Fault::Unfit(why)) => crash.unfit(why),
        };
        self.children().remove(child.id, matches!(stage, Stage::Starting { .. }));
        match stage {
            Stage::Starting { .. } => self.on_start_failure(crash),
            Stage::Idle { .. } => {
                self.children().figures.crashed += 1;
                if !has_answered {
                    self.on_start_failure(crash); // else one that dies at once is started for ever
                }
            }
            Stage::Ending => {}
            Stage::Busy(running) => self.on_lost_call(*running, child, crash, is_unread),
        }
        self.report_free_slots();
        self.dispatch();
    }

    /// Ends the call of a child that died, or lets another child run it.
    fn on_lost_call(self: &Arc<Self>, running: Running, child: &Child, crash: ChildCrash, is_unread: bool) {
        let Running { task, frame, set, moves, since, stop, killed, .. } = running;
        let answer = match (killed, stop) {
            (Some(at), Some((reason, _))) => {
                self.children().figures.killed += 1;
                Answer::Killed(Kill::new(child.pid, reason, at.duration_since(since)))
            }
            _ if is_unread && moves < MAX_MOVES => {
                return self.give_back(Started { frame, set, task, moves: moves + 1 });
            }
            _ => {
                self.children().figures.crashed += 1;
                Answer::Crashed(crash)
            }
        };
        finish(task, answer);
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
    if same { Ok(()) } else { Err("it serves other sets, or another version of them".into()) }
}
