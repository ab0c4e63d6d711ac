//! [`LaunchError`]: why a service in a child process did not start.

use crate::{build_error::BuildError, exit::ChildCrash};
use nanolith::{call::Panic, wire::RemoteError};
use std::{error::Error, fmt};

/// Why a [`ProcessService`](crate::ProcessService) did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum LaunchError {
    /// `#[init]` returned an error.
    Init(RemoteError),
    /// `#[init]` panicked in the child.
    Panicked(Panic),
    /// `#[init]` took longer than
    /// [`launch_timeout`](nanolith::service::ServiceBuilder::launch_timeout). Its child was killed.
    TimedOut,
    /// The child died, or did not start.
    Crashed(ChildCrash),
    /// A setting is invalid, or cannot be enforced.
    Build(BuildError),
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(error) => error.fmt(f),
            Self::Panicked(panic) => write!(f, "`#[init]` panicked{panic}"),
            Self::TimedOut => f.write_str("`#[init]` did not finish within the launch timeout"),
            Self::Crashed(crash) => crash.fmt(f),
            Self::Build(error) => error.fmt(f),
        }
    }
}

impl Error for LaunchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Build(error) => error.source(),
            _ => None,
        }
    }
}
