//! [`PoolShared`]: the data that the handles and the thread of a pool share, and the way of a call
//! from the queue to an idle child.

use super::{
    builder::Config,
    child::{Child, Stage},
    children::Children,
    poller::{Interest, Poller},
    running_task::{Answer, Outgoing, RunningTask, Started},
};
use crate::{build_error::BuildError, exit::KillReason};
use nanolith::executor::{JobQueue, StopReason};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

pub(super) struct PoolShared {
    pub(super) config: Config,
    pub(super) queue: JobQueue<Outgoing>,
    children: Mutex<Children>,
    pub(super) poller: Poller,
    /// The start of the pool's clock.
    start: Instant,
    /// When the pool's thread wakes by itself, in nanoseconds of the pool's clock.
    pub(super) next_look: AtomicU64,
    /// The calls that are asked to stop, with their children.
    pub(super) stops: Mutex<Vec<(u64, u64)>>,
    last_call: AtomicU64,
    pub(super) is_closing: AtomicBool,
}

impl PoolShared {
    /// Starts the pool's thread.
    pub(super) fn start(config: Config, queue: JobQueue<Outgoing>) -> Result<Arc<Self>, BuildError> {
        let poller = Poller::new().map_err(|error| BuildError::system("epoll", error))?;
        let name = format!("{}-io", config.name);
        queue.set_free_slots(config.max_children);
        let shared = Arc::new(Self {
            config,
            queue,
            children: Mutex::default(),
            poller,
            start: Instant::now(),
            next_look: AtomicU64::new(0),
            stops: Mutex::default(),
            last_call: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
        });
        let run = shared.clone();
        let thread = thread::Builder::new().name(name).spawn(move || run.run());
        thread.map_err(|error| BuildError::system("the start of a thread", error))?;
        Ok(shared)
    }

