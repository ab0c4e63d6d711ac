//! Runs the contenders of a case in turn, round by round, so that a disturbance of the machine
//! affects all of them.

use crate::{
    args::Options,
    case::{Case, Contender},
    goals::{Figure, Goal},
    measure::{Lap, Sample},
    median,
    probe::{Costs, Probe},
    report::number,
};
use std::time::Duration;

/// The least duration of a measured section.
const LAP: Duration = Duration::from_millis(150);
const SHORT_LAP: Duration = Duration::from_millis(80);

/// The figures of a case.
pub(crate) struct Measured {
    pub(crate) case: &'static Case,
    pub(crate) rows: Vec<Row>,
}

/// The figures of a contender.
pub(crate) struct Row {
    pub(crate) contender: &'static Contender,
    pub(crate) rounds: Vec<Sample>,
    /// The reason why there are no figures, if there are none.
    pub(crate) missing: Option<String>,
    /// The costs from its probe, if it was probed.
    pub(crate) costs: Costs,
}

/// Runs all contenders of a case.
pub(crate) fn compared(case: &'static Case, options: &Options) -> Measured {
    let rows = case.contenders.iter().map(Row::new).collect();
    timed(case, rows, options.rounds, &Lap { duration: LAP, counting: false, node: options.node })
}

/// Runs the contenders that the case's goals are about, in shorter laps.
pub(crate) fn checked(case: &'static Case, options: &Options) -> Measured {
    let needed = |contender: &&Contender| case.goals_here().any(|goal| goal.rows().any(|row| row == contender.name));
    let rows = case.contenders.iter().filter(needed).map(Row::new).collect();
    let lap = Lap { duration: SHORT_LAP, counting: false, node: options.node };
    let mut measured = timed(case, rows, options.rounds, &lap);
    let probed: Vec<_> = case.goals_here().filter(|goal| goal.figure.is_probed()).flat_map(|goal| goal.ours).collect();
    measured
        .rows
        .iter_mut()
        .filter(|row| probed.contains(&&row.contender.name))
        .for_each(|row| row.probe(case, options));
    measured
}

fn timed(case: &'static Case, mut rows: Vec<Row>, rounds: usize, lap: &Lap) -> Measured {
    for _ in 0..rounds {
        rows.iter_mut().filter(|row| row.missing.is_none()).for_each(|row| row.run(lap));
    }
    Measured { case, rows }
}

impl Measured {
    /// Measures what is not timed: runs each contender once more, in a process of its own.
    pub(crate) fn probe(&mut self, options: &Options) {
        let case = self.case;
        self.rows.iter_mut().filter(|row| row.missing.is_none()).for_each(|row| row.probe(case, options));
    }

    /// Returns a figure of the row of this name in each round, or the reason why there is none.
    pub(crate) fn figures(&self, row: &str, figure: Figure) -> Result<Vec<f64>, String> {
        let row = self.row(row).ok_or("no such row")?;
        let figures = row.in_rounds(figure);
        if figures.is_empty() { Err(row.missing.clone().unwrap_or_else(|| "no figure".into())) } else { Ok(figures) }
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|found| found.contender.name == name)
    }

    /// Returns the CPU time of a goal's rows, as the end of the goal's line.
    pub(crate) fn cpu_of(&self, goal: &Goal) -> String {
        let of = |rows: &[&str]| {
            let cpu = rows.iter().filter_map(|row| self.row(row)?.cpu()).map(number);
            cpu.collect::<Vec<_>>().join(" ")
        };
        match (of(goal.ours), of(goal.peers)) {
            (ours, _) if ours.is_empty() => String::new(),
            (ours, peers) if peers.is_empty() => format!("  cpu ns {ours}"),
            (ours, peers) => format!("  cpu ns {ours}, of the peers {peers}"),
        }
    }

    /// Returns the median of the first row.
    pub(crate) fn baseline(&self) -> Option<f64> {
        self.rows.first()?.figure(Figure::Median)
    }
}

impl Row {
    fn new(contender: &'static Contender) -> Self {
        Self { contender, rounds: Vec::new(), missing: None, costs: Costs::default() }
    }

    fn run(&mut self, lap: &Lap) {
        match self.contender.run(lap) {
            Ok(sample) => self.rounds.push(sample),
            Err(why) => self.missing = Some(why),
        }
    }

    fn probe(&mut self, case: &Case, options: &Options) {
        if !self.contender.is_probed() {
            return;
        }
        match Probe::of(case, self.contender, options.node).in_a_process() {
            Ok(costs) => self.costs = costs,
            Err(problem) => eprintln!("the probe of {} in {} failed: {problem}", self.contender.name, case.name),
        }
    }

    pub(crate) fn figures(&self) -> Vec<f64> {
        self.rounds.iter().map(|sample| sample.figure).collect()
    }

    /// Returns the median of a figure.
    pub(crate) fn figure(&self, figure: Figure) -> Option<f64> {
        let figures = self.in_rounds(figure);
        (!figures.is_empty()).then(|| median::of(&figures))
    }

    /// Returns a figure in each round. A figure of a probe is there once.
    fn in_rounds(&self, figure: Figure) -> Vec<f64> {
        let of = |figure: fn(&Sample) -> Option<f64>| self.rounds.iter().filter_map(figure).collect();
        match figure {
            Figure::Median => self.figures(),
            Figure::P99 => of(|sample| sample.p99),
            Figure::Second => of(|sample| sample.second),
            Figure::Cpu => of(|sample| sample.cpu),
            Figure::PeakMemory => match self.costs.peak_memory {
                Some(probed) => vec![probed],
                None => of(|sample| sample.peak_memory),
            },
            Figure::Allocations => self.costs.allocations.into_iter().collect(),
        }
    }

    /// Returns the CPU time in nanoseconds for each task.
    pub(crate) fn cpu(&self) -> Option<f64> {
        self.figure(Figure::Cpu)
    }
}
