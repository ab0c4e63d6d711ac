//! Shared code of the example programs: a progress bar, numbers as text, and the exit of a program.

pub(crate) mod bar;
pub(crate) mod text;

use std::{
    error::Error,
    io::{self, BufWriter, ErrorKind, Write},
    process::ExitCode,
};

/// Writes to standard output. A closed output, as in `census | head`, is not a failure.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns exit code 0, or prints the error to standard error and returns 1.
pub(crate) fn exit_code(program: &str, outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the problem with the command line to standard error, and returns exit code 2.
pub(crate) fn usage_error(program: &str, problem: &str) -> ExitCode {
    eprintln!("{program}: {problem}\nTry `{program} --help`.");
    ExitCode::from(2)
}
