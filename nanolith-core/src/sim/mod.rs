//! Whole programs, run from a seed: pools, services, clusters, messengers, streams and timers, with every thread's turn and
//! every hour of waiting decided by one number.
//!
//! [`sim()`] runs a closure as such a program. Its threads are real ones, but one runs at a time, and where one waits, or may be
//! interrupted, the seed says who goes on. Time stands still while anybody could run and jumps to the next alarm when nobody
//! could, so hours take no time. [`explore`] runs it for many seeds, stops at the first that fails and tells it; the same seed
//! runs the same way again. Where all wait for each other, that is told too, and nobody hangs.
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
//! All that is made within the closure: pools, services and clusters; a global pool and names of messengers that are the
//! simulation's own; threads started by [`spawn`]; sleeps, time-outs, deadlines, restarts and their backoff. A `par_iter` within a
//! pool's task is done by that task's thread. Messages, streams, ports and all that waits by `.wait()` or `.await` go as they do
//! elsewhere. [`random`] draws from the seed.
//!
//! Threads are interrupted where they submit a call, take one up, end one or wait, not between any two lines. Nobody looks on
//! before they sleep, and plain calls never pass the queue's lock: how fast a program is does not show.
//!
//! # What is not
//!
//! A thread that blocks by other means, such as `std::sync::mpsc`, `std::thread::sleep` or a file, keeps all others from going on
//! meanwhile. One that waits so for another thread of the simulation never goes on; that is said on standard error after ten
//! seconds, with the seed. The same happens where a thread keeps a `std::sync::Mutex` locked while it submits or waits, and
//! another wants it: with a [switch probability](Simulation::switch_probability) of zero, hardly anything but a wait interrupts. Threads started by
//! `std::thread::spawn` and executors of others are not of the simulation, nor are pools and services that were made before;
//! `std::time::Instant` and `HashMap`'s order go by no seed.

mod error;
mod explore;
mod run;
mod spawn;

pub use crate::sim_runtime::{Switch, Trace};
pub use error::SimError;
pub use explore::explore;
pub use run::{Report, Simulation, sim};
pub use spawn::{Spawned, spawn};

use crate::{service::Service, sim_runtime, task::TaskSet, time::sleep};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// Whether this thread is one of a simulation.
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

/// How far the simulation's clock has moved; zero outside of one.
///
/// ```
/// use nanolith::{prelude::*, sim};
/// assert_eq!(sim(42, || { sim::advance(MINUTE); sim::elapsed() }), MINUTE);
/// ```
#[must_use]
pub fn elapsed() -> Duration {
    sim_runtime::world().map_or(Duration::ZERO, |world| world.clock().elapsed())
}

/// Waits until so much time has passed, as [`sleep(..).wait()`](crate::time::sleep) does: all others do meanwhile what they do in
/// that time. A time beyond the [end of the clock](crate::time::MockClock#the-end-of-time) never passes.
///
/// ```
/// use nanolith::{prelude::*, sim, time::HOUR};
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

/// A number by chance: from the simulation's seed, or any outside of one.
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

/// Lets others go first, in a loop that polls. Where all poll, time goes on.
///
/// ```
/// use nanolith::{prelude::*, sim, time::now};
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

/// Has a service crash when it is at no synchronous call: what it has begun ends as
/// [`CallError::Crashed`](crate::CallError::Crashed), and its restart policy says how it goes on. Says false if it has ended, or is
/// terminated.
///
/// ```
/// use nanolith::{Restart, prelude::*, sim};
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

/// Which threads have gone on so far, in order; none outside of a simulation.
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
