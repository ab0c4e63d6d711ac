//! [`Bar`]: a progress bar for long work. It appears after half a second, and only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

/// The delay before the bar appears. Shorter work shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// The least time between two updates of the bar.
const REFRESH: Duration = Duration::from_millis(100);

/// A bar on standard error. Its drop removes it.
pub(crate) struct Bar {
    /// The time of the next update; `None` if standard error is not a terminal.
    due: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let due = io::stderr().is_terminal().then(|| Instant::now() + PATIENCE);
        Self { due, bar: None }
    }

    /// Shows the progress, if the bar is due for an update.
    pub(crate) fn show(&mut self, done: u64, total: u64, message: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = Some(now + REFRESH);
        let bar = self.bar.get_or_insert_with(|| ProgressBar::no_length().with_style(style()).with_elapsed(PATIENCE));
        bar.set_message(message());
        bar.update(|state| {
            state.set_len(total);
            state.set_pos(done);
        });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("[{elapsed}] {wide_bar} {human_pos}/{human_len}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
