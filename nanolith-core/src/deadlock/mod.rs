//! Cycles of waits: which end by themselves, and which are reported.
//!
//! A task that waits for a call which, directly or over other calls, waits for that task would wait for ever. Such a cycle is
//! found in the [wait-for graph] of calls. One call of the cycle ends as
//! [`CallError::WouldDeadlock`](crate::CallError::WouldDeadlock); its text and [`At::cycle`](crate::At::cycle) name each call, its
//! executor and its source line.
//!
//! | the tasks of the cycle | what happens |
//! |---|---|
//! | all block, by `.wait()` | the wait that closes the cycle fails at once |
//! | some await, each waits for nothing but the next call | a call that has not begun ends, after about a second without progress |
//! | one also waits for a timer, a channel or a future of another crate | all run on; [`suspected`] reports the cycle once |
//!
//! A wait is a wait for the end of a call, or for room in a queue. A call waits for the thread of its service, for the state that a
//! reader or writer there has, for a place of its kind (`#[task(concurrency = 1)]`), for a thread of a pool whose threads all wait,
//! or for room below `max_in_flight`.
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
//! - A wait with a limit (`wait_timeout`, `.timeout(..)`) ends by itself, so it is part of no cycle.
//! - Waits for a port, a stream, a messenger, a permit, a group, a layer's limit, a share's limit or a lock: who ends them is not known.
//! - Waits for a load of a [`Cache`](crate::layers::Cache) that another call runs.
//!   A task that awaits one of these beside a call counts as one that waits for something else.
//! - Handles that are awaited within a `FuturesUnordered`, or whatever else polls with a waker of its own: its tasks run on.
//! - Asynchronous tasks of a [`Local`](crate::Local), asynchronous hooks of tasks that are synchronous, and `#[init]`.
//! - Awaited cycles where time is moved by hand: under a [`MockClock`](crate::time::MockClock), and in a simulation, whose scheduler
//!   reports a deadlock itself.
//!
//! # What it costs
//!
//! A blocking wait that goes to sleep registers what it waits for. A pending `.await` of a handle within a task stores one number.
//! The first one arms a check, which looks four times a second at the tasks that began to wait, and ends when it knows of each
//! whether it goes on. An idle process has no check. The check has a task that made no progress polled once more, with a waker whose
//! clones it counts. A future has to keep the waker of its last poll, so this tells what the task waits for: see
//! [`Future::poll`].
//!
//! [wait-for graph]: https://en.wikipedia.org/wiki/Wait-for_graph

// A node of the graph is a call, or the room for one; an edge leads to what it needs. A blocking wait registers its edge and then
// follows the chain of blocking waits from there: so of the threads that close a cycle at least one sees it. Awaited waits have no
// edge until a check probes their tasks.

mod blocked;
mod check;
mod graph;
mod probe;
mod suspected;

pub use crate::error::wait_cycle::{WaitCycle, WaitStep};
pub(crate) use blocked::BlockedWait;
pub(crate) use probe::{Keeper, also_keeps, pending, pending_elsewhere, poll};
pub use suspected::{NextSuspected, Suspected, suspected};
