//! The examples as programs, for the tests that run them.

use serde_json::Value;
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Returns the path of the example's program, and builds it first. `NANOLITH_EXAMPLES` names a
/// folder where it is built already.
#[allow(dead_code)] // some tests build with a feature only
pub(crate) fn build(example: &str) -> PathBuf {
    build_with(example, &[])
}

/// Like [`build`], with arguments of cargo.
pub(crate) fn build_with(example: &str, arguments: &[&str]) -> PathBuf {
    if let Some(folder) = env::var_os("NANOLITH_EXAMPLES") {
        return Path::new(&folder).join(format!("{example}{}", env::consts::EXE_SUFFIX));
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's folder is within its target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--example", example]);
    cargo.args(arguments).args(["--message-format", "json", "--target-dir"]).arg(target);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut executables = messages.lines().filter_map(|line| executable(&serde_json::from_str(line).ok()?, example));
    executables.next_back().expect("cargo tells where the program is")
}

fn executable(message: &Value, example: &str) -> Option<PathBuf> {
    (message["target"]["name"] == *example).then(|| message["executable"].as_str().map(PathBuf::from))?
}
