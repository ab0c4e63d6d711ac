//! What is left of this module without the cargo feature `tracing`.

use crate::{
    error::{CallError, Panic, wait_cycle::WaitCycle},
    meta::{task_info::TaskInfo, thread_kind::ThreadKind},
};

/// Enters no span.
pub(crate) struct SpanGuard;

pub(crate) enum SpanParent<'a> {
    Current,
    Linked,
    /// A carrier has this type.
    #[allow(dead_code)]
    Carrier(std::marker::PhantomData<&'a ()>),
}

pub(crate) struct ServiceSpan;

impl ServiceSpan {
    pub(crate) fn open(_: &'static str, _: &str) -> Self {
        Self
    }

    #[allow(clippy::unused_self)] // the signature is that of the enabled type
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

#[derive(Clone, Copy)]
pub(crate) enum FoundCycle {
    Suspected,
    Ended,
}

#[inline]
pub(crate) fn is_on() -> bool {
    false
}

#[inline]
pub(crate) fn leave() {}

#[inline]
pub(crate) fn refused(_: Option<&ThreadKind>, _: &CallError) {}

#[inline]
pub(crate) fn panicked(_: Option<&ThreadKind>, _: &Panic, _: &CallError) {}

#[inline]
pub(crate) fn overran(_: &ThreadKind, _: &TaskInfo) {}

#[inline]
pub(crate) fn restarted(_: &str, _: &dyn std::fmt::Display, _: u64) {}

#[inline]
pub(crate) fn gave_up(_: &str, _: &dyn std::fmt::Display) {}

#[inline]
pub(crate) fn in_cycle(_: FoundCycle, _: &WaitCycle) {}
