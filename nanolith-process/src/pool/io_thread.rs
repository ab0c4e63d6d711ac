//! The thread of a pool: starts children, reads what they send, watches the time of their tasks, and
//! kills them.

use super::{
    child::{Child, Stage},
    poller::{Interest, Ready},
    pool_shared::{NO_CHILD, PoolShared, child_of, exit_token, kill_reason, socket_token, stderr_token},
    running_task::{Answer, Outgoing},
    spawn,
};
use crate::exit::{ChildCrash, KillReason};
use std::{
    io,
    sync::{Arc, PoisonError, atomic::Ordering},
    task::Waker,
    time::{Duration, Instant},
};

/// How long a child that was asked to end may take.
const END_LIMIT: Duration = Duration::from_secs(5);

impl PoolShared {
    pub(super) fn run(self: Arc<Self>) {
        let mut ready = Vec::new();
        while !self.is_over() {
            self.start_missing();
            self.poller.wait(self.next_wait(), &mut ready);
            ready.iter().for_each(|ready| self.on_ready(*ready));
            self.on_stops();
            self.look_at_time();
        }
        let waiting: Vec<Waker> = {
            let mut children = self.children();
            children.is_over = true;
            std::mem::take(&mut children.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ends idle children of a pool that is closing, and returns whether all are gone.
    fn is_over(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `close`.
        if !self.is_closing.load(Ordering::Acquire) || self.has_work() && self.children().failed.is_none() {
            return false;
        }
        let mut idle = Vec::new();
        {
            let mut children = self.children();
            while let Some(child) = children.take_idle() {
                idle.push(child);
            }
        }
        idle.iter().for_each(|child| self.end(child));
        self.children().len() == 0
    }

    /// Asks a child to end that runs no call and is not among the idle ones.
    pub(super) fn end(&self, child: &Child) {
        child.link().stage = Stage::Ending;
        child.ask_to_end();
        self.look_at(child, Instant::now().checked_add(END_LIMIT));
    }

    // ----- starting

    fn start_missing(self: &Arc<Self>) {
        let waiting = self.queue.info().queue_len;
        // ORDERING: Relaxed, a pool that closes meanwhile ends the child.
        let min = if self.is_closing.load(Ordering::Relaxed) { 0 } else { self.config.min_children };
        let missing = self.children().missing(waiting, min, self.config.max_children, Instant::now());
        for _ in 0..missing {
            if let Err(error) = self.start_child() {
                self.on_start_failure(ChildCrash::not_started(&error));
                return;
            }
        }
    }

    fn start_child(self: &Arc<Self>) -> io::Result<()> {
        let id = self.children().next_id();
        let child = Arc::new(spawn::spawn(&self.config, id)?);
        self.poller.add(&child.socket, socket_token(id), Interest::Read)?;
        self.poller.add(&*child.stderr(), stderr_token(id), Interest::Read)?;
        if let Some(exit) = &child.exit {
            self.poller.add(exit, exit_token(id), Interest::Read)?;
        }
        self.look_at(&child, Instant::now().checked_add(self.config.start_timeout));
        self.children().add(child);
        Ok(())
    }

    /// Counts a child that did not start. After too many, the pool gives up.
    pub(super) fn on_start_failure(self: &Arc<Self>, crash: ChildCrash) {
        let gives_up = self.children().on_start_failure(self.config.max_start_failures, Instant::now());
        if !gives_up {
            return;
        }
        let crash = Arc::new(crash);
        self.children().failed = Some(crash.clone());
        self.close();
        let returned = self.children().take_all_returned();
        let queued = std::iter::from_fn(|| self.queue.take()).filter_map(Outgoing::start);
        for started in returned.into_iter().chain(queued) {
            super::pool_shared::finish(started.task, Answer::NotStarted(crash.clone()));
        }
    }

    // ----- what is ready

    fn on_ready(self: &Arc<Self>, ready: Ready) {
        let Some(child) = self.children().get(child_of(ready.token)) else { return };
        if ready.token == stderr_token(child.id) {
            let mut stderr = child.stderr();
            if !stderr.read() {
                self.poller.remove(&*stderr);
            }
            return;
        }
        if ready.token == exit_token(child.id) {
            self.on_exit(&child);
            return;
        }
        if ready.write && !child.flush() {
            let _ = self.poller.modify(&child.socket, ready.token, Interest::Read);
        }
        if ready.read {
            self.on_readable(&child);
        }
    }

    /// Looks at the calls that are asked to stop.
    fn on_stops(self: &Arc<Self>) {
        let stops = std::mem::take(&mut *self.stops.lock().unwrap_or_else(PoisonError::into_inner));
        if stops.iter().any(|(id, _)| *id == NO_CHILD) {
            self.stop_returned();
        }
        for (id, call) in stops {
            let Some(child) = self.children().get(id) else { continue };
            let mut link = child.link();
            if link.last_call < call {
                // The thread that sends the call is not there yet.
                drop(link);
                self.stops.lock().unwrap_or_else(PoisonError::into_inner).push((id, call));
                self.poller.notify();
                continue;
            }
            let Stage::Busy(running) = &mut link.stage else { continue };
            if running.call != call || running.stop.is_some() {
                continue;
            }
            // A wait for a stop may be woken without one.
            let Some(reason) = self.poll_stop(&mut *running.task, id, call) else { continue };
            let due = running.stop(&child, kill_reason(reason), self.config.grace);
            drop(link);
            self.look_at(&child, due);
        }
    }

    // ----- time

    /// Returns how long to wait for an event.
    fn next_wait(&self) -> Option<Duration> {
        // ORDERING: SeqCst, see `look_at`. A thread that sets an earlier moment from here on notifies.
        self.next_look.store(u64::MAX, Ordering::SeqCst);
        let children = self.children();
        let dues = children.all().iter().map(|child| child.due()).min();
        let start = children.next_start().map(|then| self.nanos(then));
        drop(children);
        let next = dues.into_iter().chain(start).min().unwrap_or(u64::MAX);
        self.next_look.store(next, Ordering::SeqCst);
        (next < u64::MAX).then(|| self.until(next))
    }

    /// Looks at each child whose moment has come.
    fn look_at_time(&self) {
        let now = Instant::now();
        let nanos = self.nanos(now);
        let due = self.children().all().into_iter().filter(|child| child.due() <= nanos);
        for child in due.collect::<Vec<_>>() {
            child.clear_due();
            let next = self.on_due(&child, now);
            self.look_at(&child, next);
        }
    }

    /// Does what is due, and returns when to look again.
    fn on_due(&self, child: &Arc<Child>, now: Instant) -> Option<Instant> {
        let mut link = child.link();
        match &mut link.stage {
            Stage::Starting { since } => {
                let end = since.checked_add(self.config.start_timeout)?;
                if now < end {
                    return Some(end);
                }
                link.fault = Some(super::child::Fault::NotReady);
                child.kill();
                None
            }
            Stage::Idle { since } => {
                let end = since.checked_add(self.config.idle_timeout)?;
                drop(link);
                if now < end {
                    return Some(end);
                }
                let mut children = self.children();
                if children.len() > self.config.min_children && children.remove_idle(child.id) {
                    drop(children);
                    self.end(child);
                    return now.checked_add(END_LIMIT);
                }
                now.checked_add(self.config.idle_timeout)
            }
            Stage::Busy(running) => match (running.stop, running.limit) {
                (Some((_, kill_at)), _) if now < kill_at => Some(kill_at),
                (Some(_), _) => {
                    running.kill(child, now);
                    None
                }
                (None, Some(limit)) if now < limit => Some(limit),
                (None, Some(_)) => running.stop(child, KillReason::TaskTimeout, self.config.grace),
                (None, None) => None,
            },
            Stage::Ending => {
                child.kill();
                None
            }
        }
    }
}
