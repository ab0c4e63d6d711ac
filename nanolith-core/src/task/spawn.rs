//! Spawns the future of an asynchronous task: on the pool, where it is queued when it is woken, or
//! on the thread of its service.

use super::{
    Reply, TaskSet,
    environment::{Environment, PoolEnv, ServiceEnv, Spawned},
    hooked_future::with_hooks,
};
use crate::{
    call::{
        backend::{Backend, Completion, ErasedCall, ExecutorId},
        call_ref::CallRef,
        slot::EndReason,
    },
    context::thread_context,
    metrics,
    time::clock,
    util::prefetch::PrefetchTarget,
    wake::WaitTicket,
};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Poll, Waker},
};

/// Spawns `future` on the pool of `ground`. It is polled once on this thread, and afterwards when
/// it is woken and its turn in the queue comes.
pub(crate) fn spawn_on_pool<S, F>(ground: PoolEnv<S>, reply: Reply<S>, future: F)
where
    S: TaskSet,
    F: Future<Output = S::Output> + Send + 'static,
{
    spawn_checked_on_pool(ground, reply, async move { Some(future.await) });
}

pub(super) fn spawn_checked_on_pool<S, F>(ground: PoolEnv<S>, reply: Reply<S>, body: F)
where
    S: TaskSet,
    F: Future<Output = Option<S::Output>> + Send + 'static,
{
    if !ground.supports(reply.slot().header.task()) {
        let over = Completion::of(&reply.slot().header).skipped();
        reply.end(EndReason::Unsupported);
        let host = ground.host();
        if !thread_context::is_on_ring(host.id()) {
            count_over(&host, over);
        }
        return;
    }
    let (call, host) = (reply.slot().clone().erase(), ground.host());
    let over = Completion::of(call.header());
    let slot = if over.has_share_slot { ShareSlot::Held } else { ShareSlot::None };
    let is_counted = !thread_context::is_on_ring(host.id());
    let finish = FinishGuard { host: host.clone(), over, call: call.clone(), suspended: None, slot, is_counted };
    let placed = in_task_context(call.clone(), with_hooks(ground, reply, body), finish);
    // The call keeps its expiration, unless its priority was raised in the meantime.
    let schedule = move |work| host.clone().schedule(host.rules().expires(call.header()), work);
    let (runnable, task) = async_task::spawn(placed, schedule);
    task.detach();
    runnable.run();
}

/// Passes `future` to the service's event loop.
pub(crate) fn spawn_on_service<S, F>(ground: Rc<ServiceEnv<S>>, reply: Reply<S>, future: F)
where
    S: TaskSet,
    F: Future<Output = S::Output> + 'static,
{
    spawn_checked_on_service(ground, reply, async move { Some(future.await) });
}

pub(super) fn spawn_checked_on_service<S, F>(ground: Rc<ServiceEnv<S>>, reply: Reply<S>, body: F)
where
    S: TaskSet,
    F: Future<Output = Option<S::Output>> + 'static,
{
    let call = reply.slot().clone();
    if !ground.supports(call.header.task()) {
        return reply.end(EndReason::Unsupported);
    }
    let here = ground.clone();
    let placed = in_task_context(call.clone().erase(), with_hooks(ground, reply, body), ());
    here.spawned.borrow_mut().push(Spawned { call, future: Box::pin(placed) });
}

/// Polls `future` as part of its task, and drops `finish` after the future.
async fn in_task_context<T: OnFinish>(call: CallRef<dyn ErasedCall>, future: impl Future<Output = ()>, finish: T) {
    let mut finish = finish;
    let (mut kept, mut polled) = (Some(thread_context::RunningTask::new(call)), false);
    let mut future = pin!(future);
    poll_fn(|cx| {
        if !finish.may_go_on(cx.waker()) {
            return Poll::Pending;
        }
        // A future that panicked is not polled again.
        let Some(mut running) = kept.take() else { return Poll::Ready(()) };
        for again in (0..=POLLS_AGAIN).rev() {
            if std::mem::replace(&mut polled, true) {
                running.call.header().begin_slice();
            }
            let began = finish.is_timed().then(clock::now);
            let polls_again = if again > 0 { finish.polls_again() } else { None };
            let ((poll, has_given_way), entered) = thread_context::enter_task(running, || {
                thread_context::poll_as_task(cx.waker(), polls_again, || future.as_mut().poll(cx))
            });
            running = entered;
            if let Some(began) = began {
                finish.ran(clock::now() - began);
            }
            if poll.is_ready() {
                drop(running.end());
                return poll;
            }
            if !has_given_way {
                break;
            }
        }
        finish.pending(&running.call);
        kept = Some(running);
        Poll::Pending
    })
    .await;
}

