//! Formats the figures of a case as a table for people, and the list of all cases.

use crate::{
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
    let columns = Columns::of(measured);
    let _ = writeln!(text, "{}", head(&columns));
    for row in &measured.rows {
        let _ = writeln!(text, "{}", line(row, &columns, measured.baseline()));
    }
    text
}

/// The columns that not every table has.
struct Columns {
    p99: bool,
    second: Option<&'static str>,
}

impl Columns {
    fn of(measured: &Measured) -> Self {
        let p99 = measured.rows.iter().any(|row| row.figure(Figure::P99).is_some());
        Self { p99, second: measured.case.unit.second() }
    }
}

fn head(columns: &Columns) -> String {
    let p99 = if columns.p99 { format!("{:>10}", "p99 ns") } else { String::new() };
    let second = columns.second.map_or(String::new(), |unit| format!("{unit:>10}"));
    let (median, range, ratio) = ("median", "(low to high)", "ratio");
    format!(
        "  {:<36}{median:>10} {range:<23}{p99}{second}{ratio:>7}{:>12}{:>14}{:>10}",
        "", "allocs/task", "cpu ns/task", "peak MiB"
    )
}

fn line(row: &Row, columns: &Columns, baseline: Option<f64>) -> String {
    let name = row.contender.name;
    let Some(figure) = row.figure(Figure::Median) else {
        return format!("  {name:<36}{:>10} {}", "-", row.missing.as_deref().unwrap_or("no round"));
    };
    let figures = row.figures();
    let range = format!("({} to {})", number(median::lowest(&figures)), number(median::highest(&figures)));
    let cell =
        |is_there: bool, figure| if is_there { format!("{:>10}", or_dash(row.figure(figure))) } else { String::new() };
    let (p99, second) = (cell(columns.p99, Figure::P99), cell(columns.second.is_some(), Figure::Second));
    let ratio = baseline.map_or("-".into(), |baseline| format!("{:.2}", figure / baseline));
    format!(
        "  {name:<36}{:>10} {range:<23}{p99}{second}{ratio:>7}{:>12}{:>14}{:>10}",
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
