//! [`sim()`] and [`Simulation`]: run a closure as a deterministic simulation, with its settings and
//! its first threads.

use super::error::{SimError, Why};
use crate::util::checked::at_least_one;
use crate::{
    error::Panic,
    sim_runtime::{Failure, Rules, Scheduler, Trace},
    time::{MILLISECOND, MINUTE, SECOND},
    util::unwind,
};
use std::{
    io, mem,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// Runs `f` as a program whose threads, times and random numbers are all decided by `seed`: see the
/// [module](mod@crate::sim) of the same name.
///
/// ```
/// use nanolith::{prelude::*, sim};
/// # use nanolith_doc_sets::*;
/// let total = sim(42, || {
///     let counter = Counter::service(10).launch().wait().expect("it starts");
///     let jobs = [counter.bump(1).submit(), counter.bump(2).submit()];
///     jobs.map(|job| job.wait().expect("it counts"))
/// });
/// assert_eq!(total, [11, 13]);
/// ```
///
/// # Panics
///
/// Panics with the seed if `f` panics, if all threads wait for ever, or if the simulation does not
/// end. [`Simulation::run`] returns an error instead.
#[track_caller]
pub fn sim<R: Send>(seed: u64, f: impl FnOnce() -> R + Send) -> R {
    match Simulation::new().run(seed, f) {
        Ok(report) => report.value,
        Err(error) => panic!("{error}"),
    }
}

/// The settings of a simulation.
///
/// ```
/// use nanolith::{prelude::*, sim, sim::Simulation, time::MINUTE};
/// let careful = Simulation::new().switch_probability(0.5).step_limit(1_000_000).cores(2);
/// let report = careful.run(42, || sim::advance(MINUTE))?;
/// assert_eq!(report.elapsed, MINUTE);
/// # Ok::<(), sim::SimError>(())
/// ```
///
/// # What leaves a simulation
///
/// The clock and the threads of a simulation belong to it, so nothing runs after it. A handle, a
/// future or the end of a port may leave it: as the value of the closure, or through a channel.
/// When the grace period is over, the rest ends in this order.
///
/// - Pools, [locals](crate::local::Local) and services close. Their calls end as
///   [`CallError::Closed`](crate::error::CallError::Closed): queued calls, calls suspended at an
///   `.await`, and calls that block a thread. The error says that the simulation is over:
///   [`CallTrace::is_simulation_over`](crate::error::CallTrace::is_simulation_over). Calls in bulk,
///   calls in groups and calls held by a layer end in the same way. A call that is submitted later
///   is rejected as `Closed`.
/// - A schedule ends as [`ScheduleEnd::Closed`](crate::schedule::ScheduleEnd::Closed), a pipeline
///   with [`Cause::SimulationOver`](crate::pipeline::Cause::SimulationOver).
/// - Handlers of messages and streams are dropped.
/// - The clock stops. Each [`sleep`](crate::time::sleep) that was made in the simulation ends, even
///   one of `Duration::MAX`. Time limits elapse. A delayed call ends as `Closed`.
///
/// Waits for the end of a pool, of a service or of a schedule end with it. Values held by a
/// suspended call or a handler are dropped once. So the other end of a port, a stream or a
/// messenger among them is closed. A [`CancelToken`](crate::sync::CancelToken) or
/// [`Semaphore`](crate::sync::Semaphore) that has left does not belong to the simulation, and stays
/// unchanged.
///
/// The threads of a pool drop the futures of its suspended calls, and a service's thread drops
/// those of the service. The thread that ran the closure drops the rest: the futures of a local,
/// the arguments of queued and delayed calls, and everything that no other thread has dropped. No
/// lock is held meanwhile, and [`run`](Simulation::run) returns after it.
///
/// A thread that does not end is given up: if it catches the unwinding, if its destructor waits for
/// ever, or if no [steps](Simulation::step_limit) are left for it. Its values stay with it; its
/// call ends all the same. [`Report::given_up`] counts these threads.
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until `run` or `explore`"]
pub struct Simulation {
    rules: Rules,
    patience: Duration,
}

impl Default for Simulation {
    fn default() -> Self {
        Self::new()
    }
}

impl Simulation {
    /// Returns the default settings.
    pub fn new() -> Self {
        let rules = Rules { seed: 0, switch: 0.25, steps: 10_000_000, grace: MINUTE, cores: 4 };
        Self { rules, patience: 10 * SECOND }
    }

    /// Sets the probability that a thread is interrupted where it may be but need not: from 0 to 1.
    /// The default is a quarter. At 0, a thread runs until it waits, or has passed a thousand such
    /// places.
    pub fn switch_probability(mut self, probability: f64) -> Self {
        self.rules.switch = if probability > 0.0 { probability.min(1.0) } else { 0.0 };
        self
    }

    /// Sets the number of steps after which the simulation fails as one that does not end. A step
    /// is a place where a thread waits or may be interrupted; the steps of all threads count. The
    /// default is ten million.
    pub fn step_limit(mut self, steps: u64) -> Self {
        self.rules.steps = steps;
        self
    }

    /// Sets how long, by its own clock, a simulation continues after its closure has returned, for
    /// unfinished work. The default is a minute. The rest is then ended. With `Duration::ZERO` the
    /// clock moves no further. With `Duration::MAX` it continues until nothing is left, or until
    /// the [step limit](Simulation::step_limit) is reached.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.rules.grace = grace;
        self
    }

    /// Sets how many cores the machine appears to have, so that a seed has the same result on each
    /// machine: at least 1. The default is 4.
    ///
    /// # Panics
    ///
    /// If `cores` is 0.
    #[track_caller]
    pub fn cores(mut self, cores: usize) -> Self {
        self.rules.cores = at_least_one("cores", cores);
        self
    }

    /// Sets how long, by the system's clock, one thread may stop all others before a message goes
    /// to standard error. The default is ten seconds, the least value a millisecond.
    /// `Duration::MAX` disables the message.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.max(MILLISECOND); // the check runs this often
        self
    }

    /// Runs `f` with this seed.
    ///
    /// After `f` has returned, the rest runs until no thread can run, or until the
    /// [grace](Simulation::grace) period is over. Then everything that is left
    /// [ends](Simulation#what-leaves-a-simulation), and threads that still wait are unwound without
    /// a message.
    ///
    /// ```
    /// use nanolith::{prelude::*, sim::Simulation};
    /// # use nanolith_doc_sets::*;
    /// let report = Simulation::new().run(42, || Geometry::tasks().add(4, 5).wait())?;
    /// assert_eq!(report.value?, 9);
    /// assert!(report.left_over.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SimError`] if `f` panics, or if a thread of [`spawn`](super::spawn) without a waiter
    /// panics; if all threads wait and no alarm is set; if the step limit is reached; or if the
    /// system cannot start a thread.
    pub fn run<R: Send>(&self, seed: u64, f: impl FnOnce() -> R + Send) -> Result<Report<R>, SimError> {
        unwind::install_hook();
        let world = Scheduler::new(seed, Rules { seed, ..self.rules.clone() });
        let ended = self.run_in(&world, f);
        let trace = world.trace();
        let fail = |why| SimError { seed, why, trace: world.trace() };
        let Ended { value, left, given_up } = ended.map_err(|error| fail(Why::Start(error)))?;
        let why = match (world.failure(), value) {
            (Some(Failure::Deadlock(threads)), _) => Why::Deadlock(threads),
            (Some(Failure::Steps(steps, threads)), _) => Why::Steps(steps, threads),
            (_, Err(panic)) | (Some(Failure::Panicked(panic)), Ok(_)) => Why::Panicked(panic),
            (None, Ok(value)) => {
                let (steps, elapsed, held_up) = (world.steps(), world.clock().elapsed(), world.holders());
                return Ok(Report { value, seed, elapsed, steps, trace, left_over: left, given_up, held_up });
            }
        };
        Err(fail(why))
    }

    fn run_in<R: Send>(&self, world: &Arc<Scheduler>, f: impl FnOnce() -> R + Send) -> io::Result<Ended<R>> {
        let clock = world.clone();
        thread::Builder::new().name("nanolith-sim-clock".into()).spawn(move || clock.run_clock())?;
        let here = thread::current();
        let name = here.name().unwrap_or("nanolith-sim").to_owned();
        thread::scope(|scope| {
            let (tell, told) = mpsc::channel();
            let root = move || {
                let (value, left, given_up) = world.run(|| unwind::catch(f));
                let _ = tell.send(Ended { value, left, given_up }); // the receiver waits for it
            };
            match thread::Builder::new().name(name).spawn_scoped(scope, root) {
                Ok(_) => Ok(self.watch(world, &told)),
                Err(error) => {
                    world.close();
                    Err(error)
                }
            }
        })
    }

    /// Waits for the end, and reports a thread that stops the others.
    fn watch<R>(&self, world: &Scheduler, told: &mpsc::Receiver<Ended<R>>) -> Ended<R> {
        let (mut seen, mut has_told) = (world.steps(), false);
        loop {
            match told.recv_timeout(self.patience) {
                Ok(ended) => return ended,
                Err(mpsc::RecvTimeoutError::Disconnected) => unreachable!("what the closure throws is caught"),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            let now = world.steps();
            if now != seen {
                (seen, has_told) = (now, false);
            } else if !mem::replace(&mut has_told, true) {
                self.tell(world);
            }
        }
    }

    fn tell(&self, world: &Scheduler) {
        let Some(holder) = world.note_holder() else { return };
        let (seed, patience) = (world.rules().seed, self.patience);
        eprintln!(
            "simulation with seed {seed}: the thread `{holder}` has kept all others from going on for {patience:?}. It computes, or \
             blocks by other means than nanolith's: a lock that another thread of the simulation holds, a channel, a sleep."
        );
    }
}

/// The outcome of a closure, and what had not ended after it.
struct Ended<R> {
    value: Result<R, Panic>,
    left: Vec<String>,
    given_up: usize,
}

/// The result of a simulation. Returned by [`Simulation::run`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Report<R> {
    /// The value that the closure returned.
    pub value: R,
    /// The seed.
    pub seed: u64,
    /// The time by which the clock had moved when all threads had ended.
    pub elapsed: Duration,
    /// The number of places that threads passed where they waited or might have been interrupted.
    pub steps: u64,
    /// The order in which threads ran.
    pub trace: Trace,
    /// The threads that had not ended after the grace period, and were ended: one line for each.
    pub left_over: Vec<String>,
    /// The number of those threads that could not be ended, and wait for ever.
    pub given_up: usize,
    /// The threads that had stopped all others for too long: see [`Simulation::patience`].
    pub held_up: Vec<Arc<str>>,
}
