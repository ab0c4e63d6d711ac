//! [`BuildError`]: why a pool of child processes was not built.

use std::{error::Error, fmt, io};

/// The error of [`ProcessPoolBuilder::build`](crate::ProcessPoolBuilder::build). Its text names the
/// setting, or says what to write in `main`.
///
/// ```
/// let error = nanolith_process::ProcessPool::builder().build().unwrap_err();
/// assert!(error.to_string().contains("begin `main` with"));
/// ```
#[derive(Debug)]
pub struct BuildError(Reason);

#[derive(Debug)]
enum Reason {
    Setting(&'static str, &'static str),
    Queue(nanolith::pool::BuildError),
    NotServed,
    InChild,
    System(&'static str, io::Error),
}

impl BuildError {
    pub(crate) fn setting(name: &'static str, what: &'static str) -> Self {
        Self(Reason::Setting(name, what))
    }

    pub(crate) fn queue(error: nanolith::pool::BuildError) -> Self {
        Self(Reason::Queue(error))
    }

    pub(crate) fn not_served() -> Self {
        Self(Reason::NotServed)
    }

    pub(crate) fn in_child() -> Self {
        Self(Reason::InChild)
    }

    pub(crate) fn system(what: &'static str, error: io::Error) -> Self {
        Self(Reason::System(what, error))
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Setting(name, what) => write!(f, "the setting `{name}` {what}"),
            Reason::Queue(error) => error.fmt(f),
            Reason::NotServed => f.write_str(
                "this process never called `serve`: begin `main` with \
                 `nanolith_process::init().serve::<(Geometry,)>()`, which names each set",
            ),
            Reason::InChild => f.write_str("a child process starts no children before it serves"),
            Reason::System(what, error) => write!(f, "{what} failed: {error}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Queue(error) => error.source(),
            Reason::System(_, error) => Some(error),
            _ => None,
        }
    }
}
