//! [`MessengerShared`]: what the endpoints and subscribers of one messenger share: its name, and
//! the broadcast log that has its messages.

use super::{LagPolicy, registry};
use crate::{
    channel::broadcast::{BroadcastChannel, SenderId},
    sim_runtime,
};
use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Returns a number that is unique among all messengers and endpoints.
pub(super) fn number() -> NonZero<u64> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // ORDERING: Relaxed, only the number itself is used; it publishes no other data.
    NonZero::new(LAST.fetch_add(1, Ordering::Relaxed) + 1).expect("a process makes fewer than 2⁶⁴ endpoints")
}

pub(super) struct MessengerShared<T> {
    pub(super) id: NonZero<u64>,
    pub(super) name: Arc<str>,
    /// `true` if the messenger can be opened by its name.
    named: bool,
    /// The realm in which it can be opened.
    namespace: u64,
    pub(super) log: Arc<BroadcastChannel<T>>,
    endpoints: Mutex<usize>,
}

impl<T> MessengerShared<T> {
    /// Creates a messenger that can be opened by its name, or one without a name.
    pub(super) fn new(name: Option<Arc<str>>, policy: LagPolicy) -> Arc<Self> {
        let id = number();
        let named = name.is_some();
        let name = name.unwrap_or_else(|| format!("#{id}").into());
        Arc::new(Self {
            id,
            name,
            named,
            namespace: sim_runtime::realm(),
            log: BroadcastChannel::new(policy, false),
            endpoints: Mutex::new(0),
        })
    }

    /// Creates a messenger that keeps messages for its first receiver.
    pub(super) fn kept_for_first(policy: LagPolicy) -> Arc<Self> {
        let id = number();
        let log = BroadcastChannel::new(policy, true);
        Arc::new(Self { id, name: format!("#{id}").into(), named: false, namespace: 0, log, endpoints: Mutex::new(0) })
    }

    pub(super) fn endpoints(&self) -> usize {
        *self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(usize) -> usize) -> usize {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        *endpoints = change(*endpoints);
        *endpoints
    }

    /// Ends the log for all endpoints and subscribers, and frees the name.
    pub(super) fn close_all(&self) {
        self.log.close();
        self.release_name();
    }

    fn release_name(&self) {
        if self.named {
            registry::forget(self.namespace, &self.name, self.id);
        }
    }
}

impl<T> Drop for MessengerShared<T> {
    fn drop(&mut self) {
        self.release_name();
    }
}

/// One endpoint, shared by the handle that sends and by the subscribers.
pub(super) struct Endpoint<T> {
    pub(super) hub: Arc<MessengerShared<T>>,
    pub(super) id: NonZero<u64>,
    closed: OnceLock<()>,
}

impl<T> Endpoint<T> {
    pub(super) fn new(hub: Arc<MessengerShared<T>>) -> Arc<Self> {
        hub.count(|endpoints| endpoints + 1);
        Arc::new(Self { hub, id: number(), closed: OnceLock::new() })
    }

    /// Counts a dropped handle. The last handle of a messenger without a name ends the messenger,
    /// because no new endpoint can be opened.
    pub(super) fn leave(&self) {
        if self.hub.count(|endpoints| endpoints - 1) == 0 && !self.hub.named {
            self.hub.log.close();
        }
    }

    pub(super) fn origin(&self) -> SenderId {
        SenderId(Some(self.id))
    }

    /// Ends the endpoint's subscribers, which drop the messages that they had not received.
    pub(super) fn close(&self) {
        let _ = self.closed.set(());
        self.hub.log.remove_owner(self.origin());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get().is_some()
    }
}
