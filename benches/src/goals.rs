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
    /// One row of ours and one of the peers' that the figures are divided by before they are
    /// compared. Then the goal is about a speed-up.
    pub(crate) over: Option<(&'static str, &'static str)>,
    pub(crate) span: Span,
    pub(crate) cores: Cores,
}

/// The rounds that a goal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// The medians of all rounds.
    Median,
    /// Each round. The worst one counts.
    EachRound,
}

/// The number of cores for which a goal is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    Any,
    One,
    TwoOrMore,
}

impl Cores {
    fn include(self, cores: usize) -> bool {
        match self {
            Self::Any => true,
            Self::One => cores == 1,
            Self::TwoOrMore => cores > 1,
        }
    }
}

/// A figure of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// The figure in the case's unit.
    Median,
    P99,
    /// The second figure of a case, if its unit has one.
    Second,
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

    /// Whether a smaller figure is better.
    fn is_cost(self, unit: Unit) -> bool {
        match self {
            Self::Median => unit.is_cost(),
            Self::Second => false,
            Self::P99 | Self::Cpu | Self::PeakMemory | Self::Allocations => true,
        }
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
    fn is_minimum(self) -> bool {
        matches!(self, Self::AtLeast(_))
    }

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

/// Picks one of several figures.
type Fold = fn(&[f64]) -> f64;

/// The result of a goal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    Reached(f64),
    Short(f64),
    /// A row that the goal needs has no figure, for this reason.
    Unknown(String),
}

impl Goal {
    const PLAIN: Self = Self {
        ours: &["nanolith"],
        peers: &[],
        figure: Figure::Median,
        bound: Bound::AtLeast(1.0),
        over: None,
        span: Span::Median,
        cores: Cores::TwoOrMore,
    };

    /// Compares our median with the best of the peers, on two cores or more.
    pub(crate) const fn ratio(peers: &'static [&'static str], bound: Bound) -> Self {
        Self { peers, bound, ..Self::PLAIN }
    }

    /// Compares our rate with the best of the peers: ours is at least as high.
    pub(crate) const fn ahead(peers: &'static [&'static str]) -> Self {
        Self::ratio(peers, Bound::AtLeast(1.0))
    }

    /// Compares our cost with the best of the peers: ours is at most as high.
    pub(crate) const fn below(peers: &'static [&'static str]) -> Self {
        Self::ratio(peers, Bound::AtMost(1.0))
    }

    /// Compares the CPU time of one of our rows with the best of the peers.
    pub(crate) const fn cpu(ours: &'static [&'static str], peers: &'static [&'static str], bound: Bound) -> Self {
        Self { ours, peers, figure: Figure::Cpu, bound, ..Self::PLAIN }
    }

    /// Compares one of our figures with the bound, on any number of cores.
    pub(crate) const fn absolute(figure: Figure, bound: Bound) -> Self {
        Self { figure, bound, cores: Cores::Any, ..Self::PLAIN }
    }

    /// Returns the same goal for one core.
    pub(crate) const fn on_one_core(self) -> Self {
        Self { cores: Cores::One, ..self }
    }

    /// Returns the same goal for each round in place of the medians.
    pub(crate) const fn in_each_round(self) -> Self {
        Self { span: Span::EachRound, ..self }
    }

    /// Whether the goal is set for this number of cores.
    pub(crate) fn applies(&self, cores: usize) -> bool {
        self.cores.include(cores)
    }

    /// Returns the rows that the goal needs.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'static str> {
        let over = self.over.into_iter().flat_map(|(ours, peers)| [ours, peers]);
        self.ours.iter().chain(self.peers).copied().chain(over)
    }

    /// Compares the goal with figures of this unit. `figures_of` returns a row's figure in each
    /// round.
    pub(crate) fn stand(&self, unit: Unit, figures_of: impl Fn(&str, Figure) -> Result<Vec<f64>, String>) -> Standing {
        let figures_of = |row: &str| {
            let figures = figures_of(row, self.figure)?;
            Ok(if self.span == Span::Median { vec![median::of(&figures)] } else { figures })
        };
        match self.values(self.figure.is_cost(unit), figures_of) {
            Ok(values) if self.bound.is_minimum() => self.standing_of(median::lowest(&values)),
            Ok(values) => self.standing_of(median::highest(&values)),
            Err(why) => Standing::Unknown(why),
        }
    }

    /// Returns the value of each round: a ratio, or our figure if there are no peers.
    fn values(
        &self,
        less_is_better: bool,
        figures_of: impl Fn(&str) -> Result<Vec<f64>, String>,
    ) -> Result<Vec<f64>, String> {
        let rows = |rows: &[&str]| rows.iter().map(|row| figures_of(row)).collect::<Result<Vec<_>, _>>();
        let (ours, peers) = (rows(self.ours)?, rows(self.peers)?);
        let over =
            self.over.map(|(ours, peers)| Ok::<_, String>((figures_of(ours)?, figures_of(peers)?))).transpose()?;
        let rounds = ours.iter().chain(&peers).map(Vec::len).min().unwrap_or(0);
        let (worst, best): (Fold, Fold) =
            if less_is_better { (median::highest, median::lowest) } else { (median::lowest, median::highest) };
        let value = |round: usize| {
            let of = |rows: &[Vec<f64>]| rows.iter().map(|row| row[round]).collect::<Vec<_>>();
            let ours = worst(&of(&ours));
            let ratio = if peers.is_empty() { ours } else { ours / best(&of(&peers)) };
            over.as_ref().map_or(ratio, |(ours, peers)| ratio / (ours[round] / peers[round]))
        };
        Ok((0..rounds).map(value).collect())
    }

    fn standing_of(&self, value: f64) -> Standing {
        if self.bound.holds(value) { Standing::Reached(value) } else { Standing::Short(value) }
    }

    /// Returns the start of the goal's line: what the goal is about.
    pub(crate) fn title(&self, case: &str, unit: Unit) -> String {
        let figure = match self.figure {
            Figure::Median => "",
            Figure::P99 => " p99",
            Figure::Second => &format!(" {}", unit.second().unwrap_or("second figure")),
            Figure::Cpu => " cpu",
            Figure::PeakMemory => " peak MiB",
            Figure::Allocations => " allocations a task",
        };
        let ours = match self.ours {
            ["nanolith"] => String::new(),
            [row] => format!(" {}", row.trim_start_matches("nanolith, ").trim_start_matches("nanolith ")),
            _ => " worst row".into(),
        };
        let title = match self.peers {
            [] => format!("{case}{ours}{figure}"),
            [peer] => format!("{case}{ours}{figure} vs {peer}"),
            [first, .., last] => format!("{case}{ours}{figure} vs best of {first} .. {last}"),
        };
        let span = if self.span == Span::EachRound { ", each round" } else { "" };
        match self.over {
            Some((ours, _)) => format!("{title}, over {}{span}", ours.trim_start_matches("nanolith, ")),
            None => title + span,
        }
    }

    /// Returns the goal's line: `case ratio goal ok|short`.
    pub(crate) fn line(&self, case: &str, unit: Unit, standing: &Standing) -> String {
        let (value, word) = match standing {
            Standing::Reached(value) => (number(*value), "ok"),
            Standing::Short(value) => (number(*value), "short"),
            Standing::Unknown(why) => ("-".into(), why.as_str()),
        };
        format!("{:<66} {value:>7}  {:<8}  {word}", self.title(case, unit), self.bound.text())
    }
}

