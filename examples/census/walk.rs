//! Finds the files of a folder tree.

use crate::{arguments::Options, file::Links, ledger::Unreadable};
use ignore::{DirEntry, Error, WalkBuilder};
use std::path::{Path, PathBuf};

/// A file. It may no longer be one when it is opened.
pub(crate) type Found = (PathBuf, Links);

/// Returns each file below the path, or the path itself, and each entry that could not be read.
pub(crate) fn files(options: &Options) -> impl Iterator<Item = Result<Found, Unreadable>> {
    let mut walk = WalkBuilder::new(&options.path);
    walk.standard_filters(!options.all).require_git(false).same_file_system(options.one_file_system);
    let root = options.path.clone();
    walk.build()
        .flat_map(move |entry| match entry {
            Ok(entry) => found(entry, &root),
            Err(error) => [Some(Err(unreadable(&error, &root))), None],
        })
        .flatten()
}

/// Returns the entry if it is a file, and the error of its ignore rules, if there is one.
fn found(entry: DirEntry, root: &Path) -> [Option<Result<Found, Unreadable>>; 2] {
    let problem = entry.error().map(|error| Err(unreadable(error, root)));
    let links = if entry.depth() == 0 { Links::Follow } else { Links::Refuse };
    let file = is_file(&entry).then(|| Ok((entry.into_path(), links)));
    [problem, file]
}

/// Whether the entry is a file. A link counts only if it is the root.
fn is_file(entry: &DirEntry) -> bool {
    match entry.depth() {
        0 => entry.path().is_file(),
        _ => entry.file_type().is_some_and(|kind| kind.is_file()),
    }
}

fn unreadable(error: &Error, root: &Path) -> Unreadable {
    let (path, reason) = path_and_reason(error);
    Unreadable { path: path.unwrap_or(root).to_owned(), reason }
}

/// Splits an error into its path and its reason. The text of an error repeats the path, which the
/// report shows apart.
fn path_and_reason(error: &Error) -> (Option<&Path>, String) {
    match error {
        Error::WithPath { path, err } => (Some(path), path_and_reason(err).1),
        Error::WithDepth { err, .. } => path_and_reason(err),
        Error::Partial(errors) if errors.len() == 1 => path_and_reason(&errors[0]),
        _ => (None, error.to_string()),
    }
}
