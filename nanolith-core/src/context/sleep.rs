//! `Sleep::wait`, which blocks the thread until a [`Sleep`] is due.

use super::block_on;
use crate::time::Sleep;
use std::{future, pin::pin};

impl Sleep {
    /// Blocks until the sleep is due. Within a task, the slot is released meanwhile.
    ///
    /// ```
    /// use nanolith::time::{MILLISECOND, sleep};
    /// let began = std::time::Instant::now();
    /// sleep(5 * MILLISECOND).wait();
    /// assert!(began.elapsed() >= 5 * MILLISECOND);
    /// ```
    pub fn wait(self) {
        if !self.is_of_this_thread() || self.is_past() {
            return block_on::block_on_any(self);
        }
        let never = pin!(future::pending::<()>()); // the wait has its own deadline
        let _reached = block_on::block_on_any_until(never, self.due);
    }
}
