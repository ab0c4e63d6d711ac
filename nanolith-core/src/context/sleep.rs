//! `Sleep::wait`, which blocks the thread until a [`Sleep`] is due.

use super::{
    block_on,
    wait::{self, Sealed, Wait},
};
use crate::time::Sleep;
use std::{future, pin::pin, time::Duration};

impl Sealed for Sleep {}

impl Wait for Sleep {
    type Pending = Self;

    /// Blocks until the sleep is due. Within a task, the slot is released meanwhile.
    ///
    /// ```
    /// use nanolith::{prelude::*, time::{MILLISECOND, sleep}};
    /// let began = std::time::Instant::now();
    /// sleep(5 * MILLISECOND).wait();
    /// assert!(began.elapsed() >= 5 * MILLISECOND);
    /// ```
    fn wait(self) {
        if !self.is_of_this_thread() || self.is_past() {
            return block_on::block_on_any(self);
        }
        let never = pin!(future::pending::<()>()); // the wait has its own deadline
        let _reached = block_on::block_on_any_until(never, self.due);
    }

    fn wait_timeout(self, limit: Duration) -> Result<(), Self> {
        wait::timeout(self, limit)
    }
}
