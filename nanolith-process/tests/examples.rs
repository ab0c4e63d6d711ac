//! Tests of the examples: they are run as programs, and their output is checked.
#![cfg(unix)]
#![allow(missing_docs)] // a test's name documents it

#[path = "../../tests/program/mod.rs"]
mod program;

use std::{fs, path::Path, process::Command, str::FromStr};

#[test]
fn every_example_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = fs::read_to_string(folder.join("tests/examples.rs")).expect("this file");
    for entry in fs::read_dir(folder.join("examples")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("it has a name").to_string_lossy();
        assert!(tests.contains(&format!("(\"{name}\"")), "no test runs `{name}`");
    }
}

#[test]
fn kill_runaway_ends_each_call_and_lives_on() {
    let printed = run("kill_runaway");
    let (ends, waits): (Vec<_>, Vec<_>) =
        printed.iter().map(|line| line.split_once("; the caller waited ").unwrap_or((line, ""))).unzip();
    let killed_after: u64 = number(ends[1], "endless loop: killed (TimedOut) ", " ms after its start");
    assert!((200..5_000).contains(&killed_after), "a limit of 200 ms and a grace of 50 ms: {printed:#?}");
    assert!(number::<u64>(waits[1], "", " ms") >= 250, "{printed:#?}");
    assert_eq!(ends[0], "first call: 9");
    assert_eq!(
        ends[2..],
        [
            "crash: died by signal 6",
            "allocation without end: ran out of memory",
            "leak: returned",
            "last call: 9",
            "5 children: 1 killed, 2 crashed, 1 recycled",
        ]
    );
}

#[test]
fn native_crash_survives_each_fault() {
    assert_eq!(
        run("native_crash"),
        [
            "length of a text: 4",
            "length of a null pointer: signal 11",
            "assertion: signal 6",
            "  Assertion `number > 0' failed.",
            "depth of 3 brackets: 3",
            "depth of a million brackets: the stack overflowed",
            "length of a text: 4",
            "3 of 4 children crashed",
        ]
    );
}

#[test]
fn http_children_fail_no_request() {
    let printed = run("http_children");
    let is_answered = |line: &str| line.starts_with("100 requests: 0 failed, ");
    assert!([0, 3, 5].into_iter().all(|line| is_answered(&printed[line])), "{printed:#?}");
    assert_eq!(printed[1..3], ["one child was killed: signal 9", "another child listens"]);
    let requests: u32 = number(&printed[4], "3 children restarted under ", " requests: 0 failed");
    assert!(requests > 0);
    assert_eq!(printed[6..], ["7 children: 1 crashed, 3 restarted, 0 killed"]);
}

fn run(example: &str) -> Vec<String> {
    let output = Command::new(program::build(example)).output().expect("it runs");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed.lines().map(str::to_owned).collect()
}

/// Returns the number between two parts of a line.
fn number<N: FromStr>(line: &str, before: &str, after: &str) -> N {
    let number = line.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("another line: {line}"))
}
