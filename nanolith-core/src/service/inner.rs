//! What a service's handles and its thread share.

use super::{
    CloseError, Closing, ServiceInfo,
    builder::Settings,
    group::Place,
    life::{Crash, LifeEvent, Watchers},
};
use crate::{
    call::{shared::Shared, slot::End, spot::Spot},
    data::Data,
    error::Refused,
    executor::{Admission, Executor, OwnsState, RunsLocal, SharesState},
    front::{Entry, Front, Hint},
    gate::{self, Gate, OnFull},
    host::{Awaited, Host, HostId, Loan, Runnable, Verdict, WouldDeadlock},
    id::{Receiver, TaskInfo},
    inbox::Inbox,
    park::Parking,
    place::{self, Where},
    queue::{Bounds, Queue, Wakes},
    room::Ticket,
    task::{CallSlot, Job, Outlets, TaskSet},
};
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    thread::{self, Thread},
};

/// How far a service's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    Open,
    /// No more calls from outside; the accepted ones finish.
    Closing,
    /// What has not begun, or is suspended, ends.
    Terminating,
    Over,
}

/// The service's state under its one lock.
pub(super) struct Core<S: TaskSet> {
    pub(super) front: Front<Shared<CallSlot<S>>>,
    pub(super) life: Life,
    /// Calls that were begun and are not over.
    pub(super) active: usize,
    /// Queued calls that a task of the service itself waits for.
    pub(super) urgent: usize,
    /// Why it did not end as it should.
    pub(super) error: Option<CloseError>,
    /// Who waits for the end.
    pub(super) closers: Vec<Waker>,
    /// Somebody wants it to start anew.
    pub(super) asked: Option<Crash>,
    pub(super) restarts: u64,
    /// Who waits for the moment at which it takes no more calls from outside.
    leavers: Vec<Waker>,
}

/// How many plain calls may wait in the inbox; more wait in their lane.
const CELLS: usize = 4_096;

pub(super) struct Inner<S: TaskSet> {
    id: HostId,
    name: Arc<str>,
    on_full: OnFull,
    data: Data,
    core: Mutex<Core<S>>,
    /// Where plain calls come in.
    pub(super) inbox: Arc<Inbox<Shared<CallSlot<S>>>>,
    /// How much waits in the lanes, for the service's thread without the lock.
    pub(super) hint: Hint,
    /// How many calls have come and gone without the lock.
    pub(super) served: AtomicU64,
    /// Calls that are counted in the queue and not over, twice; one more while the thread may be at a call that is not.
    load: AtomicUsize,
    /// The call for which its thread waits.
    awaited: Mutex<Awaited>,
    /// The synchronous call that runs now.
    pub(super) running: Spot<CallSlot<S>>,
    pub(super) watchers: Watchers,
    /// Whether a crash leads to a restart.
    pub(super) restarts: bool,
    pub(super) group: OnceLock<Place>,
    thread: Thread,
    /// Wakes the service's thread.
    waker: Waker,
}

/// What a task asks of the state, its hooks included.
pub(super) fn asks<S: TaskSet>(info: &TaskInfo) -> Receiver {
    match info.state() {
        Receiver::None if S::HOOKS.read_state() => Receiver::Shared,
        receiver => receiver,
    }
}

