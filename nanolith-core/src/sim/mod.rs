//! Deterministic simulation of whole programs: one seed decides the order of all threads and the
//! passing of time, for pools, services, clusters, messengers, streams and timers.
//!
//! Needs the cargo feature `test-util`.
//!
//! [`sim()`] runs a closure as such a program. Its threads are real threads, but only one runs at a
//! time. Where a thread waits, or may be interrupted, the seed chooses the thread that runs next.
//! Time stops while any thread can run. When no thread can run, time jumps to the next alarm, so
//! hours take no time.
//!
//! [`explore`] runs the closure for many seeds, stops at the first failure and reports it. The same
//! seed repeats the same run. If all threads wait for each other, the simulation fails with a
//! deadlock and does not hang.
//!
//! ```
//! use nanolith::{prelude::*, sim, time::{HOUR, sleep}};
//! # pub struct Geometry;
//! # #[define]
//! impl Geometry {
//!     pub async fn add_in_an_hour(x: i64, y: i64) -> i64 { sleep(HOUR).await; x + y }
//! }
//! let sum = sim(42, || {
//!     let sum = Geometry::tasks().add_in_an_hour(4, 5).wait();
//!     assert_eq!(sim::elapsed(), HOUR);
//!     sum
//! });
//! assert_eq!(sum?, 9);
//! # Ok::<(), CallError>(())
//! ```
//!
//! # What is simulated
//!
//! Everything that is made within the closure is simulated: pools, services and clusters; a global
//! pool and messenger names that belong to the simulation; threads started by [`spawn`]; sleeps,
//! time-outs, deadlines, restarts and their backoff. A `par_iter` within a pool's task runs on that
//! task's thread. Messages, streams, ports and everything that waits by `.wait()` or `.await` work
//! as they do elsewhere. [`random`] draws from the seed.
//!
//! Threads are interrupted where they submit, start or end a call, or wait; not between any two
//! lines. Threads do not spin before they sleep, and calls never take the fast path past the
//! queue's lock. So a simulation does not show how fast a program is.
//!
//! # What is not
//!
//! A thread that blocks by other means, such as `std::sync::mpsc`, `std::thread::sleep` or a file,
//! stops all other threads in the meantime. If it waits for another thread of the simulation in
//! this way, it never resumes. After ten seconds, a message with the seed goes to standard error.
//! The same happens if a thread holds a `std::sync::Mutex` while it submits or waits, and another
//! thread locks it. With a [switch probability](Simulation::switch_probability) of zero, hardly
//! anything but a wait interrupts.
//!
//! These are not simulated: threads started by `std::thread::spawn`, executors of other crates, and
//! pools and services made before. The seed has no effect on `std::time::Instant` and on the order
//! of a `HashMap`.

mod error;
mod explore;
mod run;
mod spawn;

pub use crate::sim_runtime::{Switch, Trace};
pub use error::SimError;
pub use explore::explore;
pub use run::{Report, Simulation, sim};
pub use spawn::{SimJoinHandle, spawn};

use crate::{context::Wait, service::Service, sim_runtime, task::TaskSet, time::sleep};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// Returns whether this thread belongs to a simulation.
///
/// ```
/// use nanolith::sim;
/// assert!(sim(42, sim::is_simulated));
/// assert!(!sim::is_simulated());
/// ```
#[must_use]
pub fn is_simulated() -> bool {
    sim_runtime::is_here()
}

/// Returns how far the simulation's clock has moved; zero outside of a simulation.
///
/// ```
/// use nanolith::{prelude::*, sim, time::MINUTE};
/// assert_eq!(sim(42, || { sim::advance(MINUTE); sim::elapsed() }), MINUTE);
/// ```
#[must_use]
pub fn elapsed() -> Duration {
    sim_runtime::world().map_or(Duration::ZERO, |world| world.clock().elapsed())
}

/// Waits until the duration `by` has passed, like [`sleep(..).wait()`](crate::time::sleep).
/// Meanwhile, all other threads run as they do in that time. A time beyond the [end of the
/// clock](crate::time::MockClock#the-end-of-time) never passes.
///
/// ```
/// use nanolith::{prelude::*, sim, time::{HOUR, SECOND}};
/// # pub struct Geometry;
/// # #[define]
/// # impl Geometry {
/// #     pub async fn add_in_an_hour(x: i64, y: i64) -> i64 { nanolith::time::sleep(HOUR).await; x + y }
/// # }
/// sim(42, || {
///     let job = Geometry::tasks().add_in_an_hour(4, 5).submit();
///     sim::advance(HOUR - SECOND);
///     assert!(!job.is_finished());
///     sim::advance(2 * SECOND);
///     assert!(job.is_finished());
/// });
/// ```
pub fn advance(by: Duration) {
    sleep(by).wait();
}

/// Returns a random number: from the simulation's seed, or, outside of a simulation, without one.
///
/// ```
/// use nanolith::sim;
/// assert_eq!(sim(42, sim::random), sim(42, sim::random));
/// assert_ne!(sim(42, sim::random), sim(43, sim::random));
/// ```
#[must_use]
pub fn random() -> u64 {
    match sim_runtime::world() {
        Some(world) => world.draw(),
        None => RandomState::new().build_hasher().finish(),
    }
}

/// Lets other threads run first, in a loop that polls. If all threads poll, time advances.
///
/// ```
/// use nanolith::{prelude::*, sim, time::{SECOND, now}};
/// sim(42, || {
///     let nap = sim::spawn(|| sim::advance(SECOND));
///     while !nap.is_over() {
///         sim::yield_now();
///     }
///     assert_eq!(sim::elapsed(), SECOND);
/// });
/// ```
pub fn yield_now() {
    if sim_runtime::is_here() {
        sim_runtime::yield_now();
    } else {
        std::thread::yield_now();
    }
}

/// Makes a service crash between synchronous calls. Calls that it has started end as
/// [`CallError::Crashed`](crate::error::CallError::Crashed), and its restart policy decides what
/// follows. Returns `false` if the service has ended or is terminated.
///
/// ```
/// use nanolith::{prelude::*, service::Restart, sim};
/// # use nanolith_doc_sets::*;
/// sim(42, || {
///     let counter = Counter::service(10).restart(Restart::on_panic()).launch().wait()?;
///     assert_eq!(counter.bump(5).wait()?, 15);
///     assert!(sim::crash(&counter));
///     assert_eq!(counter.bump(5).wait()?, 15); // a new state, after a rest that took no time
///     Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub fn crash<S: TaskSet>(service: &Service<S>) -> bool {
    service.crash()
}

/// Returns the order in which threads have run so far; an empty trace outside of a simulation.
///
/// ```
/// use nanolith::{prelude::*, sim};
/// # use nanolith_doc_sets::*;
/// let traced = |seed| sim(seed, || Geometry::tasks().add(4, 5).wait().map(|_| sim::trace()));
/// assert_eq!(traced(42)?, traced(42)?);
/// # Ok::<(), CallError>(())
/// ```
#[must_use]
pub fn trace() -> Trace {
    sim_runtime::world().map_or_else(Trace::default, |world| world.trace())
}
