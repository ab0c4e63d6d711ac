//! The thread of a pool: starts children, reads what they send, watches the time of their tasks, and
//! kills them.

use super::{
    child::Child,
    child_events::Fallen,
    children::Bounds,
    link::{Fault, Link, Stage},
    poller::{Interest, Ready},
    pool_shared::{PoolShared, child_of, exit_token, finish, kill_reason, socket_token, stderr_token},
    restart::PoolRestartError,
    running_task::Answer,
    spawn,
};
use crate::{
    event::{ExitReason, ProcessEvent},
    exit::{ChildCrash, KillReason},
    wire::Request,
};
use std::{
    io,
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering},
    task::{Context, Waker},
    time::{Duration, Instant},
};

/// How long a child that was asked to end may take, and how long the events of a child that has ended
/// may wait for room.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How often the thread looks for children that have ended, if they have no descriptor that shows it.
const EXIT_LOOK: Duration = Duration::from_millis(100);

impl PoolShared {
    pub(super) fn run(self: Arc<Self>) {
        let (mut ready, mut exit_look) = (Vec::new(), Instant::now());
        while !self.is_over() {
            self.start_missing();
            self.continue_restarts();
            self.poller.wait(self.next_wait(), &mut ready);
            ready.iter().for_each(|ready| self.on_ready(*ready));
            self.on_stops();
            self.on_unblocked();
            self.look_at_time();
            if exit_look.elapsed() >= EXIT_LOOK {
                exit_look = Instant::now();
                self.look_for_exits();
            }
        }
        self.config.listeners.close();
        self.events.end();
        self.end_service_events();
        {
            let mut children = self.children();
            children.is_over = true;
            children.restarts.fail(&PoolRestartError::Closed);
        }
        self.wake_waiting();
    }

    /// Ends idle children of a pool that is closing, and returns whether all are gone.
    fn is_over(&self) -> bool {
        // ORDERING: Acquire, pairs with the Release in `close`.
        if !self.is_closing.load(Ordering::Acquire) {
            return false;
        }
        self.children().all().iter().for_each(|child| child.ask_to_retire());
        if self.has_work() && self.children().failed.is_none() {
            return false;
        }
        let idle = self.children().take_all_idle();
        idle.iter().for_each(|child| self.end(child, ExitReason::Closed));
        self.children().len() == 0
    }

    /// Asks a child to end that runs no call, for this reason unless there is one already.
    pub(super) fn end(&self, child: &Child, reason: ExitReason) {
        self.end_link(child, child.link(), reason);
    }

    /// Like [`end`](Self::end), of a child whose link is locked.
    pub(super) fn end_link(&self, child: &Child, mut link: MutexGuard<'_, Link>, reason: ExitReason) {
        link.exit.get_or_insert(reason);
        (link.stage, link.since) = (Stage::Ending, Instant::now());
        drop(link);
        self.children().on_ending(child.id);
        child.ask_to_end();
        self.watch_end(child);
        self.look_at(child);
    }

    /// Makes the end of a child that runs no call show at once, if it has no descriptor for that.
    pub(super) fn watch_end(&self, child: &Child) {
        if child.exit.is_none() {
            self.watch(child);
        }
    }

    // ----- starting

    fn start_missing(self: &Arc<Self>) {
        let waiting = self.queue.info().queue_len;
        let missing = self.children().missing(waiting, self.bounds(), Instant::now());
        for _ in 0..missing {
            if let Err(error) = self.start_child() {
                let crash = ChildCrash::not_started(&error);
                if self.state.is_some() {
                    self.on_state_lost(Fallen::unstarted(crash));
                } else {
                    self.on_start_failure(crash);
                }
                return;
            }
        }
    }

    fn bounds(&self) -> Bounds {
        // ORDERING: Relaxed, a pool that closes meanwhile ends the child.
        let is_closing = self.is_closing.load(Ordering::Relaxed);
        Bounds {
            min: if is_closing { 0 } else { self.config.min_children },
            max: self.config.max_children,
            has_spare: self.config.warm_spare && !is_closing,
        }
    }

    /// Starts a child, and returns its number.
    pub(super) fn start_child(self: &Arc<Self>) -> io::Result<u64> {
        let id = self.children().next_id();
        let child = Arc::new(spawn::spawn(&self.config, id)?);
        self.poller.add(&child.socket, socket_token(id), Interest::Read)?;
        self.poller.add(child.stderr().pipe(), stderr_token(id), Interest::Read)?;
        if let Some(exit) = &child.exit {
            self.poller.add(exit, exit_token(id), Interest::Read)?;
        }
        self.look_at(&child);
        let pid = child.pid;
        self.children().add(child);
        self.publish(&ProcessEvent::Started { pid });
        Ok(id)
    }

    /// Counts a child that did not start. After too many, the pool gives up.
    pub(super) fn on_start_failure(self: &Arc<Self>, crash: ChildCrash) {
        let gives_up = self.children().on_start_failure(self.config.max_start_failures, Instant::now());
        if gives_up {
            self.give_up(crash);
        }
    }

    // ----- what is ready