impl<S: TaskSet> Inner<S> {
    /// For the service's own thread, which this is.
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        let max_queue = settings.max_queue;
        let inbox = Arc::new(Inbox::new(max_queue.min(CELLS)));
        let queue = Queue::new(Bounds { queued: max_queue, in_flight: usize::MAX });
        let inner = Arc::new(Self {
            id: HostId::new(),
            name: settings.name.clone(),
            on_full: settings.on_full,
            data: settings.data.clone(),
            core: Mutex::new(Core {
                front: Front::new(queue, inbox.clone()),
                life: Life::Open,
                active: 0,
                urgent: 0,
                error: None,
                closers: Vec::new(),
                asked: None,
                restarts: 0,
                leavers: Vec::new(),
            }),
            inbox,
            hint: Hint::default(),
            served: AtomicU64::new(0),
            load: AtomicUsize::new(0),
            awaited: Mutex::default(),
            running: Spot::new(),
            watchers: Watchers::new(),
            restarts: settings.restart.after_crash(),
            group: OnceLock::new(),
            thread: thread::current(),
            waker: Parking::of_this_thread().waker().clone(),
        });
        let host: Arc<dyn Host> = inner.clone();
        inner.id.belongs_to(Arc::downgrade(&host));
        inner
    }

    /// No user code runs, and nobody is woken, while this is held.
    pub(super) fn lock(&self) -> MutexGuard<'_, Core<S>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn thread(&self) -> Thread {
        self.thread.clone()
    }

    pub(super) fn info(&self) -> ServiceInfo {
        let mut core = self.lock();
        // ORDERING: Relaxed, a figure.
        let served = self.served.load(Ordering::Relaxed);
        let queue = core.front.sort_out();
        let (queue_len, overflow, completed) = (queue.queued_outside(), queue.overflow(), queue.completed() + served);
        let serving = usize::from(queue.serving() > 0 && self.running.is_lit());
        let info = ServiceInfo {
            name: self.name.clone(),
            thread_id: self.thread.id(),
            active_calls: core.active + serving,
            queue_len,
            overflow,
            completed,
            closed: core.life > Life::Open,
            restarts: core.restarts,
        };
        self.release(core, Wakes::default());
        info
    }

    /// Releases the lock, then does what came out of it.
    pub(super) fn release(&self, mut core: MutexGuard<'_, Core<S>>, wakes: Wakes) {
        core.front.let_in();
        self.hint.tell(&core.front);
        let (calls, serving) = (core.front.queue.in_flight(), core.front.queue.serving());
        // ORDERING: Relaxed, a figure.
        self.load.store(2 * (calls - serving) + serving.min(1), Ordering::Relaxed);
        let spent = core.front.spent();
        drop(core);
        wakes.wake();
        crate::panics::quietly(|| drop(spent));
    }

    /// Asks the service to start anew; says whether it may still come to that.
    pub(super) fn restart(&self, why: Crash) -> bool {
        let mut core = self.lock();
        if core.life >= Life::Terminating {
            return false;
        }
        core.asked = match why {
            Crash::Group => Some(why),
            why => core.asked.take().or(Some(why)),
        };
        core.front.shut();
        self.release(core, Wakes::default());
        self.waker.wake_by_ref();
        true
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.lock().life >= Life::Terminating
    }

    pub(super) fn begin_close(&self) {
        self.move_on(Life::Closing);
    }

    /// Moves its life on; who waits for room is to look for themselves.
    fn move_on(&self, life: Life) {
        let mut core = self.lock();
        core.life = core.life.max(life);
        core.front.shut();
        let wakes = core.front.queue.dismiss_line().and(Wakes::of(std::mem::take(&mut core.leavers)));
        self.release(core, wakes);
        self.waker.wake_by_ref();
    }

    /// Closes the service if it has nothing to do; says whether.
    fn close_if_idle(&self) -> bool {
        let mut core = self.lock();
        core.front.sort_out();
        let at_work = core.front.queue.serving() > 0 && self.running.is_lit();
        let calls = core.front.queue.in_flight() - core.front.queue.serving();
        let idle = core.life == Life::Open && calls == 0 && !at_work;
        if idle {
            core.life = Life::Closing;
        }
        self.release(core, Wakes::default());
        if idle {
            self.begin_close();
        }
        idle
    }

    /// Calls that wait or run, told off the lock.
    fn load(&self) -> usize {
        // ORDERING: Relaxed, a figure.
        let told = self.load.load(Ordering::Relaxed);
        let unseen = told % 2 == 1 && self.running.is_lit();
        told / 2 + self.inbox.len() + usize::from(unseen)
    }

    /// How near its end the service is; `waker` is woken when that changes.
    fn stage(&self, waker: &Waker) -> Stage {
        let mut core = self.lock();
        let (stage, wakers) = match core.life {
            Life::Open => (Stage::Open, &mut core.leavers),
            Life::Closing | Life::Terminating => (Stage::Leaving, &mut core.closers),
            Life::Over => return Stage::Over,
        };
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
        stage
    }

    /// The thread serves nobody any more. Says whether its group wants it to start anew, and after it others.
    pub(super) fn stop_serving(&self) -> bool {
        let mut core = self.lock();
        core.life = Life::Terminating;
        core.front.shut();
        let wakes = core.front.queue.dismiss_line().and(Wakes::of(std::mem::take(&mut core.leavers)));
        let asked = core.asked.take();
        self.release(core, wakes);
        matches!(asked, Some(Crash::Group))
    }

    pub(super) fn terminate(&self) {
        self.move_on(Life::Terminating);
        if let Some(call) = self.running.call() {
            call.end_call(End::Closed);
        }
        self.end_queued(None, End::Closed);
    }

    /// Ends every queued call as `how`, and the one that its thread has `held`.
    pub(super) fn end_queued(&self, mut held: Option<Shared<CallSlot<S>>>, how: End) {
        let mut core = self.lock();
        core.front.shut();
        let queue = core.front.sort_out();
        let mut ended = Vec::new();
        let mut wakes = Wakes::default();
        while let Some(call) = held.take().or_else(|| queue.pop()) {
            if call.claim() {
                let inside = call.meta.is_inside();
                wakes = wakes.and(queue.begun(inside)).and(queue.finished(inside));
                ended.push(call);
            }
        }
        self.release(core, wakes);
        ended.into_iter().for_each(|call| call.discard(how));
    }

    /// The service's thread is done: nobody is answered any more.
    pub(super) fn over(&self, error: Option<CloseError>, last: &LifeEvent) {
        let closers = {
            let mut core = self.lock();
            core.life = Life::Over;
            core.error = error;
            std::mem::take(&mut core.closers)
        };
        if let Some(outlets) = Outlets::of(&self.data) {
            outlets.close();
        }
        self.watchers.tell(last);
        closers.into_iter().for_each(|waker| crate::panics::quietly(|| waker.wake()));
    }
}

