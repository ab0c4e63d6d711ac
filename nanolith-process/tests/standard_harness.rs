//! Children of a test binary with the standard harness: each test calls `serve` itself.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{prelude::*, time::SECOND};
use nanolith_process::{ProcessPool, Role, Stdout, role};
use std::sync::{Condvar, Mutex, PoisonError};

/// Whether [`a_test_without_children`] runs or has run in this process.
static OTHER_RUNS: Mutex<bool> = Mutex::new(false);
static OTHER_BEGAN: Condvar = Condvar::new();

pub struct Harness;

#[define(wire)]
impl Harness {
    pub fn is_child() -> bool {
        role() == Role::Child
    }

    /// Waits for the other test of this process, for a second at most. Returns whether it began.
    pub fn sees_other_test() -> bool {
        let runs = OTHER_RUNS.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = OTHER_BEGAN.wait_timeout_while(runs, SECOND, |runs| !*runs);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn children() -> ProcessPool {
    let pool = ProcessPool::builder().max_children(1).stdout(Stdout::Null);
    pool.build().expect("the settings are right")
}

#[test]
fn a_test_without_children() {
    *OTHER_RUNS.lock().unwrap_or_else(PoisonError::into_inner) = true;
    OTHER_BEGAN.notify_all();
}

#[test]
fn child_of_a_test_runs_that_test_alone() {
    nanolith_process::init().serve::<(Harness,)>();
    assert_eq!(role(), Role::Parent);
    assert!(!Harness::on(&children()).sees_other_test().wait().expect("it runs"));
}

#[test]
#[ignore = "`child_of_an_ignored_test_serves` runs it"]
fn ignored_test() {
    nanolith_process::init().serve::<(Harness,)>();
    assert!(Harness::on(&children()).is_child().wait().expect("it runs"));
}

#[test]
fn child_of_an_ignored_test_serves() {
    let program = std::env::current_exe().expect("it has a path");
    let run = std::process::Command::new(program).args(["ignored_test", "--exact", "--ignored"]).output();
    let run = run.expect("it starts");
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && output.contains("1 passed"), "{output}");
}
