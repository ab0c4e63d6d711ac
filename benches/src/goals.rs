//! [`Goal`]: a performance goal, which is a bound on a ratio between the rows of one case, or on a
//! figure of one row. `check` fails if a goal is missed.

use crate::{case::Unit, median, report::number};

/// A bound on the figures of one case.
pub(crate) struct Goal {
    /// Our rows. If there are several, the worst one counts.
    pub(crate) ours: &'static [&'static str],
    /// The rows that ours are compared with. If there are several, the best one counts. If there
    /// are none, our figure itself is compared with the bound.
    pub(crate) peers: &'static [&'static str],
    pub(crate) figure: Figure,
    pub(crate) bound: Bound,
}

/// A figure of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Median,
    P99,
    /// CPU time a task, in nanoseconds, over all threads.
    Cpu,
    PeakMemory,
    Allocations,
}

impl Figure {
    /// Whether the figure comes from a probe instead of the timed rounds.
    pub(crate) fn is_probed(self) -> bool {
        matches!(self, Self::PeakMemory | Self::Allocations)
    }
}

/// The bound of a goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::Below(bound) => value < bound,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {}", number(bound)),
            Self::AtMost(bound) => format!("<= {}", number(bound)),
            Self::Below(bound) => format!("<  {}", number(bound)),
        }
    }
}

/// The result of a goal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    Reached(f64),
    Short(f64),
    /// A row that the goal needs has no figure, for this reason.
    Unknown(String),
}

impl Goal {
    /// Compares our median with the best of the peers.
    pub(crate) const fn ratio(peers: &'static [&'static str], bound: Bound) -> Self {
        Self { ours: &["nanolith"], peers, figure: Figure::Median, bound }
    }

    /// Compares the CPU time of one of our rows with the best of the peers.
    pub(crate) const fn cpu(ours: &'static [&'static str], peers: &'static [&'static str], bound: Bound) -> Self {
        Self { ours, peers, figure: Figure::Cpu, bound }
    }

    /// Compares one of our figures with the bound.
    pub(crate) const fn absolute(figure: Figure, bound: Bound) -> Self {
        Self { ours: &["nanolith"], peers: &[], figure, bound }
    }

    /// Returns the rows that the goal needs.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'static &'static str> {
        self.ours.iter().chain(self.peers)
    }

    /// Compares the goal with figures of this unit.
    pub(crate) fn stand(&self, unit: Unit, figure_of: impl Fn(&str, Figure) -> Result<f64, String>) -> Standing {
        let figures = |rows: &[&str]| rows.iter().map(|row| figure_of(row, self.figure)).collect::<Result<Vec<_>, _>>();
        let less_is_better = unit.is_cost() || self.figure != Figure::Median;
        let (worst, best) = if less_is_better {
            (median::highest as fn(&[f64]) -> f64, median::lowest as fn(&[f64]) -> f64)
        } else {
            (median::lowest as fn(&[f64]) -> f64, median::highest as fn(&[f64]) -> f64)
        };
        match (figures(self.ours), figures(self.peers)) {
            (Ok(ours), Ok(peers)) if peers.is_empty() => self.standing_of(worst(&ours)),
            (Ok(ours), Ok(peers)) => self.standing_of(worst(&ours) / best(&peers)),
            (Err(why), _) | (_, Err(why)) => Standing::Unknown(why),
        }
    }

    fn standing_of(&self, value: f64) -> Standing {
        if self.bound.holds(value) { Standing::Reached(value) } else { Standing::Short(value) }
    }

    /// Returns the start of the goal's line: what the goal is about.
    pub(crate) fn title(&self, case: &str) -> String {
        let figure = match self.figure {
            Figure::Median => "",
            Figure::P99 => " p99",
            Figure::Cpu => " cpu",
            Figure::PeakMemory => " peak MiB",
            Figure::Allocations => " allocations a task",
        };
        let ours = if self.ours.len() > 1 { " worst row" } else { "" };
        match self.peers {
            [] => format!("{case}{ours}{figure}"),
            [peer] => format!("{case}{ours}{figure} vs {peer}"),
            [first, .., last] => format!("{case}{ours}{figure} vs best of {first} .. {last}"),
        }
    }

    /// Returns the goal's line: `case ratio goal ok|short`.
    pub(crate) fn line(&self, case: &str, standing: &Standing) -> String {
        let (value, word) = match standing {
            Standing::Reached(value) => (number(*value), "ok"),
            Standing::Short(value) => (number(*value), "short"),
            Standing::Unknown(why) => ("-".into(), why.as_str()),
        };
        format!("{:<66} {value:>7}  {:<8}  {word}", self.title(case), self.bound.text())
    }
}

/// Returns the exit status of the process: 0, or 1 when a goal is short.
pub(crate) fn exit_status(standings: &[Standing]) -> u8 {
    standings.iter().any(|standing| matches!(standing, Standing::Short(_))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(row: &str, figure: Figure) -> Result<f64, String> {
        match (row, figure) {
            ("nanolith", Figure::Median) => Ok(10.0),
            ("nanolith", Figure::PeakMemory) => Ok(13.0),
            ("a", Figure::Median) => Ok(2.0),
            ("b", Figure::Median) => Ok(4.0),
            _ => Err("not yet".into()),
        }
    }

    #[test]
    fn rate_is_compared_with_the_highest_peer() {
        let goal = Goal::ratio(&["a", "b"], Bound::AtLeast(2.5));
        assert_eq!(goal.stand(Unit::TasksPerMs, figures), Standing::Reached(2.5));
    }

    #[test]
    fn cost_is_compared_with_the_lowest_peer() {
        let goal = Goal::ratio(&["a", "b"], Bound::AtMost(2.5));
        assert_eq!(goal.stand(Unit::Nanos, figures), Standing::Short(5.0));
    }

    #[test]
    fn worst_of_our_rows_decides_the_goal() {
        let goal = Goal { ours: &["a", "b"], ..Goal::ratio(&["nanolith"], Bound::AtLeast(0.3)) };
        assert_eq!(goal.stand(Unit::TasksPerMs, figures), Standing::Short(0.2));
    }

    #[test]
    fn goal_without_peers_needs_its_own_figure_only() {
        let goal = Goal::absolute(Figure::PeakMemory, Bound::Below(12.0));
        assert_eq!(goal.stand(Unit::TasksPerMs, figures), Standing::Short(13.0));
        assert!(goal.line("roots", &Standing::Short(13.0)).ends_with("13.0  <  12.0   short"));
    }

    #[test]
    fn goal_with_a_missing_figure_is_unknown() {
        let goal = Goal::ratio(&["a", "c"], Bound::AtLeast(1.0));
        let standing = goal.stand(Unit::TasksPerMs, figures);
        assert_eq!(standing, Standing::Unknown("not yet".into()));
        assert!(goal.line("T1", &standing).ends_with("not yet"));
    }

    #[test]
    fn missed_goal_fails_the_run() {
        assert_eq!(exit_status(&[Standing::Reached(1.0), Standing::Unknown("not yet".into())]), 0);
        assert_eq!(exit_status(&[Standing::Reached(1.0), Standing::Short(0.5)]), 1);
    }

    #[test]
    fn bounds_hold_at_their_edge_except_below() {
        assert!(Bound::AtLeast(5.0).holds(5.0) && Bound::AtMost(5.0).holds(5.0) && !Bound::Below(5.0).holds(5.0));
        assert!(!Bound::AtLeast(5.0).holds(f64::NAN), "no figure is no success");
    }
}
