//! [`program`]: the file that a child runs. [`arguments`]: what a child gets on its command line.

use crate::sys;
use std::{io, path::PathBuf, sync::OnceLock, thread};

/// The file of this program, by an absolute path.
static FILE: OnceLock<PathBuf> = OnceLock::new();

/// The test that first called `serve`, if this program is a test binary of the standard harness.
static TEST: OnceLock<Option<String>> = OnceLock::new();

/// Records the file of this program, and the test that runs on this thread. A path that is relative
/// names another file after the program has changed its working directory.
pub(crate) fn remember() {
    if let Ok(file) = sys::program_file() {
        let _ = FILE.set(file); // an earlier call may have set it
    }
    TEST.get_or_init(running_test);
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

/// Returns the arguments of a child. A test binary of the standard harness runs all its tests without
/// arguments, so a child of one gets the name of the test that calls `serve`.
pub(crate) fn arguments() -> Vec<String> {
    let test = TEST.get().and_then(Option::as_deref);
    let of_test = |name: &str| [name, "--exact", "--include-ignored", "--nocapture"].map(str::to_owned).to_vec();
    test.map(of_test).unwrap_or_default()
}

/// Returns the name of the test of the standard harness that runs on this thread. The harness runs each
/// test on a thread with the test's name, and cargo ends the file name of a test binary with a hash.
fn running_test() -> Option<String> {
    let file = FILE.get()?.file_stem()?.to_str()?;
    let thread = thread::current();
    thread.name().filter(|name| *name != "main" && has_hash(file)).map(str::to_owned)
}

/// Returns whether a file name ends as cargo ends that of a test binary: with 16 hexadecimal digits.
fn has_hash(stem: &str) -> bool {
    stem.rsplit_once('-').is_some_and(|(_, hash)| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_binary_has_a_hash_in_its_name() {
        assert!(has_hash("children-0123456789abcdef"));
        assert!(!has_hash("children") && !has_hash("children-2") && !has_hash("children-0123456789abcdeg"));
    }

    #[test]
    fn harness_names_the_thread_of_a_test() {
        remember();
        assert_eq!(running_test().as_deref(), Some("program::tests::harness_names_the_thread_of_a_test"));
    }
}
