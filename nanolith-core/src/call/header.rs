//! The header of a call: everything about the call except its state, input and outcome.
//!
//! It holds the task, priority, times, parents, deadlines, progress and executor of the call.

use super::{
    aging::AgingTable,
    ancestry::{Ancestry, Origin},
    backend::{ErasedCall, ExecutorId},
    cancel_tree::{self, CancelNode},
    end_batch::EndBatch,
    wait_graph::Wait,
};
use crate::{
    error::{CallError, CallTrace, CrashReason, ParentCall, wait_cycle::WaitCycle},
    meta::{
        priority::Priority,
        task_info::TaskInfo,
        visited_layers::{LayerId, Visited},
    },
    time::{
        clock,
        timer::{self, Key},
    },
    wake::{
        AfterUnlock, Deferred, Registration, WaiterHome, WaiterSet, attachments::Attachments, keep_alive::KeepAlive,
    },
};
use once_cell::race::OnceBox;
use std::{
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use super::{call_ref::CallRef, slot::EndReason};

/// The progress of a task, as reported by `cx.progress(done, total)`. The task chooses the units.
///
/// ```
/// use nanolith::Progress;
/// let Progress { done, total } = Progress { done: 3, total: 12 };
/// assert_eq!(format!("{} %", 100 * done / total), "25 %");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// The number of units done: files, bytes, steps.
    pub done: u64,
    /// The total number of units.
    pub total: u64,
}

/// The header of a call, beside the protocol of the slot.
///
/// The fields that an executor uses come first, and share a cache line with the slot's state. The
/// rest is used by the call's handle, by tokens and by checks.
#[repr(C)]
pub(crate) struct Header {
    task: &'static TaskInfo,
    /// When the call began to run, in nanoseconds of [`clock::now`]; zero until then.
    started_at: AtomicU64,
    /// The priority, and whether it was raised: see [`RAISED`].
    priority: AtomicU8,
    /// Bits about the call's way through its executor: [`COUNTED`] and those below it.
    taken: AtomicU8,
    /// What is checked when the call begins to run: see [`TIED`], [`LIMITED`], [`TOKENS`] and
    /// [`DUE`].
    begin: u8,
    /// The executor to whose queue the call was last brought, where its handle does not know: see
    /// [`Header::set_executor`].
    executor: AtomicU32,
    /// When the call was submitted, in nanoseconds; zero until an executor is asked to take the
    /// call.
    submitted_at: AtomicU64,
    submitted: &'static Location<'static>,
    parents: Option<Arc<Ancestry>>,
    cold: OnceBox<Extra>,
}

const COUNTED: u8 = 1;
const NESTED: u8 = 2;
const HAS_STATE: u8 = 4;
const AWAITED: u8 = 8;
const REMOVED: u8 = 16;
const UNROUTED: u8 = 32;
const DELEGATED: u8 = 64;
const LIMIT_EXEMPT: u8 = 128;

/// A bit beside the priority: the priority differs from the one with which the call was made.
const RAISED: u8 = 0x80;
/// A bit of `begin`: cancelling the parents ends the call.
const TIED: u8 = 1;
/// A bit of `begin`: the call's run has a limit.
const LIMITED: u8 = 2;
/// A bit of `begin`: a token can end the call.
const TOKENS: u8 = 4;
/// A bit of `begin`: the call has a deadline of its own.
const DUE: u8 = 8;

/// The value of `executor` when the executor's number does not fit: `Extra` holds it then.
const SPILLED: u32 = u32::MAX;

/// The fields that most calls never need, in a box of their own.
#[derive(Default)]
struct Extra {
    deadline: Option<Instant>,
    /// The deadline of the task within which the call was submitted.
    inherited: OnceLock<Instant>,
    /// The maximum time for which the call may run.
    run_limit: OnceLock<Duration>,
    /// The moment at which `run_limit` ends, once the call has begun.
    run_deadline: OnceLock<Instant>,
    attached: OnceLock<Arc<Attachments>>,
    timer: Mutex<Timer>,
    progress: Deferred<ProgressState>,
    /// The waits that check again when the call is asked to stop, or is raised while it runs.
    stop: Deferred<WaiterSet>,
    alive: Mutex<Option<KeepAlive>>,
    /// The call as which this call continues.
    delegate: Mutex<Option<CallRef<dyn ErasedCall>>>,
    spilled_executor: Mutex<Option<ExecutorId>>,
    /// The time from submission to expiration in nanoseconds, overriding the priority.
    serve_within: AtomicOptionU64,
    /// The rank that a custom [`QueueOrder`](crate::QueueOrder) gave.
    custom_rank: AtomicOptionU64,
    /// When the current turn of the call's future began, in nanoseconds, or one of the values
    /// below.
    slice: AtomicU64,
    /// The number of the pool's share through which the call came; zero for none.
    share: AtomicU32,
    /// The number of the pool where the call holds a slot of that share; zero if it holds none.
    share_slot_at: AtomicU64,
    passed: Mutex<Option<Arc<Visited>>>,
    /// Whether the call is submitted, and goes to its executor later.
    is_delayed: AtomicBool,
    /// The nodes that the call is linked to.
    ties: Mutex<CancelLinks>,
    /// The node that cancels the calls submitted by the call's task.
    children: OnceLock<Arc<CancelNode>>,
    /// The wait for which the call's task blocks a thread.
    blocked: Mutex<Option<Wait>>,
    /// The number of waits of the call's future that a poll left pending, and that number at the
    /// last check.
    waits: AtomicU64,
    looked_at: AtomicU64,
    /// Whether the call's future has blocked a thread.
    has_blocked: AtomicBool,
    /// Whether the next poll of the call's future finds out what it waits for.
    is_probed: AtomicBool,
    /// The number of the executor that lists the call since it timed out while its task ran.
    overruns: AtomicOptionU64,
    /// The suspected cycle in which the call was reported last.
    reported: AtomicU64,
    /// The cycle of waits that a wait for this call closed.
    cycle: OnceLock<WaitCycle>,
    /// The crash that ended the call.
    crash: OnceLock<CrashReason>,
}

