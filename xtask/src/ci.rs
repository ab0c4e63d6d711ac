//! `cargo xtask ci`: runs the commands that a change must pass, one after another, and prints the
//! duration of each.

use crate::{
    commands::Command,
    shell::{Failure, Outcome},
};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

/// The commands that a change must pass. Tests are first, since their result matters most. Miri,
/// the sanitizer and the soak are separate commands: they need a nightly toolchain, or more time.
const STEPS: &[&str] = &[
    "test",
    "fmt",
    "floors",
    "length",
    "test-names",
    "words",
    "links",
    "api",
    "clippy",
    "doc",
    "book",
    "ui",
    "features",
    "macos",
    "msrv",
    "tree",
    "deny",
    "stress",
    "instructions",
    "loom",
];

/// The result of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Passed,
    /// The step cannot run on this machine.
    Skipped,
    Failed,
}

struct Ran {
    name: &'static str,
    took: Duration,
    ending: Ending,
}

pub(crate) fn run() -> Outcome {
    let mut ran = Vec::new();
    for name in STEPS {
        println!("\n=== {name} ===");
        let start = Instant::now();
        let outcome = step(name);
        let took = start.elapsed();
        ran.push(Ran { name, took, ending: ending(&outcome) });
        match outcome {
            Ok(()) => println!("=== {name} passed in {} ===", seconds(took)),
            Err(Failure::NotHere(why)) => println!("=== {name} skipped: {why} ==="),
            Err(failure) => {
                print!("{}", summary(&ran));
                return Err(again(name, &failure));
            }
        }
    }
    print!("{}", summary(&ran));
    Ok(())
}

fn step(name: &str) -> Outcome {
    let command = Command::named(name).ok_or_else(|| Failure::Rule(format!("there is no command `{name}`")))?;
    (command.run)()
}

fn ending(outcome: &Outcome) -> Ending {
    match outcome {
        Ok(()) => Ending::Passed,
        Err(Failure::NotHere(_)) => Ending::Skipped,
        Err(_) => Ending::Failed,
    }
}

/// Returns the failure, with the command that runs its step alone.
fn again(name: &str, failure: &Failure) -> Failure {
    Failure::Rule(format!("{name} failed: {failure}\nrepeat it with: cargo xtask {name}"))
}

/// Returns a line for each step that ran, and a last line in the form of a test runner's summary.
fn summary(ran: &[Ran]) -> String {
    let mut text = String::from("\n");
    for Ran { name, took, ending } in ran {
        let note = match ending {
            Ending::Passed => "",
            Ending::Skipped => "  skipped",
            Ending::Failed => "  FAILED",
        };
        let _ = writeln!(text, "  {name:<12} {:>8}{note}", seconds(*took));
    }
    let count = |ending| ran.iter().filter(|step| step.ending == ending).count();
    let _ = write!(text, "steps: {} passed, {} failed", count(Ending::Passed), count(Ending::Failed));
    let _ = match count(Ending::Skipped) {
        0 => writeln!(text),
        skipped => writeln!(text, ", {skipped} skipped"),
    };
    text
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_a_command_other_than_ci() {
        for name in STEPS {
            assert!(Command::named(name).is_some(), "{name}");
            assert_ne!(*name, "ci");
        }
    }

    #[test]
    fn failure_says_how_to_repeat_the_step() {
        let text = again("fmt", &Failure::Rule("crooked".into())).to_string();
        assert!(text.ends_with("repeat it with: cargo xtask fmt"), "{text}");
    }

    #[test]
    fn summary_counts_passed_steps_and_names_failed_ones() {
        let text = summary(&[ran("test", Ending::Passed), ran("fmt", Ending::Passed), ran("doc", Ending::Failed)]);
        assert!(text.contains("doc             1.5 s  FAILED"), "{text}");
        assert!(text.ends_with("steps: 2 passed, 1 failed\n"), "{text}");
    }

    #[test]
    fn step_that_cannot_run_here_is_skipped() {
        assert!(ending(&Err(Failure::NotHere("no valgrind".into()))) == Ending::Skipped);
        let text = summary(&[ran("test", Ending::Passed), ran("instructions", Ending::Skipped)]);
        assert!(text.contains("instructions    1.5 s  skipped"), "{text}");
        assert!(text.ends_with("steps: 1 passed, 0 failed, 1 skipped\n"), "{text}");
    }

    fn ran(name: &'static str, ending: Ending) -> Ran {
        Ran { name, took: Duration::from_millis(1500), ending }
    }
}
