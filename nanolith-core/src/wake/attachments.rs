//! What is attached to a pool, a service or a call by name, with its type unknown here: messengers, which stand a floor above.

use super::{Deferred, HasWaiters, Registration, WaiterSet};
use std::{any::Any, fmt, sync::Arc};

/// Something attached.
#[derive(Clone)]
pub(crate) struct Attachment {
    pub(crate) name: Arc<str>,
    /// What it carries, for those who list or ask for another type.
    pub(crate) message_type: &'static str,
    pub(crate) item: Arc<dyn Any + Send + Sync>,
}

/// All that is attached in one place, the latest of a name only; more may come at any time.
#[derive(Default)]
pub(crate) struct Attachments(Arc<Deferred<List>>);

#[derive(Default)]
pub(crate) struct List {
    items: Vec<Attachment>,
    /// They wait for what comes next.
    waiting: WaiterSet,
}

/// A wait for what is attached next.
pub(crate) type AttachWait = Registration<Arc<Deferred<List>>>;

impl Attachments {
    /// Attaches, in place of an earlier one of the name; wakes those who wait.
    pub(crate) fn attach(&self, item: Attachment) {
        let earlier = self.0.with(|list, after| {
            let nth = list.items.iter().position(|known| known.name == item.name);
            let earlier = nth.map(|nth| list.items.remove(nth));
            list.items.push(item);
            list.waiting.notify_all(after);
            earlier
        });
        drop(earlier); // the lock is released here
    }

    pub(crate) fn find(&self, name: &str) -> Option<Attachment> {
        self.0.with(|list, _| list.find(name))
    }

    /// In the order in which they came.
    pub(crate) fn list(&self) -> Vec<Attachment> {
        self.0.with(|list, _| list.items.clone())
    }

    pub(crate) fn wait(&self) -> AttachWait {
        Registration::new(self.0.clone())
    }
}

/// The same things, in another place: no task waits there.
impl Clone for Attachments {
    fn clone(&self) -> Self {
        Self(Arc::new(Deferred::new(List { items: self.list(), ..List::default() })))
    }
}

impl List {
    pub(crate) fn find(&self, name: &str) -> Option<Attachment> {
        self.items.iter().find(|known| &*known.name == name).cloned()
    }
}

impl HasWaiters for List {
    fn waiters(&mut self) -> &mut WaiterSet {
        &mut self.waiting
    }
}

impl fmt::Debug for Attachments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list().iter().map(|item| &item.name)).finish()
    }
}
