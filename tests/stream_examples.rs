//! The examples on streams, run as programs: they print what they say they do.
#![allow(missing_docs)] // a test is read from its names

use std::process::{Command, Stdio};

/// What an example prints, as it is now, whatever has been built before.
fn printed(example: &str) -> String {
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", "--quiet", "--example", example, "--target-dir"]);
    cargo.arg(target.parent().expect("cargo's folder is within its target folder"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "`{example}` failed");
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn credit_flow_writes_as_far_as_its_credit_goes_and_then_as_the_reader_takes() {
    let printed = printed("credit_flow");
    let at_once = printed.lines().take_while(|line| line.ends_with("written at once")).count();
    assert_eq!(at_once, 4, "{printed}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("chunk")).count(), 12, "{printed}");
    assert!(printed.contains("when the reader had taken one"), "{printed}");
    assert!(printed.contains("`report` is read: 12288 bytes") && printed.contains("all is taken"), "{printed}");
}

#[test]
fn bounded_handoff_gives_ten_primes_and_gets_one_back() {
    let printed = printed("bounded_handoff");
    let taken: Vec<_> = printed.lines().filter_map(|line| line.strip_prefix("taken: ")).collect();
    assert_eq!(taken, ["2", "3", "5", "7", "11", "13", "17", "19", "23", "29"]);
    assert!(printed.contains("comes back: ten are enough"), "{printed}");
}
