//! An animation that keeps its frame time while a long task runs on the same thread.
//!
//! ```text
//! cargo run --release --example frames -- [HEIGHT]
//! ```
//!
//! The thread shows a frame every 20 ms. Meanwhile it computes a picture of the Mandelbrot set, HEIGHT
//! pixels high and as wide, which takes much longer than a frame. The picture is a task of a
//! [`Local`], an executor without threads. [`animate`] gives the rest of each frame to the `Local`.
//!
//! The program does this twice. [`Mandelbrot::in_slices`] pauses after a few milliseconds, and
//! continues in the next frame. [`Mandelbrot::at_once`] computes the same picture without a pause, so
//! one frame takes as long as the picture. At the end the program prints how long the frames took.
//!
//! If the output is not a terminal, the program prints only these figures.

use nanolith::{Local, prelude::*, task::Step};
use std::{
    env,
    error::Error,
    io::{self, IsTerminal, Write},
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

/// The time from one frame to the next.
const FRAME: Duration = Duration::from_millis(20);

/// The time after which the task pauses.
const SLICE: Duration = Duration::from_millis(4);

/// The number of frames after the task has ended.
const AFTERWARDS: usize = 20;

// ----- the long task

/// The pixels of a picture, row by row: the number of steps after which each point leaves.
type Pixels = Vec<u16>;

/// The number of steps after which a point counts as in the set.
const STEPS: u16 = 1_000;

/// The tasks of the thread that shows the frames.
pub struct Mandelbrot;

#[define]
impl Mandelbrot {
    /// Computes the picture in slices. The thread is free after each slice.
    #[task(sliced)]
    pub fn in_slices(cx: &Context<Self>, height: usize) -> Step<Pixels> {
        add_pixels(cx.clone(), height, Vec::new())
    }

    /// Computes the picture without a pause.
    pub fn at_once(height: usize) -> Pixels {
        (0..height * height).map(|number| pixel(number, height)).collect()
    }
}

/// Adds pixels until the picture is complete or the slice is over.
fn add_pixels(cx: Context<Mandelbrot>, height: usize, mut pixels: Pixels) -> Step<Pixels> {
    let total = height * height;
    while pixels.len() < total {
        pixels.push(pixel(pixels.len(), height));
        if cx.should_yield() {
            cx.progress(pixels.len() as u64, total as u64);
            return Step::resume_with(move || add_pixels(cx, height, pixels));
        }
    }
    Step::Done(pixels)
}

/// Returns the number of steps after which the point of a pixel leaves, at most [`STEPS`].
fn pixel(number: usize, height: usize) -> u16 {
    let part = |index: usize| index as f64 / height as f64; // from 0 to 1
    let (x, y) = (part(number % height) * 3.0 - 2.2, part(number / height) * 2.4 - 1.2);
    let (mut re, mut im) = (0.0, 0.0);
    for step in 0..STEPS {
        (re, im) = (re * re - im * im + x, 2.0 * re * im + y);
        if re * re + im * im > 4.0 {
            return step;
        }
    }
    STEPS
}

// ----- the animation

/// How long the frames of a run took.
struct Frames {
    times: Vec<Duration>,
    /// The number of frames that began before the task had ended.
    during_task: usize,
}

/// Shows frames until the task has ended, and some frames more.
fn animate(local: &Local, task: &Handle<Mandelbrot, Pixels>) -> io::Result<Frames> {
    let mut frames = Frames { times: Vec::new(), during_task: 0 };
    let mut begun = Instant::now();
    while frames.times.len() < frames.during_task + AFTERWARDS {
        if !task.is_finished() {
            frames.during_task += 1;
        }
        draw(frames.times.len(), task)?;
        // A slice that begins before this deadline ends before the next frame.
        local.run_until_deadline(begun + FRAME - SLICE);
        thread::sleep((begun + FRAME).saturating_duration_since(Instant::now()));
        let now = Instant::now();
        frames.times.push(now - begun);
        begun = now;
    }
    Ok(frames)
}

/// Draws a ball that moves to and fro, and the progress of the task.
fn draw(frame: usize, task: &Handle<Mandelbrot, Pixels>) -> io::Result<()> {
    const WIDTH: usize = 40;
    let mut out = io::stdout().lock();
    if !out.is_terminal() {
        return Ok(());
    }
    let forth = frame % (2 * WIDTH);
    let column = forth.min(2 * WIDTH - forth);
    let percent = task.progress().latest().map_or(0, |progress| progress.done * 100 / progress.total);
    write!(out, "\r|{:column$}o{:rest$}| picture: {percent:2} % ", "", "", rest = WIDTH - column)?;
    out.flush()
}

// ----- the figures

impl Frames {
    /// Prints percentiles and a histogram, whose first line has the frames that were in time.
    fn print(&self, name: &str) {
        let mut times = self.times.clone();
        times.sort();
        let [p50, p99, max] = [50, 99, 100].map(|percent| millis(times[(times.len() * percent).div_ceil(100) - 1]));
        println!("{name}: {} frames, {} of them during the task", times.len(), self.during_task);
        println!("  p50 {p50}, p99 {p99}, max {max}");
        let (mut limit, mut below) = (FRAME * 5 / 4, 0);
        while below < times.len() {
            let count = times.partition_point(|time| *time < limit) - below;
            println!("  under {:>9} |{}| {count}", millis(limit), "#".repeat(count.min(60)));
            below += count;
            limit *= 2;
        }
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Returns the picture as text: a darker character for a point that leaves later.
fn text(pixels: &[u16], height: usize) -> String {
    const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '%', '@', '#'];
    let (columns, rows) = (64, 26);
    let row = |row: usize| {
        let at = |column: usize| pixels[row * height / rows * height + column * height / columns];
        let shades = (0..columns).map(|column| SHADES[(at(column) + 1).ilog2() as usize]);
        shades.chain(['\n']).collect::<String>()
    };
    (0..rows).map(row).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let height = env::args().nth(1).map_or(Ok(600), |height| height.parse().map(NonZero::<usize>::get))?;
    let local = Local::builder().name("frames").slice(SLICE).build()?;
    let mandelbrot = Mandelbrot::on(&local);

    // Work that has waited too long runs beyond the deadline of a frame. `Idle` work does not.
    let task = mandelbrot.in_slices(height).priority(Priority::Idle).submit();
    let in_slices = animate(&local, &task)?;
    let picture = task.wait()?;

    let task = mandelbrot.at_once(height).priority(Priority::Idle).submit();
    let at_once = animate(&local, &task)?;
    let is_same = task.wait()? == picture;

    if io::stdout().is_terminal() {
        println!("\r\n{}", text(&picture, height));
    }
    in_slices.print("in slices");
    at_once.print("at once");
    println!("the pictures are the same: {is_same}");
    Ok(())
}
