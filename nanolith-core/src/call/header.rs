//! What is known of a call beside its input and outcome, for errors, time-outs, progress and order.

use super::{
    aging::AgingTable,
    ancestry::{Ancestry, Origin},
    backend::{ErasedCall, ExecutorId},
    cancel_tree::{self, CancelNode},
    end_batch::EndBatch,
    wait_graph::Wait,
};
use crate::{
    error::{At, CallError, Caller, CrashReason, wait_cycle::WaitCycle},
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

/// How far a task has come, as it told: `cx.progress(done, total)`. The units are the task's own.
///
/// ```
/// use nanolith::Progress;
/// let Progress { done, total } = Progress { done: 3, total: 12 };
/// assert_eq!(format!("{} %", 100 * done / total), "25 %");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// Units done: files, bytes, steps, whatever the task counts.
    pub done: u64,
    /// Units in all.
    pub total: u64,
}

/// Beside the protocol of the slot. What an executor touches comes first, and shares a cache line with the slot's state; the
/// rest is its caller's, and those who ask.
#[repr(C)]
pub(crate) struct Header {
    task: &'static TaskInfo,
    /// When it began to run, in nanoseconds, as [`clock::now`] tells; zero until then.
    started_at: AtomicU64,
    /// The priority, and whether it was raised: see [`RAISED`].
    priority: AtomicU8,
    /// Whether a queue has taken the call, whether a running task of that executor submitted it, whether it carries state.
    taken: AtomicU8,
    /// What is to be looked at when it begins to run: see [`TIED`], [`LIMITED`], [`TOKENS`] and [`DUE`].
    begin: u8,
    /// Whose queue the call was last brought to, where its handle does not know: see [`Header::set_executor`].
    executor: AtomicU32,
    /// The same for its submission; zero until an executor is asked to take the call.
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

/// Beside the priority: it is not the one with which the call was made.
const RAISED: u8 = 0x80;
/// It ends when its parents are cancelled.
const TIED: u8 = 1;
/// Its run has a limit.
const LIMITED: u8 = 2;
/// It ends when a token says so.
const TOKENS: u8 = 4;
/// It has a deadline of its own.
const DUE: u8 = 8;

/// The holder's number does not fit, and is among what most calls never need.
const SPILLED: u32 = u32::MAX;

/// What most calls never need.
#[derive(Default)]
struct Extra {
    deadline: Option<Instant>,
    /// The same of the task within which it was submitted.
    inherited: OnceLock<Instant>,
    /// How long it may run.
    run_limit: OnceLock<Duration>,
    /// When that is over, once it has begun.
    run_deadline: OnceLock<Instant>,
    attached: OnceLock<Arc<Attachments>>,
    timer: Mutex<Timer>,
    progress: Deferred<ProgressState>,
    /// They look again when the call is asked to stop, or raised while it runs.
    stop: Deferred<WaiterSet>,
    alive: Mutex<Option<KeepAlive>>,
    /// The call as which this one goes on.
    delegate: Mutex<Option<CallRef<dyn ErasedCall>>>,
    spilled_executor: Mutex<Option<ExecutorId>>,
    /// In how many nanoseconds it expires, whatever its priority says.
    expires_in: AtomicOptionU64,
    /// What an order of the user's own said.
    custom_rank: AtomicOptionU64,
    /// When its future's turn began, in nanoseconds; or one of those below.
    slice: AtomicU64,
    /// The share of its pool through which it came, by number; zero: none.
    share: AtomicU32,
    /// The pool, by number, where it holds a slot of that share; zero: it holds none.
    share_slot_at: AtomicU64,
    passed: Mutex<Option<Arc<Visited>>>,
    /// It was submitted, and goes to its executor later.
    is_delayed: AtomicBool,
    /// On what it hangs.
    ties: Mutex<CancelLinks>,
    /// What stops the calls that its task has submitted.
    children: OnceLock<Arc<CancelNode>>,
    /// What its task blocks a thread for.
    blocked: Mutex<Option<Wait>>,
    /// How many waits of its future were left pending by a poll; how many had been when a check looked at them.
    waits: AtomicU64,
    looked_at: AtomicU64,
    /// Whether its future has blocked a thread.
    has_blocked: AtomicBool,
    /// Whether the next poll of its future is to find out what it waits for.
    is_probed: AtomicBool,
    /// The host that lists it since it timed out while its task ran, by number.
    overruns: AtomicOptionU64,
    /// In which suspected cycle it was reported.
    reported: AtomicU64,
    /// The cycle of waits that was closed by a wait for this call.
    cycle: OnceLock<WaitCycle>,
    /// The crash that the call was lost by.
    crash: OnceLock<CrashReason>,
}

/// The first turn, which began with the call.
const FIRST: u64 = 0;
/// A later one, which nobody has looked at yet.
const UNSEEN: u64 = 1;
/// The first, when the task has asked how long it has run: such a task asks again.
const ASKED: u64 = 2;

/// A number that may be there: zero is none, else it is less by one.
#[derive(Default)]
struct AtomicOptionU64(AtomicU64);

impl AtomicOptionU64 {
    // ORDERING: Relaxed, a number that whoever needs it has from the one who wrote it, or does without.
    fn get(&self) -> Option<u64> {
        self.0.load(Ordering::Relaxed).checked_sub(1)
    }

