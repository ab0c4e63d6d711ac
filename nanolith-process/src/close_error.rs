//! [`CloseError`]: how a service in a child process ended, if not in order.

use crate::exit::ChildCrash;
use std::{error::Error, fmt};

/// The error of a [`ProcessService`](crate::ProcessService) that did not end in order. Its state was not
/// dropped, and `#[on_close]` did not run to its end.
///
/// ```standalone_crate
/// use nanolith::prelude::*;
/// use nanolith_process::{CloseError, ProcessService};
///
/// pub struct Counter { total: i64 }
///
/// #[define(wire)]
/// impl Counter {
///     #[init]
///     fn start(total: i64) -> Self { Self { total } }
///     #[on_close]
///     fn done(self) { assert_eq!(self.total, 0, "a call came in") }
///     pub fn crash(&mut self) { std::process::abort() }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Counter,)>();
///     let counter = ProcessService::launch(Counter::service(0)).wait()?;
///     counter.close().wait()?;
///
///     let counter = ProcessService::launch(Counter::service(10)).wait()?;
///     let Err(CloseError::Crashed(crash)) = counter.close().wait() else { unreachable!("it panicked") };
///     assert!(crash.stderr().contains("a call came in"));
///
///     let counter = ProcessService::launch(Counter::service(0)).wait()?;
///     assert!(counter.crash().wait().is_err());
///     assert!(matches!(counter.close().wait(), Err(CloseError::Crashed(_))));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloseError {
    /// The child died, and its policy does not restart it, or the limit was reached. Or `#[on_close]`
    /// panicked, or the drop of the state did: the exit code of the child is then 1.
    Crashed(ChildCrash),
    /// `#[on_close]` and the drop of the state took more than five seconds, and the child was killed.
    TimedOut,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crashed(crash) => write!(f, "the service did not end in order: {crash}"),
            Self::TimedOut => f.write_str("the service took more than 5 s to close, and its child was killed"),
        }
    }
}

impl Error for CloseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Crashed(crash) => Some(crash),
            Self::TimedOut => None,
        }
    }
}
