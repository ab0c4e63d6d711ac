//! Does `examples/round_robin.rs` do what it says?
#![allow(missing_docs)] // a test is read from its names

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The example as it is now, whatever has been built before.
fn program() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's folder is within its target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--example", "round_robin"]);
    cargo.args(["--message-format", "json", "--target-dir"]).arg(target);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    let messages = String::from_utf8(output.stdout).expect("it is text");
    let mut executables = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == "round_robin").then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    executables.next_back().expect("cargo tells where the program is")
}

#[test]
fn the_round_goes_on_without_the_one_who_leaves() {
    let output = Command::new(program()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).expect("it is text");
    let lines: Vec<_> = told.lines().collect();
    for line in [
        "customer 1 paid 10 euros to cashier 0",
        "customer 2 paid 20 euros to cashier 1",
        "customer 3 paid 30 euros to cashier 2",
        "customer 6 paid 60 euros to cashier 2",
        "cashier 0 has to leave at once",
        "bread is 5 euros, says cashier 1",
        "cheese is 6 euros, says cashier 2",
        "1 calls went on to another cashier",
    ] {
        assert!(lines.contains(&line), "`{line}` is missing:\n{told}");
    }
    let tea = lines.iter().find(|line| line.starts_with("tea is 3 euros, says cashier "));
    assert!(tea.is_some_and(|line| !line.ends_with('0')), "{told}");
    let till = |n: u64| {
        lines.iter().find_map(|line| line.strip_prefix(&*format!("till {n} has "))?.split(' ').next()?.parse().ok())
    };
    assert_eq!((till(0), till(1).zip(till(2)).map(|(one, two): (u64, u64)| one + two)), (None, Some(180)), "{told}");
    assert_eq!(
        lines.iter().filter(|line| line.contains("closes with")).count(),
        2,
        "who is ended does not close:\n{told}"
    );
}