/// A value of `slice`: the first turn, which began with the call.
const FIRST: u64 = 0;
/// A value of `slice`: a later turn whose time no check has asked for yet.
const UNSEEN: u64 = 1;
/// A value of `slice`: the first turn, after the task has asked how long it has run. Such a task
/// asks again.
const ASKED: u64 = 2;

/// An optional number. Zero means none; any other value is the number plus one.
#[derive(Default)]
struct AtomicOptionU64(AtomicU64);

impl AtomicOptionU64 {
    // ORDERING: Relaxed. A reader that needs the number has it from the thread that wrote it, or
    // does without it.
    fn get(&self) -> Option<u64> {
        self.0.load(Ordering::Relaxed).checked_sub(1)
    }

    fn set(&self, number: u64) {
        self.0.store(number.saturating_add(1), Ordering::Relaxed);
    }
}

/// The nodes that end the call when they are cancelled.
#[derive(Default)]
struct CancelLinks {
    over: bool,
    held: Vec<(Arc<CancelNode>, cancel_tree::LinkId)>,
    /// The tokens of the call that continues as this call.
    heeded: Vec<Arc<CancelNode>>,
}

impl CancelLinks {
    fn stops(&self) -> impl Iterator<Item = &Arc<CancelNode>> {
        self.held.iter().map(|(stop, _)| stop).chain(&self.heeded)
    }
}

/// The timer that ends the call at its deadline.
#[derive(Default)]
enum Timer {
    #[default]
    None,
    Armed(Key),
    /// The call was over before the timer was armed, or is over now.
    Over,
}

#[derive(Default)]
pub(crate) struct ProgressState {
    latest: Option<Progress>,
    /// The number of reports so far, by which a watcher sees what is new to it.
    version: u64,
    waiting: WaiterSet,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Header {
    /// Creates a header. Without a `priority`, the call has that of its origin.
    #[inline(always)]
    pub(crate) fn new(
        caller: ParentCall,
        priority: Option<Priority>,
        deadline: Option<Instant>,
        Origin { parents, priority: inherited }: Origin,
    ) -> Self {
        let mut meta = Self {
            task: caller.task,
            started_at: AtomicU64::new(0),
            priority: AtomicU8::new(priority.unwrap_or(inherited) as u8),
            taken: AtomicU8::new(0),
            begin: if parents.is_some() { TIED } else { 0 },
            executor: AtomicU32::new(0),
            submitted_at: AtomicU64::new(0),
            submitted: caller.submitted,
            parents,
            cold: OnceBox::new(),
        };
        if deadline.is_some() {
            meta.limit(deadline);
        }
        meta
    }

    #[cold]
    fn limit(&mut self, deadline: Option<Instant>) {
        self.begin |= DUE;
        // The box is new, so the set cannot fail.
        let _ = self.cold.set(Box::new(Extra { deadline, ..Extra::default() }));
    }

    /// Creates the header for a second slot of the same call.
    pub(crate) fn for_retry(&self) -> Self {
        self.for_retry_until(self.deadline())
    }

    /// Like [`Header::for_retry`], with another deadline.
    pub(crate) fn for_retry_until(&self, deadline: Option<Instant>) -> Self {
        let origin = Origin { parents: self.parents.clone(), priority: self.priority() };
        let mut again = Self::new(self.caller(), None, deadline, origin);
        if let Some(passed) = self.passed() {
            *lock(&again.cold().passed) = Some(passed);
        }
        if let Some(cold) = self.cold.get() {
            cold.serve_within.get().into_iter().for_each(|nanos| again.cold().serve_within.set(nanos));
        }
        self.attached().into_iter().for_each(|attached| again.attach(attached.clone()));
        again.begin = again.begin & DUE | self.begin & TIED;
        if self.begin & TOKENS != 0 {
            again.heed_tokens_of(self);
        }
        if let Some(limit) = self.cold.get().and_then(|cold| cold.run_limit.get()) {
            again.limit_run(*limit);
        }
        again.submitted_at = AtomicU64::new(self.submitted_at());
        again.priority = AtomicU8::new(self.priority.load(Ordering::Relaxed)); // and whether it was raised
        if self.is_exempt() {
            again.exempt();
        }
        again
    }

    #[inline]
    pub(crate) fn task(&self) -> &'static TaskInfo {
        self.task
    }

