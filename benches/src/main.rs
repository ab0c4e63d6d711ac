//! nanolith beside what people would write by hand, interleaved round by round in one run: `compare [CASE..] [--rounds N]`.
//!
//! Times on shared machines mean little; ratios of medians from one run mean something. Every result is checked.

mod cases;
mod median;

use cases::{CASES, Case};
use std::process::ExitCode;

/// What to run.
struct Plan {
    cases: Vec<&'static Case>,
    rounds: usize,
}

fn main() -> ExitCode {
    match plan(std::env::args().skip(1)) {
        Ok(plan) => {
            plan.cases.iter().for_each(|case| compare(case, plan.rounds));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("nanolith-bench: {problem}\nusage: nanolith-bench compare [CASE..] [--rounds N]");
            ExitCode::from(2)
        }
    }
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
    let mut plan = Plan { cases: Vec::new(), rounds: 5 };
    if arguments.next().as_deref() != Some("compare") {
        return Err("the one command is `compare`".into());
    }
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            let rounds = arguments.next().and_then(|text| text.parse().ok()).filter(|rounds| *rounds > 0);
            plan.rounds = rounds.ok_or("`--rounds` takes a number from 1 up")?;
        } else {
            let case = CASES.iter().find(|case| case.name.eq_ignore_ascii_case(&argument));
            plan.cases.push(case.ok_or_else(|| format!("there is no case `{argument}`"))?);
        }
    }
    if plan.cases.is_empty() {
        plan.cases.extend(CASES);
    }
    Ok(plan)
}

/// Runs every contender of a case once a round, and prints medians and their ratio to the first, the baseline.
fn compare(case: &Case, rounds: usize) {
    println!("{}: {}", case.name, case.what);
    let mut samples = vec![Vec::with_capacity(rounds); case.contenders.len()];
    for _ in 0..rounds {
        for (samples, (_, run)) in samples.iter_mut().zip(case.contenders) {
            samples.push(run());
        }
    }
    let baseline = samples.first().map_or(f64::NAN, |samples| median::of(samples));
    for (samples, (name, _)) in samples.iter().zip(case.contenders) {
        let (median, low, high) = (median::of(samples), median::lowest(samples), median::highest(samples));
        println!("  {name:<28} {median:>12.1} {} ({low:.1} to {high:.1})  {:>6.2}", case.unit, median / baseline);
    }
}
