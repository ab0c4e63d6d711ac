//! Finds and reads the files of the workspace. Paths are relative to the root, with `/` between
//! their parts.

use crate::shell::Failure;
use std::{ffi::OsStr, fs, io, path::Path};

/// Folders with generated files.
const SKIPPED: &[&str] = &["target", "wip"];

/// Returns the paths of the files below `folder` that end in `.extension`, sorted. Skips hidden
/// folders.
pub(crate) fn paths(root: &Path, folder: &str, extension: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    walk(root, folder, extension, &mut found)?;
    found.sort();
    Ok(found)
}

/// Returns the text of one file.
pub(crate) fn read(root: &Path, path: &str) -> Result<String, Failure> {
    fs::read_to_string(root.join(path)).map_err(|source| not_read(path, source))
}

fn walk(root: &Path, folder: &str, extension: &str, found: &mut Vec<String>) -> Result<(), Failure> {
    for entry in fs::read_dir(root.join(folder)).map_err(|source| not_read(folder, source))? {
        let entry = entry.map_err(|source| not_read(folder, source))?;
        let kind = entry.file_type().map_err(|source| not_read(folder, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if kind.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                walk(root, &path, extension, found)?;
            }
        } else if Path::new(&name).extension() == Some(OsStr::new(extension)) {
            found.push(path);
        }
    }
    Ok(())
}

fn not_read(path: &str, source: io::Error) -> Failure {
    Failure::NotRun { line: format!("read {path}"), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::root;

    #[test]
    fn paths_are_relative_sorted_and_of_one_extension() {
        let paths = paths(&root(), "xtask/src", "rs").unwrap();
        assert!(paths.contains(&"xtask/src/checks/files.rs".into()), "{paths:?}");
        assert!(paths.is_sorted() && paths.iter().all(|path| path.ends_with(".rs")), "{paths:?}");
    }

    #[test]
    fn built_files_are_skipped() {
        assert!(paths(&root(), "", "rs").unwrap().iter().all(|path| !path.contains("target/")));
    }

    #[test]
    fn missing_file_is_named_in_the_failure() {
        let failure = read(&root(), "no/such.md").unwrap_err().to_string();
        assert!(failure.starts_with("`read no/such.md` did not run"), "{failure}");
    }
}
