//! Prints the report of the census as a table.

use crate::{
    ledger::{Duplicates, FileType, Report, Totals, Unreadable},
    shared::text::{bytes, grouped},
};
use std::{
    io::{self, Write},
    path::Path,
};

/// A line of the table. Its first cell is aligned to the left, the other cells to the right.
type Row = [String; 5];

pub(crate) fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    write_types(out, report)?;
    write_duplicates(out, &report.duplicates)?;
    write_unreadable(out, &report.unreadable)
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

fn write_duplicates(out: &mut dyn Write, groups: &[Duplicates]) -> io::Result<()> {
    if groups.is_empty() {
        return writeln!(out, "\nNo duplicates.");
    }
    let wasted = groups.iter().map(Duplicates::wasted).sum();
    writeln!(out, "\nGroups of duplicates: {}; without them, {} less.", grouped(groups.len() as u64), bytes(wasted))?;
    for group in groups {
        writeln!(out, "  {} times {}:", group.paths.len(), bytes(group.bytes))?;
        group.paths.iter().try_for_each(|path| writeln!(out, "    {}", shown(path)))?;
    }
    Ok(())
}

fn write_unreadable(out: &mut dyn Write, entries: &[Unreadable]) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nNot read: {}.", grouped(entries.len() as u64))?;
    entries.iter().try_for_each(|entry| writeln!(out, "  {}: {}", shown(&entry.path), printable(&entry.reason)))
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Escapes control characters: a name may hold line breaks and terminal codes.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}
