//! [`CallOptions`]: the options of a call that is not submitted yet, as [`Call`]'s methods set them.

use super::{Call, CallState, delayed::Delay};
#[cfg(feature = "tracing")]
use crate::trace::Carrier;
use crate::{
    call::{
        ancestry::Origin,
        header::{Header, ProgressHook},
    },
    error::ParentCall,
    executor::Executor,
    meta::priority::Priority,
    sync::cancel_token::CancelToken,
    task::TaskSet,
    time::clock,
    wake::attachments::Attachments,
};
use std::{
    panic::Location,
    sync::Arc,
    time::{Duration, Instant},
};

/// The parts of a call that has no options but a priority.
pub(crate) struct CallParts<'a, S: TaskSet, E: ?Sized, T> {
    pub(crate) executor: &'a E,
    pub(crate) task: S::Task,
    pub(crate) extract: fn(S::Output) -> Option<T>,
    pub(crate) priority: Option<Priority>,
    pub(crate) submitted: &'static Location<'static>,
}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, T> CallParts<'a, S, E, T> {
    pub(crate) fn into_call(self) -> Call<'a, S, E, T> {
        let Self { executor, task, extract, priority, submitted } = self;
        let terms = CallOptions { submitted, priority, limit: None, token: None, rare: None };
        Call { executor, extract, terms, stage: CallState::Lazy(task) }
    }
}

/// The options of a call, beside its task.
pub(super) struct CallOptions<S: TaskSet> {
    pub(super) submitted: &'static Location<'static>,
    /// `None` stands for the priority of the submitting task or scope.
    pub(super) priority: Option<Priority>,
    /// The time limit.
    pub(super) limit: Option<Duration>,
    /// The first token. The others are in `rare`.
    pub(super) token: Option<CancelToken>,
    pub(super) rare: Option<Box<RareOptions<S>>>,
}

/// The options that few calls have. They are boxed, so that other calls pay for one pointer only.
pub(super) struct RareOptions<S: TaskSet> {
    pub(super) deadline: Option<Instant>,
    pub(super) serve_within: Option<Duration>,
    pub(super) keep_alive: bool,
    pub(super) attached: Option<Arc<Attachments>>,
    pub(super) on_progress: Option<ProgressHook>,
    pub(super) run_timeout: Option<Duration>,
    pub(super) is_unlinked: bool,
    #[cfg(feature = "tracing")]
    pub(super) trace_parent: Option<Carrier>,
    pub(super) tokens: Vec<CancelToken>,
    pub(super) later: Option<Delay<S>>,
}

impl<S: TaskSet> Default for RareOptions<S> {
    fn default() -> Self {
        Self {
            deadline: None,
            serve_within: None,
            keep_alive: false,
            attached: None,
            on_progress: None,
            run_timeout: None,
            is_unlinked: false,
            #[cfg(feature = "tracing")]
            trace_parent: None,
            tokens: Vec::new(),
            later: None,
        }
    }
}

impl<S: TaskSet> CallOptions<S> {
    /// Moves the options out.
    pub(super) fn take(&mut self) -> Self {
        let Self { submitted, priority, .. } = *self;
        Self { submitted, priority, limit: self.limit, token: self.token.take(), rare: self.rare.take() }
    }

    /// Returns the tokens that cancel the call.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &CancelToken> {
        self.token.iter().chain(self.rare.iter().flat_map(|rare| &rare.tokens))
    }

    /// Returns whether the call has any option beside its priority.
    #[inline]
    pub(super) fn are_any(&self) -> bool {
        self.limit.is_some() || self.token.is_some() || self.rare.is_some()
    }

    /// Returns whether the call has at most one option beside its priority, a limit or a token, that
    /// asks for nothing at its end.
    pub(super) fn are_common(&self) -> bool {
        self.rare.is_none() && (self.limit.is_none() || self.token.is_none())
    }

    pub(super) fn rare(&mut self) -> &mut RareOptions<S> {
        self.rare.get_or_insert_default()
    }
}

impl<S: TaskSet> RareOptions<S> {
    /// Returns the header of a call that is submitted now.
    #[cold]
    pub(super) fn meta(
        &self,
        caller: ParentCall,
        priority: Option<Priority>,
        limit: Option<Duration>,
        origin: Origin,
    ) -> Header {
        let start = || self.later.as_ref().map_or_else(|| Some(clock::instant()), Delay::due);
        let limit = limit.and_then(|limit| clock::add(start()?, limit));
        let limit = limit.into_iter().chain(self.deadline).min();
        let mut meta = Header::new(caller, priority, limit, origin);
        if let Some(timeout) = self.serve_within {
            meta.expire_in(timeout);
        }
        if let Some(limit) = self.run_timeout {
            meta.limit_run(limit);
        }
        if self.is_unlinked {
            meta.unlink_parent();
        }
        meta.set_needs_notify();
        if self.keep_alive {
            meta.keep_alive();
        }
        if let Some(attached) = &self.attached {
            meta.attach(attached.clone());
        }
        if let Some(hook) = &self.on_progress {
            meta.set_progress_hook(hook.clone());
        }
        meta
    }
}
