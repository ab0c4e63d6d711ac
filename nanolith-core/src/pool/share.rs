//! Shares of a pool: executors whose calls are taken in proportion to their weights.

use super::{
    Pool,
    config::MaxQueue,
    core::{Core, Rest, Work},
    inner::Inner,
    shares::{Account, Order, ShareId, Waiting},
};
use crate::{
    call::{meta::Meta, shared::Shared},
    clock,
    data::Data,
    elsewhere,
    end_batch::EndBatch,
    error::{CallError, Refused},
    executor::{Admission, Executor},
    front::Front,
    gate::{self, Gate, OnFull},
    host::{Host, HostId, Loan, Over, PermitState, Runnable, Verdict, WouldDeadlock},
    id::TaskInfo,
    inbox::Inbox,
    order::Rules,
    place::Where,
    priority::Priority,
    queue::{Bounds, Queue},
    task::{CallSlot, Job, TaskSet},
    wake::WakeList,
};
use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{Arc, Weak},
    time::Duration,
};

/// One share, under the pool's lock.
pub(super) struct Entry {
    name: Arc<str>,
    pub(super) front: Front<Work>,
    pub(super) account: Account,
    max_queue: MaxQueue,
    on_full: OnFull,
    /// How long its calls have run, in nanoseconds.
    pub(super) ran: u64,
    handles: Weak<Handles>,
}

fn is_live(work: &Work) -> bool {
    matches!(work, Work::Call(call) if call.is_queued())
}

fn task_of(work: &Work) -> Option<&'static TaskInfo> {
    match work {
        Work::Call(call) => Some(call.meta().task()),
        Work::Rest(_) => None,
    }
}

impl Entry {
    fn waiting(&self) -> Waiting {
        let lanes = self.front.queue.lanes();
        Priority::ALL.map(|priority| lanes.len() - lanes.len_without(priority))
    }

    fn bounds(&self, concurrency: usize) -> Bounds {
        Bounds { queued: self.max_queue.calls(concurrency).max(1), in_flight: usize::MAX }
    }
}

/// The shares of a pool.
#[derive(Default)]
pub(super) struct Shares {
    of: BTreeMap<ShareId, Entry>,
    names: BTreeMap<Arc<str>, ShareId>,
    order: Order,
    last: ShareId,
    gone: Vec<Entry>,
}

impl Shares {
    /// Shares that are gone, to be dropped off the lock.
    pub(super) fn leftovers(&mut self) -> Vec<Entry> {
        mem::take(&mut self.gone)
    }

    pub(super) fn has_leftovers(&self) -> bool {
        !self.gone.is_empty()
    }

    /// The call of the share whose turn it is.
    fn draw(&mut self) -> Option<(ShareId, Priority)> {
        let priority = self.order.draw()?;
        self.order.next(priority).map(|share| (share, priority))
    }

    /// The same without taking the ticket.
    fn peek(&self) -> Option<(ShareId, Priority)> {
        let priority = self.order.first_ticket()?;
        self.order.next(priority).map(|share| (share, priority))
    }

    /// The first ticket in the lanes has gone, and no call with it.
    pub(super) fn drop_ticket(&mut self) {
        self.order.draw();
    }

    /// Nobody holds it, and none of its calls is left.
    pub(super) fn forget_if_idle(&mut self, share: ShareId) {
        let idle = |entry: &Entry| entry.handles.strong_count() == 0 && entry.front.queue.in_flight() == 0;
        if self.of.get(&share).is_some_and(idle) {
            if let Some(mut entry) = self.of.remove(&share) {
                self.names.remove(&entry.name);
                self.order.set_waiting(share, &mut entry.account, Waiting::default());
                self.gone.push(entry);
            }
        }
    }

    /// Takes every entry out of the queues.
    pub(super) fn waiting(&mut self) -> Vec<Shared<dyn Runnable>> {
        let mut all = Vec::new();
        for (share, entry) in &mut self.of {
            while let Some(work) = entry.front.queue.pop() {
                if let Work::Call(call) = work {
                    all.push(call);
                }
            }
            self.order.set_waiting(*share, &mut entry.account, Waiting::default());
        }
        self.order.drop_tickets();
        all
    }

