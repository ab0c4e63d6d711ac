//! The examples that need only ports: do they print what happens?
#![allow(missing_docs)] // a test is read from its names

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

#[test]
fn two_workers_talk_with_each_other() {
    let told = run("worker_to_worker");
    assert_eq!(told[0], "keeper: 50? it is less");
    assert_eq!(
        told[told.len() - 3..],
        ["keeper: 42? that is it", "keeper: the other port is closed", "found Some(42) after 7 guesses"]
    );
}

#[test]
fn a_managed_port_loses_no_page_and_tidies_up() {
    let told = run("ports_managed");
    let pages: Vec<_> = told.iter().filter_map(|line| line.strip_prefix("printer ")?.split_once(": page ")).collect();
    assert_eq!(pages, [("1", "1"), ("1", "2"), ("2", "3"), ("2", "4"), ("3", "5")]);
    let off: Vec<_> = told.iter().filter(|line| line.contains(": off after ")).collect();
    assert_eq!(off.len(), 3, "each printer ends: {told:#?}");
    assert_eq!(told.last().map(String::as_str), Some("five pages took 3 printers"));
}

/// Runs an example; the lines that it prints.
fn run(example: &str) -> Vec<String> {
    let output = Command::new(build(example)).output().expect("it runs");
    let told = String::from_utf8(output.stdout).expect("it prints text");
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    told.lines().map(str::to_owned).collect()
}

/// The example as it is now, whatever has been built before.
fn build(example: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's folder is within its target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--example", example]);
    cargo.args(["--message-format", "json", "--target-dir"]).arg(target);
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
