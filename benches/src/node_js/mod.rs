//! Runs the same tasks on worker threads of Node.js, plain or in a pool of the package Piscina, if
//! Node.js is installed and `--node` is given.
//!
//! Each run is a process of its own, which prints its own costs.

use crate::{
    measure::{Lap, Sample},
    peers::cores,
};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A script that runs tasks through a pool of Piscina.
pub(crate) const PISCINA: &str = include_str!("piscina.mjs");

/// A script that runs tasks through plain worker threads.
pub(crate) const WORKER_THREADS: &str = include_str!("worker_threads.mjs");

/// The script that the workers run.
const WORKER: &str = include_str!("worker.mjs");

/// Runs a script. It prints tasks for each millisecond, nanoseconds of CPU time for each task, and
/// the peak memory in MiB.
pub(crate) fn sample(lap: &Lap, script: &str) -> Result<Sample, String> {
    if !lap.node {
        return Err("only with --node".into());
    }
    let folder = package()?;
    fs::write(folder.join("run.mjs"), script).map_err(|error| error.to_string())?;
    let output = said("node", Command::new("node").arg("run.mjs").arg(cores().to_string()).current_dir(&folder))?;
    parse(&output).ok_or_else(|| format!("`{}` is not three figures", output.trim()))
}

/// Returns a folder with Piscina installed.
fn package() -> Result<PathBuf, String> {
    let folder = env::temp_dir().join("nanolith-bench-node");
    if !folder.join("node_modules/piscina").is_dir() {
        install(&folder)?;
    }
    fs::write(folder.join("worker.mjs"), WORKER).map_err(|error| error.to_string())?;
    Ok(folder)
}

fn install(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "piscina"]).current_dir(folder);
    said("npm", &mut npm).map(drop)
}

/// Returns the output of a program.
fn said(name: &str, command: &mut Command) -> Result<String, String> {
    let output: io::Result<Output> = command.output();
    let output = output.map_err(|_| format!("{name} is not there"))?;
    if !output.status.success() {
        let last = String::from_utf8_lossy(&output.stderr).trim().lines().last().map(str::to_owned);
        return Err(format!("{name} failed: {}", last.unwrap_or_default()));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

fn parse(line: &str) -> Option<Sample> {
    let figures: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match figures[..] {
        [figure, cpu, peak] => Some(Sample { figure, cpu: Some(cpu), peak_memory: Some(peak), ..Sample::default() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_is_parsed_from_three_figures() {
        let sample = parse("40.5 1000 64\n").expect("they are three");
        assert_eq!((sample.cpu, sample.peak_memory), (Some(1_000.0), Some(64.0)));
        assert!(parse("40.5").is_none());
    }
}