    /// The pool's concurrency has changed, or it was closed.
    pub(super) fn set_bounds(&mut self, concurrency: usize) -> WakeList {
        let each = self.of.values_mut().map(|entry| entry.front.queue.set_bounds(entry.bounds(concurrency)));
        each.fold(WakeList::default(), WakeList::and)
    }

    pub(super) fn dismiss_lines(&mut self) -> WakeList {
        self.of.values_mut().map(|entry| entry.front.queue.dismiss_line()).fold(WakeList::default(), WakeList::and)
    }
}

impl Core {
    /// Does something to a share. What its queue counts, the pool's counts too, and there is a ticket for each call in it.
    pub(super) fn with_share<R>(
        &mut self,
        share: ShareId,
        f: impl FnOnce(&mut Order, ShareId, &mut Entry) -> R,
    ) -> Option<(R, WakeList)> {
        let Shares { of, order, .. } = &mut self.rules.shares;
        let entry = of.get_mut(&share)?;
        let before = entry.front.queue.tally();
        // A free slot that no call of the others will take is one for this share.
        let others = self.front.queue.waiting().saturating_sub(entry.front.queue.waiting());
        entry.front.queue.note_free_slots(self.front.queue.free_slots().saturating_sub(others));
        let result = f(order, share, entry);
        let waiting = entry.waiting();
        order.set_waiting(share, &mut entry.account, waiting);
        entry.front.spent().into_iter().for_each(|work| self.front.spend(work));
        let mut wakes = self.front.queue.follow(before, entry.front.queue.tally());
        let now = clock::now();
        for priority in order.issue(now, self.front.queue.rules().expirations()) {
            wakes = wakes.and(self.front.hold().unwrap_or_default());
            self.front.queue.put_last(priority, now, Work::Rest(Rest::Ticket));
        }
        Some((result, wakes))
    }

    /// The task of the call that the first ticket stands for, if it stands for one. Calls before that which are over go.
    pub(super) fn ticket_task(&mut self) -> Option<&'static TaskInfo> {
        while let Some((share, priority)) = self.rules.shares.peek() {
            let first = |_: &mut Order, _, entry: &mut Entry| loop {
                match entry.front.queue.pop_first_if(priority, |work| !is_live(work)) {
                    Some(spent) => entry.front.spend(spent),
                    None => return entry.front.queue.lanes().first(priority).and_then(task_of),
                }
            };
            let (task, _) = self.with_share(share, first)?;
            if task.is_some() {
                return task;
            }
        }
        None
    }

    /// A ticket was drawn: the call that goes instead of it, if there is one.
    pub(super) fn redeem(&mut self) -> Option<Shared<dyn Runnable>> {
        let (share, priority) = self.rules.shares.draw()?;
        let pop = |_: &mut Order, _, entry: &mut Entry| loop {
            match entry.front.queue.pop_first_if(priority, |_| true) {
                Some(Work::Call(call)) if call.is_queued() => return Some(call),
                Some(spent) => entry.front.spend(spent),
                None => return None,
            }
        };
        self.with_share(share, pop)?.0
    }
}

/// All handles of one share.
struct Handles {
    pool: Pool,
    number: ShareId,
}

impl Drop for Handles {
    fn drop(&mut self) {
        let mut core = self.pool.inner().lock();
        core.rules.shares.forget_if_idle(self.number);
        self.pool.inner().release(core, WakeList::default());
    }
}

