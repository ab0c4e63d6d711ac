//! Shrinks pictures in a pipeline of three stages of unequal speed, over real files.
//!
//! ```text
//! cargo run --release --example pipeline -- [FILE.. --out FOLDER] [--count N]
//! ```
//!
//! The tasks of [`Pictures`] decode a picture, shrink it and encode the small
//! one. Each task has a pool of its own, as if it had a machine. Queues of a few pictures connect
//! the stages. However many files there are, no more than [`ON_THEIR_WAY`] pictures are in memory.
//!
//! A table shows the work of each stage. If the output is not a terminal, a line is printed at each
//! quarter of the run instead. A file that is not a picture is reported at the end; the other files
//! still run.

#[path = "pipeline/arguments.rs"]
mod arguments;
#[path = "shared/file.rs"]
mod file;
#[path = "shared/picture.rs"]
mod picture;
#[path = "pipeline/pictures.rs"]
mod pictures;
#[path = "pipeline/table.rs"]
mod table;

#[allow(dead_code)] // other examples use its bar
mod shared;

use arguments::{Options, Wish};
use nanolith::{
    pipeline::{OnError, Pipeline, Report},
    pool::Concurrency,
    prelude::*,
};
use pictures::{Pictures, Small};
use shared::text::bytes;
use std::{
    env,
    error::Error,
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use table::Live;

/// The number of pictures that wait for a stage.
const BUFFER: usize = 4;
/// The number of pictures that a stage works on.
const CALLS: usize = 2;
/// The number of pictures and paths in the pipeline, with the one path that the reader of the list
/// holds.
const ON_THEIR_WAY: usize = 3 * CALLS + 4 * BUFFER + 1;

fn main() -> ExitCode {
    let outcome = match arguments::parse(env::args_os().skip(1)) {
        Ok(Wish::Help) => shared::print(|out| out.write_all(arguments::HELP.as_bytes())),
        Ok(Wish::Shrink(options)) => run(&options),
        Err(problem) => return shared::usage_error("pipeline", &problem),
    };
    shared::exit_code("pipeline", outcome)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let Options { files, out, count } = options;
    if let Some(out) = out {
        std::fs::create_dir_all(out)?;
        return shrink(files.clone(), out);
    }
    // The folder and its pictures are deleted when this is dropped.
    let folder = tempfile::tempdir()?;
    let files = picture::make_files(folder.path(), *count)?;
    let out = folder.path().join("small");
    std::fs::create_dir(&out)?;
    shrink(files, &out)
}

/// Shrinks the pictures of these files into the folder `out`.
fn shrink(files: Vec<PathBuf>, out: &Path) -> Result<(), Box<dyn Error>> {
    let total = files.len();
    let pool = |name| Pool::builder().name(name).concurrency(Concurrency::Exact(CALLS)).build();
    let [decoder, shrinker, encoder] = [pool("decode")?, pool("shrink")?, pool("encode")?];
    let pipeline = Pipeline::from_iter(files)
        .try_stage(Pictures::on(&decoder), |pictures, file| pictures.decode(file))
        .concurrency(CALLS)
        .buffer(BUFFER)
        .stage(Pictures::on(&shrinker), |pictures, picture| pictures.shrink(picture))
        .concurrency(CALLS)
        .unordered()
        .buffer(BUFFER)
        .try_stage(Pictures::on(&encoder), |pictures, picture| pictures.encode(picture))
        .concurrency(CALLS)
        .unordered()
        .buffer(BUFFER)
        .output(BUFFER)
        .on_error(OnError::Collect);
    let (stop, figures) = (pipeline.stop_handle(), pipeline.stats());
    let (mut ahead, mut written, mut failed) = (0, 0, None);
    let live = Live::start(&figures, total);
    let report = pipeline.for_each(|small| {
        ahead = ahead.max(figures.taken().saturating_sub(figures.delivered() + figures.failed()));
        match write(&small, out) {
            Ok(()) => written += small.png.len() as u64,
            Err(error) => {
                stop.close(); // the items in the pipeline still finish
                failed.get_or_insert(error);
            }
        }
        live.came();
    });
    let report = report.wait()?;
    live.end();
    failed.map_or(Ok(()), Err)?;
    tell(&report, written, ahead)
}

/// Writes a picture. It never overwrites a file.
fn write(small: &Small, out: &Path) -> io::Result<()> {
    let path = out.join(small.file.file_name().unwrap_or(small.file.as_os_str()));
    let opened = OpenOptions::new().write(true).create_new(true).open(&path);
    let written = opened.and_then(|mut file| file.write_all(&small.png));
    written.map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
}

fn tell(report: &Report, written: u64, ahead: u64) -> Result<(), Box<dyn Error>> {
    shared::print(|out| {
        let seconds = report.elapsed.as_secs_f64();
        table::write(out, &report.stages, |stage| stage.done as f64 / seconds)?;
        for error in &report.errors {
            writeln!(out, "{error}")?;
        }
        writeln!(out, "{} small pictures, {}, in {seconds:.1} s", report.delivered, bytes(written))?;
        writeln!(out, "at most {ahead} of {} were on their way at once, of {ON_THEIR_WAY} that may be", report.taken)
    })
}