    #[inline]
    pub(crate) fn caller(&self) -> ParentCall {
        ParentCall { task: self.task, submitted: self.submitted }
    }

    pub(crate) fn parents(&self) -> &[ParentCall] {
        self.parents.as_deref().map_or(&[], Ancestry::callers)
    }

    // ORDERING of `priority`: Relaxed. A raise and a reader that relies on it meet at a lock: that
    // of the queue, or that of `stop` in [`Extra`].

    #[inline]
    pub(crate) fn priority(&self) -> Priority {
        Priority::numbered(self.priority.load(Ordering::Relaxed) & !RAISED)
    }

    /// Makes the call more urgent. Returns whether the priority changed.
    pub(crate) fn raise(&self, to: Priority) -> bool {
        let raised = |now: u8| ((to as u8) < now & !RAISED).then_some(to as u8 | RAISED);
        self.priority.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raised).is_ok()
    }

    fn is_raised(&self) -> bool {
        self.priority.load(Ordering::Relaxed) & RAISED != 0
    }

    #[inline]
    pub(crate) fn submitted_at(&self) -> u64 {
        self.submitted_at.load(Ordering::Relaxed)
    }

    /// Stamps the submission when an executor is asked to take the call. A later request keeps the
    /// first time.
    #[inline]
    pub(crate) fn stamp_submitted(&self, now: impl FnOnce() -> u64) {
        if self.submitted_at() == 0 {
            self.submitted_at.store(now(), Ordering::Relaxed);
        }
    }

    /// Returns the time since the submission.
    pub(crate) fn age(&self) -> Duration {
        clock::elapsed(self.submitted_at(), clock::now())
    }

    /// Returns when the call expires: work that expires later should not run before it.
    pub(crate) fn expires(&self, expirations: &AgingTable) -> u64 {
        let by_priority = || expirations.of(self.priority(), self.submitted_at());
        match self.cold.get().and_then(|cold| cold.serve_within.get()) {
            None => by_priority(),
            Some(nanos) => {
                let own = self.submitted_at().saturating_add(nanos);
                if self.is_raised() { own.min(by_priority()) } else { own }
            }
        }
    }

    /// Makes the call expire this long after its submission, overriding its priority.
    pub(crate) fn expire_in(&self, timeout: Duration) {
        self.cold().serve_within.set(clock::nanos(timeout));
    }

    #[inline]
    pub(crate) fn has_own_expiration(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.serve_within.get().is_some())
    }

    /// Returns the rank that a custom order gave the call, if it gave one.
    pub(crate) fn custom_rank(&self) -> Option<u64> {
        self.cold.get().and_then(|cold| cold.custom_rank.get())
    }

    /// Stores the rank that a custom order gives. A raise never makes the call later.
    pub(crate) fn set_custom_rank(&self, rank: u64) {
        let rank = self.custom_rank().map_or(rank, |before| before.min(rank));
        self.cold().custom_rank.set(rank);
    }

    // ORDERING of `taken`, `submitted_at` and `started_at`: Relaxed. Each is written once, before
    // the slot passes through a lock or a state change that publishes it. A reader of an
    // unpublished value would only compute too short a time.

    /// Records that a queue took the call. The caller holds the queue's lock, here and in
    /// [`Header::is_accepted`].
    #[inline]
    pub(crate) fn mark_counted(&self, inside: bool) {
        self.taken.fetch_or(if inside { COUNTED | NESTED } else { COUNTED }, Ordering::Relaxed);
    }

    /// Records that a running task of the executor submitted the call.
    #[inline]
    pub(crate) fn mark_nested(&self) {
        self.taken.fetch_or(NESTED, Ordering::Relaxed);
    }

    /// Records that no queue counts the call any more. The caller holds the queue's lock. Returns
    /// whether the call came from inside.
    pub(crate) fn clear_counted(&self) -> bool {
        self.taken.fetch_and(!COUNTED, Ordering::Relaxed) & NESTED != 0
    }

    /// Takes the call's count from its queue. The caller holds the queue's lock. Returns whether
    /// the call was still counted: only one of several entries counts.
    pub(crate) fn take_counted(&self) -> bool {
        self.taken.fetch_and(!COUNTED, Ordering::Relaxed) & COUNTED != 0
    }

    /// Records that the call was ended before a queue counted it. The caller holds the queue's
    /// lock, here and in [`Header::has_left`].
    pub(crate) fn leave(&self) {
        self.taken.fetch_or(REMOVED, Ordering::Relaxed);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & REMOVED != 0
    }

    /// Returns whether the call is a fast-path call: normal priority, synchronous, no [`Extra`].
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.priority.load(Ordering::Relaxed) == Priority::Normal as u8
            && !self.task.is_async()
            && self.cold.get().is_none()
    }

    /// Records that a task waits for the call, which starts ahead of its turn. Returns whether this
    /// is new.
    pub(crate) fn mark_urgent(&self) -> bool {
        self.taken.fetch_or(AWAITED, Ordering::Relaxed) & AWAITED == 0
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & AWAITED != 0
    }

    /// Lets the call begin beyond the limit of its kind, because the task that has the kind's slot
    /// waits for it. Returns whether this is new.
    pub(crate) fn exempt(&self) -> bool {
        self.taken.fetch_or(LIMIT_EXEMPT, Ordering::Relaxed) & LIMIT_EXEMPT == 0
    }

    pub(crate) fn is_exempt(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & LIMIT_EXEMPT != 0
    }

    /// Records that the call carries the state that it shares.
    #[inline]
    pub(crate) fn mark_sharing(&self) {
        self.taken.fetch_or(HAS_STATE, Ordering::Relaxed);
    }

    pub(crate) fn is_sharing(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & HAS_STATE != 0
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & COUNTED != 0
    }

    #[inline]
    pub(crate) fn is_nested(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & NESTED != 0
    }

    #[inline]
    pub(crate) fn mark_started(&self, now: u64) {
        self.started_at.store(now, Ordering::Relaxed);
    }

    /// Returns how long the call waited before it started.
    #[inline]
    pub(crate) fn waited(&self) -> Duration {
        clock::elapsed(self.submitted_at(), self.started_at.load(Ordering::Relaxed))
    }

    /// Returns how long the task has run so far.
    pub(crate) fn ran(&self) -> Duration {
        match self.started_at.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            started => clock::elapsed(started, clock::now()),
        }
    }

    /// Begins a turn of the call's future. The turn is not the first.
    pub(crate) fn begin_slice(&self) {
        if let Some(cold) = self.cold.get() {
            let began = match cold.slice.load(Ordering::Relaxed) {
                FIRST | UNSEEN => UNSEEN,
                _ => clock::now(),
            };
            cold.slice.store(began, Ordering::Relaxed);
        }
    }

    /// Returns how long the call has run in this turn. If no check has asked in this turn yet, the
    /// turn begins now.
    pub(crate) fn ran_in_slice(&self) -> Duration {
        let Some(cold) = self.cold.get().or_else(|| self.task.is_async().then(|| self.cold())) else {
            return self.ran();
        };
        // ORDERING: Relaxed, a time.
        match cold.slice.load(Ordering::Relaxed) {
            FIRST | ASKED => {
                cold.slice.store(ASKED, Ordering::Relaxed);
                self.ran()
            }
            UNSEEN => {
                cold.slice.store(clock::now(), Ordering::Relaxed);
                Duration::ZERO
            }
            began => clock::elapsed(began, clock::now()),
        }
    }

    /// Returns the call site, times and parents of the call, as of now.
    pub(crate) fn at(&self) -> CallTrace {
        let now = clock::now();
        let started = self.started_at.load(Ordering::Relaxed);
        let submitted = if self.submitted_at() == 0 { now } else { self.submitted_at() };
        let until = if started == 0 { now } else { started };
        CallTrace::new(
            self.caller(),
            clock::elapsed(submitted, until),
            clock::elapsed(until, now),
            self.parents().to_vec(),
        )
    }

    /// Returns the error of a call that was ended from outside.
    pub(crate) fn error(&self, end: EndReason) -> CallError {
        let at = self.at();
        match end {
            EndReason::Cancelled => CallError::Cancelled(at),
            EndReason::TimedOut => CallError::TimedOut(at),
            EndReason::Full => CallError::Full(at),
            EndReason::Dropped => CallError::Dropped(at),
            EndReason::Closed => CallError::Closed(at),
            EndReason::Crashed => CallError::Crashed(match self.cold.get().and_then(|cold| cold.crash.get()) {
                Some(crash) => at.with_crash(crash.clone()),
                None => at,
            }),
            EndReason::Lost => CallError::Lost(at),
            EndReason::WouldDeadlock => {
                CallError::WouldDeadlock(match self.cold.get().and_then(|cold| cold.cycle.get()) {
                    Some(cycle) => at.with_cycle(cycle.clone()),
                    None => at,
                })
            }
            EndReason::Unsupported => CallError::Unsupported(at),
            EndReason::SimulationOver => CallError::Closed(at.of_ended_simulation()),
        }
    }

    // ----- what the task waits for

    /// Stores the wait for which the task blocks a thread. Returns the wait stored before.
    pub(crate) fn set_blocked(&self, wait: Option<Wait>) -> Option<Wait> {
        std::mem::replace(&mut *lock(&self.cold().blocked), wait)
    }

    pub(crate) fn blocked(&self) -> Option<Wait> {
        lock(&self.cold.get()?.blocked).clone()
    }

    // ORDERING of `waits`, `looked_at`, `is_probed` and `reported`: Relaxed. Polls of the future
    // write the first, checks write the others. A check that reads too early reads again at its
    // next look.

    /// Counts a pending wait of the call's future. Returns whether this poll is a probe, which
    /// finds out the awaited call.
    pub(crate) fn count_wait(&self) -> bool {
        let cold = self.cold();
        if cold.is_probed.load(Ordering::Relaxed) {
            return true;
        }
        cold.waits.store(cold.waits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        false
    }

    /// Returns how many waits have been pending so far. A probe does not count.
    pub(crate) fn waits(&self) -> u64 {
        self.cold.get().map_or(0, |cold| cold.waits.load(Ordering::Relaxed))
    }

    /// Returns how many waits had been pending at the last check.
    pub(crate) fn looked_at(&self) -> u64 {
        self.cold.get().map_or(0, |cold| cold.looked_at.load(Ordering::Relaxed))
    }

    /// Stores how many waits have been pending as of this check.
    pub(crate) fn look_at(&self, waits: u64) {
        self.cold().looked_at.store(waits, Ordering::Relaxed);
    }

    /// Has the future polled as a probe, which finds out what the future waits for.
    pub(crate) fn start_probe(&self) {
        self.cold().is_probed.store(true, Ordering::Relaxed);
        self.cold().stop.with(WaiterSet::notify_all);
    }

    #[inline]
    pub(crate) fn is_probed(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.is_probed.load(Ordering::Relaxed))
    }

    pub(crate) fn end_probe(&self) {
        self.cold().is_probed.store(false, Ordering::Relaxed);
    }

    /// Records a report of the call as part of this suspected cycle. Returns whether the call was
    /// reported in it before.
    pub(crate) fn report(&self, cycle: u64) -> bool {
        self.cold().reported.swap(cycle, Ordering::Relaxed) == cycle
    }

    /// Stores the cycle because of which the call will end as [`EndReason::WouldDeadlock`].
    pub(crate) fn keep_cycle(&self, cycle: WaitCycle) {
        let _ = self.cold().cycle.set(cycle); // the first cycle that is found is the reason
    }

    /// Stores the crash because of which the call will end as [`EndReason::Crashed`].
    pub(crate) fn keep_crash(&self, crash: &CrashReason) {
        let _ = self.cold().crash.set(crash.clone());
    }

    // ----- the executor that holds the call

    /// Records that the call's handle does not know the call's executor. The executor that takes
    /// the call records itself by [`Header::set_executor`].
    #[inline]
    pub(crate) fn mark_unrouted(&self) {
        self.taken.fetch_or(UNROUTED, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_unrouted(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & UNROUTED != 0
    }

    /// Records that the call is brought to the queue of `host`, or was not taken there. The caller
    /// checks afterwards whether the call is still queued.
    pub(crate) fn set_executor(&self, host: Option<ExecutorId>) {
        let number = host.map_or(0, |host| u32::try_from(host.number()).unwrap_or(SPILLED));
        if number == SPILLED {
            *lock(&self.cold().spilled_executor) = host;
        }
        // ORDERING: AcqRel, pairs with the AcqRel in `final_executor`. One of the two steps comes
        // first: either the side that ends the call sees this executor, or we see that the call was
        // claimed.
        self.executor.swap(number, Ordering::AcqRel);
    }

    /// Returns the executor to whose queue the call was brought. The caller has claimed the call,
    /// so the call is brought to no other executor after this.
    pub(crate) fn final_executor(&self) -> Option<ExecutorId> {
        // ORDERING: AcqRel, as in `set_executor`.
        self.host_of(self.executor.fetch_add(0, Ordering::AcqRel))
    }

    /// Returns the executor that holds the call, or its delegate.
    pub(crate) fn executor(&self) -> Option<ExecutorId> {
        // ORDERING: Relaxed. A waiter of a call that is brought elsewhere meanwhile may learn of it
        // late with any ordering.
        let own = self.host_of(self.executor.load(Ordering::Relaxed));
        own.or_else(|| self.delegate()?.header().executor())
    }

    fn host_of(&self, number: u32) -> Option<ExecutorId> {
        if number == SPILLED { *lock(&self.cold().spilled_executor) } else { ExecutorId::from_raw(number.into()) }
    }

    /// Makes `call` the delegate of this call: ending this call ends the delegate, and waiting for
    /// this call waits for the delegate. Afterwards the caller checks again whether this call has
    /// ended.
    pub(crate) fn delegate_to(&self, call: &CallRef<dyn ErasedCall>) {
        call.header().mark_delegate();
        let before = lock(&self.cold().delegate).replace(call.clone());
        drop(before);
        if self.is_exempt() {
            call.header().exempt(); // the exemption may have come before the delegate was set
        }
    }

    /// Returns the call as which this call continues, if there is one.
    pub(crate) fn delegate(&self) -> Option<CallRef<dyn ErasedCall>> {
        lock(&self.cold.get()?.delegate).clone()
    }

    /// Marks this call as the delegate of another call. The executor that accepts it records
    /// itself, because no handle refers to it.
    pub(crate) fn mark_delegate(&self) {
        self.taken.fetch_or(DELEGATED | UNROUTED, Ordering::Relaxed);
    }

    /// Returns whether this call is the delegate of another call.
    pub(crate) fn is_delegate(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & DELEGATED != 0
    }

    /// Returns whether `host` holds the call, as far as the header knows. A layer's call may be on
    /// its way to the executor, or may be delayed.
    pub(crate) fn is_on(&self, host: ExecutorId) -> bool {
        // ORDERING: Relaxed, as in `executor`.
        !self.is_unrouted() || self.host_of(self.executor.load(Ordering::Relaxed)) == Some(host)
    }

    // ----- the layers that the call has passed

    fn passed(&self) -> Option<Arc<Visited>> {
        lock(&self.cold.get()?.passed).clone()
    }

    pub(crate) fn pass(&self, layer: LayerId) {
        let mut passed = lock(&self.cold().passed);
        *passed = Some(Visited::with(passed.take(), layer));
    }

    pub(crate) fn has_passed(&self, layer: LayerId) -> bool {
        self.cold.get().is_some_and(|cold| lock(&cold.passed).as_ref().is_some_and(|passed| passed.contains(layer)))
    }

    fn cold(&self) -> &Extra {
        self.cold.get_or_init(Box::default)
    }

    /// Returns whether the end of the call may have to wake or notify other code.
    #[inline]
    pub(crate) fn needs_notify(&self) -> bool {
        self.cold.get().is_some()
    }

    /// Keeps the program alive until the call is over.
    pub(crate) fn keep_alive(&self) {
        *lock(&self.cold().alive) = Some(KeepAlive::new());
    }

    /// Sets the share through which the call comes to its pool; zero for none.
    // ORDERING: Relaxed, it is written before the call passes through its pool's lock.
    pub(crate) fn set_share(&self, share: u32) {
        self.cold().share.store(share, Ordering::Relaxed);
    }

    pub(crate) fn share(&self) -> u32 {
        self.cold.get().map_or(0, |cold| cold.share.load(Ordering::Relaxed))
    }

    /// Records that the call takes a slot of its share at this pool, or returns it.
    // ORDERING: Relaxed. The thread that runs the call writes and reads it; the queue orders two
    // polls of the call's future.
    pub(crate) fn set_share_slot(&self, pool: Option<ExecutorId>) {
        self.cold().share_slot_at.store(pool.map_or(0, ExecutorId::number), Ordering::Relaxed);
    }

    /// Returns the pool where the call holds a slot of its share.
    pub(crate) fn share_slot(&self) -> Option<ExecutorId> {
        ExecutorId::from_raw(self.cold.get()?.share_slot_at.load(Ordering::Relaxed))
    }

    // ----- attachments

    /// Stores what the caller attached to the call: once, before the call is submitted.
    #[cold]
    pub(crate) fn attach(&self, attached: Arc<Attachments>) {
        let _ = self.cold().attached.set(attached);
    }

    pub(crate) fn attached(&self) -> Option<&Arc<Attachments>> {
        self.cold.get().and_then(|cold| cold.attached.get())
    }

    // ----- the deadline

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let cold = self.cold.get()?;
        [cold.deadline, cold.inherited.get().copied(), cold.run_deadline.get().copied()].into_iter().flatten().min()
    }

    /// Stores the timer that will end the call, in place of an earlier one. If the call is already
    /// over, disarms the timer.
    pub(crate) fn keep_timer(&self, key: Key) {
        let timer = &self.cold().timer;
        let unused = {
            let mut timer = lock(timer);
            match *timer {
                Timer::Over => Some(key),
                Timer::None => {
                    *timer = Timer::Armed(key);
                    None
                }
                Timer::Armed(before) => {
                    *timer = Timer::Armed(key);
                    Some(before)
                }
            }
        };
        unused.into_iter().for_each(timer::disarm);
    }

    /// Like [`Header::keep_timer`], for the timer that will bring the call to its executor. If that
    /// timer has fired, a later timer may already be stored, and stays.
    pub(crate) fn keep_first_timer(&self, key: Key) {
        let is_over = {
            let mut timer = lock(&self.cold().timer);
            if let Timer::None = *timer {
                *timer = Timer::Armed(key);
            }
            matches!(*timer, Timer::Over)
        };
        if is_over {
            timer::disarm(key);
        }
    }

    /// Sets the maximum time for which the task may run.
    #[cold]
    pub(crate) fn limit_run(&mut self, limit: Duration) {
        self.begin |= LIMITED;
        let _ = self.cold().run_limit.set(limit);
    }

    /// Returns whether the run time of the task is limited.
    pub(crate) fn has_run_limit(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.run_limit.get().is_some())
    }

    /// Begins the run. Returns when its limit ends, unless the call's deadline is earlier.
    pub(crate) fn begin_limit(&self) -> Option<Instant> {
        let cold = self.cold.get()?;
        let over = clock::after(*cold.run_limit.get()?)?;
        let is_first = self.deadline().is_none_or(|deadline| over < deadline);
        (cold.run_deadline.set(over).is_ok() && is_first).then_some(over)
    }

    // ----- before the call goes to its executor

    /// Sets whether the call is submitted, and goes to its executor later.
    pub(crate) fn delay(&self, is_delayed: bool) {
        // ORDERING: Relaxed, it is set before any other thread knows the call. A thread that sees
        // the end of the delay late waits instead.
        self.cold().is_delayed.store(is_delayed, Ordering::Relaxed);
    }

    pub(crate) fn is_delayed(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.is_delayed.load(Ordering::Relaxed))
    }

    // ----- the parents, and other nodes

    /// Detaches the call from the deadline and the cancellation of its parents.
    pub(crate) fn unlink_parent(&mut self) {
        self.begin &= !TIED;
    }

    /// Takes over the parents' deadline if that is earlier than the call's own.
    ///
    /// Returns whether the caller links the call to the node that cancels the parents. That holds
    /// for calls that leave a future, or that have an [`Extra`] anyway.
    #[inline(always)]
    pub(crate) fn inherit_limits(&self, leaves_future: bool) -> bool {
        let Some(parents) = &self.parents else { return false };
        if self.begin & TIED == 0 {
            return false;
        }
        if let Some(deadline) = parents.deadline() {
            let _ = self.cold().inherited.set(deadline);
        }
        if leaves_future {
            self.cold();
        }
        self.cold.get().is_some()
    }

    /// Returns the node that cancels the call with its parents, if there is one.
    pub(crate) fn parent_node(&self) -> Option<&Arc<CancelNode>> {
        self.parents.as_ref().filter(|_| self.begin & TIED != 0).map(|parents| parents.stop())
    }

    /// Makes [`Header::needs_notify`] return true, so that the end of the call checks this header.
    #[cold]
    pub(crate) fn set_needs_notify(&self) {
        self.cold();
    }

    /// Records that the call has tokens, and is linked to them.
    pub(crate) fn check_tokens(&mut self) {
        self.begin |= TOKENS;
    }

    /// Returns whether the call's parents or one of its tokens were cancelled. The call's own end
    /// by that cancellation may come later.
    #[inline]
    pub(crate) fn is_parent_cancelled(&self) -> bool {
        let is_orphan =
            self.begin & TIED != 0 && self.parents.as_ref().is_some_and(|parents| parents.stop().is_stopped());
        is_orphan || self.begin & TOKENS != 0 && self.has_stopped_token()
    }

    #[cold]
    fn has_stopped_token(&self) -> bool {
        self.cold.get().is_some_and(|cold| lock(&cold.ties).stops().any(|stop| stop.is_stopped()))
    }

    /// Heeds the tokens of a call that continues as this call. That call is linked to them; this
    /// call only checks them.
    #[cold]
    fn heed_tokens_of(&mut self, call: &Self) {
        let Some(cold) = call.cold.get() else { return };
        let heeded = lock(&cold.ties).stops().cloned().collect();
        lock(&self.cold().ties).heeded = heeded;
        self.check_tokens();
    }

    /// Returns why the call must not begin, if a token, its parents or its deadline ended it.
    #[inline]
    pub(crate) fn end_before_begin(&self) -> Option<EndReason> {
        if self.is_parent_cancelled() {
            return Some(EndReason::Cancelled);
        }
        // The timer for the deadline may not have fired yet.
        self.deadline().is_some_and(|deadline| deadline <= clock::instant()).then_some(EndReason::TimedOut)
    }

    /// Returns whether there is something to check when the call begins to run.
    #[inline]
    pub(crate) fn has_start_checks(&self) -> bool {
        self.begin != 0
    }

    /// Sets the node that cancels the calls that this call's task submits.
    pub(crate) fn set_children_node(&self, stop: &Arc<CancelNode>) {
        let _ = self.cold().children.set(stop.clone()); // one executor runs the call, and creates one ancestry
    }

    /// Links this call to `stop`, which then ends it. A second link to the same node has no effect.
    /// Returns false if `stop` was cancelled before.
    pub(crate) fn link(
        &self,
        stop: &Arc<CancelNode>,
        call: impl FnOnce() -> CallRef<dyn ErasedCall>,
        host: Option<ExecutorId>,
    ) -> bool {
        let mut ties = lock(&self.cold().ties);
        if ties.over || ties.held.iter().any(|(known, _)| Arc::ptr_eq(known, stop)) {
            return true;
        }
        match stop.hold(call(), host) {
            Some(place) => {
                ties.held.push((stop.clone(), place));
                true
            }
            None => false,
        }
    }

    /// Disarms the timer and unlinks the call, which is over.
    #[inline]
    pub(crate) fn over(&self) {
        if self.needs_notify() {
            self.over_at_once();
        }
    }

    #[cold]
    fn over_at_once(&self) {
        let mut batch = EndBatch::default();
        self.over_into(&mut batch);
        batch.run();
    }

    /// Like [`Header::over`], but leaves user code to `batch`.
    pub(crate) fn over_into(&self, batch: &mut EndBatch) {
        let Some(cold) = self.cold.get() else { return };
        let timer = std::mem::replace(&mut *lock(&cold.timer), Timer::Over);
        if let Timer::Armed(key) = timer {
            timer::take(key).into_iter().for_each(|alarm| batch.drop_later(alarm));
        }
        let held = {
            let mut ties = lock(&cold.ties);
            ties.over = true;
            std::mem::take(&mut ties.held)
        };
        for (stop, place) in held {
            stop.remove_into(place, batch);
            batch.drop_node(stop);
        }
        let alive = lock(&cold.alive).take();
        alive.into_iter().for_each(|alive| batch.drop_later(alive));
        batch.wake_list(cold.progress.with(|watched, _| watched.waiting.take_all()));
    }

    // ----- the request to stop

    /// Creates a wait for the moment at which the call is asked to stop. A poll registers it, and
    /// then checks again whether the call was asked.
    pub(crate) fn stop_wait(&self) -> Registration<StopHome<&Self>> {
        Registration::new(StopHome(self))
    }

    /// Records that the call times out while its task runs on a thread of `host`, which lists the
    /// call. The step that ends the call orders this before the check by the thread that ran the
    /// task.
    pub(crate) fn mark_overrun(&self, host: ExecutorId) {
        self.cold().overruns.set(host.number());
    }

    /// Returns the executor that lists the call, if the call timed out while its task ran.
    pub(crate) fn overruns(&self) -> Option<ExecutorId> {
        self.cold.get().and_then(|cold| ExecutorId::from_raw(cold.overruns.get()?))
    }

    /// Handles the request to stop: cancels the calls that the task submitted, then wakes the waits
    /// for the request.
    pub(crate) fn wake_on_cancel(&self, batch: &mut EndBatch) {
        let Some(cold) = self.cold.get() else { return };
        cold.children.get().into_iter().for_each(|children| batch.stop_node(children.clone()));
        batch.wake_list(cold.stop.with(|waiting, _| waiting.take_all()));
    }

    /// Makes the waits for the call's stop check again, because the call was raised while it runs.
    ///
    /// A wait within the task passes the raise on to the awaited call. A future that has waited for
    /// no call has nothing to pass it on to, and is not woken.
    pub(crate) fn wake_on_raise(&self) {
        let Some(cold) = self.cold.get() else { return };
        cold.stop.with(|waiting, after| {
            if self.passes_raise_on() {
                waiting.notify_all(after);
            }
        });
    }

    // ORDERING of `waits` and `has_blocked`, for a raise: Relaxed. Both are written before the wait
    // is registered, under the lock of `stop`, and the priority is read after that. A raise writes
    // the priority before it takes the lock to read them.

    /// Returns whether the task may wait for a call that must become as urgent as the task.
    pub(crate) fn passes_raise_on(&self) -> bool {
        let has_waited =
            |cold: &Extra| cold.waits.load(Ordering::Relaxed) > 0 || cold.has_blocked.load(Ordering::Relaxed);
        !self.task.is_async() || self.cold.get().is_some_and(has_waited)
    }

    /// Records that the task is about to block a thread.
    pub(crate) fn mark_blocking(&self) {
        if self.task.is_async() {
            self.cold().has_blocked.store(true, Ordering::Relaxed);
        }
    }

    // ----- progress

    pub(crate) fn tell_progress(&self, progress: Progress) {
        self.cold().progress.with(|watched, after| {
            watched.latest = Some(progress);
            watched.version += 1;
            watched.waiting.notify_all(after);
        });
    }

    pub(crate) fn progress(&self) -> Option<Progress> {
        if let Some(onward) = self.delegate() {
            return onward.header().progress();
        }
        self.cold.get().and_then(|cold| cold.progress.with(|watched, _| watched.latest))
    }
}

