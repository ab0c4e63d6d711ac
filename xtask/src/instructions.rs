//! `cargo xtask instructions`: counts the instructions of each side of a call and compares them
//! with bounds. Unlike a time, the count is the same on a busy and on an idle machine. Small
//! changes show.
//!
//! `benches/instructions` is the program that is counted. Its documentation describes a round, and
//! why the count is the same in each run.

use crate::{
    callgrind::Part,
    shell::{Failure, Outcome, cargo, program, target_dir},
};
use std::{fmt::Write as _, fs, io, path::Path};

/// One count.
struct Count {
    what: &'static str,
    side: Side,
    /// The largest number of instructions for each call that passes.
    bound: u64,
}

/// The side whose instructions are counted.
enum Side {
    /// The caller's side: the instructions within this function.
    Caller(&'static str),
    /// The executor's side: all instructions of its thread, for calls of `task`, up to this mark.
    /// The call that holds the thread before, and the call that ends the round, are included. They
    /// are two among hundreds.
    Executor { task: &'static str, mark: &'static str },
}

/// The mark at which the caller's side of a round is complete.
const END_OF_ROUND: &str = "end_of_round";

/// The bounds are the counts on x86-64 with Rust 1.95 and glibc 2.36, plus 15 per cent, rounded up
/// to a multiple of five. Within five runs the counts differed by less than 0.5 per cent. A change
/// that costs more, and is worth it, raises its bound. A change that saves much lowers it.
const COUNTS: &[Count] = &[
    Count { what: "submit to a service", side: Side::Caller("submit_to_service"), bound: 405 },
    Count { what: "take from a service", side: Side::Caller("take_from_service"), bound: 235 },
    Count { what: "tell a service", side: Side::Caller("tell_service"), bound: 200 },
    Count {
        what: "run a submitted call on a service",
        side: Side::Executor { task: "add", mark: "end_of_service_calls" },
        bound: 590,
    },
    Count {
        what: "run a message on a service",
        side: Side::Executor { task: "add", mark: "end_of_tells" },
        bound: 335,
    },
    Count { what: "submit to a locked pool", side: Side::Caller("submit_to_pool"), bound: 1_115 },
    Count { what: "take from a pool", side: Side::Caller("take_from_pool"), bound: 235 },
    Count {
        what: "run a call on a locked pool",
        side: Side::Executor { task: "mix", mark: "end_of_pool_calls" },
        bound: 1_665,
    },
    Count {
        what: "a child call on a locked pool",
        side: Side::Executor { task: "mix", mark: "end_of_locked_children" },
        bound: 2_390,
    },
    Count { what: "a child call", side: Side::Executor { task: "mix", mark: "end_of_children" }, bound: 1_390 },
    Count { what: "submit with a time limit", side: Side::Caller("submit_with_limit"), bound: 1_625 },
    Count { what: "take with a time limit", side: Side::Caller("take_with_limit"), bound: 365 },
    Count {
        what: "run a call with a time limit",
        side: Side::Executor { task: "mix", mark: "end_of_limited_calls" },
        bound: 1_745,
    },
    Count { what: "submit with a token", side: Side::Caller("submit_with_token"), bound: 1_885 },
    Count { what: "take with a token", side: Side::Caller("take_with_token"), bound: 995 },
    Count {
        what: "run a call with a token",
        side: Side::Executor { task: "mix", mark: "end_of_token_calls" },
        bound: 1_885,
    },
    Count { what: "submit with a priority", side: Side::Caller("submit_with_priority"), bound: 1_010 },
    Count {
        what: "run a call with a priority",
        side: Side::Executor { task: "mix", mark: "end_of_urgent_calls" },
        bound: 1_995,
    },
    Count {
        what: "run an asynchronous call",
        side: Side::Executor { task: "mix", mark: "end_of_async_calls" },
        bound: 3_700,
    },
    Count {
        what: "run an asynchronous call that yields",
        side: Side::Executor { task: "mix", mark: "end_of_yielding_calls" },
        bound: 4_410,
    },
];

pub(crate) fn run() -> Outcome {
    can_count()?;
    let counted = count("")?;
    print!("{}", table(&counted));
    verdict(&counted)
}

/// A call from its submission to its outcome: the counts that add up to it, and the share by which the
/// feature `tracing` may raise them without a subscriber. The aim is 0.02. In a service's call, the compiler
/// inlines less with the feature.
const WHOLE: &[(&str, [&str; 3], f64)] = &[
    ("a call of a service", ["submit to a service", "take from a service", "run a submitted call on a service"], 0.04),
    ("a call of a locked pool", ["submit to a locked pool", "take from a pool", "run a call on a locked pool"], 0.02),
];

/// Counts the calls with and without the feature `tracing`, and compares whole calls.
pub(crate) fn traced() -> Outcome {
    can_count()?;
    let (plain, traced) = (count("")?, count("--features tracing")?);
    print!("{}\nwith the feature `tracing`:\n{}\n", table(&plain), table(&traced));
    let mut over = Vec::new();
    for (what, parts, most) in WHOLE {
        let (Some(before), Some(after)) = (sum(&plain, parts), sum(&traced, parts)) else {
            return Err(Failure::Rule(format!("{what}: a part was not counted")));
        };
        let more = after / before - 1.0;
        println!("{what}: {before:.0} and {after:.0} instructions, {:+.1} %", 100.0 * more);
        if more > *most {
            over.push(format!("the feature `tracing` adds {:.1} % to {what}", 100.0 * more));
        }
    }
    if over.is_empty() { Ok(()) } else { Err(Failure::Rule(over.join("\n"))) }
}

/// Returns the sum of these counts.
fn sum(counted: &[Counted], parts: &[&str]) -> Option<f64> {
    parts.iter().map(|part| counted.iter().find(|row| row.count.what == *part)?.each).sum()
}

/// Whether this machine can count the instructions that the bounds are for.
fn can_count() -> Outcome {
    if !cfg!(target_arch = "x86_64") {
        return Err(Failure::NotHere("the bounds are those of x86-64".into()));
    }
    if !program("valgrind", "--version").succeeds() {
        let how = "apt-get install valgrind, dnf install valgrind or the like";
        return Err(Failure::NotHere(format!("valgrind is not installed: {how}")));
    }
    Ok(())
}

/// A count; `None` if there was nothing to count.
struct Counted {
    count: &'static Count,
    each: Option<f64>,
}

impl Counted {
    fn is_ok(&self) -> bool {
        self.each.is_some_and(|each| each <= self.count.bound as f64)
    }
}

/// Callgrind writes each thread apart, since each thread is one side of the call. Threads run in
/// fair turns. Each mark starts a new part, and names are not abbreviated.
const CALLGRIND: &str = "-q --tool=callgrind --separate-threads=yes --fair-sched=try \
    --dump-before=nanolith_instructions::marks::end_of_* --compress-strings=no --compress-pos=no";

/// Builds the program with these features, runs it under callgrind, and parses the output.
fn count(features: &str) -> Result<Vec<Counted>, Failure> {
    cargo(&format!("build --release -p nanolith-instructions {features}")).run()?;
    let written = target_dir().join("instructions");
    empty(&written).map_err(|source| unreadable(&written, &source))?;
    program("valgrind", CALLGRIND)
        .word(&format!("--callgrind-out-file={}", written.join("part").display()))
        .word(&target_dir().join("release/nanolith-instructions").display().to_string())
        .run()?;
    let parts = parts(&written).map_err(|source| unreadable(&written, &source))?;
    Ok(COUNTS.iter().map(|count| Counted { count, each: least(&count.side, &parts) }).collect())
}

/// Creates the directory, or empties it.
fn empty(directory: &Path) -> io::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)
}