    fn set(&self, number: u64) {
        self.0.store(number.saturating_add(1), Ordering::Relaxed);
    }
}

/// What ends the call when it is stopped.
#[derive(Default)]
struct CancelLinks {
    over: bool,
    held: Vec<(Arc<CancelNode>, cancel_tree::LinkId)>,
    /// The tokens of a call that goes on as this one.
    heeded: Vec<Arc<CancelNode>>,
}

impl CancelLinks {
    fn stops(&self) -> impl Iterator<Item = &Arc<CancelNode>> {
        self.held.iter().map(|(stop, _)| stop).chain(&self.heeded)
    }
}

/// The call's time-out.
#[derive(Default)]
enum Timer {
    #[default]
    None,
    Armed(Key),
    /// The call was over before the timer was armed, or is now.
    Over,
}

#[derive(Default)]
pub(crate) struct ProgressState {
    latest: Option<Progress>,
    /// Counts what was told, so that a watcher sees what is new to it.
    version: u64,
    waiting: WaiterSet,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Header {
    /// Without a `priority` the call has that of its origin.
    #[inline(always)]
    pub(crate) fn new(
        caller: Caller,
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

    /// For a second slot of the same call.
    pub(crate) fn for_retry(&self) -> Self {
        self.for_retry_until(self.deadline())
    }

    /// The same with another deadline.
    pub(crate) fn for_retry_until(&self, deadline: Option<Instant>) -> Self {
        let origin = Origin { parents: self.parents.clone(), priority: self.priority() };
        let mut again = Self::new(self.caller(), None, deadline, origin);
        if let Some(passed) = self.passed() {
            *lock(&again.cold().passed) = Some(passed);
        }
        if let Some(cold) = self.cold.get() {
            cold.expires_in.get().into_iter().for_each(|nanos| again.cold().expires_in.set(nanos));
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
    pub(crate) fn caller(&self) -> Caller {
        Caller { task: self.task, submitted: self.submitted }
    }

    pub(crate) fn parents(&self) -> &[Caller] {
        self.parents.as_deref().map_or(&[], Ancestry::callers)
    }

    // ORDERING of `priority`: Relaxed. Who raises it and who rests on it meet at a lock, of the queue or of the wakers below.

    #[inline]
    pub(crate) fn priority(&self) -> Priority {
        Priority::numbered(self.priority.load(Ordering::Relaxed) & !RAISED)
    }

    /// Makes it more urgent; says whether that is news.
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

    /// An executor is asked to take the call, for the first time or again.
    #[inline]
    pub(crate) fn stamp_submitted(&self, now: impl FnOnce() -> u64) {
        if self.submitted_at() == 0 {
            self.submitted_at.store(now(), Ordering::Relaxed);
        }
    }

    /// How long ago it was submitted.
    pub(crate) fn age(&self) -> Duration {
        clock::elapsed(self.submitted_at(), clock::now())
    }

    /// When others should have let it go first.
    pub(crate) fn expires(&self, expirations: &AgingTable) -> u64 {
        let by_priority = || expirations.of(self.priority(), self.submitted_at());
        match self.cold.get().and_then(|cold| cold.expires_in.get()) {
            None => by_priority(),
            Some(nanos) => {
                let own = self.submitted_at().saturating_add(nanos);
                if self.is_raised() { own.min(by_priority()) } else { own }
            }
        }
    }

    /// It expires so long after its submission, whatever its priority says.
    pub(crate) fn expire_in(&self, timeout: Duration) {
        self.cold().expires_in.set(clock::nanos(timeout));
    }

    #[inline]
    pub(crate) fn has_own_expiration(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.expires_in.get().is_some())
    }

    /// What an order of the user's own said of it, if it did.
    pub(crate) fn custom_rank(&self) -> Option<u64> {
        self.cold.get().and_then(|cold| cold.custom_rank.get())
    }

    /// Keeps what it says; a raised call never goes later than it would have.
    pub(crate) fn set_custom_rank(&self, rank: u64) {
        let rank = self.custom_rank().map_or(rank, |before| before.min(rank));
        self.cold().custom_rank.set(rank);
    }

    // ORDERING of `taken`, `submitted_at` and `started_at`: Relaxed. Each is written once, before the slot passes through a lock or
    // a state change that publishes it; a reader of an unpublished value would only tell a time too short.

    /// A queue took the call; its lock is held here and in [`Header::is_accepted`].
    #[inline]
    pub(crate) fn mark_counted(&self, inside: bool) {
        self.taken.fetch_or(if inside { COUNTED | NESTED } else { COUNTED }, Ordering::Relaxed);
    }

    /// A running task of the executor submitted it.
    #[inline]
    pub(crate) fn mark_nested(&self) {
        self.taken.fetch_or(NESTED, Ordering::Relaxed);
    }

    /// No queue counts the call any more; its lock is held here. Says whether it came from inside.
    pub(crate) fn clear_counted(&self) -> bool {
        self.taken.fetch_and(!COUNTED, Ordering::Relaxed) & NESTED != 0
    }

    /// A queue's counts are done with the call; its lock is held here. Says whether that is news: of several entries one counts.
    pub(crate) fn take_counted(&self) -> bool {
        self.taken.fetch_and(!COUNTED, Ordering::Relaxed) & COUNTED != 0
    }

    /// The call was ended before a queue counted it; its lock is held here and in [`Header::has_left`].
    pub(crate) fn leave(&self) {
        self.taken.fetch_or(REMOVED, Ordering::Relaxed);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & REMOVED != 0
    }

    /// Whether it takes no more than the plain way through an executor.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.priority.load(Ordering::Relaxed) == Priority::Normal as u8
            && !self.task.is_async()
            && self.cold.get().is_none()
    }

    /// A task waits for the call, which is to start ahead of its turn.
    pub(crate) fn mark_urgent(&self) -> bool {
        self.taken.fetch_or(AWAITED, Ordering::Relaxed) & AWAITED == 0
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & AWAITED != 0
    }

    /// Whoever has the place of the call's kind waits for it: it may begin beyond the limit. Says whether that is news.
    pub(crate) fn exempt(&self) -> bool {
        self.taken.fetch_or(LIMIT_EXEMPT, Ordering::Relaxed) & LIMIT_EXEMPT == 0
    }

    pub(crate) fn is_exempt(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & LIMIT_EXEMPT != 0
    }

    /// The call carries the state that it shares.
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

    /// How long the call waited before it started.
    #[inline]
    pub(crate) fn waited(&self) -> Duration {
        clock::elapsed(self.submitted_at(), self.started_at.load(Ordering::Relaxed))
    }

    /// How long the task has run so far.
    pub(crate) fn ran(&self) -> Duration {
        match self.started_at.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            started => clock::elapsed(started, clock::now()),
        }
    }

    /// A turn of its future begins, which is not the first.
    pub(crate) fn begin_slice(&self) {
        if let Some(cold) = self.cold.get() {
            let began = match cold.slice.load(Ordering::Relaxed) {
                FIRST | UNSEEN => UNSEEN,
                _ => clock::now(),
            };
            cold.slice.store(began, Ordering::Relaxed);
        }
    }

    /// How long it has run in this turn. One that nobody has asked in yet begins now.
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

    /// Where the call was, as of now.
    pub(crate) fn at(&self) -> At {
        let now = clock::now();
        let started = self.started_at.load(Ordering::Relaxed);
        let submitted = if self.submitted_at() == 0 { now } else { self.submitted_at() };
        let until = if started == 0 { now } else { started };
        At::new(self.caller(), clock::elapsed(submitted, until), clock::elapsed(until, now), self.parents().to_vec())
    }

    /// The error of a call that was ended from outside.
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

    // ----- what its task waits for

    /// Keeps what the task blocks a thread for, and returns what it did before.
    pub(crate) fn set_blocked(&self, wait: Option<Wait>) -> Option<Wait> {
        std::mem::replace(&mut *lock(&self.cold().blocked), wait)
    }

    pub(crate) fn blocked(&self) -> Option<Wait> {
        lock(&self.cold.get()?.blocked).clone()
    }

    // ORDERING of `waits`, `looked_at`, `is_probed` and `reported`: Relaxed. Those who poll the future write the first, checks the
    // others; a check that reads too early reads again at its next look.

    /// A wait of its future is pending. Returns whether this poll is to find out which.
    pub(crate) fn count_wait(&self) -> bool {
        let cold = self.cold();
        if cold.is_probed.load(Ordering::Relaxed) {
            return true;
        }
        cold.waits.store(cold.waits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        false
    }

    /// How many waits have been pending so far. A probe does not count.
    pub(crate) fn waits(&self) -> u64 {
        self.cold.get().map_or(0, |cold| cold.waits.load(Ordering::Relaxed))
    }

    /// How many of them a check has looked at.
    pub(crate) fn looked_at(&self) -> u64 {
        self.cold.get().map_or(0, |cold| cold.looked_at.load(Ordering::Relaxed))
    }

    /// The number of them that a check has looked at.
    pub(crate) fn look_at(&self, waits: u64) {
        self.cold().looked_at.store(waits, Ordering::Relaxed);
    }

    /// Has the future polled, which finds out what it waits for.
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

    /// It is reported as part of this suspected cycle. Returns whether it was before.
    pub(crate) fn report(&self, cycle: u64) -> bool {
        self.cold().reported.swap(cycle, Ordering::Relaxed) == cycle
    }

    /// Keeps the cycle because of which the call is to end as [`EndReason::WouldDeadlock`].
    pub(crate) fn keep_cycle(&self, cycle: WaitCycle) {
        let _ = self.cold().cycle.set(cycle); // the first that is found is the reason
    }

    /// Keeps the crash because of which the call is to end as [`EndReason::Crashed`].
    pub(crate) fn keep_crash(&self, crash: &CrashReason) {
        let _ = self.cold().crash.set(crash.clone());
    }

    // ----- who holds it

    /// Its handle does not know who will hold the call: whoever takes it is to say so.
    #[inline]
    pub(crate) fn mark_unrouted(&self) {
        self.taken.fetch_or(UNROUTED, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_unrouted(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & UNROUTED != 0
    }

    /// The call is brought to `host`'s queue, or was not taken there. Whoever does so looks after this whether the call is still
    /// queued.
    pub(crate) fn set_executor(&self, host: Option<ExecutorId>) {
        let number = host.map_or(0, |host| u32::try_from(host.number()).unwrap_or(SPILLED));
        if number == SPILLED {
            *lock(&self.cold().spilled_executor) = host;
        }
        // ORDERING: AcqRel, pairs with the one in `final_executor`. Of the two steps one comes first: whoever ends the call sees
        // this host, or we see that the call was claimed.
        self.executor.swap(number, Ordering::AcqRel);
    }

    /// For one who has claimed the call: the host to whose queue it was brought. It is brought to no other after this.
    pub(crate) fn final_executor(&self) -> Option<ExecutorId> {
        // ORDERING: AcqRel, as in `hold`.
        self.host_of(self.executor.fetch_add(0, Ordering::AcqRel))
    }

    /// Who holds the call, or that as which it goes on.
    pub(crate) fn executor(&self) -> Option<ExecutorId> {
        // ORDERING: Relaxed, one who waits for a call that is brought elsewhere meanwhile hears of it too late on any.
        let own = self.host_of(self.executor.load(Ordering::Relaxed));
        own.or_else(|| self.delegate()?.header().executor())
    }

    fn host_of(&self, number: u32) -> Option<ExecutorId> {
        if number == SPILLED { *lock(&self.cold().spilled_executor) } else { ExecutorId::from_raw(number.into()) }
    }

    /// The call goes on as `call`: who ends this one ends that one too, who waits for this one waits for that. The caller
    /// looks again whether this one has been ended, after this.
    pub(crate) fn delegate_to(&self, call: &CallRef<dyn ErasedCall>) {
        call.header().mark_delegate();
        let before = lock(&self.cold().delegate).replace(call.clone());
        drop(before);
        if self.is_exempt() {
            call.header().exempt(); // whoever said so may have looked for it too early
        }
    }

    /// The call as which this one goes on, if it does.
    pub(crate) fn delegate(&self) -> Option<CallRef<dyn ErasedCall>> {
        lock(&self.cold.get()?.delegate).clone()
    }

    /// A call beside another: whoever takes it is to say so, and it is no caller's own.
    pub(crate) fn mark_delegate(&self) {
        self.taken.fetch_or(DELEGATED | UNROUTED, Ordering::Relaxed);
    }

    /// Whether another call goes on as this one.
    pub(crate) fn is_delegate(&self) -> bool {
        self.taken.load(Ordering::Relaxed) & DELEGATED != 0
    }

    /// Whether the call is with `host`, as far as one can tell: a layer's call may wait on its way there, or rest.
    pub(crate) fn is_on(&self, host: ExecutorId) -> bool {
        // ORDERING: Relaxed, as in `executor`.
        !self.is_unrouted() || self.host_of(self.executor.load(Ordering::Relaxed)) == Some(host)
    }

    // ----- which layers it has been through

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

    /// Whether somebody is to be told of the end, or may be.
    #[inline]
    pub(crate) fn needs_notify(&self) -> bool {
        self.cold.get().is_some()
    }

    /// The program is to live until the call is over.
    pub(crate) fn keep_alive(&self) {
        *lock(&self.cold().alive) = Some(KeepAlive::new());
    }

    /// The call comes to its pool through this share; zero: it does not.
    // ORDERING: Relaxed, it is written before the call passes through its pool's lock.
    pub(crate) fn set_share(&self, share: u32) {
        self.cold().share.store(share, Ordering::Relaxed);
    }

    pub(crate) fn share(&self) -> u32 {
        self.cold.get().map_or(0, |cold| cold.share.load(Ordering::Relaxed))
    }

    /// The call takes a slot of its share, which is this pool's, or returns it.
    // ORDERING: Relaxed, the thread that runs the call writes and reads it; from one poll of its future to the next the queue
    // orders it.
    pub(crate) fn set_share_slot(&self, pool: Option<ExecutorId>) {
        self.cold().share_slot_at.store(pool.map_or(0, ExecutorId::number), Ordering::Relaxed);
    }

    /// The pool where the call holds a slot of its share.
    pub(crate) fn share_slot(&self) -> Option<ExecutorId> {
        ExecutorId::from_raw(self.cold.get()?.share_slot_at.load(Ordering::Relaxed))
    }

    // ----- what is attached to it

    /// Keeps what the caller attached to the call: once, before it is submitted.
    #[cold]
    pub(crate) fn attach(&self, attached: Arc<Attachments>) {
        let _ = self.cold().attached.set(attached);
    }

    pub(crate) fn attached(&self) -> Option<&Arc<Attachments>> {
        self.cold.get().and_then(|cold| cold.attached.get())
    }

    // ----- the time-out

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let cold = self.cold.get()?;
        [cold.deadline, cold.inherited.get().copied(), cold.run_deadline.get().copied()].into_iter().flatten().min()
    }

    /// Keeps the timer that will end the call, in place of an earlier one. If the call is over already, the timer is taken back.
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

    /// The same for the timer that will bring the call to its executor. If it has done so already, there may be another.
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

    /// The task may run for so long.
    #[cold]
    pub(crate) fn limit_run(&mut self, limit: Duration) {
        self.begin |= LIMITED;
        let _ = self.cold().run_limit.set(limit);
    }

    /// Whether the task may run for so long and no longer.
    pub(crate) fn has_run_limit(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.run_limit.get().is_some())
    }

    /// The run begins: when its limit is over, unless the call's own is earlier.
    pub(crate) fn begin_limit(&self) -> Option<Instant> {
        let cold = self.cold.get()?;
        let over = clock::after(*cold.run_limit.get()?)?;
        let is_first = self.deadline().is_none_or(|deadline| over < deadline);
        (cold.run_deadline.set(over).is_ok() && is_first).then_some(over)
    }

    // ----- before it goes to its executor

    /// The call is submitted, and goes to its executor later.
    pub(crate) fn delay(&self, is_delayed: bool) {
        // ORDERING: Relaxed, it is set before anybody else knows the call; one who sees the end of it late waits instead.
        self.cold().is_delayed.store(is_delayed, Ordering::Relaxed);
    }

    pub(crate) fn is_delayed(&self) -> bool {
        self.cold.get().is_some_and(|cold| cold.is_delayed.load(Ordering::Relaxed))
    }

    // ----- its parents, and what else it hangs on

    /// Neither a limit nor a cancellation of its parents is passed on to it.
    pub(crate) fn unlink_parent(&mut self) {
        self.begin &= !TIED;
    }

    /// Takes the parents' limit over, if that is earlier than its own. Says whether the call is to be hung on what cancels them:
    /// those that leave a future, or have something beside the slot anyway.
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

    /// What cancels the call when its parents are cancelled, if anything does.
    pub(crate) fn parent_node(&self) -> Option<&Arc<CancelNode>> {
        self.parents.as_ref().filter(|_| self.begin & TIED != 0).map(|parents| parents.stop())
    }

    /// Whoever ends the call is to look here.
    #[cold]
    pub(crate) fn set_needs_notify(&self) {
        self.cold();
    }

    /// It has tokens, which it hangs on.
    pub(crate) fn check_tokens(&mut self) {
        self.begin |= TOKENS;
    }

    /// Whether its parents were cancelled, or a token of it: it may hear of that later.
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

    /// Heeds the tokens of a call that goes on as this one. That call hangs on them, and this one only looks at them.
    #[cold]
    fn heed_tokens_of(&mut self, call: &Self) {
        let Some(cold) = call.cold.get() else { return };
        let heeded = lock(&cold.ties).stops().cloned().collect();
        lock(&self.cold().ties).heeded = heeded;
        self.check_tokens();
    }

    /// Why the call is not to begin, if a token, its parents or its deadline say so.
    #[inline]
    pub(crate) fn end_before_begin(&self) -> Option<EndReason> {
        if self.is_parent_cancelled() {
            return Some(EndReason::Cancelled);
        }
        // Its timer may not have rung yet.
        self.deadline().is_some_and(|deadline| deadline <= clock::instant()).then_some(EndReason::TimedOut)
    }

    /// Whether there is something to look at when it begins to run.
    #[inline]
    pub(crate) fn has_start_checks(&self) -> bool {
        self.begin != 0
    }

    /// `stop` is to stop the calls that its task submits.
    pub(crate) fn set_children_node(&self, stop: &Arc<CancelNode>) {
        let _ = self.cold().children.set(stop.clone()); // one runs it, and makes one lineage
    }

    /// Has `stop` end the call, which this is; once. Says false if it was stopped before.
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

    /// The call is over: its timer is taken back.
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

    /// The same, with user code left to `batch`.
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

    // ----- asked to stop

    /// A wait for the moment at which the call is asked to stop. A poll registers it, and then looks again whether it was.
    pub(crate) fn stop_wait(&self) -> Registration<StopHome<&Self>> {
        Registration::new(StopHome(self))
    }

    /// It times out while its task runs on a thread of `host`, which lists it. The step that ends the call orders this before the
    /// look of the thread that ran the task.
    pub(crate) fn mark_overrun(&self, host: ExecutorId) {
        self.cold().overruns.set(host.number());
    }

    /// The host that lists the call, if it timed out while its task ran.
    pub(crate) fn overruns(&self) -> Option<ExecutorId> {
        self.cold.get().and_then(|cold| ExecutorId::from_raw(cold.overruns.get()?))
    }

    /// Tells those who want to know that the call was asked to stop: first its children, which are stopped too.
    pub(crate) fn wake_on_cancel(&self, batch: &mut EndBatch) {
        let Some(cold) = self.cold.get() else { return };
        cold.children.get().into_iter().for_each(|children| batch.stop_node(children.clone()));
        batch.wake_list(cold.stop.with(|waiting, _| waiting.take_all()));
    }

    /// Has those look again that wait for its stop while it runs, as a wait within its task: it was raised. A future that has waited
    /// for no call has nothing to pass that on to, and is left alone.
    pub(crate) fn wake_on_raise(&self) {
        let Some(cold) = self.cold.get() else { return };
        cold.stop.with(|waiting, after| {
            if self.passes_raise_on() {
                waiting.notify_all(after);
            }
        });
    }

    // ORDERING of `waits` and `has_blocked`, for a raise: Relaxed. Both are written before the wait is registered, under the lock
    // of `stop`, and the priority is looked at after that. A raise writes the priority before it takes the lock to read them.

    /// Whether its task may wait for a call that is to be as urgent as the task.
    pub(crate) fn passes_raise_on(&self) -> bool {
        let has_waited =
            |cold: &Extra| cold.waits.load(Ordering::Relaxed) > 0 || cold.has_blocked.load(Ordering::Relaxed);
        !self.task.is_async() || self.cold.get().is_some_and(has_waited)
    }

    /// The task is about to block a thread.
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

/// The waits for a call's stop.
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

/// The waits for a call's progress, and for its end.
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

/// A wait for a call's progress, or for that of the call as which it goes on.
pub(crate) struct ProgressWait {
    /// The call, then each as which the one before goes on.
    calls: Vec<Registration<ProgressHome>>,
}

impl ProgressWait {
    pub(crate) fn of(call: CallRef<dyn ErasedCall>) -> Self {
        Self { calls: vec![Registration::new(ProgressHome(call))] }
    }

    /// What was told since `seen`, which moves on; else `waker` is woken by more, and by the end. The caller looks for that
    /// after this.
    pub(crate) fn poll_since(&mut self, seen: &mut u64, waker: &Waker) -> Option<Progress> {
        let mut at = 0;
        while let Some(onward) = self.calls[at].home().0.header().delegate() {
            // What happens to this call is of no interest but for its end.
            self.calls[at].register(waker);
            at += 1;
            if !self.calls.get(at).is_some_and(|known| std::ptr::eq(known.home().0.header(), onward.header())) {
                self.calls.truncate(at);
                self.calls.push(Registration::new(ProgressHome(onward)));
            }
        }
        self.calls.truncate(at + 1);
        let told = self.calls[at].poll_with(waker, |watched, _| {
            // A wait that has seen more has seen it of another call, as which this one went on before.
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