/// The home of waits for a call's stop.
pub(crate) struct StopHome<C>(pub(crate) C);

impl WaiterHome for StopHome<&Header> {
    type State = WaiterSet;

    fn with_state<R>(&self, change: impl FnOnce(&mut WaiterSet, &mut AfterUnlock) -> R) -> R {
        self.0.cold().stop.with(change)
    }

    fn waiters(state: &mut WaiterSet) -> &mut WaiterSet {
        state
    }
}

impl WaiterHome for StopHome<CallRef<dyn ErasedCall>> {
    type State = WaiterSet;

    fn with_state<R>(&self, change: impl FnOnce(&mut WaiterSet, &mut AfterUnlock) -> R) -> R {
        StopHome(self.0.header()).with_state(change)
    }

    fn waiters(state: &mut WaiterSet) -> &mut WaiterSet {
        state
    }
}

/// The home of waits for a call's progress, and for its end.
struct ProgressHome(CallRef<dyn ErasedCall>);

impl WaiterHome for ProgressHome {
    type State = ProgressState;

    fn with_state<R>(&self, change: impl FnOnce(&mut ProgressState, &mut AfterUnlock) -> R) -> R {
        self.0.header().cold().progress.with(change)
    }

    fn waiters(state: &mut ProgressState) -> &mut WaiterSet {
        &mut state.waiting
    }
}

