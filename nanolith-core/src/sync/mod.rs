//! Synchronization for programs: semaphores, cancellation tokens, backoff, and the guard of `main`.

pub(crate) mod backoff;
pub(crate) mod cancel_token;
pub(crate) mod main_guard;
pub(crate) mod semaphore;
