//! [`TaskGroup`]: a group of calls that are joined in the order in which they end.

use super::{
    Patience,
    join::{JoinAll, JoinNext, Shutdown},
    spawnable::{Spawn, Watched},
    watch::{Sink, watch},
};
use crate::{
    call::cancel_tree::CancelNode,
    error::CallError,
    sync::cancel_token::CancelToken,
    wake::{AfterUnlock, Deferred, NewWaker, SingleWaiter},
};
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

/// A group of calls that are joined in the order in which they end. Dropping the group cancels the
/// calls that are not over.
///
/// ```
/// use nanolith::{TaskGroup, prelude::*};
/// # use nanolith_doc_sets::*;
/// # pollster::block_on(async {
/// let mut sums = TaskGroup::new();
/// for n in 0..10 {
///     sums.spawn(Geometry::tasks().add(n, n));
/// }
/// let mut total = 0;
/// while let Some(sum) = sums.join_next().await { // or `.join_next().wait()`
///     total += sum?;
/// }
/// assert_eq!(total, 90);
/// # Ok::<(), CallError>(()) }).unwrap();
/// ```
///
/// A group from [`TaskGroup::new`] returns a [`CallError`] for each failure. `TaskGroup::<T,
/// E>::default()` has your own error type `E`, into which other errors are converted by `Into`. So
/// a call's [`flatten`](crate::typed::Call::flatten) can be spawned too.
///
/// ```
/// use nanolith::{BoxError, TaskGroup, prelude::*};
/// # use nanolith_doc_sets::*;
/// let geometry = Geometry::tasks();
/// let mut group = TaskGroup::<String, BoxError>::default().cancel_on_error();
/// group.spawn_map(geometry.add(4, 5), |sum| format!("the sum is {sum}"));
/// group.spawn_map(geometry.parse("7".into()).flatten(), |number| format!("read {number}"));
/// let mut texts: Vec<String> = group.join_all().wait().into_iter().collect::<Result<_, _>>()?;
/// texts.sort();
/// assert_eq!(texts, ["read 7", "the sum is 9"]);
/// # Ok::<(), BoxError>(())
/// ```
#[must_use = "a group cancels its calls when it is dropped"]
pub struct TaskGroup<T, E = CallError> {
    shared: Arc<Shared<T, E>>,
    token: CancelToken,
}

/// The outcome of a call. The closure converts it when it is joined.
pub(super) type Ended<T, E> = Box<dyn FnOnce() -> Result<T, E> + Send>;

struct Shared<T, E> {
    state: Deferred<State<T, E>>,
    cancels_on_error: AtomicBool,
}

struct State<T, E> {
    ended: VecDeque<Ended<T, E>>,
    /// The number of calls that are not over.
    open: usize,
    waiter: SingleWaiter,
}

impl<T, E> Shared<T, E> {
    fn with<R>(&self, change: impl FnOnce(&mut State<T, E>, &mut AfterUnlock) -> R) -> R {
        self.state.with(change)
    }
}

impl<T: Send + 'static> TaskGroup<T> {
    /// Creates a group without calls.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<T, E> Default for TaskGroup<T, E> {
    fn default() -> Self {
        let state = State { ended: VecDeque::new(), open: 0, waiter: SingleWaiter::default() };
        let shared = Shared { state: Deferred::new(state), cancels_on_error: AtomicBool::new(false) };
        Self { shared: Arc::new(shared), token: CancelToken::new() }
    }
}

impl<T: Send + 'static, E: Send + 'static> TaskGroup<T, E> {
    /// Makes the group cancel the other calls as soon as a call fails. Calls that are spawned after
    /// the failure are cancelled too.
    pub fn cancel_on_error(self) -> Self {
        // ORDERING: Relaxed, read in `Member::take`. Either no call was spawned before, or the
        // setting may come too late for a call that was.
        self.shared.cancels_on_error.store(true, Ordering::Relaxed);
        self
    }

    /// Submits a call, or a call's [`flatten`](crate::typed::Call::flatten).
    ///
    /// This blocks while it waits for queue room, like
    /// [`Call::submit`](crate::typed::Call::submit). See [`TaskGroup::spawn_async`].
    pub fn spawn<W>(&mut self, work: W)
    where
        W: Spawn<Output = T>,
        W::Error: Into<E>,
    {
        self.spawn_map(work, |output| output);
    }

    /// Submits a call with another output, which `map` converts into the group's output. `map` runs
    /// where the call is joined.
    pub fn spawn_map<W, F>(&mut self, work: W, map: F)
    where
        W: Spawn,
        W::Error: Into<E>,
        F: FnOnce(W::Output) -> T + Send + 'static,
    {
        let handle = work.under(&self.token).submit();
        self.watch(handle, map);
    }

    /// Submits a call like [`TaskGroup::spawn`], but waits for queue room without blocking.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the call is cancelled and does not join the
    /// group.
    pub async fn spawn_async<W>(&mut self, work: W)
    where
        W: Spawn<Output = T> + Send,
        W::Error: Into<E>,
    {
        let mut work = work.under(&self.token);
        let handle = poll_fn(|cx| work.poll_submit(cx)).await;
        self.watch(handle, |output| output);
    }