    fn on_ready(self: &Arc<Self>, ready: Ready) {
        let Some(child) = self.children().get(child_of(ready.token)) else { return };
        if ready.token == stderr_token(child.id) {
            let mut stderr = child.stderr();
            if !stderr.read() {
                self.poller.remove(stderr.pipe(), ready.token);
            }
            return;
        }
        if ready.token == exit_token(child.id) {
            self.on_exit(&child);
            return;
        }
        if ready.write && !child.flush() {
            let link = child.link();
            self.set_interest(&child, &link);
        }
        let is_blocked = child.link().is_blocked;
        match (ready.read, is_blocked) {
            (true, false) => self.on_readable(&child),
            (true, true) if ready.end => self.on_blocked_exit(&child),
            _ => {}
        }
    }

    /// Looks at the calls that are asked to stop.
    fn on_stops(self: &Arc<Self>) {
        let stops = std::mem::take(&mut *self.stops.lock().unwrap_or_else(PoisonError::into_inner));
        if stops.iter().any(|stop| stop.is_returned()) {
            self.stop_returned();
        }
        for stop in stops {
            let Some((child, call)) = stop.place() else { continue };
            let Some(call) = call else {
                // The thread that sends the call is not there yet.
                self.stops.lock().unwrap_or_else(PoisonError::into_inner).push(stop);
                self.poller.notify();
                continue;
            };
            let mut link = child.link();
            let Some((running, has_begun)) = link.call(call) else { continue };
            let Some(task) = &mut running.task else { continue };
            // A wait for a stop may be woken without one.
            let waker = Waker::from(stop.clone());
            let Some(reason) = task.poll_stop(&mut Context::from_waker(&waker)) else { continue };
            if has_begun {
                if running.stop.is_none() {
                    running.stop(&child, kill_reason(reason), self.config.grace);
                }
                drop(link);
            } else {
                let task = running.task.take();
                drop(link);
                child.request(Request::Stop(call));
                task.into_iter().for_each(|task| finish(task, Answer::Stopped(reason)));
            }
            self.look_at(&child);
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
        let exits = children.all().iter().any(|child| child.exit.is_none()).then_some(EXIT_LOOK);
        drop(children);
        let next = dues.into_iter().chain(start).min().unwrap_or(u64::MAX);
        self.next_look.store(next, Ordering::SeqCst);
        let next = (next < u64::MAX).then(|| self.until(next));
        next.into_iter().chain(exits).min()
    }

    /// Ends the children whose process has ended, if no descriptor shows it. Mostly their sockets show it
    /// before, unless another process holds them open.
    fn look_for_exits(self: &Arc<Self>) {
        let unseen = self.children().all().into_iter().filter(|child| child.exit.is_none());
        unseen.filter(|child| child.has_ended()).for_each(|child| self.on_exit(&child));
    }

    /// Looks at each child whose moment has come.
    fn look_at_time(self: &Arc<Self>) {
        let now = Instant::now();
        let nanos = self.nanos(now);
        let due = self.children().all().into_iter().filter(|child| child.due() <= nanos);
        for child in due.collect::<Vec<_>>() {
            child.clear_due();
            self.on_due(&child, now);
            self.look_at(&child);
        }
    }

    /// Returns when something may be due for a child.
    pub(super) fn next_due(&self, link: &Link) -> Option<Instant> {
        if let Some(ended) = link.ended {
            return ended.checked_add(END_LIMIT);
        }
        match link.stage {
            Stage::Starting => link.since.checked_add(self.config.start_timeout),
            Stage::Launching => link.since.checked_add(self.launch_timeout()?),
            Stage::Serving | Stage::Retiring => match link.first() {
                None => link.since.checked_add(self.config.idle_timeout),
                Some(running) => match running.stop {
                    Some((_, kill_at)) => Some(kill_at).filter(|_| running.killed.is_none()),
                    None => link.task_limit().into_iter().chain(link.revoke_at()).min(),
                },
            },
            Stage::Ending => link.since.checked_add(END_LIMIT),
        }
    }

    /// Does what is due.
    fn on_due(self: &Arc<Self>, child: &Arc<Child>, now: Instant) {
        let mut link = child.link();
        if self.next_due(&link).is_none_or(|due| now < due) {
            return;
        }
        if link.ended.is_some() {
            drop(link);
            self.lose_events(child);
            return;
        }
        match link.stage {
            Stage::Starting | Stage::Launching => {
                link.fault = Some(Fault::NotReady);
                link.since = now; // it is killed again if it is still there
                child.kill();
            }
            Stage::Ending => {
                (link.since, link.ends_late) = (now, true);
                drop(link);
                child.kill();
                self.lose_events(child);
            }
            Stage::Serving | Stage::Retiring if link.is_idle() => {
                link.since = now;
                drop(link);
                let is_surplus = self.children().take_surplus(child.id, self.bounds());
                if is_surplus {
                    self.end(child, ExitReason::Idle);
                }
            }
            Stage::Serving | Stage::Retiring => {
                let is_late = link.task_limit().is_some_and(|limit| limit <= now);
                let Some(running) = link.running() else { return };
                match running.stop {
                    Some(_) => running.kill(child, now),
                    None if is_late => running.stop(child, KillReason::TaskTimeout, self.config.grace),
                    None => child.request(Request::Revoke(link.revoke())),
                }
            }
        }
    }
}
