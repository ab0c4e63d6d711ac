//! [`PoolShared`]: the data that the handles and the thread of a pool share, and the way of a call
//! from the queue to an idle child.

use super::{
    builder::Config,
    child::{Child, Sent},
    children::Children,
    link::Link,
    poller::Poller,
    running_task::{Answer, Outgoing, RunningTask, Started},
    state_source::ServiceState,
    wait::Wait,
};
use crate::{build_error::BuildError, event::ProcessEvent, exit::KillReason};
use nanolith::{
    __private::EventPublisher,
    executor::{JobQueue, StopReason, WaitHelper},
};
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

/// The number of events that wait for a stream at most.
const MAX_UNREAD: usize = 256;

pub(super) struct PoolShared {
    pub(super) config: Config,
    pub(super) queue: JobQueue<Outgoing>,
    children: Mutex<Children>,
    /// What makes the state of the pool's service, if it has one.
    pub(super) state: Option<ServiceState>,
    pub(super) poller: Poller,
    pub(super) events: EventPublisher<ProcessEvent>,
    /// The start of the pool's clock.
    start: Instant,
    /// When the pool's thread wakes by itself, in nanoseconds of the pool's clock.
    pub(super) next_look: AtomicU64,
    /// The calls that are asked to stop.
    pub(super) stops: Mutex<Vec<Arc<SentCall>>>,
    /// The children whose event may have room at its receivers now.
    pub(super) unblocked: Mutex<Vec<Arc<Child>>>,
    pub(super) is_closing: AtomicBool,
}

