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

    /// Returns the pace of one of several callers, of at least `least` calls.
    pub(crate) fn calls_of(&self, least: u64) -> Pace {
        Pace::lasting(self.duration, least, 16)
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
    /// The second figure, if the case's unit has one.
    pub(crate) second: Option<f64>,
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
        let [median, p99] = laps.per_mille([500, 990]);
        Sample { figure: median, p99: Some(p99), ..costs }
    }

    /// Returns the sample of a section that ran `tasks` tasks, and the 99th percentile of timed
    /// ones.
    pub(crate) fn rate_with_p99(self, tasks: u64, timed: Times) -> Sample {
        let sample = self.rate(tasks);
        let [p99] = timed.per_mille([990]);
        Sample { p99: Some(p99), ..sample }
    }

    /// Returns a meter that has stopped: later work does not count.
    pub(crate) fn stop(self) -> StoppedMeter {
        StoppedMeter { took: self.began.elapsed(), cpu: self.cpu.elapsed(), allocations: self.allocations() }
    }

    fn allocations(&self) -> Option<f64> {
        self.counting.then(|| alloc::stop_counting() as f64)
    }

    fn costs(&self, tasks: u64) -> Sample {
        let tasks = tasks as f64;
        let cpu = Some(self.cpu.elapsed().as_secs_f64() * 1e9 / tasks);
        let allocations = self.allocations().map(|count| count / tasks);
        Sample { cpu, allocations, ..Sample::default() }
    }
}

/// The measured section of a meter, whose figures are known later.
pub(crate) struct StoppedMeter {
    took: Duration,
    cpu: Duration,
    allocations: Option<f64>,
}

impl StoppedMeter {
    /// Returns the sample of a server: the times of cheap requests, and the rate and the costs of
    /// `heavy` ones.
    pub(crate) fn requests(self, cheap: Times, heavy: u64) -> Sample {
        let heavy = heavy as f64;
        let [median, p99] = cheap.per_mille([500, 990]);
        Sample {
            figure: median,
            p99: Some(p99),
            second: Some(heavy / self.took.as_secs_f64()),
            cpu: Some(self.cpu.as_secs_f64() * 1e9 / heavy),
            allocations: self.allocations.map(|count| count / heavy),
            ..Sample::default()
        }
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
        Self::of(1 << 20)
    }

    /// Creates it for `count` calls. It allocates again beyond that number.
    pub(crate) fn of(count: usize) -> Self {
        Self { nanos: Vec::with_capacity(count) }
    }

    pub(crate) fn push(&mut self, took: Duration) {
        self.nanos.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }

    /// Adds the times of another thread or task.
    pub(crate) fn extend(&mut self, more: Self) {
        self.nanos.extend(more.nanos);
    }

    /// Returns percentiles in nanoseconds.
    fn per_mille<const COUNT: usize>(self, shares: [usize; COUNT]) -> [f64; COUNT] {
        let mut sorted = self.nanos;
        sorted.sort_unstable();
        shares.map(|share| median::per_mille(&sorted, share))
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
