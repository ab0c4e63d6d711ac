//! [`Meter`]: measures one run of a contender. It measures time and CPU time, and in a probe, which
//! is a run of its own, allocations and memory.

use crate::{alloc, median, pace::Pace};
use cpu_time::ProcessTime;
use std::{
    fs,
    time::{Duration, Instant},
};

/// The settings of one run of one contender.
#[derive(Clone, Copy)]
pub(crate) struct Lap {
    /// The least duration of the measured section.
    pub(crate) duration: Duration,
    /// Whether allocations are counted. Counting takes time, so such a run is not timed.
    pub(crate) counting: bool,
    /// Whether contenders that are not written in Rust run too.
    pub(crate) node: bool,
}

impl Lap {
    /// Returns the pace of a run of at least `least` tasks.
    pub(crate) fn tasks(&self, least: u64) -> Pace {
        Pace::lasting(self.duration, least, 1_024)
    }

    /// Returns the pace of a run of at least `least` rounds that are larger than a task.
    pub(crate) fn rounds(&self, least: u64) -> Pace {
        Pace::lasting(self.duration, least, 1)
    }

    /// Returns the pace of a run whose calls are timed one by one.
    pub(crate) fn calls(&self) -> Pace {
        Pace::lasting(self.duration, LEAST_CALLS, 64)
    }
}

const LEAST_CALLS: u64 = 5_000;

/// The figures of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// The figure, in the case's unit.
    pub(crate) figure: f64,
    /// The 99th percentile, if calls are timed one by one.
    pub(crate) p99: Option<f64>,
    /// The CPU time of the whole process, in nanoseconds for each task.
    pub(crate) cpu: Option<f64>,
    /// The allocations for each task.
    pub(crate) allocations: Option<f64>,
    /// The peak memory in MiB, for a run in a process of its own.
    pub(crate) peak_memory: Option<f64>,
}

/// A meter that measures from the start of a section to its end.
pub(crate) struct Meter {
    counting: bool,
    cpu: ProcessTime,
    began: Instant,
}

impl Meter {
    pub(crate) fn start(lap: &Lap) -> Self {
        if lap.counting {
            alloc::start_counting();
        }
        Self { counting: lap.counting, cpu: ProcessTime::now(), began: Instant::now() }
    }

    /// Returns the sample of a section that ran `tasks` tasks, in tasks for each millisecond.
    pub(crate) fn rate(self, tasks: u64) -> Sample {
        let took = self.began.elapsed();
        let figure = tasks as f64 / took.as_secs_f64() / 1e3;
        Sample { figure, ..self.costs(tasks) }
    }

    /// Returns the sample of the timed calls, with the median in nanoseconds.
    pub(crate) fn latency(self, laps: Times) -> Sample {
        let costs = self.costs(laps.nanos.len() as u64);
        let mut sorted = laps.nanos;
        sorted.sort_unstable();
        Sample { figure: median::per_mille(&sorted, 500), p99: Some(median::per_mille(&sorted, 990)), ..costs }
    }

    fn costs(&self, tasks: u64) -> Sample {
        let tasks = tasks as f64;
        let cpu = Some(self.cpu.elapsed().as_secs_f64() * 1e9 / tasks);
        let allocations = self.counting.then(|| alloc::stop_counting() as f64 / tasks);
        Sample { cpu, allocations, ..Sample::default() }
    }
}

/// The times of single calls.
pub(crate) struct Times {
    nanos: Vec<u32>,
}

impl Times {
    /// Creates it before the measured section. It allocates here, and not again for a usual number
    /// of calls.
    pub(crate) fn new() -> Self {
        Self { nanos: Vec::with_capacity(1 << 20) }
    }

    pub(crate) fn push(&mut self, took: Duration) {
        self.nanos.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }
}

/// Returns the CPU time of this process so far.
pub(crate) fn cpu_time() -> Duration {
    ProcessTime::now().as_duration()
}

/// Returns the peak memory of this process in MiB. It is known on Linux.
pub(crate) fn peak_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1_024.0)
}
