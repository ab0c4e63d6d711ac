//! Counts the files, bytes, lines and words of each file type in a folder tree, and finds duplicate
//! files.
//!
//! ```text
//! cargo run --release --example census -- [PATH] [--json] [--all] [-x] [--on processes]
//! ```
//!
//! The program shows a use of each of two executors. A task of [`Census`](count::Census) reads a
//! file; many of them run at once on a pool. The sums are the state of [`Ledger`](ledger::Ledger),
//! a service that alone owns them, so there is no lock.
//!
//! With `--on processes`, the pool is one of child processes instead. The report is the same, except
//! for its last lines, which name the workers: threads, or child processes. The first statement of
//! `main` serves in a child.
//!
//! The [`Dispatcher`] connects the two with a window of handles. So the number of files in progress is
//! bounded, however large the tree is. Only the ledger grows with the tree, by a path and a digest
//! for each file. A file that cannot be read is part of the report. So is a file that is gone, or
//! is no longer a file, when the task opens it.

#[path = "census/arguments.rs"]
mod arguments;
#[path = "census/count.rs"]
mod count;
#[path = "census/dispatcher.rs"]
mod dispatcher;
#[path = "shared/file.rs"]
mod file;
#[path = "census/json.rs"]
mod json;
#[path = "census/ledger.rs"]
mod ledger;
#[path = "census/table.rs"]
mod table;
#[path = "census/walk.rs"]
mod walk;

mod shared;

use arguments::{On, Options, Wish};
use count::Census;
use dispatcher::Dispatcher;
use ledger::{Ledger, Report, Unreadable};
use nanolith::{Executor, pool::Concurrency, prelude::*};
use shared::bar::Bar;
use std::{env, error::Error, fs, process::ExitCode};
use table::Limits;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    nanolith_process::init().serve::<(Census,)>();
    let outcome = match arguments::parse(env::args_os().skip(1)) {
        Ok(Wish::Help) => shared::print(|out| out.write_all(arguments::HELP.as_bytes())),
        Ok(Wish::Census(options)) => match fs::metadata(&options.path) {
            Ok(_) => run(&options),
            Err(error) => return shared::usage_error("census", &format!("`{}`: {error}", options.path.display())),
        },
        Err(problem) => return shared::usage_error("census", &problem),
    };
    shared::exit_code("census", outcome)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let report = take(options)?;
    if options.json {
        shared::print(|out| json::write(out, &report))
    } else {
        let limits = if options.all { Limits::NONE } else { Limits::SHORT };
        shared::print(|out| table::write(out, &report, &limits))
    }
}

/// Takes the census on threads or in child processes.
fn take(options: &Options) -> Result<Report, Box<dyn Error>> {
    match options.on {
        #[cfg(target_os = "linux")]
        On::Processes => {
            let children = nanolith_process::ProcessPool::builder().name("census").build()?;
            let report = take_on(&children, options);
            children.close();
            children.closed().wait();
            report
        }
        _ => take_on(&Pool::builder().name("census").concurrency(Concurrency::X2).build()?, options),
    }
}

/// Walks the tree on this thread, counts its files on the executor, and records the counts in the
/// ledger.
fn take_on(executor: &(impl Executor<Census> + Clone), options: &Options) -> Result<Report, Box<dyn Error>> {
    let ledger = Ledger::service().name("ledger").launch().wait()?;
    let mut dispatcher = Dispatcher::new(executor, &ledger, Bar::new());
    for found in walk::files(options) {
        match found {
            Ok((path, links)) => dispatcher.count(path, links)?,
            Err(Unreadable { path, reason }) => dispatcher.reject(path, reason)?,
        }
    }
    dispatcher.finish()?;
    let report = ledger.report().wait()?;
    ledger.close().wait()?;
    Ok(report)
}
