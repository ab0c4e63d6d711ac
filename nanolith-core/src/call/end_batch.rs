//! [`EndBatch`] ends calls from outside, as a cancel, a time-out or a close does, with all calls
//! that depend on them.
//!
//! A batch has two phases. The first ends every call and cancels every node below, and runs no user
//! code. The second wakes, then drops. User code of the second phase may cancel: that starts a
//! batch of its own, which is complete when the cancel returns.
//!
//! The depth of the tree causes no recursion.

use super::{
    backend::{self, Backend, ErasedCall, ExecutorId},
    call_ref::CallRef,
    cancel_tree::CancelNode,
    offload,
    slot::{self, EndReason},
};
use crate::{util::unwind, wake::WakeList};
use std::{any::Any, sync::Arc, task::Waker};

/// Calls and nodes that end together, and the wakes and drops that follow.
#[derive(Default)]
#[must_use = "nothing is woken or dropped before `run`"]
pub(crate) struct EndBatch {
    // ----- the first phase
    nodes: Vec<Arc<CancelNode>>,
    calls: Vec<Target>,
    /// The number of `calls` whose children are stopped.
    childless: usize,
    // ----- the second phase
    #[cfg(feature = "tracing")]
    spans: Vec<crate::trace::EndedSpan>,
    wakes: WakeList,
    callbacks: Vec<Box<dyn FnOnce()>>,
    ended: Vec<Ended>,
    stopped: Vec<Arc<CancelNode>>,
    /// The number of `stopped` whose cancellation is shown.
    shown: usize,
    /// Other nodes of which the batch drops an owner.
    left: Vec<Arc<CancelNode>>,
    leftovers: Vec<Box<dyn Any + Send>>,
    /// The executor of the calls that end now, for its metrics.
    counted_at: Option<ExecutorId>,
    /// The executor whose queue the latest call left, and below it the executors before that. The
    /// first needs no allocation.
    host: Option<Arc<dyn Backend>>,
    hosts: Vec<Arc<dyn Backend>>,
}

/// A call to be ended, and its executor, if that is known.
struct Target {
    call: CallRef<dyn ErasedCall>,
    host: Option<ExecutorId>,
    how: EndReason,
}

/// A call that the batch has ended.
struct Ended {
    call: CallRef<dyn ErasedCall>,
    /// The executor that held the call, if that is known.
    host: Option<ExecutorId>,
    /// Whether the call had not begun, so that the batch drops its input.
    has_input: bool,
}

impl Ended {
    /// Drops the input, and the owner of the call.
    fn drop_all(self) {
        let Self { call, host, has_input } = self;
        if has_input {
            let host = host.or_else(|| call.header().final_executor());
            call.drop_input(host);
        }
        unwind::ignore_panics(|| drop(call));
    }
}

impl EndBatch {
    // ----- what is to end

    /// Cancels `node`, which ends its calls and cancels the nodes below it.
    pub(crate) fn stop_node(&mut self, node: Arc<CancelNode>) {
        self.nodes.push(node);
    }

    /// Ends `call`. If `host` is `None`, the call's own header names the executor.
    pub(crate) fn end_call(&mut self, call: CallRef<dyn ErasedCall>, host: Option<ExecutorId>, how: EndReason) {
        self.calls.push(Target { call, host, how });
    }

    /// Sets the executor of the calls that end next by [`end_claimed`](Self::end_claimed).
    pub(crate) fn count_at(&mut self, host: ExecutorId) {
        self.counted_at = Some(host);
    }

    /// Returns the executor of the call that ends now, if that is known.
    pub(crate) fn counted_at(&self) -> Option<ExecutorId> {
        self.counted_at
    }

    /// Ends a call that the caller has claimed, and that no queue counts any more.
    pub(crate) fn end_claimed(&mut self, call: CallRef<dyn ErasedCall>, how: EndReason) {
        call.end_into(how, self);
        self.ended.push(Ended { call, host: None, has_input: true });
    }

    /// Ends `call` at once. Returns whether the call had not begun: the caller then drops its
    /// input, after [`EndBatch::run`].
    pub(crate) fn end_now(&mut self, call: &dyn ErasedCall, host: Option<ExecutorId>, how: EndReason) -> bool {
        self.counted_at = host;
        if call.claim() {
            if let Some(host) = host.or_else(|| call.header().final_executor()) {
                self.leave_queue(call, host);
            }
            call.end_into(how, self);
            return true;
        }
        if how == EndReason::TimedOut {
            self.time_out_running(call, host);
        } else {
            call.stop_into(how, self);
        }
        if let Some(onward) = call.header().delegate() {
            self.end_call(onward, None, how);
        }
        false
    }

    /// Ends a call that runs, or is over, as timed out. The executor of a running call lists it
    /// first, so that the end of the task finds it listed. A call that has a delegate is not
    /// listed: its delegate is. Nor is a call whose end is deferred: it does not end before its task.
    fn time_out_running(&mut self, call: &dyn ErasedCall, host: Option<ExecutorId>) {
        let host = host.or_else(|| call.header().final_executor()).filter(|_| {
            let header = call.header();
            header.delegate().is_none() && !header.is_deferred()
        });
        let Some(host) = host.and_then(ExecutorId::get) else {
            call.stop_into(EndReason::TimedOut, self);
            return;
        };
        let address = backend::address(call);
        call.header().mark_overrun(host.id());
        host.on_overrun(call);
        if call.stop_into(EndReason::TimedOut, self) != slot::EndResult::Running {
            host.on_overrun_finished(address);
        }
        self.hosts.push(host);
    }

