//! The page `/metrics`: the figures of the executors, in the text format of Prometheus.

use super::{App, Refusal};
use axum::extract::State;

/// Returns the page.
pub(super) async fn metrics(State(app): State<App>) -> Result<String, Refusal> {
    let (pool, accounts, readers) = (app.pool.info(), app.accounts.info(), app.readers.info());
    let depths = [("passwords", pool.queue_len), ("accounts", accounts.queue_len), ("readers", readers.queue_len)];
    let mut text = String::from("# TYPE nanolith_queue_depth gauge\n");
    for (executor, depth) in depths {
        text += &format!("nanolith_queue_depth{{executor=\"{executor}\"}} {depth}\n");
    }
    let count = app.readers.count().flatten().await?;
    let (completed, restarts) = (pool.completed, accounts.restarts);
    text += &format!("# TYPE passwords_completed_total counter\npasswords_completed_total {completed}\n");
    text += &format!("# TYPE accounts_restarts_total counter\naccounts_restarts_total {restarts}\n");
    Ok(text + &format!("# TYPE accounts gauge\naccounts {count}\n"))
}
