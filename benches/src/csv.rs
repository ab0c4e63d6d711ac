//! Writes figures as CSV: a line for each round of each contender, and a line with its medians.

use crate::{
    goals::Figure,
    measure::Sample,
    run::{Measured, Row},
};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// A CSV file of figures.
pub(crate) struct Writer {
    file: BufWriter<File>,
}

const HEAD: &str = "case,contender,round,figure,unit,p99,second,cpu_ns_a_task,allocations_a_task,peak_mib";

impl Writer {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "{HEAD}")?;
        Ok(Self { file })
    }

    /// Adds the lines of a case.
    pub(crate) fn write(&mut self, measured: &Measured) -> io::Result<()> {
        for line in measured.rows.iter().flat_map(|row| lines(measured, row)) {
            writeln!(self.file, "{line}")?;
        }
        self.file.flush()
    }
}

fn lines(measured: &Measured, row: &Row) -> Vec<String> {
    let mut lines: Vec<_> = row
        .rounds
        .iter()
        .zip(1..)
        .map(|(sample, round): (&Sample, u32)| {
            let figures = [Some(sample.figure), sample.p99, sample.second, sample.cpu, None, None];
            line(measured, row, &round.to_string(), figures)
        })
        .collect();
    let medians = [
        row.figure(Figure::Median),
        row.figure(Figure::P99),
        row.figure(Figure::Second),
        row.cpu(),
        row.figure(Figure::Allocations),
        row.figure(Figure::PeakMemory),
    ];
    lines.push(line(measured, row, "median", medians));
    lines
}

fn line(measured: &Measured, row: &Row, round: &str, figures: [Option<f64>; 6]) -> String {
    let [figure, rest @ ..] = figures.map(|figure| figure.map_or(String::new(), |figure| format!("{figure:.3}")));
    let (case, unit) = (measured.case.name, measured.case.unit.name());
    format!("{case},\"{}\",{round},{figure},{unit},{}", row.contender.name, rest.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cases::CASES, probe::Costs};

    #[test]
    fn row_holds_its_rounds_and_medians() {
        let case = &CASES[0];
        let rounds = [1.0, 3.0, 2.0].map(|figure| Sample { figure, ..Sample::default() }).to_vec();
        let row = Row { contender: &case.contenders[0], rounds, missing: None, costs: Costs::default() };
        let measured = Measured { case, rows: vec![row] };
        let lines = lines(&measured, &measured.rows[0]);
        assert_eq!(lines[1], "T1,\"rayon + oneshot\",2,3.000,tasks/ms,,,,,");
        assert_eq!(lines[3], "T1,\"rayon + oneshot\",median,2.000,tasks/ms,,,,,");
        assert!(lines.iter().all(|line| line.split(',').count() == HEAD.split(',').count()));
    }
}
