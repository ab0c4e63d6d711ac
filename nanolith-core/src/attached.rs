//! What is attached to a pool, a service or a call by name, with its type unknown here: messengers, which stand a floor above.

use crate::waiters::{Key, Waiters};
use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

/// Something attached.
#[derive(Clone)]
pub(crate) struct Attachment {
    pub(crate) name: Arc<str>,
    /// What it carries, for those who list or ask for another type.
    pub(crate) carries: &'static str,
    pub(crate) item: Arc<dyn Any + Send + Sync>,
}

/// All that is attached in one place, the latest of a name only; more may come at any time.
#[derive(Default)]
pub(crate) struct Attachments(Mutex<List>);

#[derive(Default)]
struct List {
    items: Vec<Attachment>,
    /// They wait for what comes next.
    waiting: Waiters,
    last_key: Key,
}

impl Attachments {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches, in place of an earlier one of the name; wakes those who wait.
    pub(crate) fn attach(&self, item: Attachment) {
        let (earlier, wakes) = {
            let mut list = self.lock();
            let nth = list.items.iter().position(|known| known.name == item.name);
            let earlier = nth.map(|nth| list.items.remove(nth));
            list.items.push(item);
            (earlier, list.waiting.called())
        };
        wakes.wake();
        drop(earlier); // nobody holds the lock here
    }

    pub(crate) fn find(&self, name: &str) -> Option<Attachment> {
        self.lock().items.iter().find(|known| &*known.name == name).cloned()
    }

    /// The same; if there is none, `waker` hears of the next that comes. `key` is the one who waits, until it says
    /// [`Attachments::leave`].
    pub(crate) fn find_or_wake(&self, name: &str, key: &mut Option<Key>, waker: &Waker) -> Option<Attachment> {
        let mut list = self.lock();
        if let Some(found) = list.items.iter().find(|known| &*known.name == name) {
            return Some(found.clone());
        }
        list.last_key = list.last_key.next();
        let key = *key.get_or_insert(list.last_key);
        let _spent = list.waiting.wait(key, waker);
        drop(list);
        None
    }

    /// It waits no more.
    pub(crate) fn leave(&self, key: Key) {
        let _spent = self.lock().waiting.leave(key);
    }

    /// In the order in which they came.
    pub(crate) fn list(&self) -> Vec<Attachment> {
        self.lock().items.clone()
    }
}

/// The same things, in another place: nobody waits there.
impl Clone for Attachments {
    fn clone(&self) -> Self {
        Self(Mutex::new(List { items: self.list(), ..List::default() }))
    }
}

impl fmt::Debug for Attachments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list().iter().map(|item| &item.name)).finish()
    }
}
