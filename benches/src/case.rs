//! A case: what is compared, by whom, and in which unit.

use crate::{
    goals::Goal,
    measure::{Lap, Sample},
};

/// One comparison. Its first contender is the baseline.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    pub(crate) contenders: &'static [Contender],
    pub(crate) goals: &'static [Goal],
    /// Whether it runs only where it is named: it takes minutes.
    pub(crate) only_named: bool,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    TasksPerMs,
    CallsPerMs,
    ChildrenPerMs,
    MessagesPerMs,
    DeliveriesPerMs,
    ChunksPerMs,
    ItemsPerMs,
    /// The median, with the 99th percentile beside it.
    Nanos,
    PercentOfCore,
    Seconds,
    /// Of building.
    MillisPerTask,
    /// In a tree of dependencies.
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
            Self::Nanos => "ns",
            Self::PercentOfCore => "% of a core",
            Self::Seconds => "s",
            Self::MillisPerTask => "ms a task",
            Self::Crates => "crates",
        }
    }

    /// Whether less is better.
    pub(crate) fn is_cost(self) -> bool {
        matches!(self, Self::Nanos | Self::PercentOfCore | Self::Seconds | Self::MillisPerTask | Self::Crates)
    }
}

/// A name, and what it does.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) act: Act,
}

/// How a contender runs.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// Runs once and gives its figures.
    Run(fn(&Lap) -> Sample),
    /// The same where what it needs is there; says what is missing otherwise. What it costs it says itself.
    Try(fn(&Lap) -> Result<Sample, String>),
}

impl Contender {
    pub(crate) const fn new(name: &'static str, run: fn(&Lap) -> Sample) -> Self {
        Self { name, act: Act::Run(run) }
    }

    pub(crate) const fn attempt(name: &'static str, run: fn(&Lap) -> Result<Sample, String>) -> Self {
        Self { name, act: Act::Try(run) }
    }

    /// Whether its allocations and its memory are those of a process that runs it.
    pub(crate) fn is_probed(&self) -> bool {
        matches!(self.act, Act::Run(_))
    }

    /// Runs once; says why not where it cannot.
    pub(crate) fn run(&self, lap: &Lap) -> Result<Sample, String> {
        match self.act {
            Act::Run(run) => Ok(run(lap)),
            Act::Try(run) => run(lap),
        }
    }
}