    fn watch<O, X, F>(&self, handle: Watched<O, X>, map: F)
    where
        O: Send + 'static,
        X: Into<E> + Send + 'static,
        F: FnOnce(O) -> T + Send + 'static,
    {
        self.shared.with(|state, _| state.open += 1);
        let (shared, token) = (self.shared.clone(), self.token.clone());
        watch(handle, Member { shared, token, map: Mutex::new(Some(map)) });
    }

    /// Waits for the next call that ends. Yields `None` if the group has no calls.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no outcome is lost.
    pub fn join_next(&mut self) -> JoinNext<'_, T, E> {
        JoinNext::new(self)
    }

    /// Returns the outcome of a call that is over, or `None` if no call is over.
    pub fn try_join_next(&mut self) -> Option<Result<T, E>> {
        let ended = self.shared.with(|state, _| state.ended.pop_front())?;
        Some(ended())
    }

    /// Waits for all calls. Yields their outcomes in the order in which they ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it cancels the calls that are not over, like the group.
    pub fn join_all(self) -> JoinAll<T, E> {
        JoinAll::new(self)
    }

    /// Cancels the calls that are not over. They end as cancelled, and are joined like the other
    /// calls.
    pub fn cancel_all(&mut self) {
        std::mem::take(&mut self.token).cancel();
    }

    /// Cancels the calls that are not over, and waits until all calls are over. Their outcomes are
    /// dropped.
    ///
    /// ```
    /// use nanolith::{TaskGroup, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn spin(cx: &Context<Self>) { while !cx.is_cancelled() { std::thread::yield_now() } } }
    /// let mut group = TaskGroup::new();
    /// (0..3).for_each(|_| group.spawn(Geometry::tasks().spin()));
    /// group.shutdown().wait(); // or `.await`
    /// assert!(group.is_empty());
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the calls are cancelled all the same.
    pub fn shutdown(&mut self) -> Shutdown<'_, T, E> {
        self.cancel_all();
        Shutdown::new(self.join_next())
    }

    /// Returns the number of calls that are not joined.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.with(|state, _| state.open + state.ended.len())
    }

    /// Returns whether all calls were joined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets the calls that are not over continue without the group. Outcomes that were not joined
    /// are dropped.
    pub fn detach_all(&mut self) {
        let mut left = std::mem::take(self);
        let cancels = left.shared.cancels_on_error.load(Ordering::Relaxed);
        self.shared.cancels_on_error.store(cancels, Ordering::Relaxed);
        left.token = CancelToken::new(); // the token of the calls is dropped without a cancellation
    }

    /// Polls for the next outcome. The wait helps with up to `most` calls.
    pub(super) fn poll_next(
        &self,
        patience: &mut Patience,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Ended<T, E>>> {
        let mut new = Some(NewWaker::of(cx.waker()));
        loop {
            let next = self.shared.with(|state, after| match state.ended.pop_front() {
                None if state.open > 0 => {
                    new.take().into_iter().for_each(|waker| state.waiter.register(waker, after));
                    None
                }
                next => Some(next),
            });
            if let Some(next) = next {
                patience.over();
                return Poll::Ready(next);
            }
            let has_ended = || self.shared.with(|state, _| !state.ended.is_empty());
            if !patience.help(self.stop(), most, has_ended) {
                patience.pending();
                return Poll::Pending;
            }
        }
    }
}

impl<T, E> TaskGroup<T, E> {
    /// Returns the node that all calls of the group are attached to.
    pub(super) fn stop(&self) -> &Arc<CancelNode> {
        self.token.stop()
    }

    /// Removes the waiter, after a wait has ended.
    pub(super) fn forget_waiter(&self) {
        self.shared.with(|state, after| state.waiter.remove(after));
    }
}

impl<T, E> Drop for TaskGroup<T, E> {
    fn drop(&mut self) {
        self.token.cancel();
        self.forget_waiter();
    }
}

impl<T, E> fmt::Debug for TaskGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, ended) = self.shared.with(|state, _| (state.open, state.ended.len()));
        f.debug_struct("TaskGroup").field("open", &open).field("ended", &ended).finish()
    }
}

/// A call of the group.
struct Member<T, E, F> {
    shared: Arc<Shared<T, E>>,
    token: CancelToken,
    map: Mutex<Option<F>>,
}

impl<T, E, O, X, F> Sink<O, X> for Member<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    O: Send + 'static,
    X: Into<E> + Send + 'static,
    F: FnOnce(O) -> T + Send + 'static,
{
    fn take(&self, outcome: Result<O, X>) {
        let Some(map) = self.map.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let has_failed = outcome.is_err();
        self.shared.with(|state, after| {
            state.open -= 1;
            state.ended.push_back(Box::new(move || outcome.map(map).map_err(Into::into)));
            state.waiter.notify(after);
        });
        // ORDERING: Relaxed, stored in `cancel_on_error`, whose comment gives the reason.
        if has_failed && self.shared.cancels_on_error.load(Ordering::Relaxed) {
            self.token.cancel();
        }
    }
}