/// A wait for the progress of a call, or of its delegate.
pub(crate) struct ProgressWait {
    /// The call, then its delegate, and so on.
    calls: Vec<Registration<ProgressHome>>,
}

impl ProgressWait {
    pub(crate) fn of(call: CallRef<dyn ErasedCall>) -> Self {
        Self { calls: vec![Registration::new(ProgressHome(call))] }
    }

    /// Returns the progress reported since version `seen`, and updates `seen`. If there is none,
    /// registers `waker`, which the next report or the end wakes. Afterwards the caller checks for
    /// the end.
    pub(crate) fn poll_since(&mut self, seen: &mut u64, waker: &Waker) -> Option<Progress> {
        let mut at = 0;
        while let Some(onward) = self.calls[at].home().0.header().delegate() {
            // Of this call only the end matters.
            self.calls[at].register(waker);
            at += 1;
            if !self.calls.get(at).is_some_and(|known| std::ptr::eq(known.home().0.header(), onward.header())) {
                self.calls.truncate(at);
                self.calls.push(Registration::new(ProgressHome(onward)));
            }
        }
        self.calls.truncate(at + 1);
        let told = self.calls[at].poll_with(waker, |watched, _| {
            // A greater version than this call's is that of another call, as which this one
            // continued before.
            let is_new = watched.version != *seen;
            is_new.then(|| {
                *seen = watched.version;
                watched.latest
            })
        });
        match told {
            Poll::Ready(progress) => progress,
            Poll::Pending => None,
        }
    }
}