fn parts(directory: &Path) -> io::Result<Vec<Part>> {
    fs::read_dir(directory)?.map(|entry| Ok(Part::parse(&fs::read_to_string(entry?.path())?))).collect()
}

fn unreadable(path: &Path, source: &io::Error) -> Failure {
    Failure::Rule(format!("{}: {source}", path.display()))
}

/// Returns the smallest number of instructions for each call among all rounds. The first rounds
/// also fill caches of memory.
fn least(side: &Side, parts: &[Part]) -> Option<f64> {
    parts.iter().filter_map(|part| side.each(part)).min_by(f64::total_cmp)
}

impl Side {
    /// Returns the instructions for each call in this part, if the part counts.
    fn each(&self, part: &Part) -> Option<f64> {
        match self {
            Self::Caller(function) => {
                let spent = part.spent_in(function).filter(|_| part.ends_at(END_OF_ROUND))?;
                Some(spent.instructions as f64 / spent.calls as f64)
            }
            Self::Executor { task, mark } => {
                let spent = part.spent_in(task).filter(|_| part.ends_at(mark))?;
                Some(part.total as f64 / spent.calls as f64)
            }
        }
    }
}

fn table(counted: &[Counted]) -> String {
    let mut text = format!("\n{:<34} {:>19} {:>6}\n", "what", "instructions a call", "bound");
    for row in counted {
        let each = row.each.map_or_else(|| "none counted".into(), |each| format!("{each:.1}"));
        let ok = if row.is_ok() { "ok" } else { "over" };
        let _ = writeln!(text, "{:<34} {each:>19} {:>6}  {ok}", row.count.what, row.count.bound);
    }
    text
}

