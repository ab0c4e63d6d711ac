//! [`Bar`]: the progress of long work. It appears after half a second, and only on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// The delay before the bar appears. Shorter work shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// The least time between two updates of the bar.
const REFRESH: Duration = Duration::from_millis(100);

/// A count, or a bar once the total is known. Its drop removes it.
pub(crate) struct Bar {
    /// The time of the next update; `None` if there is no terminal.
    due: Option<Instant>,
    refresh: Duration,
    bar: ProgressBar,
}

impl Bar {
    /// Returns a bar on standard error.
    pub(crate) fn new() -> Self {
        Self::on(ProgressDrawTarget::stderr(), PATIENCE, REFRESH)
    }

    /// Returns a bar that appears on this terminal after `patience`.
    pub(crate) fn on(terminal: ProgressDrawTarget, patience: Duration, refresh: Duration) -> Self {
        let due = (!terminal.is_hidden()).then(|| Instant::now() + patience);
        Self { due, refresh, bar: ProgressBar::with_draw_target(None, terminal) }
    }

    /// Shows the progress, if it is due for an update. Without a total it is a count.
    pub(crate) fn show(&mut self, done: u64, total: Option<u64>, message: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = Some(now + self.refresh);
        self.bar.set_style(style(total.is_some()));
        self.bar.set_message(message());
        self.bar.update(|state| {
            if let Some(total) = total {
                state.set_len(total);
            }
            state.set_pos(done);
        });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total {
        "[{elapsed}] {wide_bar} {human_pos}/{human_len}  {msg}"
    } else {
        "[{elapsed}] {human_pos} {msg}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
