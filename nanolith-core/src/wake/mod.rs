//! Waiting lists, and the way to use them: data changes under a lock, and wakes and drops come
//! after its release.
//!
//! A waker is user code: its clone, its drop and its wake may block, take locks and call back into
//! the library. These types keep all three out of every lock:
//!
//! - [`NewWaker`] is cloned before the lock is taken.
//! - [`AfterUnlock`] collects the wakers to wake and the values to drop, and acts after the
//!   release.
//! - [`Deferred`] is a mutex that runs an `AfterUnlock` at the end of every access.
//! - [`WaiterSet`] holds waiters for one event, [`WaitQueue`] waiters for capacity in their order,
//!   and [`SingleWaiter`] at most one waiter. Each gives a waker out only into an `AfterUnlock`.
//!
//! In debug builds, a thread panics if it clones, wakes or drops a waker through these types within
//! [`Deferred::with`].

pub(crate) mod attachments;
mod deferred;
pub(crate) mod extensions;
pub(crate) mod keep_alive;
mod sim_end_wait;
mod single_waiter;
#[cfg(all(test, not(any(loom, miri))))]
mod source_check;
pub(crate) mod subscribers;
#[cfg(test)]
pub(crate) mod test_waker;
mod wait_queue;
mod waiter_set;
mod wake_list;

pub(crate) use deferred::{AfterUnlock, Deferred};
pub(crate) use sim_end_wait::EndWait;
pub(crate) use single_waiter::SingleWaiter;
pub(crate) use wait_queue::{WaitQueue, WaitState, WaitTicket};
pub(crate) use waiter_set::{HasWaiters, Registration, WaiterHome, WaiterKey, WaiterSet};
pub(crate) use wake_list::{NewWaker, WakeList};
