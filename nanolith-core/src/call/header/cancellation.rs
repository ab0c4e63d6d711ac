//! Links a call into the cancellation tree. The nodes of its parents and tokens end the call, and a
//! node of its own ends its child calls. The end of the call unlinks it.

use super::{Extra, Header, TIED, TOKENS, deadline::Timer, lock};
use crate::{
    call::{
        backend::{ErasedCall, ExecutorId},
        call_ref::CallRef,
        cancel_tree::{self, CancelNode},
        end_batch::EndBatch,
        slot::EndReason,
    },
    time::{clock, timer},
};
use std::sync::Arc;

impl Header {
    /// Detaches the call from the deadline and the cancellation of its parents.
    pub(crate) fn unlink_parent(&mut self) {
        *self.begin.get_mut() &= !TIED;
    }

    /// Takes over the parents' deadline if that is earlier than the call's own.
    ///
    /// Returns whether the caller links the call to the node that cancels the parents. That holds
    /// for calls that leave a future, or that have an `Extra` anyway.
    #[inline(always)]
    pub(crate) fn inherit_limits(&self, leaves_future: bool) -> bool {
        let Some(parents) = &self.parents else { return false };
        if self.begin() & TIED == 0 {
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
        self.parents.as_ref().filter(|_| self.begin() & TIED != 0).map(|parents| parents.stop())
    }

    /// Records that the call has tokens, and is linked to them.
    pub(crate) fn check_tokens(&mut self) {
        *self.begin.get_mut() |= TOKENS;
    }

    /// Returns whether the call's parents or one of its tokens were cancelled, as its task sees it.
    /// The call's own end by that cancellation may come later.
    #[inline]
    pub(crate) fn is_parent_cancelled(&self) -> bool {
        self.any_node(CancelNode::is_stopped)
    }

    /// Returns whether the call's parents or one of its tokens are being cancelled, so that the call
    /// must not begin.
    #[inline]
    pub(crate) fn is_parent_stopping(&self) -> bool {
        self.any_node(CancelNode::is_stopping)
    }

    /// Returns whether this holds for the node of the parents, or of a token.
    #[inline]
    fn any_node(&self, holds: impl Fn(&CancelNode) -> bool) -> bool {
        let begin = self.begin();
        let is_orphan = begin & TIED != 0 && self.parents.as_ref().is_some_and(|parents| holds(parents.stop()));
        is_orphan || begin & TOKENS != 0 && self.any_token(holds)
    }

    #[cold]
    fn any_token(&self, holds: impl Fn(&CancelNode) -> bool) -> bool {
        self.cold.get().is_some_and(|cold| lock(&cold.ties).stops().any(|stop| holds(stop)))
    }

    /// Heeds the tokens of a call that continues as this call. That call is linked to them; this
    /// call only checks them.
    #[cold]
    pub(super) fn heed_tokens_of(&mut self, call: &Self) {
        let Some(cold) = call.cold.get() else { return };
        let heeded = lock(&cold.ties).stops().cloned().collect();
        lock(&self.cold().ties).heeded = heeded;
        self.check_tokens();
    }

    /// Returns why the call must not begin, if a token, its parents or its deadline ended it. `now` may
    /// be milliseconds old.
    #[inline]
    pub(crate) fn end_before_begin(&self, now: u64) -> Option<EndReason> {
        if self.is_parent_stopping() {
            return Some(EndReason::Cancelled);
        }
        if self.is_due_later(now) {
            return None;
        }
        // The timer for the deadline may not have fired yet.
        self.deadline().is_some_and(|deadline| deadline <= clock::instant()).then_some(EndReason::TimedOut)
    }

    /// Returns whether there is something to check when the call begins to run.
    #[inline]
    pub(crate) fn has_start_checks(&self) -> bool {
        self.begin() != 0
    }

    /// Returns the node that cancels the calls that this call's task submits.
    pub(crate) fn children_node(&self) -> Option<Arc<CancelNode>> {
        self.cold.get()?.children.get().cloned()
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
        if ties.over || ties.stops().any(|known| Arc::ptr_eq(known, stop)) {
            return true;
        }
        match stop.hold(call(), host) {
            Some(place) => {
                ties.hold((stop.clone(), place));
                true
            }
            None => false,
        }
    }

    /// Disarms the timer and unlinks the call, which is over.
    #[inline]
    pub(crate) fn over(&self) {
        self.disarm();
        if self.needs_notify() {
            self.over_at_once();
        }
    }

    /// Disarms the alarm of the call, and unlinks the call from its tokens, as its handle that found
    /// it over. The executor leaves this to the handle if nothing waits for the end.
    #[inline]
    pub(crate) fn over_for_handle(&self) {
        self.disarm();
        if self.begin() & TOKENS != 0 {
            self.over_at_once();
        }
    }

    #[inline(never)]
    fn over_at_once(&self) {
        let Some(cold) = self.cold.get() else { return };
        if cold.seldom.get().is_some() {
            let mut batch = EndBatch::default();
            self.over_into(&mut batch);
            return batch.run();
        }
        if let Timer::Armed(key) = cold.end_timer() {
            timer::disarm(key);
        }
        // The last owner of a node drops its parents' nodes, and no value of the program.
        cold.end_ties().for_each(|(stop, place)| stop.remove(place));
    }

    /// Like [`Header::over`], but leaves user code to `batch`.
    pub(crate) fn over_into(&self, batch: &mut EndBatch) {
        self.disarm();
        let Some(cold) = self.cold.get() else { return };
        if let Timer::Armed(key) = cold.end_timer() {
            timer::take(key).into_iter().for_each(|alarm| batch.drop_later(alarm));
        }
        for (stop, place) in cold.end_ties() {
            stop.remove_into(place, batch);
            batch.drop_node(stop);
        }
        let Some(seldom) = cold.seldom.get() else { return };
        let alive = lock(&seldom.alive).take();
        alive.into_iter().for_each(|alive| batch.drop_later(alive));
        batch.wake_list(seldom.progress.with(|watched, _| watched.waiting.take_all()));
    }
}

impl Extra {
    /// Returns the timer of a call that is over. A timer that is armed later is disarmed at once.
    fn end_timer(&self) -> Timer {
        std::mem::replace(&mut *lock(&self.timer), Timer::Over)
    }

    /// Returns the links of a call that is over. It gets no others.
    fn end_ties(&self) -> impl Iterator<Item = Link> + use<> {
        let mut ties = lock(&self.ties);
        ties.over = true;
        ties.first.take().into_iter().chain(std::mem::take(&mut ties.others))
    }
}

/// A node, and the place of the call there.
type Link = (Arc<CancelNode>, cancel_tree::LinkId);

/// The nodes that end the call when they are cancelled.
#[derive(Default)]
pub(super) struct CancelLinks {
    over: bool,
    /// The first link, which needs no allocation, and the others.
    first: Option<Link>,
    others: Vec<Link>,
    /// The tokens of the call that continues as this call.
    heeded: Vec<Arc<CancelNode>>,
}

impl CancelLinks {
    fn stops(&self) -> impl Iterator<Item = &Arc<CancelNode>> {
        self.first.iter().chain(&self.others).map(|(stop, _)| stop).chain(&self.heeded)
    }

    fn hold(&mut self, link: Link) {
        if self.first.is_none() {
            self.first = Some(link);
        } else {
            self.others.push(link);
        }
    }
}
