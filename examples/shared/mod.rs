//! What the example programs share: a progress bar, numbers as text, and how a program ends.

pub(crate) mod bar;
pub(crate) mod text;

use std::{
    error::Error,
    io::{self, BufWriter, ErrorKind, Write},
    process::ExitCode,
};

/// Writes to standard output. A reader that has seen enough, as in `census | head`, is no failure.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// 0, or 1 with what went wrong on standard error.
pub(crate) fn exit_code(program: &str, outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// 2, with what is wrong with the command line on standard error.
pub(crate) fn usage_error(program: &str, problem: &str) -> ExitCode {
    eprintln!("{program}: {problem}\nTry `{program} --help`.");
    ExitCode::from(2)
}
