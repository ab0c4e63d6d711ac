//! Detection of deadlocks: cycles of waits are found, and are ended or reported.
//!
//! A task would wait forever if it waits for a call that waits for that task, directly or through
//! other calls. Such a cycle is found in the [wait-for graph] of calls. One call of the cycle ends
//! as [`CallError::WouldDeadlock`](crate::error::CallError::WouldDeadlock). The text of the error
//! and [`CallTrace::cycle`](crate::error::CallTrace::cycle) name each call, its executor and its
//! source line.
//!
//! What happens depends on the tasks of the cycle:
//!
//! - All tasks block, by `.wait()`: the wait that closes the cycle fails at once.
//! - Some tasks await, and each task waits only for the next call: a call that has not begun ends,
//!   after about a second without progress.
//! - A task also waits for a timer, a channel or a future of another crate: all tasks run on, and
//!   [`suspected`] reports the cycle once.
//!
//! A task waits for the end of a call, or for capacity in a queue. A call waits for the thread of
//! its service, or for the state that a reader or a writer of the service has. It may also wait for
//! a slot of its kind (`#[task(concurrency = 1)]`) or for capacity below `max_in_flight`. In a pool
//! it may wait for a thread while all threads of the pool wait.
//!
//! ```
//! use nanolith::prelude::*;
//! pub struct Account { total: i64 }
//! #[define]
//! impl Account {
//!     #[init] fn start(total: i64) -> Self { Self { total } }
//!     pub fn deposit(&mut self, sum: i64) { self.total += sum; }
//!     /// Keeps each other call out until the deposit is made.
//!     pub async fn transfer(&mut self, to: Service<Account>, sum: i64) -> Result<(), CallError> {
//!         to.deposit(sum).await?;
//!         self.total -= sum;
//!         Ok(())
//!     }
//! }
//! let (a, b) = (Account::service(10).launch().wait()?, Account::service(10).launch().wait()?);
//! let jobs = [a.transfer(b.clone(), 1).submit(), b.transfer(a.clone(), 1).submit()];
//! for job in jobs {
//!     match job.wait()? {
//!         Ok(()) => {}
//!         Err(CallError::WouldDeadlock(at)) => println!("{}", at.cycle().expect("both await each other")),
//!         Err(error) => return Err(error.into()),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is not found
//!
//! - A wait with a limit (`wait_timeout`, `.timeout(..)`) ends by itself, so it is part of no
//!   cycle.
//! - Waits for a port, a stream, a messenger, a permit, a group, a layer's limit, a share's limit
//!   or a lock: it is not known what ends them.
//! - Waits for a load of a [`Cache`](crate::layers::Cache) that another call runs.
//!
//!   A task that awaits any of these waits beside a call counts as a task that waits for something
//!   else.
//! - Handles that are awaited within a `FuturesUnordered`, or within anything else that polls with
//!   a waker of its own. The tasks of such a cycle run on.
//! - Asynchronous tasks of a [`Local`](crate::local::Local), asynchronous hooks of synchronous
//!   tasks, and `#[init]`.
//! - Cycles of awaits where time is moved by hand: under a [`MockClock`](crate::time::MockClock),
//!   and in a simulation. The scheduler of a simulation reports a deadlock itself.
//!
//! # What it costs
//!
//! A blocking wait that goes to sleep registers what it waits for. A pending `.await` of a handle
//! within a task stores one number. The first such wait arms a check. The check looks four times a
//! second at the tasks that began to wait, and ends when it knows whether each of them goes on. An
//! idle process has no check.
//!
//! A task without progress is polled once more, with a waker of the check that counts its clones. A
//! future has to keep the waker of its last poll, so the clones show what the task waits for: see
//! [`Future::poll`].
//!
//! [wait-for graph]: https://en.wikipedia.org/wiki/Wait-for_graph

// A node of the graph is a call, or the queue capacity for a call. An edge leads to what the node
// needs. A blocking wait registers its edge and then follows the chain of blocking waits from
// there. So at least one of the threads that close a cycle sees it. An awaited wait has no edge
// until a check probes its task.

mod blocked;
mod check;
mod graph;
mod probe;
mod suspected;

pub use crate::error::wait_cycle::{WaitCycle, WaitStep};
pub(crate) use blocked::BlockedWait;
pub(crate) use probe::{Keeper, also_keeps, pending, pending_elsewhere, poll};
pub use suspected::suspected;