/// A share of a pool: an executor whose calls get their part of the pool's time, by its weight, while others have calls waiting.
/// Made by [`Pool::share`].
///
/// When several shares have calls of one priority waiting, the one goes next that has had the least run time for its weight;
/// within a share they go first in, first out. A more urgent priority goes first, whoever's it is, and among the calls that come
/// to the pool by no share, those of a share stand where they came. What others do not use, a share may: no thread is idle while
/// a call waits. A share that had nothing to do saves nothing up, and its next call is served next.
///
/// Its calls are bounded by its own [`max_queue`](Share::max_queue) and [`on_full`](Share::on_full), and count to none of the
/// pool's bounds: [`Pool::overflow`] has those that wait. In all else they are calls of the pool.
///
/// ```
/// use nanolith::{TaskSet, prelude::*};
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let pool = Pool::builder().build()?;
/// let paying = Geometry::calls(pool.share("paying", 3));
/// let free = Geometry::calls(pool.share("free", 1).max_queue(MaxQueue::Bounded(100)).on_full(OnFull::Reject));
/// let flood: Vec<_> = (0..100).map(|n| free.add(n, n).submit()).collect();
/// assert_eq!(paying.add(4, 5).wait()?, 9); // it does not wait for all of them
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is a handle: clones are one share, and so is what [`Pool::share`] gives for the same name. It keeps the pool open.
#[derive(Clone)]
pub struct Share {
    place: Place,
    handles: Arc<Handles>,
}

impl Share {
    pub(super) fn new(pool: &Pool, name: Arc<str>, weight: u32) -> Self {
        pool.inner().look_at_rules();
        let mut core = pool.inner().lock();
        let limit = core.limit;
        let Shares { of, names, order, last, .. } = &mut core.rules.shares;
        let number = *names.entry(name.clone()).or_insert_with(|| {
            *last += 1;
            *last
        });
        let entry = of.entry(number).or_insert_with(|| {
            let inbox = Arc::new(Inbox::new(1));
            let queue = Queue::ordered(Bounds { queued: 1, in_flight: usize::MAX }, pool.inner().rules.clone());
            let mut entry = Entry {
                name,
                front: Front::new(queue, inbox),
                account: Account::new(weight),
                max_queue: MaxQueue::default(),
                on_full: OnFull::default(),
                ran: 0,
                handles: Weak::new(),
            };
            let bounds = entry.bounds(limit);
            entry.front.queue.set_bounds(bounds).wake(); // no caller waits yet
            entry
        });
        order.set_weight(number, &mut entry.account, weight);
        let handles = entry.handles.upgrade();
        let handles = handles.unwrap_or_else(|| Arc::new(Handles { pool: pool.clone(), number }));
        entry.handles = Arc::downgrade(&handles);
        pool.inner().release(core, WakeList::default());
        Self { place: Place { inner: pool.inner().clone(), number, inbox: Arc::new(Inbox::new(1)) }, handles }
    }

    fn pool(&self) -> &Pool {
        &self.handles.pool
    }

    fn look<R>(&self, look: impl FnOnce(&Entry) -> R, gone: R) -> R {
        self.pool().inner().lock().rules.shares.of.get(&self.place.number).map_or(gone, look)
    }

    fn change(&self, change: impl FnOnce(&mut Order, ShareId, &mut Entry, usize) -> WakeList) {
        let mut core = self.pool().inner().lock();
        let limit = core.limit;
        let changed = core.with_share(self.place.number, |order, number, entry| change(order, number, entry, limit));
        let wakes = changed.map(|(mine, pools)| mine.and(pools)).unwrap_or_default();
        self.pool().inner().release(core, wakes);
    }

    /// How many of the share's calls from outside may wait beyond those that free slots of the pool will run. The default is
    /// 65,536; `Bounded(0)` counts as one. Holds from now on for every handle of the share, and evicts no call.
    ///
    /// ```
    /// # use nanolith::{TaskSet, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let pool = Pool::builder().build()?;
    /// # pool.pause();
    /// let tenant = Geometry::calls(pool.share("tenant", 1).max_queue(MaxQueue::Bounded(1)));
    /// tenant.add(1, 2).submit().detach(); // fills the queue of a pool that is paused
    /// assert!(tenant.add(4, 5).try_submit().is_err_and(|refused| refused.is_full()));
    /// assert!(Geometry::on(&pool).add(4, 5).try_submit().is_ok()); // others have room
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    #[must_use = "a share is an executor: give it to `calls`"]
    pub fn max_queue(self, max_queue: MaxQueue) -> Self {
        self.change(|_, _, entry, concurrency| {
            entry.max_queue = max_queue;
            let bounds = entry.bounds(concurrency);
            entry.front.queue.set_bounds(bounds)
        });
        self
    }

