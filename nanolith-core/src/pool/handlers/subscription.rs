//! [`Subscription`]: the registration of a message handler. The handler is a future on the global
//! pool, so it uses no thread while there is no message.

use crate::{
    call::backend::Backend,
    meta::priority::Priority,
    pool::{BuildError, GlobalPool, spawn::until_end},
    time::clock,
    util::unwind,
};
use async_task::Task;
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

/// The number of messages that a handler handles in a row before it yields.
pub(crate) const MESSAGES_PER_POLL: usize = 64;

/// The registration of a message handler, made by `on_message` and similar methods. Dropping it
/// ends the handler. The message that the handler is running for is still handled, and none after
/// it.
///
/// Handlers run on the global pool, one message at a time, in order. After 64 messages in a row a
/// handler yields, so a handler that sends to itself starves no other work. A panic of the handler
/// ends the handling of that message only.
///
/// ```
/// use nanolith::{port, prelude::*};
/// let (ours, theirs) = port::pair::<i64, i64>();
/// let (sender, answers) = std::sync::mpsc::channel();
/// let listening = theirs.on_message(move |n| drop(sender.send(n + 1)))?;
/// ours.send(4).wait()?;
/// assert_eq!(answers.recv()?, 5);
/// drop(listening);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropped, the handler hears nothing; `detach` keeps it for as long as messages can come"]
pub struct Subscription {
    work: Option<Task<()>>,
    /// Set to tell a running handler that it must not take another message.
    ended: Arc<AtomicBool>,
}

impl Subscription {
    /// Keeps the handler active until no more messages can come.
    pub fn detach(mut self) {
        if let Some(work) = self.work.take() {
            work.detach();
        }
    }

    /// Returns whether no more messages can come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.work.as_ref().is_none_or(Task::is_finished)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.work.is_some() {
            // ORDERING: Release, pairs with the Acquire load in `until_closed`.
            self.ended.store(true, Ordering::Release);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("is_over", &self.is_over()).finish()
    }
}

/// Runs `handler` on the global pool for each message of `next`, until `next` has no more messages.
///
/// # Errors
///
/// [`BuildError`] if the global pool cannot be started.
pub(crate) fn subscribe<T, N, H>(mut next: N, mut handler: H) -> Result<Subscription, BuildError>
where
    T: Send + 'static,
    N: Source<T>,
    H: FnMut(T) + Send + 'static,
{
    let host: Arc<dyn Backend> = GlobalPool.with(|pool| pool.inner().clone())?;
    let end = host.end_wait();
    let ended = Arc::new(AtomicBool::new(false));
    let over = ended.clone();
    let hears = async move {
        let mut heard = 0;
        while let Some(message) = until_closed(&over, next.next()).await {
            unwind::ignore_panics(|| handler(message));
            heard += 1;
            if heard % MESSAGES_PER_POLL == 0 {
                YieldOnce(false).await;
            }
        }
    };
    let schedule =
        move |work| host.clone().schedule(host.rules().expirations().of(Priority::Normal, clock::now()), work);
    let (work, task) = async_task::spawn(until_end(end, hears), schedule);
    work.schedule();
    Ok(Subscription { work: Some(task), ended })
}

/// Returns the output of `next`, or `None` once `over` is set. `over` is checked before a message
/// is taken, so no message is lost.
async fn until_closed<T>(over: &AtomicBool, next: impl Future<Output = Option<T>>) -> Option<T> {
    let mut next = pin!(next);
    poll_fn(|cx| {
        // ORDERING: Acquire, pairs with the Release store in `Subscription::drop`.
        if over.load(Ordering::Acquire) { Poll::Ready(None) } else { next.as_mut().poll(cx) }
    })
    .await
}

/// A source of messages for a handler.
pub(crate) trait Source<T>: Send + 'static {
    /// Returns the next message, or `None` when no more messages can come.
    fn next(&mut self) -> impl Future<Output = Option<T>> + Send;
}

/// A future that is pending once, so that other work runs first.
struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
