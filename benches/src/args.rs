//! Parses the command line of the benchmark program into a [`Command`] with its [`Options`].

use crate::{
    case::Case,
    cases::{CASES, named},
    compare_checkouts,
    probe::Probe,
};
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: nanolith-bench compare [CASE..] [--rounds N] [--cores N] [--csv FILE] [--plot DIR] [--node]
       nanolith-bench compare [CASE..] --against CHECKOUT [--rounds N] [--cores N]
       nanolith-bench check [CASE..] [--rounds N] [--cores N] [--node]
       nanolith-bench scaling [--rounds N] [--csv FILE] [--plot DIR]
       nanolith-bench list";

/// The rounds of a check that does not set them.
const CHECK_ROUNDS: usize = 11;

/// The command to run.
pub(crate) enum Command {
    Compare(Options),
    Check(Options),
    List,
    /// Measures one contender in a process of its own, for `compare` and `check`.
    Probe(Probe),
}

/// The options of a command.
pub(crate) struct Options {
    pub(crate) cases: Vec<&'static Case>,
    pub(crate) rounds: usize,
    /// The number of cores that the process is pinned to, or all of them.
    pub(crate) cores: Option<usize>,
    pub(crate) csv: Option<PathBuf>,
    pub(crate) plot: Option<PathBuf>,
    /// The checkout whose build is compared with this one.
    pub(crate) against: Option<PathBuf>,
    /// Whether contenders that are not written in Rust run too.
    pub(crate) node: bool,
}

/// Parses the arguments after the program's name.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    match arguments.next().as_deref() {
        Some("compare") => options(arguments, None).map(Command::Compare),
        Some("check") => options(arguments, Some(CHECK_ROUNDS)).map(Command::Check),
        Some("scaling") => scaling(arguments).map(Command::Compare),
        Some("list") => arguments.next().map_or(Ok(Command::List), |more| Err(format!("what is `{more}`?"))),
        Some("probe") => Probe::parse(arguments).map(Command::Probe),
        Some(other) => Err(format!("there is no command `{other}`")),
        None => Err("a command is missing".into()),
    }
}

/// Parses the options of `scaling`: its cases, with a CSV file.
fn scaling(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let cases = CASES.iter().map(|case| case.name).filter(|name| name.starts_with("scaling"));
    let mut options = options(cases.map(str::to_owned).chain(arguments), None)?;
    options.csv.get_or_insert_with(|| "scaling.csv".into());
    Ok(options)
}

fn options(mut arguments: impl Iterator<Item = String>, rounds: Option<usize>) -> Result<Options, String> {
    let mut options =
        Options { cases: Vec::new(), rounds: 0, cores: None, csv: None, plot: None, against: None, node: false };
    let mut asked = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => asked = Some(count(arguments.next(), "--rounds")?),
            "--cores" => options.cores = Some(count(arguments.next(), "--cores")?),
            "--csv" => options.csv = Some(path(arguments.next(), "--csv", "a file")?),
            "--plot" => options.plot = Some(path(arguments.next(), "--plot", "a folder")?),
            "--against" => options.against = Some(path(arguments.next(), "--against", "the folder of a checkout")?),
            "--node" => options.node = true,
            name => options.cases.push(named(name).ok_or_else(|| format!("there is no case `{name}`"))?),
        }
    }
    if options.cases.is_empty() {
        options.cases.extend(CASES.iter().filter(|case| !case.only_named));
    }
    let usual = if options.against.is_some() { compare_checkouts::ROUNDS } else { 5 };
    options.rounds = asked.or(rounds).unwrap_or(usual);
    Ok(options)
}

fn count(text: Option<String>, option: &str) -> Result<usize, String> {
    let number = text.and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{option}` takes a number from 1 up"))
}

fn path(text: Option<String>, option: &str, what: &str) -> Result<PathBuf, String> {
    text.map(PathBuf::from).ok_or_else(|| format!("`{option}` takes {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn compared(line: &str) -> Options {
        match parsed(line) {
            Ok(Command::Compare(options)) => options,
            _ => panic!("`{line}` is a comparison"),
        }
    }

    #[test]
    fn case_names_match_in_upper_or_lower_case() {
        let options = compared("compare t1 S2 --rounds 3 --cores 1 --csv a.csv --plot plots --node");
        let names: Vec<_> = options.cases.iter().map(|case| case.name).collect();
        assert_eq!(names, ["T1", "S2"]);
        assert_eq!((options.rounds, options.cores, options.node), (3, Some(1), true));
        assert_eq!((options.csv, options.plot), (Some("a.csv".into()), Some("plots".into())));
    }

    #[test]
    fn default_selection_omits_cases_that_take_minutes() {
        let options = compared("compare");
        assert_eq!(options.rounds, 5);
        assert_eq!(compared("compare T1 --against old").rounds, 11);
        assert!(options.cases.iter().all(|case| !case.only_named));
        assert_eq!(options.cases.len(), CASES.iter().filter(|case| !case.only_named).count());
    }

    #[test]
    fn scaling_command_writes_a_csv_file() {
        let options = compared("scaling --rounds 2");
        assert!(options.cases.len() > 1 && options.cases.iter().all(|case| case.name.starts_with("scaling")));
        assert_eq!(options.rounds, 2);
        assert_eq!(options.csv, Some("scaling.csv".into()));
        assert_eq!(compared("scaling --csv a.csv").csv, Some("a.csv".into()));
    }

    #[test]
    fn argument_mistakes_are_errors() {
        let problem = |line| parsed(line).err().unwrap_or_default();
        assert_eq!(problem(""), "a command is missing");
        assert_eq!(problem("race"), "there is no command `race`");
        assert_eq!(problem("compare T99"), "there is no case `T99`");
        assert_eq!(problem("compare --rounds 0"), "`--rounds` takes a number from 1 up");
        assert_eq!(problem("check --rounds"), "`--rounds` takes a number from 1 up");
        assert_eq!(problem("check --cores none"), "`--cores` takes a number from 1 up");
        assert_eq!(problem("compare --csv"), "`--csv` takes a file");
        assert_eq!(problem("list all"), "what is `all`?");
    }
}
