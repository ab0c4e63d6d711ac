//! Running a simulation: its settings, and its first threads.

use super::error::{SimError, Why};
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

/// Runs `f` as a program whose threads, times and chances are all decided by `seed`: see the [module](mod@crate::sim) of the same name.
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
/// Panics with the seed if `f` panics, if all threads wait for ever, or if it does not end: see [`Simulation::run`], which gives
/// that as an error.
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
/// use nanolith::{prelude::*, sim::{self, Simulation}};
/// let careful = Simulation::new().switch_probability(0.5).step_limit(1_000_000).cores(2);
/// let report = careful.run(42, || sim::advance(MINUTE))?;
/// assert_eq!(report.elapsed, MINUTE);
/// # Ok::<(), sim::SimError>(())
/// ```
///
/// # What leaves a simulation
///
/// The clock and the threads of a simulation are its own, so nothing goes on after it. A handle, a future or the end of a port may
/// leave: as the value of the closure, or through a channel. When the grace is over, what is left ends in this order.
///
/// - Pools, [locals](crate::Local) and services close. Their calls end as [`CallError::Closed`](crate::CallError::Closed), whether
///   they are queued, suspended at an `.await` or block a thread. The error says that the simulation is over:
///   [`At::is_simulation_over`](crate::At::is_simulation_over). So do calls in bulk and in groups, and those that a layer
///   keeps. A call that is submitted later is refused as `Closed`.
/// - A schedule ends as [`ScheduleEnd::Closed`](crate::schedule::ScheduleEnd::Closed), a pipeline with
///   [`Cause::SimulationOver`](crate::pipeline::Cause::SimulationOver).
/// - Handlers of messages and streams are dropped.
/// - The clock stops. Each [`sleep`](crate::time::sleep) that was made in the simulation ends, even one of `Duration::MAX`. Time
///   limits elapse. A delayed call ends as `Closed`.
///
/// Waits for the end of a pool, of a service or of a schedule end with these. What a suspended call or a handler holds is dropped
/// once. So a port, a stream or a messenger whose other end it held is closed. A [`CancelToken`](crate::CancelToken)
/// or [`Permits`](crate::Permits) that left are not of the simulation: they stay as they are.
///
/// The threads of a pool drop the futures of its suspended calls, and a service's thread drops those of the service. The thread that ran the
/// closure drops the rest: the futures of a local, arguments of queued and delayed calls, and what no other thread has come to. No lock is held
/// meanwhile, and [`run`](Simulation::run) returns after it.
///
/// A thread is given up where it does not end: it catches the unwinding, its destructor waits for ever, or no
/// [steps](Simulation::step_limit) are left for it. What it holds stays with it; its
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
    /// The default settings.
    pub fn new() -> Self {
        let rules = Rules { seed: 0, switch: 0.25, steps: 10_000_000, grace: MINUTE, cores: 4 };
        Self { rules, patience: 10 * SECOND }
    }

    /// How probable it is that a thread is interrupted where it may be but need not: from 0 to 1, a quarter unless this says
    /// otherwise. At 0 a thread goes on until it waits, or has come by a thousand such places.
    pub fn switch_probability(mut self, probability: f64) -> Self {
        self.rules.switch = if probability > 0.0 { probability.min(1.0) } else { 0.0 };
        self
    }

    /// At how many places, all in all, threads may come by that they wait or may be interrupted, before the simulation fails as one
    /// that does not end: ten million unless this says otherwise.
    pub fn step_limit(mut self, steps: u64) -> Self {
        self.rules.steps = steps;
        self
    }

    /// How long, by its own clock, a simulation goes on when its closure has returned, for what is still under way: a minute unless
    /// this says otherwise. What is left then is ended. With `Duration::ZERO` the clock moves no further; with
    /// `Duration::MAX` it goes on until nothing is left, or the [step limit](Simulation::step_limit) is reached.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.rules.grace = grace;
        self
    }

    /// How many cores the machine seems to have, so that a seed means the same on each: 4 unless this says otherwise, at least 1.
    pub fn cores(mut self, cores: usize) -> Self {
        self.rules.cores = cores.max(1);
        self
    }

    /// How long, by the system's clock, one thread may keep all others from going on before that is said on standard error: ten
    /// seconds unless this says otherwise, a millisecond at least. `Duration::MAX` says nothing.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.max(MILLISECOND); // one looks so often
        self
    }

    /// Runs `f` with this seed.
    ///
    /// When `f` has returned, what it left goes on until nobody could, or until the [grace](Simulation::grace) is over. Then all
    /// that is left [ends](Simulation#what-leaves-a-simulation), and threads that still wait are made to unwind, silently.
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
    /// [`SimError`] if `f` panics, or a thread of [`spawn`](super::spawn) for which nobody waits; if all threads wait and no alarm
    /// is set; if it comes to the step limit; or if the system gives no thread.
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

    /// Waits for the end, and says who keeps others from going on.
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

/// What a closure came to, and what it left.
struct Ended<R> {
    value: Result<R, Panic>,
    left: Vec<String>,
    given_up: usize,
}

/// How a simulation went: given by [`Simulation::run`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Report<R> {
    /// What the closure gave.
    pub value: R,
    /// The seed.
    pub seed: u64,
    /// How far the clock had moved when all had ended.
    pub elapsed: Duration,
    /// How many places threads came by where they waited or might have been interrupted.
    pub steps: u64,
    /// Which threads went on, in order.
    pub trace: Trace,
    /// What had not ended when the grace was over, and was ended: a line a thread.
    pub left_over: Vec<String>,
    /// How many of those could not be ended, and stand still for ever.
    pub given_up: usize,
    /// Which threads had kept all others from going on for too long: see [`Simulation::patience`].
    pub held_up: Vec<Arc<str>>,
}
