//! `cargo xtask ci`: the commands that a change must pass, one after another, each with its duration.

use crate::{
    commands::Command,
    shell::{Failure, Outcome},
};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

/// What a change must pass. The tests first: their answer is the one waited for. Miri, the sanitizer and the soak are
/// apart: they need a nightly toolchain, or time.
const STEPS: &[&str] = &["test", "fmt", "clippy", "doc", "ui", "features", "tree", "deny", "examples", "loom"];

pub(crate) fn run() -> Outcome {
    let mut passed = Vec::new();
    for name in STEPS {
        println!("\n=== {name} ===");
        let start = Instant::now();
        let outcome = step(name);
        let took = start.elapsed();
        if let Err(failure) = outcome {
            print!("{}", summary(&passed, Some((name, took))));
            return Err(again(name, &failure));
        }
        println!("=== {name} passed in {} ===", seconds(took));
        passed.push((*name, took));
    }
    print!("{}", summary(&passed, None));
    Ok(())
}

fn step(name: &str) -> Outcome {
    let command = Command::named(name).ok_or_else(|| Failure::Rule(format!("there is no command `{name}`")))?;
    (command.run)()
}

/// The failure, and how to see it again without the steps before it.
fn again(name: &str, failure: &Failure) -> Failure {
    Failure::Rule(format!("{name} failed: {failure}\nrepeat it with: cargo xtask {name}"))
}

/// A line for each step that ran, and a closing line in the form of a test runner's.
fn summary(passed: &[(&str, Duration)], failed: Option<(&str, Duration)>) -> String {
    let mut text = String::from("\n");
    for (name, took) in passed {
        let _ = writeln!(text, "  {name:<9} {:>8}", seconds(*took));
    }
    if let Some((name, took)) = failed {
        let _ = writeln!(text, "  {name:<9} {:>8}  FAILED", seconds(took));
    }
    let _ = writeln!(text, "steps: {} passed, {} failed", passed.len(), usize::from(failed.is_some()));
    text
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_a_command_and_none_is_ci_itself() {
        for name in STEPS {
            assert!(Command::named(name).is_some(), "{name}");
            assert_ne!(*name, "ci");
        }
    }

    #[test]
    fn a_failure_says_how_to_repeat_it() {
        let text = again("fmt", &Failure::Rule("crooked".into())).to_string();
        assert!(text.ends_with("repeat it with: cargo xtask fmt"), "{text}");
    }

    #[test]
    fn the_summary_counts_what_passed_and_names_what_failed() {
        let took = Duration::from_millis(1500);
        let text = summary(&[("test", took), ("fmt", took)], Some(("doc", took)));
        assert!(text.contains("doc          1.5 s  FAILED"), "{text}");
        assert!(text.ends_with("steps: 2 passed, 1 failed\n"), "{text}");
    }
}
