//! The executor of a thread: how a thread enters and leaves it, and how code finds it.

use super::{THREAD, ThreadContext};
use crate::{
    call::{
        backend::{Backend, EntryQueue, ExecutorId},
        policy::SchedulingPolicy,
    },
    meta::ThreadKind,
    util::per_thread::{at_thread_end, per_thread},
};
use std::{
    cell::Cell,
    marker::PhantomData,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

/// Makes `host` the executor of this thread from now on.
pub(crate) fn set_executor(id: ExecutorId, host: Weak<dyn Backend>) {
    let (rules, entries) = parts_of(&host);
    THREAD.with(|thread| {
        thread.id.set(Some(id));
        thread.rules.replace(rules);
        thread.entries.replace(entries);
        thread.host.replace(Some(host));
    });
    at_thread_end(|| {
        let left =
            THREAD.with(|thread| (thread.id.take(), thread.rules.take(), thread.entries.take(), thread.host.take()));
        drop(left);
    });
}

/// Returns the parts of the executor that each of its threads keeps.
fn parts_of(host: &Weak<dyn Backend>) -> (Option<Arc<SchedulingPolicy>>, Option<Arc<dyn EntryQueue>>) {
    host.upgrade().map_or((None, None), |host| (Some(host.rules().clone()), host.entries()))
}

/// Makes `host` the executor of this thread, until the guard restores the executor from before. With
/// `is_worker`, the thread may run on top of a task a call of `host` that the task waits for.
pub(crate) fn enter_executor(id: ExecutorId, host: Weak<dyn Backend>, is_worker: bool) -> EnterGuard {
    let (rules, entries) = parts_of(&host);
    THREAD.with(|thread| EnterGuard {
        id: thread.id.replace(Some(id)),
        host: thread.host.replace(Some(host)),
        rules: thread.rules.replace(rules),
        entries: thread.entries.replace(entries),
        runner: thread.runner.replace(is_worker),
        here: PhantomData,
    })
}

/// The executor that the thread belonged to before.
#[must_use = "the thread is given back when this is dropped"]
pub(crate) struct EnterGuard {
    id: Option<ExecutorId>,
    host: Option<Weak<dyn Backend>>,
    rules: Option<Arc<SchedulingPolicy>>,
    entries: Option<Arc<dyn EntryQueue>>,
    runner: bool,
    here: PhantomData<*const ()>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        THREAD.with(|thread| {
            thread.id.set(self.id);
            drop(thread.host.replace(self.host.take()));
            drop(thread.rules.replace(self.rules.take()));
            drop(thread.entries.replace(self.entries.take()));
            thread.runner.set(self.runner);
        });
    }
}

/// Identifies the context of a thread, as long as the thread lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextId(usize);

pub(crate) fn context_id() -> ContextId {
    THREAD.with(|thread| ContextId(std::ptr::from_ref(thread).addr()))
}

/// Returns a weak reference to the executor of this thread.
pub(crate) fn standing() -> Option<Weak<dyn Backend>> {
    THREAD.with(|thread| thread.host.borrow().clone())
}

per_thread! {
    static DRIVES: Cell<bool> = Cell::new(false);
}

/// Records that this thread drives an executor: it may have to run itself what it waits for.
pub(crate) fn mark_driver_thread() {
    DRIVES.set(true);
}

/// Returns whether this thread has ever driven an executor.
pub(crate) fn is_driver_thread() -> bool {
    DRIVES.get()
}

/// Returns the `target` of a wait, if this thread may drive it.
pub(crate) fn driven_by_this_thread(target: Option<ExecutorId>) -> Option<Arc<dyn Backend>> {
    target.filter(|_| is_driver_thread()).and_then(ExecutorId::get)
}

/// Returns the id of the executor of this thread.
#[inline]
pub(crate) fn current_executor() -> Option<ExecutorId> {
    THREAD.with(|thread| thread.id.get())
}

/// Returns the executor of this thread.
pub(crate) fn current_backend() -> Option<Arc<dyn Backend>> {
    THREAD.with(host)
}

/// Returns the kind of this thread, if it belongs to an executor.
pub(crate) fn current_kind() -> Option<ThreadKind> {
    current_backend().map(|host| host.thread_kind())
}

pub(super) fn host(thread: &ThreadContext) -> Option<Arc<dyn Backend>> {
    thread.host.borrow().as_ref().and_then(Weak::upgrade)
}

/// Whether any executor has ever asked its tasks to stop.
static ANY_SHUTDOWN: AtomicBool = AtomicBool::new(false);

// ORDERING of `ANY_SHUTDOWN`: Relaxed, pairs with the repeated load in `is_shutting_down`.
pub(crate) fn note_shutdown() {
    ANY_SHUTDOWN.store(true, Ordering::Relaxed);
}

/// Returns whether the executor of this thread asks its tasks to stop.
#[inline]
pub(crate) fn is_shutting_down() -> bool {
    ANY_SHUTDOWN.load(Ordering::Relaxed) && current_backend().is_some_and(|host| host.is_stopping())
}
