//! Prints the report of the census as a table.

use crate::{
    count::Worker,
    ledger::{Duplicates, FileType, Report, Totals, Unreadable},
    shared::text::{bytes, grouped},
};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
    process,
};

/// A line of the table. Its first cell is aligned to the left, the other cells to the right.
type Row = [String; 5];

/// How many duplicates the table lists.
pub(crate) struct Limits {
    groups: usize,
    /// The number of files of each group.
    files: usize,
}

impl Limits {
    pub(crate) const SHORT: Self = Self { groups: 10, files: 5 };
    pub(crate) const NONE: Self = Self { groups: usize::MAX, files: usize::MAX };
}

pub(crate) fn write(out: &mut dyn Write, report: &Report, limits: &Limits) -> io::Result<()> {
    write_types(out, report)?;
    write_duplicates(out, &report.duplicates, limits)?;
    write_unreadable(out, &report.unreadable)?;
    write_workers(out, &report.workers)
}

fn write_types(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let mut rows = vec![["type", "files", "bytes", "lines", "words"].map(str::to_owned)];
    rows.extend(report.types.iter().map(|(name, totals)| row(type_name(name), totals)));
    rows.push(row("total".to_owned(), &report.total));
    let widths: [usize; 5] = std::array::from_fn(|column| widest(&rows, column));
    rows.iter().try_for_each(|row| write_row(out, row, &widths))
}

fn row(name: String, totals: &Totals) -> Row {
    [name, grouped(totals.files), grouped(totals.bytes), grouped(totals.lines), grouped(totals.words)]
}

fn type_name(name: &FileType) -> String {
    name.as_deref().map_or_else(|| "(none)".to_owned(), printable)
}

fn widest(rows: &[Row], column: usize) -> usize {
    rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
}

fn write_row(out: &mut dyn Write, [name, numbers @ ..]: &Row, [first, others @ ..]: &[usize; 5]) -> io::Result<()> {
    write!(out, "{name:first$}")?;
    for (number, width) in numbers.iter().zip(others) {
        write!(out, "  {number:>width$}")?;
    }
    writeln!(out)
}

fn write_duplicates(out: &mut dyn Write, groups: &[Duplicates], limits: &Limits) -> io::Result<()> {
    if groups.is_empty() {
        return writeln!(out, "\nNo duplicates.");
    }
    let wasted = groups.iter().map(Duplicates::wasted).sum();
    writeln!(out, "\nGroups of duplicates: {}; without them, {} less.", grouped(groups.len() as u64), bytes(wasted))?;
    for Duplicates { bytes: size, paths, .. } in groups.iter().take(limits.groups) {
        writeln!(out, "  {} times {}:", paths.len(), bytes(*size))?;
        paths.iter().take(limits.files).try_for_each(|path| writeln!(out, "    {}", shown(path)))?;
        if let Some(rest) = rest(paths.len(), limits.files) {
            writeln!(out, "    and {rest} more")?;
        }
    }
    match rest(groups.len(), limits.groups) {
        Some(rest) => writeln!(out, "  and {rest} more groups; `--all` lists all of them"),
        None => Ok(()),
    }
}

/// Returns how many entries a list leaves out, if there are any.
fn rest(entries: usize, limit: usize) -> Option<String> {
    let rest = entries.saturating_sub(limit);
    (rest > 0).then(|| grouped(rest as u64))
}

fn write_unreadable(out: &mut dyn Write, entries: &[Unreadable]) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nNot read: {}.", grouped(entries.len() as u64))?;
    entries.iter().try_for_each(|entry| writeln!(out, "  {}: {}", shown(&entry.path), printable(&entry.reason)))
}

/// Writes where the files were counted: on which threads, or in which child processes.
fn write_workers(out: &mut dyn Write, workers: &BTreeMap<Worker, u64>) -> io::Result<()> {
    let is_child = |worker: &Worker| worker.process != process::id();
    let (children, threads): (Vec<_>, Vec<_>) = workers.iter().partition(|(worker, _)| is_child(worker));
    if !threads.is_empty() {
        writeln!(out, "\nFiles counted by each thread:")?;
    }
    for (worker, files) in threads {
        writeln!(out, "  {}: {}", printable(&worker.thread), grouped(*files))?;
    }
    if !children.is_empty() {
        writeln!(out, "\nFiles counted by each child process:")?;
    }
    for (worker, files) in children {
        writeln!(out, "  {}: {}", worker.process, grouped(*files))?;
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Escapes control characters: a name may hold line breaks and terminal codes.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}
