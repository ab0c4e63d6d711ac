//! Tests of a service's tasks that await calls of their own service.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{prelude::*, sync::CancelToken};

pub struct Ledger {
    total: i64,
}

#[define]
impl Ledger {
    #[init]
    fn start() -> Self {
        Self { total: 0 }
    }

    pub fn total(&self) -> i64 {
        self.total
    }

    pub fn add(&mut self, by: i64) {
        self.total += by;
    }

    /// Holds the state exclusively until it may continue.
    pub async fn add_later(&mut self, by: i64, begun: CancelToken, go: CancelToken) {
        begun.cancel();
        go.cancelled().await;
        self.total += by;
    }

    /// Awaits the total repeatedly, after it may continue, without the state.
    pub async fn ask(itself: Service<Ledger>, begun: CancelToken, go: CancelToken) -> Result<i64, CallError> {
        begun.cancel();
        go.cancelled().await;
        itself.total().await
    }

    /// Awaits the total repeatedly while it shares the state, so no writer has it.
    pub async fn ask_often(&self, itself: Service<Ledger>, go: CancelToken, times: usize) -> Result<i64, CallError> {
        go.cancelled().await;
        let mut sum = 0;
        for _ in 0..times {
            sum += itself.total().await?;
        }
        Ok(sum)
    }
}

#[test]
fn awaited_reader_starts_after_the_running_writer() -> Result<(), Box<dyn std::error::Error>> {
    let ledger = Ledger::service().launch().wait()?;
    let [asker, asks, writer, writes] = std::array::from_fn(|_| CancelToken::new());
    let asked = ledger.ask(ledger.clone(), asker.clone(), asks.clone()).submit();
    asker.cancelled().wait();
    let wrote = ledger.add_later(7, writer.clone(), writes.clone()).submit();
    writer.cancelled().wait();
    asks.cancel();
    while ledger.info().overflow == 0 && !asked.is_finished() {
        std::thread::yield_now();
    }
    writes.cancel();
    wrote.wait()?;
    assert_eq!(asked.wait()??, 7);
    Ok(())
}

#[test]
fn awaited_readers_start_before_waiting_writers() -> Result<(), Box<dyn std::error::Error>> {
    let ledger = Ledger::service().launch().wait()?;
    let go = CancelToken::new();
    let asked = ledger.ask_often(ledger.clone(), go.clone(), 100).submit();
    let writers: Vec<_> = (0..100).map(|_| ledger.add(1).submit()).collect();
    go.cancel();
    assert_eq!(asked.wait()??, 0, "no writer came before them");
    for writer in writers {
        writer.wait()?;
    }
    assert_eq!(ledger.total().wait()?, 100);
    Ok(())
}