/// Returns the exit status of the process: 0, or 1 when a goal is short.
pub(crate) fn exit_status(standings: &[Standing]) -> u8 {
    standings.iter().any(|standing| matches!(standing, Standing::Short(_))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(row: &str, figure: Figure) -> Result<Vec<f64>, String> {
        match (row, figure) {
            ("nanolith", Figure::Median) => Ok(vec![4.0, 10.0, 16.0]),
            ("nanolith", Figure::PeakMemory) => Ok(vec![13.0]),
            ("a", Figure::Median) => Ok(vec![2.0, 2.0, 8.0]),
            ("b", Figure::Median) => Ok(vec![4.0, 8.0, 4.0]),
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
    fn worst_round_decides_a_goal_for_each_round() {
        let goal = Goal::ratio(&["a"], Bound::AtLeast(3.0)).in_each_round();
        assert_eq!(goal.stand(Unit::TasksPerMs, figures), Standing::Short(2.0));
        let goal = Goal::ratio(&["a"], Bound::AtMost(3.0)).in_each_round();
        assert_eq!(goal.stand(Unit::Nanos, figures), Standing::Short(5.0));
    }

    #[test]
    fn speed_up_goal_divides_by_its_two_base_rows() {
        let goal = Goal { over: Some(("a", "b")), ..Goal::ratio(&["nanolith"], Bound::AtLeast(2.0)) };
        assert_eq!(goal.stand(Unit::TasksPerMs, figures), Standing::Reached(2.0));
        assert_eq!(goal.rows().collect::<Vec<_>>(), ["nanolith", "nanolith", "a", "b"]);
    }

    #[test]
    fn goal_for_one_core_applies_on_one_core_alone() {
        let applies = |goal: Goal| [1, 2].map(|cores| goal.applies(cores));
        assert_eq!(applies(Goal::ahead(&["a"])), [false, true]);
        assert_eq!(applies(Goal::ahead(&["a"]).on_one_core()), [true, false]);
        assert_eq!(applies(Goal::absolute(Figure::Allocations, Bound::AtMost(1.0))), [true, true]);
    }

    #[test]
    fn goal_without_peers_needs_its_own_figure_only() {
        let goal = Goal::absolute(Figure::PeakMemory, Bound::Below(12.0));
        assert_eq!(goal.stand(Unit::TasksPerMs, figures), Standing::Short(13.0));
        assert!(goal.line("roots", Unit::TasksPerMs, &Standing::Short(13.0)).ends_with("13.0  <  12.0   short"));
    }

    #[test]
    fn goal_with_a_missing_figure_is_unknown() {
        let goal = Goal::ratio(&["a", "c"], Bound::AtLeast(1.0));
        let standing = goal.stand(Unit::TasksPerMs, figures);
        assert_eq!(standing, Standing::Unknown("not yet".into()));
        assert!(goal.line("T1", Unit::TasksPerMs, &standing).ends_with("not yet"));
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
