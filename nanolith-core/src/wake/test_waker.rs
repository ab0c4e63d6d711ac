//! [`CountingWaker`]: a waker for tests that counts its wakes and its clones.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

pub(crate) struct CountingWaker {
    shared: Arc<Shared>,
}

struct Shared {
    wakes: AtomicUsize,
    action: Box<dyn Fn() + Send + Sync>,
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, SeqCst);
        (self.action)();
    }
}

impl CountingWaker {
    pub(crate) fn new() -> Self {
        Self::with_action(|| {})
    }

    /// Creates a waker that runs `action` at each wake.
    pub(crate) fn with_action(action: impl Fn() + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(Shared { wakes: AtomicUsize::new(0), action: Box::new(action) }) }
    }

    pub(crate) fn waker(&self) -> Waker {
        self.shared.clone().into()
    }

    pub(crate) fn wakes(&self) -> usize {
        self.shared.wakes.load(SeqCst)
    }

    /// Returns the number of clones of the waker that exist.
    pub(crate) fn clones(&self) -> usize {
        Arc::strong_count(&self.shared) - 1
    }
}
