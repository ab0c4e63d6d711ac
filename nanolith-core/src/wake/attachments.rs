//! [`Attachments`]: items that are attached to a pool, a service or a call by name, with their type
//! erased.
//!
//! The items are messengers. Their module comes later in the order of folders, so this module
//! cannot name their type.

use super::{Deferred, HasWaiters, Registration, WaiterSet};
use std::{any::Any, fmt, sync::Arc};

/// An attached item.
#[derive(Clone)]
pub(crate) struct Attachment {
    pub(crate) name: Arc<str>,
    /// The message type of the item, for callers that list the items or ask for another type.
    pub(crate) message_type: &'static str,
    pub(crate) item: Arc<dyn Any + Send + Sync>,
}

/// The items that are attached in one place, only the latest of each name. More items may be
/// attached at any time.
#[derive(Default)]
pub(crate) struct Attachments(Arc<Deferred<List>>);

#[derive(Default)]
pub(crate) struct List {
    items: Vec<Attachment>,
    /// The tasks that wait for the next item.
    waiting: WaiterSet,
}

/// A wait for the next item that is attached.
pub(crate) type AttachWait = Registration<Arc<Deferred<List>>>;

impl Attachments {
    /// Attaches an item in place of an earlier one of the same name, and wakes the waiting tasks.
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

    /// Returns the items in the order in which they were attached.
    pub(crate) fn list(&self) -> Vec<Attachment> {
        self.0.with(|list, _| list.items.clone())
    }

    pub(crate) fn wait(&self) -> AttachWait {
        Registration::new(self.0.clone())
    }
}

/// Copies the items to another place, where no task waits.
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