    /// Frees the queue room of a claimed call at `host`.
    fn leave_queue(&mut self, call: &dyn ErasedCall, host: ExecutorId) {
        let known = self.host.take_if(|known| known.id() == host);
        let Some(known) = known.or_else(|| host.get()) else { return };
        known.on_removed(call, self);
        // Dropping the last reference to an executor runs user code.
        self.hosts.extend(self.host.replace(known));
    }

    // ----- what remains to do

    pub(crate) fn wake(&mut self, waker: Option<Waker>) {
        waker.into_iter().for_each(|waker| self.wakes.push(waker));
    }

    pub(crate) fn wake_list(&mut self, list: WakeList) {
        self.wakes.append(list);
    }

    /// Closes the span of a call before the wakes, so that a caller that is woken finds it closed.
    #[cfg(feature = "tracing")]
    pub(crate) fn close_span(&mut self, span: crate::trace::EndedSpan) {
        self.spans.push(span);
    }

    /// Calls `callback` after the wakes.
    pub(crate) fn call_back(&mut self, callback: impl FnOnce() + 'static) {
        self.callbacks.push(Box::new(callback));
    }

    /// Drops `leftover` at the end.
    pub(crate) fn drop_later<T: Send + 'static>(&mut self, leftover: T) {
        if std::mem::needs_drop::<T>() {
            self.leftovers.push(Box::new(leftover));
        }
    }

    /// Drops an owner of a call at the end.
    pub(crate) fn drop_owner(&mut self, call: CallRef<dyn ErasedCall>) {
        self.ended.push(Ended { call, host: None, has_input: false });
    }

    /// Drops an owner of a node at the end.
    pub(crate) fn drop_node(&mut self, node: Arc<CancelNode>) {
        self.left.push(node);
    }

    // ----- carrying it out

    /// Ends and cancels everything, then wakes, then drops.
    pub(crate) fn run(mut self) {
        self.end_everything();
        self.close_spans();
        std::mem::take(&mut self.wakes).wake();
        self.callbacks.drain(..).for_each(unwind::ignore_panics);
        let host = self.ended.iter().find_map(|ended| ended.host);
        self.ended.drain(..).for_each(Ended::drop_all);
        let leftovers = std::mem::take(&mut self.leftovers);
        match host {
            // The leftovers may own an executor of the program's.
            Some(_) if !leftovers.is_empty() => offload::run(host, move || drop_each(leftovers)),
            _ => drop_each(leftovers),
        }
        self.stopped.drain(..).chain(self.left.drain(..)).for_each(|node| unwind::ignore_panics(|| drop(node)));
        self.host.take().into_iter().chain(self.hosts.drain(..)).for_each(|host| unwind::ignore_panics(|| drop(host)));
    }

    #[cfg(not(feature = "tracing"))]
    #[allow(clippy::unused_self)] // the signature is that of the enabled method
    fn close_spans(&mut self) {}

    /// Closes the spans of the calls that ended. A subscriber is the program's code, so the timer's
    /// thread leaves this to an executor.
    #[cfg(feature = "tracing")]
    fn close_spans(&mut self) {
        let host = self.ended.iter().find_map(|ended| ended.host);
        self.spans.drain(..).for_each(|span| offload::run(host, move || span.close()));
    }

    /// Runs the first phase. All nodes below are marked before a call ends and frees its slot.
    fn end_everything(&mut self) {
        loop {
            while let Some(node) = self.nodes.pop() {
                node.stop_into(self);
                self.stopped.push(node);
            }
            if self.find_children() {
                continue;
            }
            self.show_stopped();
            if self.calls.is_empty() {
                return;
            }
            self.childless = 0;
            for Target { call, host, how } in std::mem::take(&mut self.calls) {
                let has_input = self.end_now(&*call, host, how);
                self.ended.push(Ended { call, host, has_input });
            }
        }
    }
}

impl EndBatch {
    /// Adds the nodes of the children of the running calls that are to end. Otherwise a child could
    /// begin in the slot of another call that ends, or on top of a parent that sees its own end.
    /// Returns whether there is such a node.
    fn find_children(&mut self) -> bool {
        let new = self.calls.iter().skip(self.childless).filter(|target| !target.call.is_over());
        let found = self.nodes.len();
        self.nodes.extend(new.filter_map(|target| target.call.header().children_node()));
        self.childless = self.calls.len();
        self.nodes.len() > found
    }
}

impl EndBatch {
    /// Shows the cancellation of the nodes, after all nodes below them are marked.
    fn show_stopped(&mut self) {
        let stopped = std::mem::take(&mut self.stopped);
        stopped.iter().skip(self.shown).for_each(|node| node.show_into(self));
        self.shown = stopped.len();
        self.stopped = stopped;
    }
}

fn drop_each(leftovers: Vec<Box<dyn Any + Send>>) {
    leftovers.into_iter().for_each(|leftover| unwind::ignore_panics(|| drop(leftover)));
}