impl PoolShared {
    /// Starts the pool's thread.
    pub(super) fn start(
        config: Config,
        queue: JobQueue<Outgoing>,
        state: Option<ServiceState>,
    ) -> Result<Arc<Self>, BuildError> {
        let poller = Poller::new().map_err(|error| BuildError::system("the creation of a poller", error))?;
        let name = format!("{}-io", config.name);
        queue.set_free_slots(config.max_children);
        let shared = Arc::new(Self {
            config,
            queue,
            children: Mutex::default(),
            state,
            poller,
            events: EventPublisher::newest(MAX_UNREAD),
            start: Instant::now(),
            next_look: AtomicU64::new(0),
            stops: Mutex::default(),
            unblocked: Mutex::default(),
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

    /// Publishes an event. The wakers of its receivers are user code, and so is a subscriber of `tracing`.
    pub(super) fn publish(&self, event: &ProcessEvent) {
        #[cfg(feature = "tracing")]
        let _ = catch_unwind(AssertUnwindSafe(|| event.trace(&self.config.name)));
        let _ = catch_unwind(AssertUnwindSafe(|| self.events.publish(event)));
    }

    /// Makes the pool's thread look at the child when something may be due.
    pub(super) fn look_at(&self, child: &Child) {
        let Some(due) = self.next_due(&child.link()).map(|due| self.nanos(due)) else { return };
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

    /// Sends calls to children until one of the two runs out: to idle children, or, if no more can
    /// start, ahead of the end of short calls.
    pub(super) fn dispatch(self: &Arc<Self>) {
        self.dispatch_for(None);
    }

    /// Like [`dispatch`](Self::dispatch), by a thread that then blocks for the call with this wait.
    pub(super) fn dispatch_for(self: &Arc<Self>, wait: Option<Wait>) {
        loop {
            let idle = self.children().take_idle(self.config.max_children);
            if let Some(child) = idle {
                match self.next_call() {
                    Some(started) => {
                        self.send(&child, started, false, wait);
                        if self.config.warm_spare && self.children().lacks_spare() {
                            self.poller.notify(); // the pool's thread starts another
                        }
                    }
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
                continue;
            }
            if !self.has_work() {
                return;
            }
            if self.children().len() < self.config.max_children {
                self.poller.notify(); // the pool's thread starts children
                return;
            }
            let Some(child) = self.child_with_room() else { return };
            let Some(started) = self.next_call() else { return };
            self.send(&child, started, true, wait);
        }
    }

    /// Returns the child to which most calls may be sent ahead.
    fn child_with_room(&self) -> Option<Arc<Child>> {
        let children = self.children().all();
        let room = |child: &Arc<Child>| child.link().room_ahead();
        let rooms = children.into_iter().map(|child| (room(&child), child));
        rooms.max_by_key(|(room, _)| *room).filter(|(room, _)| *room > 0).map(|(_, child)| child)
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

    /// Sends a call to a child that is idle, or ahead of the end of those that it has.
    fn send(self: &Arc<Self>, child: &Arc<Child>, mut started: Started, is_ahead: bool, wait: Option<Wait>) {
        // A call that goes ahead is not read by its thread.
        let is_read_here = wait.is_some() && started.wait == wait && !is_ahead;
        let now = Instant::now();
        let limit = self.config.task_timeout.and_then(|limit| now.checked_add(limit)).filter(|_| !is_ahead);
        let end = [limit, started.task.deadline()].into_iter().flatten().min();
        started.left = end.map(|end| end.saturating_duration_since(now));
        let sent = SentCall::new(self, child);
        started.task.help_waits(sent.clone());
        let stop = started.task.poll_stop(&mut Context::from_waker(&Waker::from(sent.clone())));
        if let Some(reason) = stop {
            sent.set(SentCall::NEVER);
            if !is_ahead {
                self.children().put_idle(child.clone());
            }
            finish(started.task, Answer::Stopped(reason));
            return;
        }
        match child.send(started, is_ahead) {
            Ok(Sent { call, is_watched, is_whole }) => {
                sent.set(call);
                if !is_read_here && (!is_whole || !is_watched) {
                    self.watch(child);
                }
                self.look_at(child);
            }
            Err(started) => {
                sent.set(SentCall::NEVER);
                self.give_back(started);
            }
        }
    }

    /// Lets another child run a call that no child has read, if the pool still runs calls.
    pub(super) fn give_back(self: &Arc<Self>, mut started: Started) {
        let waker = Waker::from(SentCall::returned(self));
        let stop = started.task.poll_stop(&mut Context::from_waker(&waker));
        let answer = {
            let mut children = self.children();
            match (&children.failed, stop) {
                (Some(crash), _) => self.answer_without_child(crash),
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
        returned.into_iter().rev().for_each(|started| self.give_back(started)); // each becomes the first
        self.dispatch();
    }

    /// Makes the pool's thread read from a child, and send what is left to send.
    pub(super) fn watch(&self, child: &Child) {
        let mut link = child.link();
        link.is_watched = true;
        self.set_interest(child, &link);
    }

    /// Watches the socket of a child for what its link says.
    pub(super) fn set_interest(&self, child: &Child, link: &Link) {
        // It fails for a child that has ended, of which nothing more is read.
        let _ = self.poller.modify(&child.socket, socket_token(child.id), link.interest());
    }

    /// Makes a child available that runs no call.
    pub(super) fn free(self: &Arc<Self>, child: &Arc<Child>) {
        self.look_at(child);
        self.children().put_idle(child.clone());
        self.report_free_slots();
        self.dispatch();
    }

    /// Tells the queue how many calls could start at once.
    pub(super) fn report_free_slots(&self) {
        let slots = self.children().free_slots(self.config.max_children);
        self.queue.set_free_slots(slots);
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

/// A call that is sent to a child. It wakes the pool's thread when the call is asked to stop, and
/// lets a thread that blocks for the call read the answer.
pub(super) struct SentCall {
    pool: Weak<PoolShared>,
    child: Weak<Child>,
    /// The number of the call at its child, or one of the values below.
    call: AtomicU64,
}

impl SentCall {
    /// The call is not sent yet.
    const NOT_YET: u64 = 0;
    /// The call goes to another child, or has ended.
    const NEVER: u64 = u64::MAX;
    /// The call waits for another child.
    const RETURNED: u64 = u64::MAX - 1;

    fn new(pool: &Arc<PoolShared>, child: &Arc<Child>) -> Arc<Self> {
        let (pool, child) = (Arc::downgrade(pool), Arc::downgrade(child));
        Arc::new(Self { pool, child, call: AtomicU64::new(Self::NOT_YET) })
    }

    /// Creates one for a call whose child died.
    fn returned(pool: &Arc<PoolShared>) -> Arc<Self> {
        let (pool, child) = (Arc::downgrade(pool), Weak::new());
        Arc::new(Self { pool, child, call: AtomicU64::new(Self::RETURNED) })
    }

    /// Returns whether the call waits for another child.
    pub(super) fn is_returned(&self) -> bool {
        self.call.load(Ordering::Relaxed) == Self::RETURNED
    }

    // ORDERING: Relaxed. A reader that finds no number looks again, or sleeps. The child's lock
    // publishes what belongs to the number.
    fn set(&self, call: u64) {
        self.call.store(call, Ordering::Relaxed);
    }

    /// Returns the child and the number of the call there. The number is `None` until it is sent.
    pub(super) fn place(&self) -> Option<(Arc<Child>, Option<u64>)> {
        let child = self.child.upgrade()?;
        match self.call.load(Ordering::Relaxed) {
            Self::NEVER => None,
            Self::NOT_YET => Some((child, None)),
            call => Some((child, Some(call))),
        }
    }
}

impl Wake for SentCall {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(pool) = self.pool.upgrade() else { return };
        pool.stops.lock().unwrap_or_else(PoisonError::into_inner).push(self.clone());
        pool.poller.notify();
    }
}

impl WaitHelper for SentCall {
    fn help(&self, deadline: Option<Instant>) {
        if let (Some(pool), Some((child, Some(call)))) = (self.pool.upgrade(), self.place()) {
            pool.read_for(&child, call, deadline);
        }
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
