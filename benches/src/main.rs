//! Benchmarks: compares nanolith with other crates and with hand-written code, in one run,
//! interleaved round by round.
//!
//! ```text
//! nanolith-bench compare [CASE..] [--rounds N] [--cores N] [--csv FILE] [--plot DIR] [--node]
//! nanolith-bench compare [CASE..] --against CHECKOUT [--rounds N] [--cores N]
//! nanolith-bench check [CASE..] [--rounds N] [--cores N] [--node]
//! nanolith-bench scaling [--rounds N] [--csv FILE] [--plot DIR]
//! nanolith-bench list
//! ```
//!
//! `cargo run --release -p nanolith-bench -- ARGUMENTS` builds and runs it.
//!
//! Times on shared machines mean little; ratios of medians from one run mean something. Every
//! result is checked.

mod args;
mod compare_checkouts;
mod run;

mod case;
mod cases;
mod child_process;
mod drive;
mod drive_async;
mod http;
mod mixed;
mod node_js;
mod peers;
mod project;
mod work;

mod alloc;
mod machine;
mod measure;
mod median;
mod pace;
mod probe;

mod csv;
mod goals;
mod plot;
mod report;

use args::{Command, Options};
use std::{error::Error, process::ExitCode};

fn main() -> ExitCode {
    child_process::serve_if_child();
    nanolith_process::init().serve::<(cases::child_calls::Remote,)>();
    match args::parse(std::env::args().skip(1)) {
        Ok(command) => outcome(carry_out(&command)),
        Err(problem) => {
            eprintln!("nanolith-bench: {problem}\n{}", args::USAGE);
            ExitCode::from(2)
        }
    }
}

/// Runs the command. Returns 0 when all went well and each goal is reached.
fn carry_out(command: &Command) -> Result<u8, Box<dyn Error>> {
    match command {
        Command::Compare(options) => pinned(options).and_then(|()| compare(options)).map(|()| 0),
        Command::Check(options) => pinned(options).map(|()| check(options)),
        Command::List => {
            print!("{}", report::list());
            Ok(0)
        }
        Command::Probe(probe) => {
            println!("{}", probe.run()?);
            Ok(0)
        }
    }
}

/// Pins this process to as many cores as the options say. No other thread runs yet. Threads and
/// child processes inherit the cores.
fn pinned(options: &Options) -> Result<(), Box<dyn Error>> {
    Ok(options.cores.map_or(Ok(()), machine::pin)?)
}

fn outcome(result: Result<u8, Box<dyn Error>>) -> ExitCode {
    result.map_or_else(
        |problem| {
            eprintln!("nanolith-bench: {problem}");
            ExitCode::from(2)
        },
        ExitCode::from,
    )
}

/// Runs each contender of each case, with all its figures.
fn compare(options: &Options) -> Result<(), Box<dyn Error>> {
    println!("{}\n", machine::line());
    if let Some(checkout) = &options.against {
        print!("{}", compare_checkouts::compare(checkout, options)?);
        return Ok(());
    }
    let mut csv = options.csv.as_deref().map(csv::Writer::create).transpose()?;
    for case in &options.cases {
        let mut measured = run::compared(case, options);
        measured.probe(options);
        println!("{}", report::table(&measured));
        csv.iter_mut().try_for_each(|csv| csv.write(&measured))?;
        options.plot.iter().try_for_each(|folder| plot::draw(&measured, folder))?;
    }
    Ok(())
}

/// Runs the rows that the goals for this number of cores need, and prints a line for each goal.
fn check(options: &Options) -> u8 {
    let mut standings = Vec::new();
    for case in options.cases.iter().filter(|case| case.goals_here().next().is_some()) {
        let measured = run::checked(case, options);
        for goal in case.goals_here() {
            let standing = goal.stand(case.unit, |row, figure| measured.figures(row, figure));
            println!("{}{}", goal.line(case.name, case.unit, &standing), measured.cpu_of(goal));
            standings.push(standing);
        }
    }
    goals::exit_status(&standings)
}
