//! What the example programs share: a progress bar, a window of handles, text, and the end of a program.

pub(crate) mod bar;
pub(crate) mod text;
pub(crate) mod window;

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
