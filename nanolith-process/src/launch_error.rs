//! [`LaunchError`]: why a service in a child process did not start.

use crate::{build_error::BuildError, exit::ChildCrash};
use nanolith::{call::Panic, wire::RemoteError};
use std::{error::Error, fmt};

/// Why a [`ProcessService`](crate::ProcessService) did not start.
///
/// ```standalone_crate
/// use nanolith::prelude::*;
/// use nanolith_process::{LaunchError, ProcessService};
/// use std::io;
///
/// pub struct Index { bytes: Vec<u8> }
///
/// #[define(wire)]
/// impl Index {
///     #[init]
///     fn open(path: String) -> io::Result<Self> { Ok(Self { bytes: std::fs::read(path)? }) }
///     pub fn len(&self) -> usize { self.bytes.len() }
/// }
///
/// fn main() {
///     nanolith_process::init().serve::<(Index,)>();
///     match ProcessService::launch(Index::service("no/such/file".into())).wait() {
///         Err(LaunchError::Init(error)) => assert_eq!(error.kind(), Some(io::ErrorKind::NotFound)),
///         other => unreachable!("not {other:?}"),
///     }
/// }
/// ```
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
