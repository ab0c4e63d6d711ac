//! `compare --against CHECKOUT`: an A/B comparison of this build with the build of another checkout
//! of the workspace.
//!
//! Both programs run as processes, one round of one case after another, in an order that
//! alternates. So a disturbance of the machine affects both. The rows of other crates are the same
//! in both programs: their ratios show how noisy the machine is.

use crate::{args::Options, median, report::number};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The rounds of a comparison that does not set them.
pub(crate) const ROUNDS: usize = 11;

/// A case and a contender.
type RowName = (String, String);

/// The figures of the rows of one program, one for each round.
#[derive(Default)]
struct Figures {
    figure: BTreeMap<RowName, Vec<f64>>,
    cpu: BTreeMap<RowName, Vec<f64>>,
}

/// Builds the other checkout, runs both programs, and returns a table.
pub(crate) fn compare(checkout: &Path, options: &Options) -> Result<String, String> {
    let other = build(checkout)?;
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let (mut before, mut now) = (Figures::default(), Figures::default());
    for round in 0..options.rounds {
        for case in &options.cases {
            let mut pair = [(&other, &mut before), (&this, &mut now)];
            if round % 2 == 1 {
                pair.reverse();
            }
            for (program, figures) in pair {
                figures.read(&run(program, case.name)?)?;
            }
        }
    }
    Ok(table(&before, &now))
}

/// Builds the benchmark program of a checkout, and returns its path.
fn build(checkout: &Path) -> Result<PathBuf, String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "-p", "nanolith-bench"]).current_dir(checkout);
    cargo.env("CARGO_TARGET_DIR", checkout.join("target"));
    let status = cargo.status().map_err(|error| format!("cargo does not run in {}: {error}", checkout.display()))?;
    let program = checkout.join("target/release/nanolith-bench");
    if status.success() { Ok(program) } else { Err(format!("{} does not build", checkout.display())) }
}

/// Runs one round of a case, and returns the CSV lines.
fn run(program: &Path, case: &str) -> Result<String, String> {
    let file = env::temp_dir().join(format!("nanolith-bench-{}.csv", std::process::id()));
    let mut round = Command::new(program);
    round.args(["compare", case, "--rounds", "1", "--csv"]).arg(&file);
    let output = round.output().map_err(|error| format!("{} does not run: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("{case} of {} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr)));
    }
    let lines = fs::read_to_string(&file).map_err(|error| error.to_string());
    fs::remove_file(&file).map_err(|error| error.to_string())?;
    lines
}

impl Figures {
    /// Adds the figures of one round. The columns are found by their names, since the programs may
    /// be of different versions.
    fn read(&mut self, csv: &str) -> Result<(), String> {
        let mut lines = csv.lines();
        let head: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name: &str| {
            head.iter().position(|found| *found == name).ok_or_else(|| format!("the CSV has no column `{name}`"))
        };
        let (case, contender, round) = (column("case")?, column("contender")?, column("round")?);
        let (figure, cpu) = (column("figure")?, column("cpu_ns_a_task")?);
        for line in lines {
            let cells: Vec<_> = line.split(',').collect();
            let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
            if cell(round) != "1" {
                continue; // the line of the medians
            }
            let name = (cell(case).to_owned(), cell(contender).to_owned());
            if let Ok(value) = cell(figure).parse() {
                self.figure.entry(name.clone()).or_default().push(value);
            }
            if let Ok(value) = cell(cpu).parse() {
                self.cpu.entry(name).or_default().push(value);
            }
        }
        Ok(())
    }
}

fn table(before: &Figures, now: &Figures) -> String {
    let mut text = format!("{:<44}{:>30}{:>32}\n", "medians: before, now, now / before", "figure", "cpu ns a task");
    for (name, figures) in &before.figure {
        let Some(after) = now.figure.get(name) else { continue };
        let cpu = match (before.cpu.get(name), now.cpu.get(name)) {
            (Some(before), Some(now)) => ratio(before, now),
            _ => "-".into(),
        };
        text += &format!("{:<44}{:>30}{cpu:>32}\n", format!("{} {}", name.0, name.1), ratio(figures, after));
    }
    text
}

fn ratio(before: &[f64], now: &[f64]) -> String {
    let (before, now) = (median::of(before), median::of(now));
    format!("{} {} {:.3}", number(before), number(now), now / before)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "case,contender,round,figure,unit,p99,cpu_ns_a_task,allocations_a_task,peak_mib";

    fn figures(rounds: &[&str]) -> Figures {
        let mut figures = Figures::default();
        for round in rounds {
            figures.read(&format!("{HEAD}\n{round}\n")).expect("the columns are there");
        }
        figures
    }

    #[test]
    fn table_has_medians_and_ratios_of_common_rows() {
        let before = figures(&["T1,nanolith,1,100.0,ns,,200.0,,", "T1,old,1,1.0,ns,,,,"]);
        let now = figures(&["T1,nanolith,1,90.0,ns,,210.0,,", "T1,nanolith,1,110.0,ns,,190.0,,"]);
        let table = table(&before, &now);
        assert!(table.contains("100 110 1.100"), "{table}");
        assert!(table.contains("200 210 1.050"), "{table}");
        assert!(!table.contains("old"), "{table}");
    }

    #[test]
    fn csv_line_of_medians_is_left_out() {
        assert!(figures(&["T1,nanolith,median,100.0,ns,,200.0,,"]).figure.is_empty());
    }

    #[test]
    fn csv_without_needed_column_is_an_error() {
        assert_eq!(Figures::default().read("case,contender\n"), Err("the CSV has no column `round`".into()));
    }
}
