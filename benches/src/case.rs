//! [`Case`]: a benchmark case, with its contenders, its goals and the unit of its figures. A
//! [`Contender`] is one row: a library or hand-written code that does the same work.

use crate::{
    goals::Goal,
    measure::{Lap, Sample},
    peers::cores,
};

/// A comparison. Its first contender is the baseline.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    pub(crate) contenders: &'static [Contender],
    pub(crate) goals: &'static [Goal],
    /// Whether the case runs only when it is named, since it takes minutes.
    pub(crate) only_named: bool,
}

impl Case {
    /// Returns the goals for the number of cores that this process has.
    pub(crate) fn goals_here(&self) -> impl Iterator<Item = &'static Goal> {
        self.goals.iter().filter(|goal| goal.applies(cores()))
    }
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    TasksPerMs,
    CallsPerMs,
    ChildrenPerMs,
    MessagesPerMs,
    DeliveriesPerMs,
    ChunksPerMs,
    ItemsPerMs,
    /// The median in nanoseconds, with the 99th percentile beside it.
    Nanos,
    /// The median of a cheap request in nanoseconds, with the rate of heavy requests beside it.
    RequestNanos,
    PercentOfCore,
    Seconds,
    /// Milliseconds of build time for each task.
    MillisPerTask,
    /// The crates in a dependency tree.
    Crates,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TasksPerMs => "tasks/ms",
            Self::CallsPerMs => "calls/ms",
            Self::ChildrenPerMs => "children/ms",
            Self::MessagesPerMs => "messages/ms",
            Self::DeliveriesPerMs => "deliveries/ms",
            Self::ChunksPerMs => "chunks/ms",
            Self::ItemsPerMs => "items/ms",
            Self::Nanos | Self::RequestNanos => "ns",
            Self::PercentOfCore => "% of a core",
            Self::Seconds => "s",
            Self::MillisPerTask => "ms a task",
            Self::Crates => "crates",
        }
    }

    /// Whether a smaller figure is better.
    pub(crate) fn is_cost(self) -> bool {
        matches!(
            self,
            Self::Nanos | Self::RequestNanos | Self::PercentOfCore | Self::Seconds | Self::MillisPerTask | Self::Crates
        )
    }

    /// Returns the unit of the second figure, if there is one. More of it is better.
    pub(crate) fn second(self) -> Option<&'static str> {
        (self == Self::RequestNanos).then_some("heavy/s")
    }
}

/// A contender: its name, and the way in which it runs.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) act: Act,
}

/// The way in which a contender runs.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// Runs once and returns its figures.
    Run(fn(&Lap) -> Sample),
    /// Runs once if its requirements are met, and otherwise returns what is missing. It reports its
    /// own costs.
    Try(fn(&Lap) -> Result<Sample, String>),
}

impl Contender {
    pub(crate) const fn new(name: &'static str, run: fn(&Lap) -> Sample) -> Self {
        Self { name, act: Act::Run(run) }
    }

    pub(crate) const fn attempt(name: &'static str, run: fn(&Lap) -> Result<Sample, String>) -> Self {
        Self { name, act: Act::Try(run) }
    }

    /// Whether a probe measures its allocations and memory in a process of their own.
    pub(crate) fn is_probed(&self) -> bool {
        matches!(self.act, Act::Run(_))
    }

    /// Runs once, or returns the reason why it cannot run.
    pub(crate) fn run(&self, lap: &Lap) -> Result<Sample, String> {
        match self.act {
            Act::Run(run) => Ok(run(lap)),
            Act::Try(run) => run(lap),
        }
    }
}