/// Checks that each count exists and is within its bound.
fn verdict(counted: &[Counted]) -> Outcome {
    let over: Vec<_> = counted.iter().filter(|row| !row.is_ok()).map(complaint).collect();
    if over.is_empty() { Ok(()) } else { Err(Failure::Rule(over.join("\n"))) }
}

fn complaint(row: &Counted) -> String {
    let Count { what, bound, .. } = row.count;
    match row.each {
        Some(each) => format!("to {what} takes {each:.1} instructions, more than {bound}"),
        None => format!("to {what}: nothing was counted, as if its functions or marks were called otherwise by now"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBMIT: Count = Count { what: "submit", side: Side::Caller("submit"), bound: 100 };
    const RUN: Count = Count { what: "run", side: Side::Executor { task: "add", mark: "end_of_calls" }, bound: 100 };

    fn part(mark: &str, function: &str, instructions: u64) -> Part {
        let head = format!("desc: Trigger: --dump-before=counted::{mark}\nsummary: {}\n", 2 * instructions);
        Part::parse(&format!("{head}cfn=counted::{function}\ncalls=10 1\n1 {instructions}\n"))
    }

    fn rows(each: [Option<f64>; 2]) -> [Counted; 2] {
        [Counted { count: &SUBMIT, each: each[0] }, Counted { count: &RUN, each: each[1] }]
    }

    #[test]
    fn round_with_the_fewest_instructions_counts() {
        let parts = [("end_of_round", 990), ("end_of_round", 900), ("end_of_round", 910), ("elsewhere", 10)]
            .map(|(mark, instructions)| part(mark, "submit", instructions));
        assert_eq!(least(&SUBMIT.side, &parts), Some(90.0));
    }

    #[test]
    fn executor_side_sums_the_work_of_its_thread() {
        let parts = [part("end_of_calls", "add", 300), part("end_of_hold", "add", 10)];
        assert_eq!(least(&RUN.side, &parts), Some(60.0));
        assert_eq!(least(&SUBMIT.side, &parts), None);
    }

    #[test]
    fn count_within_its_bound_passes() {
        let counted = rows([Some(100.0), Some(0.5)]);
        assert!(verdict(&counted).is_ok());
        assert!(!table(&counted).contains("over"), "{}", table(&counted));
    }

    #[test]
    fn each_count_above_its_bound_is_named() {
        let counted = rows([Some(99.0), Some(100.1)]);
        let text = verdict(&counted).expect_err("one is over").to_string();
        assert_eq!(text, "to run takes 100.1 instructions, more than 100");
        assert_eq!(table(&counted).lines().filter(|line| line.ends_with("  over")).count(), 1);
    }

    #[test]
    fn missing_count_does_not_pass() {
        let text = verdict(&rows([None, Some(1.0)])).expect_err("one is missing").to_string();
        assert!(text.starts_with("to submit: nothing was counted"), "{text}");
    }

    #[test]
    fn whole_call_is_the_sum_of_its_parts() {
        assert_eq!(sum(&rows([Some(60.0), Some(30.0)]), &["submit", "run"]), Some(90.0));
        assert_eq!(sum(&rows([Some(60.0), None]), &["submit", "run"]), None);
        let is_counted = |part: &&str| COUNTS.iter().any(|count| count.what == *part);
        assert!(WHOLE.iter().all(|(_, parts, _)| parts.iter().all(is_counted)));
    }

    #[test]
    fn count_names_are_unique() {
        let names: std::collections::BTreeSet<_> = COUNTS.iter().map(|count| count.what).collect();
        assert_eq!(names.len(), COUNTS.len());
    }
}
