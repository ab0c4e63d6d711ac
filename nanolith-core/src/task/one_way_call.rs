//! [`OneWayCall`]: a call without an answer, before it has a slot.

use super::{CallSlot, Input, TaskSet};
use crate::{
    call::{
        ancestry::Origin,
        call_ref::{CallRef, Uninit},
        header::Header,
        slot::Slot,
    },
    error::ParentCall,
    meta::{
        priority::Priority,
        task_info::{TaskInfo, any_async, any_limited},
    },
    sched::ring::RingItem,
    util::small_value::SmallValue,
};
use std::panic::Location;

/// A call without an answer, before it has a slot: a small synchronous task of normal priority,
/// without parents and rare options. It waits in the ring of a service, and runs in the service's
/// resident slot. Where a call needs a slot of its own, it gets one.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // hidden: a form of a call between crates of the project
pub struct OneWayCall<S: TaskSet> {
    task: SmallValue<S::Task>,
    submitted: &'static Location<'static>,
    submitted_at: u64,
}

impl<S: TaskSet> OneWayCall<S> {
    /// Returns the call, or the task if it needs a slot from the beginning.
    #[inline(always)]
    pub(crate) fn new(task: S::Task, submitted: &'static Location<'static>) -> Result<Self, S::Task> {
        let needs_slot = S::HOOKS.are_async() || {
            let differs = const { any_async(S::TASKS) || any_limited(S::TASKS) };
            differs && {
                let info = S::task_info(&task);
                info.is_async() || info.max_concurrency().is_some()
            }
        };
        if needs_slot {
            return Err(task);
        }
        Ok(Self { task: SmallValue::new(task)?, submitted, submitted_at: 0 })
    }

    pub(crate) fn stamp_submitted(&mut self, now: u64) {
        self.submitted_at = now;
    }

    pub(crate) fn submitted_at(&self) -> u64 {
        self.submitted_at
    }

    pub(crate) fn info(&self) -> &'static TaskInfo {
        S::task_info(self.task.get())
    }

    pub(super) fn caller(&self) -> ParentCall {
        ParentCall { task: self.info(), submitted: self.submitted }
    }

    #[inline(always)]
    pub(crate) fn into_task(self) -> S::Task {
        self.task.into_inner()
    }
}

impl<S: TaskSet> RingItem for CallRef<CallSlot<S>> {
    type Inline = OneWayCall<S>;

    #[cold]
    #[inline(never)]
    fn from_inline(call: OneWayCall<S>) -> Self {
        let origin = Origin { parents: None, priority: Priority::Normal };
        let header = Header::new(call.caller(), None, None, origin);
        header.stamp_submitted(|| call.submitted_at);
        let mut slot = Slot::new(Input { task: call.into_task(), shared: None }, header, false);
        slot.detach_mut();
        Uninit::new().init(slot)
    }
}
