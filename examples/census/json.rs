//! Prints the report of the census as JSON.
//!
//! Totals are `{"files", "bytes", "lines", "words"}`. The type of a file without an extension is
//! `null`. A path is a string. If its name is not valid Unicode, the path is `{"lossy", "bytes"}`:
//! the closest text, and the bytes of the name.

use crate::ledger::{Duplicates, FileType, Report, Totals, Unreadable};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    path::Path,
};

pub(crate) fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let value = json!({
        "types": report.types.iter().map(file_type).collect::<Value>(),
        "total": totals(&report.total),
        "duplicates": report.duplicates.iter().map(duplicates).collect::<Value>(),
        "unreadable": report.unreadable.iter().map(unreadable).collect::<Value>(),
    });
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

fn file_type((name, sums): &(FileType, Totals)) -> Value {
    let mut value = totals(sums);
    value["type"] = json!(name);
    value
}

fn totals(sums: &Totals) -> Value {
    json!({ "files": sums.files, "bytes": sums.bytes, "lines": sums.lines, "words": sums.words })
}

fn duplicates(group: &Duplicates) -> Value {
    json!({
        "blake3": blake3::Hash::from_bytes(group.digest).to_hex().as_str(),
        "bytes": group.bytes,
        "paths": group.paths.iter().map(|path| shown(path)).collect::<Value>(),
    })
}

fn unreadable(entry: &Unreadable) -> Value {
    json!({ "path": shown(&entry.path), "reason": entry.reason })
}

fn shown(path: &Path) -> Value {
    match path.to_str() {
        Some(text) => json!(text),
        None => json!({ "lossy": path.to_string_lossy(), "bytes": path.as_os_str().as_encoded_bytes() }),
    }
}
