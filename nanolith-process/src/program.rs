//! [`program`]: the file that a child runs.

use crate::sys;
use std::{io, path::PathBuf, sync::OnceLock};

/// The file of this program, by an absolute path.
static FILE: OnceLock<PathBuf> = OnceLock::new();

/// Records the file of this program. A path that is relative names another file after the program has
/// changed its working directory.
pub(crate) fn remember() {
    if let Ok(file) = sys::program_file() {
        let _ = FILE.set(file); // an earlier call may have set it
    }
}

/// Returns what a child runs. On Linux it is the program of this process, even if its file was replaced
/// since. Elsewhere it is the file, whatever is in it now: the first answer of a child shows whether it
/// serves the same sets.
pub(crate) fn program() -> io::Result<PathBuf> {
    if let Some(path) = sys::running_program() {
        return Ok(path);
    }
    FILE.get().map_or_else(sys::program_file, |file| Ok(file.clone()))
}