impl<S: TaskSet> Drop for Inner<S> {
    fn drop(&mut self) {
        self.id.forget();
    }
}

impl<S: TaskSet> Host for Inner<S> {
    fn id(&self) -> HostId {
        self.id
    }

    fn data(&self) -> &Data {
        &self.data
    }

    fn whereabouts(&self) -> Where {
        Where::Service(self.name.clone())
    }

    /// The thread is the service: what it waits for, it cannot do itself.
    fn lend(&self, _runner: bool, target: Option<HostId>) -> Result<Loan, WouldDeadlock> {
        if target == Some(self.id()) { Err(WouldDeadlock) } else { Ok(Loan::default()) }
    }

    fn take_back(&self, _loan: Loan) {}

    fn await_call(&self, call: Awaited) -> Option<Awaited> {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::replace(&mut *awaited, call))
    }

    fn awaited_call(&self) -> Awaited {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A task that waits for another of its own service must not hold what the other needs; then the other starts ahead
    /// of its turn, since a task in line before it may be waiting for the one that waits.
    fn awaited(self: Arc<Self>, call: &Shared<dyn Runnable>, blocking: bool) -> Verdict {
        let theirs = asks::<S>(call.meta().task());
        let hinders = match place::running_task().map_or(Receiver::None, |task| asks::<S>(task)) {
            Receiver::None => false,
            Receiver::Shared => theirs == Receiver::Exclusive,
            Receiver::Exclusive => theirs != Receiver::None,
        };
        if blocking || hinders {
            return Verdict::Deadlock;
        }
        let ahead = theirs != Receiver::Exclusive && call.is_queued() && call.meta().mark_urgent();
        if ahead {
            self.lock().urgent += 1;
        }
        Verdict::Wait
    }

    fn left_queue(&self, call: &dyn Runnable) {
        let mut core = self.lock();
        let wakes = core.front.leave(call);
        self.release(core, wakes);
        // The call may have been the one that a closing service, or a held writer, waited for.
        self.waker.wake_by_ref();
    }

    fn finished(&self, _inside: bool) {}

    /// A service's futures are its loop's.
    fn resume(self: Arc<Self>, _expires: u64, _work: async_task::Runnable) {}
}

impl<S: TaskSet> Entry for Shared<CallSlot<S>> {
    fn call(&self) -> Option<&dyn Runnable> {
        Some(&**self)
    }
}

impl<S: TaskSet> Gate<S> for Inner<S> {
    type Item = Shared<CallSlot<S>>;

    fn on_full(&self) -> OnFull {
        self.on_full
    }

