//! A progress bar for work that turns out to be long: it appears after half a second, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

/// Work that is over by then shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often the bar changes at most.
const REFRESH: Duration = Duration::from_millis(100);

/// A bar on standard error, which is gone again when this is dropped.
pub(crate) struct Bar {
    /// `None` where nobody would see it.
    due: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let due = io::stderr().is_terminal().then(|| Instant::now() + PATIENCE);
        Self { due, bar: None }
    }

    /// Shows how far the work has come, if the bar is due for a change.
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
