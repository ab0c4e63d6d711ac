//! Formats the figures of a case as a table for people, and the list of all cases.

use crate::{
    case::Unit,
    cases::CASES,
    goals::Figure,
    median,
    run::{Measured, Row},
};
use std::fmt::Write as _;

/// Returns the figures of a case, with a line for each contender.
pub(crate) fn table(measured: &Measured) -> String {
    let case = measured.case;
    let rounds = measured.rows.iter().map(|row| row.rounds.len()).max().unwrap_or(0);
    let better = if case.unit.is_cost() { "less" } else { "more" };
    let mut text = format!("{}: {}\n", case.name, case.what);
    let _ = writeln!(text, "  {}, {better} is better; medians of {rounds} rounds", case.unit.name());
    let _ = writeln!(text, "{}", head(case.unit));
    for row in &measured.rows {
        let _ = writeln!(text, "{}", line(row, case.unit, measured.baseline()));
    }
    text
}

fn head(unit: Unit) -> String {
    let p99 = if unit == Unit::Nanos { format!("{:>10}", "p99") } else { String::new() };
    let (median, range, ratio) = ("median", "(low to high)", "ratio");
    format!(
        "  {:<36}{median:>10} {range:<23}{p99}{ratio:>7}{:>12}{:>14}{:>10}",
        "", "allocs/task", "cpu ns/task", "peak MiB"
    )
}

fn line(row: &Row, unit: Unit, baseline: Option<f64>) -> String {
    let name = row.contender.name;
    let Some(figure) = row.figure(Figure::Median) else {
        return format!("  {name:<36}{:>10} {}", "-", row.missing.as_deref().unwrap_or("no round"));
    };
    let figures = row.figures();
    let range = format!("({} to {})", number(median::lowest(&figures)), number(median::highest(&figures)));
    let p99 = if unit == Unit::Nanos { format!("{:>10}", or_dash(row.figure(Figure::P99))) } else { String::new() };
    let ratio = baseline.map_or("-".into(), |baseline| format!("{:.2}", figure / baseline));
    format!(
        "  {name:<36}{:>10} {range:<23}{p99}{ratio:>7}{:>12}{:>14}{:>10}",
        number(figure),
        row.costs.allocations.map_or("-".into(), |count| format!("{count:.2}")),
        or_dash(row.cpu()),
        or_dash(row.figure(Figure::PeakMemory)),
    )
}

fn or_dash(figure: Option<f64>) -> String {
    figure.map_or("-".into(), number)
}

/// Returns a number with as many decimals as are significant.
pub(crate) fn number(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

/// Returns the list of all cases with their contenders.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for case in CASES {
        let only_named = if case.only_named { "; runs only where it is named" } else { "" };
        let _ = writeln!(text, "{} [{}]: {}{only_named}", case.name, case.unit.name(), case.what);
        case.contenders.iter().for_each(|contender| {
            let _ = writeln!(text, "  {}", contender.name);
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_about_three_digits() {
        assert_eq!([number(1_234.5), number(12.34), number(1.234), number(0.1234)], ["1234", "12.3", "1.23", "0.123"]);
    }

    #[test]
    fn list_names_every_case() {
        let text = list();
        assert!(CASES.iter().all(|case| text.contains(case.what)));
    }
}
