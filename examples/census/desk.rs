//! Between the walk, the pool and the ledger.

use crate::{
    count::{Census, CensusCalls, Count},
    file::Links,
    ledger::{Ledger, Unreadable},
    shared::{bar::Bar, text::bytes},
};
use nanolith::prelude::*;
use std::{collections::VecDeque, io, mem, path::PathBuf, time::Duration};

/// How many files are on their way at once: queued, being read, or counted and not in the ledger yet.
const IN_FLIGHT: usize = 1_024;

/// How long to wait for the oldest file before a look at the others, and at the progress bar.
const TICK: Duration = Duration::from_millis(50);

/// A file on its way.
type Errand = (PathBuf, Handle<Census, io::Result<Count>>);

/// Sends files to the pool, and what was counted to the ledger.
pub(crate) struct Desk {
    census: CensusCalls<Pool>,
    ledger: Service<Ledger>,
    errands: VecDeque<Errand>,
    /// The last call of the ledger, which goes on while the next file is waited for.
    entry: Option<Handle<Ledger, ()>>,
    bar: Bar,
    counted: Progress,
}

/// What the bar tells.
#[derive(Default)]
struct Progress {
    files: u64,
    bytes: u64,
}

impl Desk {
    pub(crate) fn new(pool: &Pool, ledger: &Service<Ledger>) -> Self {
        Self {
            census: Census::on(pool),
            ledger: ledger.clone(),
            errands: VecDeque::with_capacity(IN_FLIGHT),
            entry: None,
            bar: Bar::new(),
            counted: Progress::default(),
        }
    }

    /// Has a file counted. While too many are on their way, it waits.
    pub(crate) fn count(&mut self, path: PathBuf, links: Links) -> Result<(), CallError> {
        while self.errands.len() >= IN_FLIGHT {
            self.settle()?;
        }
        let handle = self.census.count(path.clone(), links).submit().cancel_on_drop();
        self.errands.push_back((path, handle));
        self.show();
        Ok(())
    }

    /// Has it listed that an entry could not be read.
    pub(crate) fn reject(&mut self, path: PathBuf, reason: String) -> Result<(), CallError> {
        let entry = self.ledger.reject(Unreadable { path, reason }).submit();
        self.follow(Some(entry))
    }

    /// Waits for every file that is still on its way.
    pub(crate) fn finish(mut self) -> Result<(), CallError> {
        while !self.errands.is_empty() {
            self.settle()?;
        }
        self.follow(None)
    }

    /// Waits a while for the oldest file. If it takes longer, for it may be large, takes the others that are done, so
    /// that the pool is not left without work.
    fn settle(&mut self) -> Result<(), CallError> {
        let Some((path, handle)) = self.errands.pop_front() else { return Ok(()) };
        match handle.wait_timeout(TICK) {
            Ok(outcome) => self.record(path, outcome)?,
            Err(handle) => {
                self.errands.push_front((path, handle));
                self.take_finished()?;
            }
        }
        self.show();
        Ok(())
    }

    fn take_finished(&mut self) -> Result<(), CallError> {
        for (path, handle) in mem::take(&mut self.errands) {
            match handle.try_wait() {
                Ok(outcome) => self.record(path, outcome)?,
                Err(handle) => self.errands.push_back((path, handle)),
            }
        }
        Ok(())
    }

    /// Has what became of a file put in the ledger.
    fn record(&mut self, path: PathBuf, outcome: Result<io::Result<Count>, CallError>) -> Result<(), CallError> {
        self.counted.files += 1;
        match outcome {
            Ok(Ok(count)) => {
                self.counted.bytes += count.bytes;
                let entry = self.ledger.record(path, count).submit();
                self.follow(Some(entry))
            }
            Ok(Err(error)) => self.reject(path, error.to_string()),
            Err(error) => self.reject(path, error.to_string()),
        }
    }

    /// Sees the ledger's last call through, which hardly ever takes a wait, and keeps the next.
    fn follow(&mut self, entry: Option<Handle<Ledger, ()>>) -> Result<(), CallError> {
        mem::replace(&mut self.entry, entry).map_or(Ok(()), Handle::wait)
    }

    fn show(&mut self) {
        let Self { bar, errands, counted, .. } = self;
        let found = counted.files + errands.len() as u64;
        bar.show(counted.files, found, || match errands.front() {
            Some(oldest) => format!("{}{}", bytes(counted.bytes), large(oldest)),
            None => bytes(counted.bytes),
        });
    }
}

/// How far a large file is, with its name.
fn large((path, handle): &Errand) -> String {
    match (path.file_name(), handle.progress().latest()) {
        (Some(name), Some(told)) => {
            format!(", {}: {} of {}", name.to_string_lossy(), bytes(told.done), bytes(told.total))
        }
        _ => String::new(),
    }
}
