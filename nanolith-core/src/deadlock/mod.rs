//! Cycles of waits, found in the [wait-for graph] of tasks, calls and queues.
//!
//! A node of the graph is a call; an edge leads from a call whose task waits to the call, or to the queue, that it waits for. A
//! blocking wait registers its edge and then follows the chain of blocking waits from there: so of the threads that close a
//! cycle at least one sees it, and its wait ends at once.
//!
//! [wait-for graph]: https://en.wikipedia.org/wiki/Wait-for_graph

mod blocked;
mod cycle;

pub(crate) use blocked::{BlockedWait, BlockedWaiter, Wait};
pub use cycle::{WaitCycle, WaitStep};
