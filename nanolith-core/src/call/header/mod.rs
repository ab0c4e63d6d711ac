//! [`Header`]: everything about a call except its state, input and outcome.
//!
//! It holds the task, priority, times, parents, deadlines, progress and executor of the call. The
//! fields are declared here. Each other file has the methods on some of them.

mod cancellation;
mod deadline;
mod error_details;
mod order;
mod progress;
mod queue_marks;
mod routing;
mod span;
mod stop_wait;
mod task_waits;
mod times;

pub use progress::{NotifyProgress, Progress};
pub(crate) use progress::{ProgressHook, ProgressWait};
pub(crate) use stop_wait::StopHome;
pub use stop_wait::StopReason;

use super::{
    ancestry::{Ancestry, Origin},
    backend::{ErasedCall, ExecutorId},
    call_ref::CallRef,
    cancel_tree::CancelNode,
    wait_graph::WaitTarget,
    wait_helper::WaitHelper,
};
use crate::{
    error::{Cause, ParentCall, wait_cycle::WaitCycle},
    meta::{
        priority::Priority,
        task_info::TaskInfo,
        visited_layers::{LayerId, Visited},
    },
    util::static_ref::StaticRef,
    wake::{Deferred, WaiterSet, attachments::Attachments, keep_alive::KeepAlive},
};
use cancellation::CancelLinks;
use deadline::Timer;
use once_cell::race::OnceBox;
use progress::ProgressState;
use std::{
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The header of a call, beside the protocol of the slot.
///
/// The fields that an executor uses come first, and share a cache line with the slot's state. The
/// rest is used by the call's handle, by tokens and by checks.
#[repr(C)]
pub(crate) struct Header {
    task: StaticRef<TaskInfo>,
    /// When the call began to run, in nanoseconds of `clock::now`; zero until then.
    started_at: AtomicU64,
    /// The priority, and whether it was raised: see [`RAISED`].
    priority: AtomicU8,
    /// Bits about the call's way through its executor: [`COUNTED`] and those below it.
    taken: AtomicU8,
    /// What is checked when the call begins to run: see [`TIED`], [`LIMITED`], [`TOKENS`] and
    /// [`DUE`]. With the feature `tracing`, also whether the call has a span.
    begin: AtomicU8,
    /// The executor to whose queue the call was last brought, where its handle does not know: see
    /// [`Header::set_executor`].
    executor: AtomicU32,
    /// When the call was submitted, in nanoseconds; zero until an executor is asked to take the
    /// call.
    submitted_at: AtomicU64,
    submitted: StaticRef<Location<'static>>,
    parents: Option<Arc<Ancestry>>,
    cold: OnceBox<Extra>,
    /// When the call was ended from outside, in nanoseconds; zero until then. With [`ALARM`], the place
    /// of the alarm for `due`, which an end disarms first.
    ended_at: AtomicU64,
    /// The deadline of a call outside of all others, as [`clock::at`](crate::time::clock::at) gives it.
    /// Zero for none, or if `Extra` has the deadline.
    due: u64,
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
/// A bit of `begin`: the call has a span, or shares one.
#[cfg(feature = "tracing")]
const SPAN: u8 = 16;

/// A bit of `ended_at`: the other bits are the place of an alarm.
const ALARM: u64 = 1 << 63;

/// The value of `executor` when the executor's number does not fit: `Extra` holds it then.
const SPILLED: u32 = u32::MAX;

/// The fields that most calls never need, in a box of their own.
#[derive(Default)]
struct Extra {
    deadline: Option<Instant>,
    /// The deadline of the task within which the call was submitted.
    inherited: OnceLock<Instant>,
    timer: Mutex<Timer>,
    /// The waits that check again when the call is asked to stop, or is raised while it runs.
    stop: Deferred<WaiterSet>,
    /// Whether only the executor's reply ends the call, and the request to stop that it got: see
    /// [`Header::defers`].
    deferred: AtomicU8,
    /// The time from submission to expiration in nanoseconds, overriding the priority.
    serve_within: AtomicOptionU64,
    /// When the current turn of the call's future began, in nanoseconds, or one of the values
    /// in `times.rs`.
    slice: AtomicU64,
    /// The number of the pool's share through which the call came; zero for none.
    share: AtomicU32,
    /// The number of the pool where the call holds a slot of that share; zero if it holds none.
    share_slot_at: AtomicU64,
    /// Whether the call is submitted, and goes to its executor later.
    is_delayed: AtomicBool,
    /// The nodes that the call is linked to.
    ties: Mutex<CancelLinks>,
    /// The node that cancels the calls submitted by the call's task.
    children: OnceLock<Arc<CancelNode>>,
    /// The number of waits of the call's future that a poll left pending, and that number at the
    /// last check.
    waits: AtomicU64,
    looked_at: AtomicU64,
    /// Whether the call's future has blocked a thread.
    has_blocked: AtomicBool,
    /// Whether the next poll of the call's future finds out what it waits for.
    is_probed: AtomicBool,
    seldom: OnceBox<Seldom>,
}

/// The fields that few calls need even of those with an [`Extra`], in a box of their own.
#[derive(Default)]
struct Seldom {
    /// The maximum time for which the call may run.
    run_limit: OnceLock<Duration>,
    /// The moment at which `run_limit` ends, once the call has begun.
    run_deadline: OnceLock<Instant>,
    attached: OnceLock<Arc<Attachments>>,
    progress: Deferred<ProgressState>,
    on_progress: OnceLock<ProgressHook>,
    /// What a thread that blocks for the call does meanwhile.
    helper: Mutex<Option<Arc<dyn WaitHelper>>>,
    alive: Mutex<Option<KeepAlive>>,
    /// The call as which this call continues.
    delegate: Mutex<Option<CallRef<dyn ErasedCall>>>,
    spilled_executor: Mutex<Option<ExecutorId>>,
    /// The rank that a custom [`QueueOrder`](crate::call::QueueOrder) gave.
    custom_rank: AtomicOptionU64,
    passed: Mutex<Option<Arc<Visited>>>,
    /// The wait for which the call's task blocks a thread.
    blocked: Mutex<Option<WaitTarget>>,
    /// The number of the executor that lists the call since it timed out while its task ran.
    overruns: AtomicOptionU64,
    /// The suspected cycle in which the call was reported last.
    reported: AtomicU64,
    /// The cycle of waits that a wait for this call closed.
    cycle: OnceLock<WaitCycle>,
    /// The crash that ended the call.
    crash: OnceLock<Cause>,
    #[cfg(feature = "tracing")]
    span: OnceLock<span::SpanShare>,
}

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
            task: StaticRef::new(caller.task),
            started_at: AtomicU64::new(0),
            priority: AtomicU8::new(priority.unwrap_or(inherited) as u8),
            taken: AtomicU8::new(0),
            begin: AtomicU8::new(if parents.is_some() { TIED } else { 0 }),
            executor: AtomicU32::new(0),
            submitted_at: AtomicU64::new(0),
            submitted: StaticRef::new(caller.submitted),
            parents,
            cold: OnceBox::new(),
            ended_at: AtomicU64::new(0),
            due: 0,
        };
        if deadline.is_some() {
            meta.limit(deadline);
        }
        meta
    }

    /// Makes this the header of the next call of a resident slot, which begins at `now`: a call of
    /// normal priority, without parents and rare options, as the call before it.
    ///
    /// Another thread that reads the header meanwhile may see parts of both calls.
    #[inline(always)]
    pub(crate) fn renew(&self, caller: ParentCall, submitted_at: u64, now: u64) {
        self.task.set(caller.task);
        self.submitted.set(caller.submitted);
        self.submitted_at.store(submitted_at, Ordering::Relaxed);
        self.mark_started(now);
    }

    #[cold]
    fn limit(&mut self, deadline: Option<Instant>) {
        *self.begin.get_mut() |= DUE;
        // The box is new, so the set cannot fail.
        let _ = self.cold.set(Box::new(Extra { deadline, ..Extra::default() }));
    }

    /// Creates the header for a second slot of the same call. Both share a span.
    pub(crate) fn for_retry(&self) -> Self {
        self.for_retry_until(self.deadline())
    }

    /// Like [`Header::for_retry`], with another deadline.
    pub(crate) fn for_retry_until(&self, deadline: Option<Instant>) -> Self {
        let origin = Origin { parents: self.parents.clone(), priority: self.priority() };
        let mut again = Self::new(self.caller(), None, deadline, origin);
        if let Some(passed) = self.passed() {
            *lock(&again.seldom().passed) = Some(passed);
        }
        if let Some(cold) = self.cold.get() {
            cold.serve_within.get().into_iter().for_each(|nanos| again.cold().serve_within.set(nanos));
        }
        self.attached().into_iter().for_each(|attached| again.attach(attached.clone()));
        if let Some(hook) = self.known_seldom().and_then(|cold| cold.on_progress.get()) {
            again.set_progress_hook(hook.clone());
        }
        let begin = again.begin.get_mut();
        *begin = *begin & DUE | self.begin() & TIED;
        if self.begin() & TOKENS != 0 {
            again.heed_tokens_of(self);
        }
        if let Some(limit) = self.known_seldom().and_then(|cold| cold.run_limit.get()) {
            again.limit_run(*limit);
        }
        again.submitted_at = AtomicU64::new(self.submitted_at());
        again.priority = AtomicU8::new(self.priority.load(Ordering::Relaxed)); // and whether it was raised
        if self.is_exempt() {
            again.exempt();
        }
        again.share_span_of(self);
        again
    }

    // ORDERING: Relaxed, also in `span.rs`. The bits are set before another thread knows the call.
    #[inline(always)]
    fn begin(&self) -> u8 {
        self.begin.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn task(&self) -> &'static TaskInfo {
        self.task.get()
    }

    #[inline]
    pub(crate) fn caller(&self) -> ParentCall {
        ParentCall { task: self.task.get(), submitted: self.submitted.get() }
    }

    pub(crate) fn parents(&self) -> &[ParentCall] {
        self.parents.as_deref().map_or(&[], Ancestry::callers)
    }

    /// Returns whether the call may pass through the ring: normal priority, at the end of its lane, and
    /// of no share of a pool. The run checks its deadline and its tokens. Whether the ring takes an
    /// asynchronous call is asked of its executor:
    /// [`SchedulingPolicy::rings_futures`](crate::call::policy::SchedulingPolicy::rings_futures).
    #[inline]
    pub(crate) fn fits_ring(&self) -> bool {
        self.priority.load(Ordering::Relaxed) == Priority::Normal as u8
            && self
                .cold
                .get()
                .is_none_or(|cold| cold.share.load(Ordering::Relaxed) == 0 && cold.serve_within.get().is_none())
    }

    fn cold(&self) -> &Extra {
        self.cold.get_or_init(Box::default)
    }

    fn seldom(&self) -> &Seldom {
        self.cold().seldom.get_or_init(Box::default)
    }

    #[inline]
    fn known_seldom(&self) -> Option<&Seldom> {
        self.cold.get()?.seldom.get()
    }

    /// Returns whether the end of the call may have to wake or notify other code.
    #[inline]
    pub(crate) fn needs_notify(&self) -> bool {
        self.cold.get().is_some()
    }

    /// Makes [`Header::needs_notify`] return true, so that the end of the call checks this header.
    #[cold]
    pub(crate) fn set_needs_notify(&self) {
        self.cold();
    }

    /// Keeps the program alive until the call is over.
    pub(crate) fn keep_alive(&self) {
        *lock(&self.seldom().alive) = Some(KeepAlive::new());
    }

    /// Stores what the caller attached to the call: once, before the call is submitted.
    #[cold]
    pub(crate) fn attach(&self, attached: Arc<Attachments>) {
        let _ = self.seldom().attached.set(attached);
    }

    pub(crate) fn attached(&self) -> Option<&Arc<Attachments>> {
        self.known_seldom().and_then(|cold| cold.attached.get())
    }

    fn passed(&self) -> Option<Arc<Visited>> {
        lock(&self.known_seldom()?.passed).clone()
    }

    pub(crate) fn pass(&self, layer: LayerId) {
        let mut passed = lock(&self.seldom().passed);
        *passed = Some(Visited::with(passed.take(), layer));
    }

    pub(crate) fn has_passed(&self, layer: LayerId) -> bool {
        self.known_seldom().is_some_and(|cold| lock(&cold.passed).as_ref().is_some_and(|passed| passed.contains(layer)))
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
}