/// The number of times that a future is polled again at once after it has given way, before its
/// thread looks for other work.
const POLLS_AGAIN: u32 = 64;

/// An observer of a future's polls that is dropped after the future.
trait OnFinish {
    /// Returns whether the observer measures how long the future ran.
    fn is_timed(&self) -> bool;
    fn ran(&mut self, nanos: u64);
    /// Returns whether the future may be polled. Otherwise `waker` is woken once it may.
    fn may_go_on(&mut self, waker: &Waker) -> bool;
    /// Called when the future is pending.
    fn pending(&mut self, call: &CallRef<dyn ErasedCall>);
    /// Returns the executor on whose threads the future is polled again at once, if it gives way and
    /// nothing goes first. `None` if each future that gives way is queued.
    fn polls_again(&self) -> Option<ExecutorId>;
}

impl OnFinish for () {
    fn is_timed(&self) -> bool {
        false
    }

    fn ran(&mut self, _: u64) {}

    fn may_go_on(&mut self, _: &Waker) -> bool {
        true
    }

    fn pending(&mut self, _: &CallRef<dyn ErasedCall>) {}

    fn polls_again(&self) -> Option<ExecutorId> {
        None
    }
}

/// A guard that reports to the executor that a call is over, in whichever way its future ends.
struct FinishGuard {
    host: Arc<dyn Backend>,
    call: CallRef<dyn ErasedCall>,
    over: Completion,
    /// The position of the call in the list of suspended calls, once it is there.
    suspended: Option<usize>,
    slot: ShareSlot,
    /// Whether the queue counts the call. A call from the ring is counted once it is suspended.
    is_counted: bool,
}

/// The part of its share's limit that an asynchronous call holds.
enum ShareSlot {
    /// The call began without a limit.
    None,
    Held,
    /// The call is pending and has returned its slot. Once it is woken, it may wait in line for
    /// another slot.
    Returned(Option<WaitTicket>),
}

impl Drop for FinishGuard {
    fn drop(&mut self) {
        let meta = self.call.header();
        if metrics::is_any_on() {
            self.host.record(meta.task(), meta.waited(), meta.ran());
            if self.call.was_ended() {
                self.host.count_vain_run(meta.task());
            }
        }
        if let Some(call) = self.suspended {
            self.host.on_suspended_finished(call);
        }
        if let ShareSlot::Returned(Some(ticket)) = self.slot {
            self.host.leave_share_line(self.over.share, ticket);
        }
        self.over.has_share_slot = matches!(self.slot, ShareSlot::Held);
        if self.is_counted {
            count_over(&self.host, self.over);
        }
    }
}

impl OnFinish for FinishGuard {
    fn is_timed(&self) -> bool {
        self.over.is_timed()
    }

    fn ran(&mut self, nanos: u64) {
        self.over = self.over.ran(nanos);
    }

    fn may_go_on(&mut self, waker: &Waker) -> bool {
        let ShareSlot::Returned(ticket) = &mut self.slot else { return true };
        let has_slot = self.host.poll_share_slot(self.over.share, ticket, waker);
        if has_slot {
            self.slot = ShareSlot::Held;
            self.call.header().set_share_slot(Some(self.host.id()));
        }
        has_slot
    }

    fn pending(&mut self, call: &CallRef<dyn ErasedCall>) {
        if !std::mem::replace(&mut self.is_counted, true) {
            thread_context::note_suspended();
            self.host.count_suspended(self.over.inside);
        }
        if self.suspended.is_none() {
            self.suspended = Some(call.target_ptr().addr());
            self.host.on_suspended(call);
        }
        if let ShareSlot::Held = self.slot {
            self.slot = ShareSlot::Returned(None);
            call.header().set_share_slot(None);
            self.host.return_share_slot(self.over.share);
        }
    }

    fn polls_again(&self) -> Option<ExecutorId> {
        // A simulation chooses among all threads where a future gives way. The owner of a `Local`
        // decides how often it polls.
        (!clock::is_any_mocked() && self.host.rules().takes_futures()).then(|| self.host.id())
    }
}

/// Counts a call as over. On a thread that runs the call at this moment, the worker counts it after
/// the run.
fn count_over(host: &Arc<dyn Backend>, over: Completion) {
    if !thread_context::leave_over(host.id(), over) {
        host.on_finished(over);
    }
}