    /// What happens to a call that comes when the share's queue is full. The default is to wait. Holds from now on for every
    /// handle of the share.
    #[must_use = "a share is an executor: give it to `calls`"]
    pub fn on_full(self, on_full: OnFull) -> Self {
        self.change(|_, _, entry, _| {
            entry.on_full = on_full;
            WakeList::default()
        });
        self
    }

    /// Changes its weight, from the next call on. Zero counts as one.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # let pool = Pool::builder().build()?;
    /// let tenant = pool.share("tenant", 1);
    /// tenant.set_weight(5);
    /// assert_eq!(tenant.weight(), 5);
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn set_weight(&self, weight: u32) {
        self.change(|order, number, entry, _| {
            order.set_weight(number, &mut entry.account, weight);
            WakeList::default()
        });
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.look(|entry| entry.name.clone(), "".into())
    }

    /// Its weight.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.look(|entry| entry.account.weight(), 1)
    }

    /// Its calls that wait for their turn.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.look(|entry| entry.front.queue.tally().queued, 0)
    }

    /// Its calls that were begun and are not over: running and suspended.
    ///
    /// ```
    /// # use nanolith::{TaskSet, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let pool = Pool::builder().build()?;
    /// let tenant = pool.share("tenant", 1);
    /// let sum = Geometry::calls(&tenant).add(4, 5).wait()?;
    /// pool.drained().wait();
    /// assert_eq!((tenant.queue_len(), tenant.running(), tenant.completed()), (0, 0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn running(&self) -> usize {
        self.look(|entry| entry.front.queue.in_flight() - entry.front.queue.tally().queued, 0)
    }

    /// Its calls that were begun and are over.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.look(|entry| entry.front.queue.completed(), 0)
    }

    /// How long its calls that are over have run, all together: what it is served by. What an asynchronous task waits is not in
    /// it; what a synchronous one waits is.
    #[must_use]
    pub fn run_time(&self) -> Duration {
        self.look(|entry| Duration::from_nanos(entry.ran), Duration::ZERO)
    }
}

impl<S: TaskSet> Executor<S> for Share {
    fn execute(&self, job: Job<S>) -> Result<(), Refused<Job<S>>> {
        self.place.inner.look_at_limits(&job);
        job.slot().meta.set_share(self.place.number);
        gate::execute(&self.place, job).map_err(outside)
    }

    fn admit(&self, job: Job<S>) -> Admission<'_, S> {
        self.place.inner.look_at_limits(&job);
        job.slot().meta.set_share(self.place.number);
        let admission = gate::admit(&self.place, job);
        Box::pin(async { admission.await.map_err(outside) })
    }

    fn accepts_calls(&self) -> bool {
        !self.place.inner.lock().closed
    }

    fn host(&self) -> Option<HostId> {
        Some(self.place.inner.id())
    }

    fn takes_by_user_code(&self) -> bool {
        false
    }
}

/// A job that was refused goes where its owner likes.
fn outside<S: TaskSet>(refused: Refused<Job<S>>) -> Refused<Job<S>> {
    let (job, error) = refused.into_parts();
    job.slot().meta.set_share(0);
    Refused::new(job, error)
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("name", &self.name())
            .field("weight", &self.weight())
            .field("queue_len", &self.queue_len())
            .field("running", &self.running())
            .field("completed", &self.completed())
            .finish_non_exhaustive()
    }
}

/// Where a share's calls come in: its own queue, under the pool's lock.
#[derive(Clone)]
struct Place {
    inner: Arc<Inner>,
    number: ShareId,
    /// No call of a share is a plain one, so nothing is ever in it.
    inbox: Arc<Inbox<Work>>,
}

impl<S: TaskSet> Gate<S> for Place {
    type Item = Work;

