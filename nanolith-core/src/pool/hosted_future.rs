//! [`HostedFuture`]: a future of this crate that lives on a pool, such as the loop of a service. The
//! pool's threads poll it when it is woken, at the position in the queue that the wake asks for.

use super::{
    Pool,
    pool_item::{OtherItem, PoolItem},
    pool_shared::PoolShared,
    wake_state::WakeState,
};
use crate::{
    call::{backend::Backend, offload},
    meta::priority::Priority,
    time::clock,
    util::unwind,
    wake::WakeList,
};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak, atomic::Ordering},
    task::{Context, Poll, Wake, Waker},
};

/// The future itself. It must not panic.
pub(crate) type Hosted = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The code that is notified when the pool of a future has ended before the future.
pub(crate) trait Abandoned: Send + Sync {
    /// Makes the future end at its next poll, which follows on this thread.
    fn abandoned(&self);
}

/// A future on a pool. One thread at a time polls it.
pub(crate) struct HostedFuture {
    pool: Arc<PoolShared>,
    state: WakeState,
    /// `None` before the start and after the end.
    future: Mutex<Option<Hosted>>,
    owner: OnceLock<Weak<dyn Abandoned>>,
}

impl HostedFuture {
    /// Creates the place of a future on `pool`.
    pub(crate) fn new(pool: &Pool) -> Arc<Self> {
        Arc::new(Self {
            pool: pool.inner().clone(),
            state: WakeState::new(),
            future: Mutex::default(),
            owner: OnceLock::new(),
        })
    }

    /// Returns the pool.
    pub(crate) fn pool(&self) -> Arc<dyn Backend> {
        self.pool.clone()
    }

    /// Starts `future`, once.
    pub(crate) fn start(self: &Arc<Self>, owner: Weak<dyn Abandoned>, future: Hosted) {
        let _ = self.owner.set(owner);
        *self.future.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
        self.state.start();
        self.wake_by_ref();
    }

    /// Wakes the future, to be polled at this position in the pool's order.
    pub(crate) fn wake_at(self: &Arc<Self>, expires: u64) {
        if let Some(expires) = self.state.wake(expires) {
            self.pool.enqueue_hosted(expires, self);
        }
    }

    /// Polls the future, if it still waits for its turn. Called for each entry in the queue.
    fn run(self: &Arc<Self>) {
        if self.state.begin() {
            self.poll();
        }
    }

    /// Polls the future. After the end of the future, the state stays: no entry has an effect then.
    fn poll(self: &Arc<Self>) {
        let mut place = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(future) = &mut *place else { return };
        let waker = Waker::from(self.clone());
        let poll = unwind::catch(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        if matches!(poll, Ok(Poll::Pending)) {
            drop(place);
            self.state.end().into_iter().for_each(|expires| self.pool.enqueue_hosted(expires, self));
        } else {
            let ended = place.take();
            drop(place);
            unwind::ignore_panics(|| drop(ended));
        }
    }

    /// Ends the future, since its pool has ended: on this thread, unless this is the timer's.
    fn end(self: &Arc<Self>) {
        let this = self.clone();
        offload::run(None, move || {
            if let Some(owner) = this.owner.get().and_then(Weak::upgrade) {
                owner.abandoned();
            }
            this.run();
        });
    }
}

impl Wake for HostedFuture {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let expires = self.pool.rules.expirations().of(Priority::Normal, clock::now());
        self.wake_at(expires);
    }
}

/// An entry in the pool's queue.
struct Entry {
    future: Arc<HostedFuture>,
    has_run: bool,
}

impl Entry {
    fn run(mut self) {
        self.has_run = true;
        self.future.run();
    }
}

impl Drop for Entry {
    /// An entry that was dropped without a run is that of an abandoned pool: the future ends.
    fn drop(&mut self) {
        if !self.has_run {
            self.future.end();
        }
        self.future.pool.hosted_over();
    }
}

impl PoolShared {
    /// Adds an entry of `future` to the queue. If no thread would take the entry, the future ends.
    fn enqueue_hosted(&self, expires: u64, future: &Arc<HostedFuture>) {
        let entry = Entry { future: future.clone(), has_run: false };
        // The entry is queued below, and wakes no other.
        let (work, task) = async_task::spawn(async move { entry.run() }, drop);
        task.detach();
        let mut core = self.lock();
        // ORDERING: Relaxed, as in `run_soon`.
        self.errands.fetch_add(1, Ordering::Relaxed);
        if core.retired || core.abandoned {
            drop(core);
            drop(work);
            return;
        }
        core.injector.queue.resume(expires, PoolItem::Other(OtherItem::Resume(work)));
        self.release_within(core, WakeList::default());
    }

    /// Counts an entry of a hosted future as over.
    fn hosted_over(&self) {
        self.errands.fetch_sub(1, Ordering::Relaxed);
        self.errand_over();
    }
}
