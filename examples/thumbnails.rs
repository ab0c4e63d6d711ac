//! Makes thumbnails of the pictures in a folder, several at once, with a progress bar.
//!
//! ```text
//! cargo run --release --example thumbnails -- [FOLDER]
//! ```
//!
//! [`Thumbnails::make`] makes one thumbnail, and is an ordinary function. [`each`] calls it for each
//! picture, on the threads of a pool, and returns the outcomes as they come. So the progress and the
//! errors are in one loop: [`make_all`]. A broken picture is an error line, and the other pictures
//! go on.
//!
//! Ctrl-C cancels the token that all calls have. Waiting calls then never start. Running calls stop
//! before their next step, and the program waits for them. So each thumbnail on the disk is whole.
//!
//! The thumbnails of FOLDER are in FOLDER/thumbnails. Without FOLDER, the program makes some
//! pictures in a temporary folder. One of them is broken.

#[path = "shared/file.rs"]
mod file;
#[path = "shared/picture.rs"]
mod picture;

use indicatif::{ProgressBar, ProgressStyle};
use nanolith::{bulk::each, prelude::*, sync::CancelToken};
use picture::Picture;
use png::Compression;
use std::{
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// The length of the longer side of a thumbnail, in pixels, at most.
const SIDE: usize = 96;

/// The number of pictures that the program makes if there is no FOLDER.
const MADE: usize = 40;

/// The tasks of the pool.
pub struct Thumbnails;

#[define]
impl Thumbnails {
    /// Writes a small copy of a picture into a folder, under the same name. Checks between two steps
    /// whether the call is cancelled.
    ///
    /// # Errors
    ///
    /// The picture cannot be read, or the copy cannot be written.
    pub fn make(cx: &Context<Self>, file: PathBuf, folder: PathBuf) -> io::Result<()> {
        let picture = Picture::read(file)?;
        stop_if_cancelled(cx)?;
        let small = picture.shrink(SIDE);
        stop_if_cancelled(cx)?;
        let bytes = small.encode(Compression::High)?;
        stop_if_cancelled(cx)?;
        fs::write(folder.join(small.file.file_name().unwrap_or_default()), bytes)
    }
}

/// Returns an error if the call is cancelled. No caller sees this error: the caller got
/// [`CallError::Cancelled`] at once.
fn stop_if_cancelled(cx: &Context<Thumbnails>) -> io::Result<()> {
    if cx.is_cancelled() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let stop = CancelToken::new();
    let on_ctrl_c = stop.clone();
    ctrlc::set_handler(move || on_ctrl_c.cancel())?;
    match env::args_os().nth(1) {
        Some(folder) => run(Path::new(&folder), &stop),
        None => {
            let folder = tempfile::tempdir()?; // its drop deletes it
            picture::make_files(folder.path(), MADE)?;
            fs::write(folder.path().join("broken.png"), "no picture")?;
            run(folder.path(), &stop)
        }
    }
}

/// Makes the thumbnails of a folder, and prints how it went. The exit code is 130 after Ctrl-C, as
/// in a shell.
fn run(folder: &Path, stop: &CancelToken) -> Result<ExitCode, Box<dyn Error>> {
    let files = pictures_in(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let (total, begun) = (files.len(), Instant::now());
    let thumbnails = folder.join("thumbnails");
    fs::create_dir_all(&thumbnails)?;
    let Counts { made, failed } = make_all(files, &thumbnails, stop)?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{made} of {total} thumbnails, {failed} failed, in {seconds:.1} s");
    if stop.is_cancelled() {
        println!("stopped: {} pictures are left", total - made - failed);
        return Ok(ExitCode::from(130));
    }
    Ok(ExitCode::SUCCESS)
}

/// The number of pictures that are done.
#[derive(Default)]
struct Counts {
    made: usize,
    failed: usize,
}

/// Makes a thumbnail of each file, until all are made or the token is cancelled.
fn make_all(files: Vec<PathBuf>, folder: &Path, stop: &CancelToken) -> Result<Counts, Box<dyn Error>> {
    let pool = Pool::builder().name("thumbnails").build()?;
    // The bar is drawn on standard error, and only if that is a terminal.
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} pictures, {per_sec}")?;
    let bar = ProgressBar::new(files.len() as u64).with_style(style);
    let outcomes = each(Thumbnails::on(&pool), files, |thumbnails, file| {
        thumbnails.make(file, folder.to_owned()).cancel_token(stop)
    });
    let mut counts = Counts::default();
    for outcome in outcomes.unordered() {
        let error = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(CallError::Cancelled(_)) => break, // the drop of the iterator cancels the other calls
            Err(error) => Some(error.to_string()), // for example a panic
        };
        match error {
            None => counts.made += 1,
            Some(error) => {
                counts.failed += 1;
                bar.suspend(|| println!("{error}"));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    pool.drained().wait(); // the tasks that run after a cancel have returned
    Ok(counts)
}

/// Returns the files in a folder whose extension is `png`, by name.
fn pictures_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
