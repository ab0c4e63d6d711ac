//! [`Poller`]: waits for the sockets and pipes of children, for a time, or for a notification.
//!
//! - `epoll`: on Linux.
//! - `poll`: elsewhere, and on Linux under `--cfg nanolith_poll`, so that its tests run there.

#[cfg(all(target_os = "linux", not(nanolith_poll)))]
mod epoll;
#[cfg(not(all(target_os = "linux", not(nanolith_poll))))]
mod poll;
#[cfg(test)]
mod tests;

#[cfg(all(target_os = "linux", not(nanolith_poll)))]
pub(super) use epoll::Poller;
#[cfg(not(all(target_os = "linux", not(nanolith_poll))))]
pub(super) use poll::Poller;

/// What a descriptor is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Its end alone, which `epoll` reports and `poll` does not.
    End,
    /// Bytes, and its end.
    Read,
    /// Room for bytes, and its end.
    Write,
    /// Bytes, room for bytes, and its end.
    ReadWrite,
}

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) token: u64,
    pub(super) write: bool,
    /// It can be read, has ended, or has failed.
    pub(super) read: bool,
    /// The other side has closed it, or it has failed.
    pub(super) end: bool,
}
