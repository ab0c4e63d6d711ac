//! [`is_retiring`]: whether the parent wants this child to end after its calls.

use std::sync::atomic::{AtomicBool, Ordering};

static RETIRES: AtomicBool = AtomicBool::new(false);

/// Records that this child ends after its calls.
pub(super) fn retire() {
    // ORDERING: Relaxed, it publishes nothing but itself.
    RETIRES.store(true, Ordering::Relaxed);
}

/// Returns whether this process is a child that ends after the calls that it has: its pool
/// [restarts](crate::ProcessPool::restart) it, or is [closed](crate::ProcessPool::close).
///
/// A task that goes on until it is stopped, such as one that accepts connections, finishes its work and
/// returns then. No time-out asks it to: a call that has begun may take as long as it needs. Node's
/// workers have their event `disconnect` for this. In the parent the answer is always no.
///
/// ```standalone_crate
/// use nanolith::prelude::*;
/// use nanolith_process::{ProcessPool, is_retiring};
///
/// pub struct Worker;
///
/// #[define(wire)]
/// impl Worker {
///     pub fn work_until_the_end() -> u32 {
///         let mut rounds = 0;
///         while !is_retiring() {
///             rounds += 1;
///             std::thread::yield_now();
///         }
///         rounds
///     }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Worker,)>();
///     let children = ProcessPool::builder().max_children(1).build()?;
///     let work = Worker::on(&children).work_until_the_end().submit();
///     children.close();
///     work.wait()?; // the call was accepted, and its task returned
///     Ok(())
/// }
/// ```
#[must_use]
pub fn is_retiring() -> bool {
    RETIRES.load(Ordering::Relaxed)
}
