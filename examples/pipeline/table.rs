//! [`Live`]: shows the work of each stage of the pipeline, as a table that is redrawn on a
//! terminal, or as lines of text.

use indicatif::{ProgressBar, ProgressStyle};
use nanolith::pipeline::{PipelineStats, StageStats};
use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

/// The time between two updates of the table.
const REFRESH: Duration = Duration::from_millis(100);

/// Shows the stages while they work.
pub(crate) struct Live {
    figures: PipelineStats,
    total: usize,
    came: Cell<usize>,
    /// The thread that draws, if there is a terminal. It ends when this sender is dropped.
    draws: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Live {
    pub(crate) fn start(figures: &PipelineStats, total: usize) -> Self {
        let draws = io::stderr().is_terminal().then(|| {
            let (lives, over) = mpsc::channel();
            let figures = figures.clone();
            (lives, thread::spawn(move || draw(&figures, total, || over.recv_timeout(REFRESH))))
        });
        Self { figures: figures.clone(), total, came: Cell::new(0), draws }
    }

    /// Records that one more picture has come out.
    pub(crate) fn came(&self) {
        let (before, came) = (self.came.get(), self.came.get() + 1);
        self.came.set(came);
        let quarter = |count: usize| count * 4 / self.total.max(1);
        if self.draws.is_none() && quarter(before) < quarter(came) {
            let stages = self.figures.stages();
            let at = |stage: &StageStats| format!("{} {}+{}", stage.name, stage.depth, stage.in_flight);
            // A closed output is not a failure.
            let _ = writeln!(
                io::stdout(),
                "{came} of {}, waiting and at work: {}",
                self.total,
                stages.iter().map(at).collect::<Vec<_>>().join(", ")
            );
        }
    }

    /// Removes the table.
    pub(crate) fn end(self) {
        if let Some((lives, draws)) = self.draws {
            drop(lives);
            let _ = draws.join(); // the thread has ended, with or without a panic
        }
    }
}

fn draw(figures: &PipelineStats, total: usize, next: impl Fn() -> Result<(), RecvTimeoutError>) {
    let style = ProgressStyle::with_template("{msg}\n{wide_bar} {pos}/{len}");
    let bar = ProgressBar::new(total as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    while next() == Err(RecvTimeoutError::Timeout) {
        let mut text = Vec::new();
        if write(&mut text, &figures.stages(), |stage| stage.rate).is_ok() {
            bar.set_message(String::from_utf8_lossy(text.trim_ascii_end()).into_owned());
        }
        bar.set_position(figures.delivered());
    }
    bar.finish_and_clear();
}

/// Writes a line for each stage.
pub(crate) fn write(out: &mut dyn Write, stages: &[StageStats], rate: impl Fn(&StageStats) -> f64) -> io::Result<()> {
    writeln!(
        out,
        "{:<8}{:>9}{:>9}{:>7}{:>10}{:>11}{:>11}",
        "stage", "waiting", "at work", "done", "a second", "wait", "run"
    )?;
    for stage in stages {
        let (wait, run) = (millis(stage.mean_wait), millis(stage.mean_run));
        let (rate, StageStats { name, depth, in_flight, done, .. }) = (rate(stage), stage);
        writeln!(out, "{name:<8}{depth:>9}{in_flight:>9}{done:>7}{rate:>10.1}{wait:>11}{run:>11}")?;
    }
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
