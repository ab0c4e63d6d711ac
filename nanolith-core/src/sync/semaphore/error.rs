//! The errors of acquiring permits of a semaphore: [`AcquireError`], [`TryAcquireError`] and
//! [`AcquireTimeoutError`].

use std::{error::Error, fmt};

/// The error of a wait for permits that were closed: no permit comes any more.
///
/// ```
/// use nanolith::{prelude::*, sync::{AcquireError, Semaphore}};
/// let permits = Semaphore::new(1);
/// permits.close();
/// assert_eq!(permits.acquire().wait().unwrap_err(), AcquireError);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError;

/// The reason why no permit was taken at once.
///
/// ```
/// use nanolith::sync::{Semaphore, TryAcquireError};
/// assert_eq!(Semaphore::new(0).try_acquire().unwrap_err(), TryAcquireError::Taken);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryAcquireError {
    /// Too few permits are free now, or other callers wait for them.
    Taken,
    /// The permits were closed.
    Closed,
}

const CLOSED: &str = "the permits are closed";

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "no permit is available",
            Self::Closed => CLOSED,
        })
    }
}

impl Error for AcquireError {}
impl Error for TryAcquireError {}
