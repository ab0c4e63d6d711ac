//! [`Wait`]: names the wait of a thread that submits one call and then blocks for it. If the same
//! thread sends the call, it reads the answer too, and the pool's thread need not watch the socket.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

/// The number of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait(u64);

thread_local! {
    /// The wait that this thread has announced.
    static ANNOUNCED: Cell<Option<Wait>> = const { Cell::new(None) };
}

impl Wait {
    /// Records that this thread submits a call now, and then blocks for it.
    pub(super) fn announce() {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed, the number publishes nothing but itself.
        let wait = Self(LAST.fetch_add(1, Ordering::Relaxed));
        let _ = ANNOUNCED.try_with(|announced| announced.set(Some(wait)));
    }

    /// Takes the wait that this thread has announced.
    pub(super) fn take() -> Option<Self> {
        ANNOUNCED.try_with(Cell::take).ok().flatten()
    }
}
