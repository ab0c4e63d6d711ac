//! `cargo xtask COMMAND`: the commands of CI, for people to run too. Without a command it lists
//! them.
//!
//! [`commands`] is the table of commands, with the cargo commands that they run. [`ci`] runs the
//! commands that a change must pass. [`checks`] reads the sources. [`book`] builds the book.
//! [`instructions`] counts the instructions of a call, which [`callgrind`] parses. [`shell`] starts
//! programs and returns their results.

mod ci;
mod commands;

mod book;
mod checks;

mod callgrind;
mod instructions;

mod shell;

use commands::{COMMANDS, Command};
use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["help" | "--help" | "-h"] => {
            print!("{}", help());
            ExitCode::SUCCESS
        }
        [name] => match Command::named(name) {
            Some(command) => run(command),
            None => misused(&format!("there is no command `{name}`")),
        },
        [name, ..] => misused(&format!("`{name}` takes no arguments")),
    }
}

fn run(command: &Command) -> ExitCode {
    match (command.run)() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn misused(what: &str) -> ExitCode {
    eprint!("xtask: {what}\n\n{}", help());
    ExitCode::from(2)
}

fn help() -> String {
    let mut text = String::from("cargo xtask COMMAND\n\n");
    for Command { name, about, .. } in COMMANDS {
        text += &format!("  {name:<12} {about}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_one_line_for_each_command() {
        let help = help();
        for command in COMMANDS {
            let lines = help.lines().filter(|line| line.split_whitespace().next() == Some(command.name));
            assert_eq!(lines.count(), 1, "{}", command.name);
        }
        assert_eq!(help.lines().count(), COMMANDS.len() + 2);
    }
}
