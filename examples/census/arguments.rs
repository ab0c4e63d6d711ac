//! Parses the command line of `census`.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

pub(crate) const HELP: &str = "\
Counts the files, bytes, lines and words of a folder tree by file type, and finds duplicates.

Usage: census [PATH] [--json] [--all] [-x] [--on threads|processes]

  PATH                   a folder, or one file; the current folder if it is left out
  --json                 prints the report as JSON
  -a, --all              leaves nothing out: counts hidden files too, and those that ignore rules leave
                         out, and lists all duplicates
  -x, --one-file-system  stays on the file system of PATH, so that `census -x /` leaves out /proc,
                         some of whose files never end
  --on WHERE             counts on `threads` of this process, which is the default, or in child
                         `processes`; the report is the same, but for the workers at its end
  -h, --help             prints this

Left out are hidden files, and what `.gitignore`, `.ignore` and git's own exclude files name.
Symbolic links below PATH are not followed; what is neither a file nor a folder is passed over.

The type of a file is its extension, as written. Lines are newline bytes. Words are longest runs
of bytes other than space, tab, newline, vertical tab, form feed and carriage return: what POSIX
says of `wc -w` in the C locale. (Some versions of GNU wc do not count a word in which no byte is
printable ASCII, so on binary files they count fewer.)

Duplicates are files with the same bytes, by their BLAKE3 digest; empty files are not among them.
Without `--all`, the table lists the groups that waste most, and the first files of each. JSON always
has all of them.
Entries that cannot be read, vanish, or become something else while the census is taken, are
listed with the reason. A file that grows while it is read is counted up to its length at the
beginning, or up to 16 MiB if that is more; so is one that has no length.

Exit codes: 0 the census was taken, 1 it failed, 2 the command line is wrong or PATH is not there.
";

/// The request of the user.
pub(crate) enum Wish {
    Help,
    Census(Options),
}

/// The options of a census.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) path: PathBuf,
    pub(crate) json: bool,
    pub(crate) all: bool,
    pub(crate) one_file_system: bool,
    pub(crate) on: On,
}

/// Where files are counted.
#[derive(Clone, Copy, Default)]
pub(crate) enum On {
    #[default]
    Threads,
    Processes,
}

pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Wish, String> {
    let mut options = Options::default();
    let mut paths = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-h" | "--help") => return Ok(Wish::Help),
            Some("--json") => options.json = true,
            Some("-a" | "--all") => options.all = true,
            Some("-x" | "--one-file-system") => options.one_file_system = true,
            Some("--on") => options.on = on(arguments.next().as_deref())?,
            Some("--") => paths.extend(arguments.by_ref()),
            Some(option) if option.starts_with('-') && option != "-" => {
                return Err(format!("there is no option `{option}`"));
            }
            _ => paths.push(argument),
        }
    }
    options.path = one_path(paths)?;
    Ok(Wish::Census(options))
}

fn on(value: Option<&OsStr>) -> Result<On, String> {
    match value.and_then(OsStr::to_str) {
        Some("threads") => Ok(On::Threads),
        Some("processes") if cfg!(target_os = "linux") => Ok(On::Processes),
        Some("processes") => Err("this system has no child processes for `--on`".into()),
        Some(other) => Err(format!("`--on` is `threads` or `processes`, not `{other}`")),
        None => Err("`--on` needs `threads` or `processes`".into()),
    }
}

fn one_path(paths: Vec<OsString>) -> Result<PathBuf, String> {
    let mut paths = paths.into_iter();
    let path = paths.next().unwrap_or_else(|| ".".into());
    match paths.next() {
        Some(another) => Err(format!("one PATH is enough: what is `{}`?", another.to_string_lossy())),
        // The walk would read a bare `-` as standard input.
        None if path == "-" => Ok("./-".into()),
        None => Ok(path.into()),
    }
}
