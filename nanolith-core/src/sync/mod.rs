//! Synchronization for programs: semaphores, cancellation tokens, backoff, and the guard of `main`.

pub(crate) mod backoff;
pub(crate) mod cancel_token;
pub(crate) mod main_guard;
pub(crate) mod semaphore;

pub use backoff::Backoff;
pub use cancel_token::{CancelToken, Cancelled, DropGuard};
pub use main_guard::{MainGuard, MainGuardTimeoutError, main_guard};
pub use semaphore::{Acquire, AcquireError, Permit, Semaphore, TryAcquireError};
