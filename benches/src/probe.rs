//! [`Probe`]: runs a contender once, untimed, in a process of its own. There its allocations are
//! counted, and the memory of the process is its own.

use crate::{
    case::{Case, Contender},
    cases,
    measure::{Lap, peak_memory},
};
use std::{env, error::Error, process::Command, time::Duration};

/// A run of one contender of one case.
pub(crate) struct Probe {
    case: &'static str,
    contender: &'static Contender,
    node: bool,
}

/// The result of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Costs {
    /// The allocations for each task.
    pub(crate) allocations: Option<f64>,
    /// The peak memory of the whole process, in MiB.
    pub(crate) peak_memory: Option<f64>,
}

/// The text for an unknown figure.
const UNKNOWN: &str = "-";

impl Probe {
    pub(crate) fn of(case: &Case, contender: &'static Contender, node: bool) -> Self {
        Self { case: case.name, contender, node }
    }

    /// Parses `CASE CONTENDER NODE`.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut next = || arguments.next().ok_or("a probe takes a case, a contender, and whether Node runs");
        let (case, contender, node) = (next()?, next()?, next()?);
        let case = cases::named(&case).ok_or("a probe takes a case")?;
        let contender = case.contenders.iter().find(|found| found.name == contender).ok_or("there is no such row")?;
        Ok(Self { case: case.name, contender, node: node == "true" })
    }

    /// Runs in this process, and returns a line that [`Costs::parse`] reads.
    pub(crate) fn run(&self) -> Result<String, Box<dyn Error>> {
        let lap = Lap { duration: Duration::ZERO, counting: true, node: self.node };
        let sample = self.contender.run(&lap)?;
        Ok(Costs { allocations: sample.allocations, peak_memory: peak_memory() }.line())
    }

    /// Runs in a process of its own.
    pub(crate) fn in_a_process(&self) -> Result<Costs, Box<dyn Error>> {
        let mut probe = Command::new(env::current_exe()?);
        let output = probe.arg("probe").args([self.case, self.contender.name]).arg(self.node.to_string()).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(Costs::parse(&String::from_utf8(output.stdout)?))
    }
}

impl Costs {
    fn line(self) -> String {
        let text = |figure: Option<f64>| figure.map_or(UNKNOWN.into(), |figure| figure.to_string());
        format!("{} {}", text(self.allocations), text(self.peak_memory))
    }

    fn parse(line: &str) -> Self {
        let mut figures = line.split_whitespace().map(|word| word.parse().ok());
        Self { allocations: figures.next().flatten(), peak_memory: figures.next().flatten() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_parse_from_their_own_line() {
        let costs = Costs { allocations: Some(2.5), peak_memory: None };
        assert_eq!(Costs::parse(&costs.line()), costs);
    }

    #[test]
    fn every_probe_names_a_row() {
        let parsed = |words: [&str; 3]| Probe::parse(words.into_iter().map(str::to_owned));
        assert!(parsed(["T1", "nanolith", "false"]).is_ok());
        assert!(parsed(["T1", "unknown", "false"]).is_err());
    }
}