    pub(super) fn children(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a moment in nanoseconds of the pool's clock.
    pub(super) fn nanos(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns how long it is until a moment of the pool's clock.
    pub(super) fn until(&self, due: u64) -> Duration {
        Duration::from_nanos(due).saturating_sub(self.start.elapsed())
    }

    /// Makes the pool's thread look at the child at `due` or before.
    pub(super) fn look_at(&self, child: &Child, due: Option<Instant>) {
        let Some(due) = due.map(|due| self.nanos(due)) else { return };
        child.look_by(due);
        // ORDERING: SeqCst, pairs with the store before the thread reads the moments of all children:
        // the thread sees this moment, or this sees the thread's.
        if due < self.next_look.load(Ordering::SeqCst) {
            self.poller.notify();
        }
    }

    // ----- from the queue to a child

    /// Returns whether a call waits for a child.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.children().has_returned()
    }

    /// Sends calls to idle children until one of the two runs out.
    pub(super) fn dispatch(self: &Arc<Self>) {
        loop {
            let Some(child) = self.children().take_idle() else {
                let may_grow = self.children().len() < self.config.max_children;
                if may_grow && self.has_work() {
                    self.poller.notify(); // the pool's thread starts children
                }
                return;
            };
            match self.next_call() {
                Some(started) => self.send(&child, started),
                None => {
                    self.children().put_idle(child);
                    if !self.has_work() {
                        // ORDERING: Acquire, pairs with the Release in `close`. If the pool's thread saw
                        // that the pool closes, and missed the child, the lock makes this see it too.
                        if self.is_closing.load(Ordering::Acquire) {
                            self.poller.notify(); // the pool's thread ends the child
                        }
                        return;
                    }
                }
            }
        }
    }

    fn next_call(&self) -> Option<Started> {
        if let Some(started) = self.children().take_returned() {
            return Some(started);
        }
        loop {
            let job = self.queue.take()?;
            // The drop of the arguments is user code.
            if let Ok(Some(started)) = catch_unwind(AssertUnwindSafe(|| Outgoing::start(job))) {
                return Some(started);
            }
        }
    }

    fn send(self: &Arc<Self>, child: &Arc<Child>, mut started: Started) {
        // ORDERING: Relaxed, the number publishes nothing but itself.
        let call = self.last_call.fetch_add(1, Ordering::Relaxed) + 1;
        let now = Instant::now();
        let limit = self.config.task_timeout.and_then(|limit| now.checked_add(limit));
        let end = [limit, started.task.deadline()].into_iter().flatten().min();
        started.address(call, end.map(|end| end.saturating_duration_since(now)));
        if let Some(reason) = self.poll_stop(&mut *started.task, child.id, call) {
            child.link().last_call = call; // else the pool's thread would wait for it
            self.children().put_idle(child.clone());
            finish(started.task, Answer::Stopped(reason));
            return;
        }
        match child.send(started, call, limit) {
            Ok(false) => {}
            Ok(true) => {
                let _ = self.poller.modify(&child.socket, socket_token(child.id), Interest::ReadWrite);
            }
            Err(started) => return self.give_back(started),
        }
        self.look_at(child, limit);
    }

    /// Returns why the task of a call is asked to stop. Otherwise the pool's thread looks when it is.
    pub(super) fn poll_stop(self: &Arc<Self>, task: &mut dyn RunningTask, child: u64, call: u64) -> Option<StopReason> {
        let waker = Waker::from(Arc::new(StopWaker { pool: Arc::downgrade(self), child, call }));
        task.poll_stop(&mut Context::from_waker(&waker))
    }

    /// Lets another child run a call that no child has read, if the pool still runs calls.
    pub(super) fn give_back(self: &Arc<Self>, mut started: Started) {
        let stop = self.poll_stop(&mut *started.task, NO_CHILD, 0);
        let answer = {
            let mut children = self.children();
            match (&children.failed, stop) {
                (Some(crash), _) => Answer::NotStarted(crash.clone()),
                (None, Some(reason)) => Answer::Stopped(reason),
                (None, None) if children.is_terminated => Answer::Stopped(StopReason::Cancelled),
                (None, None) => return children.return_call(started),
            }
        };
        finish(started.task, answer);
    }

    /// Ends the calls without a child that are asked to stop.
    pub(super) fn stop_returned(self: &Arc<Self>) {
        let returned = self.children().take_all_returned();
        returned.into_iter().for_each(|started| self.give_back(started));
        self.dispatch();
    }

    /// Makes a child available that runs no call.
    pub(super) fn free(self: &Arc<Self>, child: &Arc<Child>) {
        self.look_at(child, Instant::now().checked_add(self.config.idle_timeout));
        self.children().put_idle(child.clone());
        self.dispatch();
        self.report_free_slots();
    }

    /// Tells the queue how many calls could start at once.
    pub(super) fn report_free_slots(&self) {
        let busy = self.children().busy_len();
        self.queue.set_free_slots(self.config.max_children.saturating_sub(busy));
    }

    // ----- the end

    /// Accepts no more calls. The children end when the accepted calls are over.
    pub(super) fn close(&self) {
        self.queue.close();
        // ORDERING: Release, pairs with the Acquire of the pool's thread.
        self.is_closing.store(true, Ordering::Release);
        self.poller.notify();
    }
}

impl PoolShared {
    /// Kills all children. The calls that they run end as killed.
    pub(super) fn kill_all(&self) {
        let (children, returned) = {
            let mut children = self.children();
            children.is_terminated = true;
            (children.all(), children.take_all_returned())
        };
        returned.into_iter().for_each(|started| finish(started.task, Answer::Stopped(StopReason::Cancelled)));
        for child in children {
            let mut link = child.link();
            match &mut link.stage {
                Stage::Busy(running) => {
                    let now = Instant::now();
                    running.stop = Some((KillReason::Terminated, now));
                    running.kill(&child, now);
                }
                Stage::Idle { .. } => {
                    link.stage = Stage::Ending;
                    child.kill();
                }
                Stage::Starting { .. } | Stage::Ending => child.kill(),
            }
        }
    }
}

/// Ends a call. The decoding of its output is user code.
pub(super) fn finish(task: Box<dyn RunningTask>, answer: Answer) {
    let _ = catch_unwind(AssertUnwindSafe(|| task.finish(answer)));
}

/// Returns the reason for a kill that belongs to a call's own end.
pub(super) fn kill_reason(reason: StopReason) -> KillReason {
    match reason {
        StopReason::TimedOut => KillReason::TimedOut,
        _ => KillReason::Cancelled,
    }
}

/// The number of no child, for a call that waits for another one.
pub(super) const NO_CHILD: u64 = 0;

/// Tells the pool's thread that a call is asked to stop.
struct StopWaker {
    pool: Weak<PoolShared>,
    child: u64,
    call: u64,
}

impl Wake for StopWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(pool) = self.pool.upgrade() else { return };
        pool.stops.lock().unwrap_or_else(PoisonError::into_inner).push((self.child, self.call));
        pool.poller.notify();
    }
}

/// The token of a child's socket at the poller.
pub(super) fn socket_token(child: u64) -> u64 {
    child << 2
}

/// The token of a child's standard error at the poller.
pub(super) fn stderr_token(child: u64) -> u64 {
    child << 2 | 1
}

/// The token of a child's exit at the poller.
pub(super) fn exit_token(child: u64) -> u64 {
    child << 2 | 2
}

/// Returns the child of a token.
pub(super) fn child_of(token: u64) -> u64 {
    token >> 2
}
