//! Parses the command line of `pipeline`.

use std::{ffi::OsString, path::PathBuf};

pub(crate) const HELP: &str = "\
Makes small pictures, of at most 128 by 128 pixels, of large ones, and shows what each stage of it is at.

Usage: pipeline [FILE.. --out FOLDER] [--count N]

  FILE..        pictures in the PNG format; without any, the program makes some in a temporary folder
  --out FOLDER  where the small pictures go, each by the name of its file; none is written over another
  --count N     how many pictures to make, 60 if it is left out
  -h, --help    prints this

Exit codes: 0 all is done (files that are no pictures are reported), 1 it failed, 2 the command line is wrong.
";

/// The request of the user.
pub(crate) enum Wish {
    Help,
    Shrink(Options),
}

pub(crate) struct Options {
    pub(crate) files: Vec<PathBuf>,
    /// The output folder, if files are given.
    pub(crate) out: Option<PathBuf>,
    pub(crate) count: usize,
}

pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Wish, String> {
    let mut options = Options { files: Vec::new(), out: None, count: 60 };
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-h" | "--help") => return Ok(Wish::Help),
            Some("--out") => options.out = Some(arguments.next().ok_or("--out needs a FOLDER")?.into()),
            Some("--count") => options.count = count(arguments.next())?,
            Some(option) if option.starts_with('-') => return Err(format!("there is no option `{option}`")),
            _ => options.files.push(argument.into()),
        }
    }
    if options.files.is_empty() == options.out.is_some() {
        return Err("FILE.. and --out FOLDER go together".into());
    }
    Ok(Wish::Shrink(options))
}

fn count(text: Option<OsString>) -> Result<usize, String> {
    let text = text.ok_or("--count needs a number")?;
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("N is a whole number, not `{}`", text.to_string_lossy()))
}