    fn inbox(&self) -> &Inbox<Self::Item> {
        &self.inbox
    }

    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Front<Self::Item>>) -> (R, Wakes)) -> R {
        let mut core = self.lock();
        let last = if inside { Life::Closing } else { Life::Open };
        let open = core.life <= last;
        let (result, wakes) = f(open.then_some(&mut core.front));
        self.release(core, wakes);
        self.waker.wake_by_ref();
        result
    }

    fn item(call: Shared<CallSlot<S>>) -> Self::Item {
        call
    }

    fn call(item: &Self::Item) -> Option<Shared<dyn Runnable>> {
        Some(item.clone().erase())
    }

    /// Never asked: the builder refuses `CallerRuns`.
    fn run_here(&self, call: Shared<CallSlot<S>>) {
        call.discard(End::Unsupported);
    }
}

/// A service as an executor: what its typed methods call through. Clones share the service and keep it open.
///
/// ```
/// use nanolith::{ServiceRef, prelude::*};
/// # pub struct Counter { total: i64 }
/// # #[define] impl Counter {
/// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
/// #     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// #     pub fn total(&self) -> i64 { self.total }
/// # }
/// fn check(counter: &CounterCalls<ServiceRef<Counter>>) -> Result<i64, CallError> {
///     counter.total().wait()
/// }
/// let counter = Counter::service(10).launch().wait()?;
/// assert_eq!(check(counter.calls())?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ServiceRef<S: TaskSet> {
    last: Arc<Last<S>>,
}

/// Closes the service when its last handle goes.
struct Last<S: TaskSet>(Arc<Inner<S>>);

impl<S: TaskSet> Drop for Last<S> {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}

impl<S: TaskSet> ServiceRef<S> {
    pub(super) fn new(inner: Arc<Inner<S>>) -> Self {
        Self { last: Arc::new(Last(inner)) }
    }

    pub(super) fn inner(&self) -> &Arc<Inner<S>> {
        &self.last.0
    }
}

/// For a cluster.
impl<S: TaskSet> ServiceRef<S> {
    pub(crate) fn info(&self) -> ServiceInfo {
        self.inner().info()
    }

    pub(crate) fn close(&self) -> Closing<S> {
        self.inner().begin_close();
        Closing::new(self.inner().clone())
    }

    pub(crate) fn terminate(&self) -> Closing<S> {
        self.inner().terminate();
        Closing::new(self.inner().clone())
    }

    pub(crate) fn on_full(&self) -> OnFull {
        self.inner().on_full
    }

    /// Calls that wait or run; takes no lock.
    pub(crate) fn load(&self) -> usize {
        self.inner().load()
    }

    /// How near its end the service is; `waker` is woken when that changes.
    pub(crate) fn stage(&self, waker: &Waker) -> Stage {
        self.inner().stage(waker)
    }

    pub(crate) fn close_if_idle(&self) -> bool {
        self.inner().close_if_idle()
    }

    /// Takes a job that another service had taken, which ended.
    pub(crate) fn take_over(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
        gate::take_over(&**self.inner(), job)
    }

    /// See [`gate::poll_enter`].
    pub(crate) fn poll_enter(&self, job: &mut Option<Job<S>>, ticket: &mut Option<Ticket>, waker: &Waker) -> Poll<()> {
        gate::poll_enter(&**self.inner(), job, ticket, waker)
    }

    pub(crate) fn leave_line(&self, ticket: &mut Option<Ticket>) {
        gate::leave_line(&**self.inner(), ticket);
    }
}

/// How near its end a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It takes calls.
    Open,
    /// It takes none from outside.
    Leaving,
    /// It is over.
    Over,
}

impl<S: TaskSet> Clone for ServiceRef<S> {
    fn clone(&self) -> Self {
        Self { last: self.last.clone() }
    }
}

impl<S: TaskSet> Executor<S> for ServiceRef<S> {
    fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
        gate::execute(&**self.inner(), job)
    }

    fn admit(&self, job: Job<S>) -> Admission<'_, S> {
        gate::admit(&**self.inner(), job)
    }

    fn host(&self) -> Option<HostId> {
        Some(self.inner().id())
    }
}

impl<S: TaskSet> SharesState<S> for ServiceRef<S> {}
impl<S: TaskSet> OwnsState<S> for ServiceRef<S> {}
impl<S: TaskSet> RunsLocal<S> for ServiceRef<S> {}

impl<S: TaskSet> fmt::Debug for ServiceRef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceRef").field(&self.inner().info()).finish()
    }
}