    fn on_full(&self) -> OnFull {
        self.inner.lock().rules.shares.of.get(&self.number).map_or(OnFull::default(), |entry| entry.on_full)
    }

    fn inbox(&self) -> &Inbox<Work> {
        &self.inbox
    }

    fn with_front<R>(&self, inside: bool, f: impl FnOnce(Option<&mut Front<Work>>) -> (R, WakeList)) -> R {
        let mut core = self.inner.lock();
        let closed = core.closed && !inside;
        let mut f = Some(f);
        let mut call = |front: Option<&mut Front<Work>>| f.take().map(|f| f(front));
        let done = match closed {
            true => None,
            false => core.with_share(self.number, |_, _, entry| call(Some(&mut entry.front))),
        };
        let (done, wakes) = match done {
            Some((done, wakes)) => (done, wakes),
            None => (call(None), WakeList::default()),
        };
        let (result, more) = done.expect("it was called once, by one of the two");
        self.inner.release(core, wakes.and(more));
        result
    }

    /// Within a share calls go by their priority alone.
    fn place(&self, _: &Meta) -> Option<u64> {
        None
    }

    fn item(call: Shared<CallSlot<S>>) -> Work {
        Work::Call(call.erase())
    }

    fn call(item: &Work) -> Option<Shared<dyn Runnable>> {
        <Inner as Gate<S>>::call(item)
    }

    fn reserve(&self, task: &'static TaskInfo) -> bool {
        <Inner as Gate<S>>::reserve(&self.inner, task)
    }

    fn unreserve(&self, task: &'static TaskInfo) {
        <Inner as Gate<S>>::unreserve(&self.inner, task);
    }

    fn dropped(&self, call: &dyn Runnable) {
        <Inner as Gate<S>>::dropped(&self.inner, call);
    }

    fn run_here(&self, call: Shared<CallSlot<S>>) {
        // It was not charged, as one that comes through the queue is.
        let mut core = self.inner.lock();
        let began = core.with_share(self.number, |order, number, entry| order.began(number, &mut entry.account));
        let wakes = began.map(|((), wakes)| wakes).unwrap_or_default();
        self.inner.release(core, wakes);
        self.inner.run_on_caller(call.erase());
    }
}

/// It is the pool's.
impl Host for Place {
    fn id(&self) -> HostId {
        self.inner.id()
    }

    fn data(&self) -> &Data {
        Host::data(&*self.inner)
    }

    fn rules(&self) -> &Arc<Rules> {
        self.inner.rules()
    }

    fn whereabouts(&self) -> Where {
        self.inner.whereabouts()
    }

    fn lend(&self, permit: &mut PermitState, target: Option<HostId>) -> Result<Loan, WouldDeadlock> {
        self.inner.lend(permit, target)
    }

    fn waits_for_room(&self) -> bool {
        self.inner.waits_for_room()
    }

    fn take_back(&self, loan: Loan) -> PermitState {
        self.inner.take_back(loan)
    }

    fn awaited(self: Arc<Self>, call: &Shared<dyn Runnable>, blocking: bool) -> Verdict {
        self.inner.clone().awaited(call, blocking)
    }

    fn left_queue(&self, call: &dyn Runnable, batch: &mut EndBatch) {
        self.inner.left_queue(call, batch);
    }

    fn raised(&self, call: &Shared<dyn Runnable>) {
        self.inner.raised(call);
    }

    fn run_soon(self: Arc<Self>, work: elsewhere::Work) -> Result<(), elsewhere::Work> {
        self.inner.clone().run_soon(work)
    }

    fn unseen_panic(&self, error: &CallError) {
        self.inner.unseen_panic(error);
    }

    fn record(&self, task: &'static TaskInfo, waited: Duration, ran: Duration) {
        self.inner.record(task, waited, ran);
    }

    fn finished(&self, over: Over) {
        Host::finished(&*self.inner, over);
    }

    fn resume(self: Arc<Self>, expires: u64, work: async_task::Runnable) {
        self.inner.clone().resume(expires, work);
    }
}
