//! Opens a file that may have been replaced since its name was found.

use serde::{Deserialize, Serialize};
use std::{
    fs::{File, FileType, OpenOptions},
    io,
    path::Path,
};

/// Whether an open follows a symbolic link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(dead_code)] // an example with a list of files follows links
pub(crate) enum Links {
    Follow,
    Refuse,
}

/// Opens a regular file for reading, and returns its length in bytes.
///
/// The open does not block, so a FIFO without a writer does not stop it. The kind of the file is
/// read through its handle. So a file that is replaced between two system calls has no effect.
///
/// # Errors
///
/// The error of the system, or an error that names what is there instead of a file.
pub(crate) fn open(path: &Path, links: Links) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true);
    system::set_flags(&mut options, links);
    let file = options.open(path).map_err(|error| system::explain(error, links))?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(no_file(system::kind(metadata.file_type()))) }
}

fn no_file(kind: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("not a regular file, but {kind}"))
}

#[cfg(unix)]
mod system {
    use super::{FileType, Links, OpenOptions, io, no_file};
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

    /// Sets the flags of the open. It never blocks, never makes a terminal the program's
    /// controlling terminal, and follows a link only if `links` says so.
    pub(super) fn set_flags(options: &mut OpenOptions, links: Links) {
        let no_link = if links == Links::Refuse { libc::O_NOFOLLOW } else { 0 };
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | no_link);
    }

    pub(super) fn explain(error: io::Error, links: Links) -> io::Error {
        match error.raw_os_error() {
            Some(libc::ELOOP) if links == Links::Refuse => no_file("a symbolic link"),
            _ => error,
        }
    }

    pub(super) fn kind(kind: FileType) -> &'static str {
        match () {
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_char_device() || kind.is_block_device() => "a device",
            () => "something else",
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::{FileType, Links, OpenOptions, io};

    pub(super) fn set_flags(_: &mut OpenOptions, _: Links) {}

    pub(super) fn explain(error: io::Error, _: Links) -> io::Error {
        error
    }

    pub(super) fn kind(kind: FileType) -> &'static str {
        if kind.is_dir() { "a folder" } else { "something else" }
    }
}
