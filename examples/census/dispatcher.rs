//! [`Dispatcher`]: sends the files of the walk to the executor, and their counts to the ledger.

use crate::{
    count::{Census, CensusCalls, Count},
    file::Links,
    ledger::{Ledger, Unreadable},
    shared::{bar::Bar, text::bytes},
};
use nanolith::{Executor, prelude::*};
use std::{collections::VecDeque, mem, path::PathBuf, time::Duration};

/// The largest number of files in progress: queued, being read, or counted and not yet in the
/// ledger.
const IN_FLIGHT: usize = 1_024;

/// How long to wait for the oldest file before the dispatcher checks the other files and the progress
/// bar.
const TICK: Duration = Duration::from_millis(50);

/// A file in progress.
type PendingFile = (PathBuf, Handle<Census, Result<Count, String>>);

/// Sends files to the executor, and what was counted to the ledger.
pub(crate) struct Dispatcher<E> {
    census: CensusCalls<E>,
    ledger: Service<Ledger>,
    pending: VecDeque<PendingFile>,
    /// The last call of the ledger, which runs while the dispatcher waits for the next file.
    entry: Option<Handle<Ledger, ()>>,
    bar: Bar,
    counted: Progress,
    /// Whether the walk has ended, so that the number of files is known.
    is_walk_over: bool,
}

/// The figures of the progress bar.
#[derive(Default)]
struct Progress {
    files: u64,
    bytes: u64,
}

impl<E: Executor<Census> + Clone> Dispatcher<E> {
    pub(crate) fn new(executor: &E, ledger: &Service<Ledger>, bar: Bar) -> Self {
        Self {
            census: Census::on(executor),
            ledger: ledger.clone(),
            pending: VecDeque::with_capacity(IN_FLIGHT),
            entry: None,
            bar,
            counted: Progress::default(),
            is_walk_over: false,
        }
    }

    /// Submits a file to be counted. Waits while too many files are in progress.
    pub(crate) fn count(&mut self, path: PathBuf, links: Links) -> Result<(), CallError> {
        while self.pending.len() >= IN_FLIGHT {
            self.settle()?;
        }
        let handle = self.census.count(path.clone().into(), links).submit().cancel_on_drop();
        self.pending.push_back((path, handle));
        self.show();
        Ok(())
    }

    /// Records an entry that could not be read.
    pub(crate) fn reject(&mut self, path: PathBuf, reason: String) -> Result<(), CallError> {
        let entry = self.ledger.reject(Unreadable { path, reason }).submit();
        self.follow(Some(entry))
    }

    /// Waits for each file that is still in progress, after the end of the walk.
    pub(crate) fn finish(mut self) -> Result<(), CallError> {
        self.is_walk_over = true;
        while !self.pending.is_empty() {
            self.settle()?;
        }
        self.follow(None)
    }

    /// Waits a while for the oldest file. If that takes longer, for example for a large file, takes
    /// the other finished files, so that the executor does not run out of work.
    fn settle(&mut self) -> Result<(), CallError> {
        let Some((path, handle)) = self.pending.pop_front() else { return Ok(()) };
        match handle.wait_timeout(TICK) {
            Ok(outcome) => self.record(path, outcome)?,
            Err(handle) => {
                self.pending.push_front((path, handle));
                self.take_finished()?;
            }
        }
        self.show();
        Ok(())
    }

    fn take_finished(&mut self) -> Result<(), CallError> {
        for (path, handle) in mem::take(&mut self.pending) {
            match handle.try_wait() {
                Ok(outcome) => self.record(path, outcome)?,
                Err(handle) => self.pending.push_back((path, handle)),
            }
        }
        Ok(())
    }

    /// Records the result of a file in the ledger.
    fn record(&mut self, path: PathBuf, outcome: Result<Result<Count, String>, CallError>) -> Result<(), CallError> {
        self.counted.files += 1;
        match outcome {
            Ok(Ok(count)) => {
                self.counted.bytes += count.bytes;
                let entry = self.ledger.record(path, count).submit();
                self.follow(Some(entry))
            }
            Ok(Err(reason)) => self.reject(path, reason),
            Err(error) => self.reject(path, error.to_string()),
        }
    }

    /// Waits for the ledger's last call, which rarely takes time, and stores the next one.
    fn follow(&mut self, entry: Option<Handle<Ledger, ()>>) -> Result<(), CallError> {
        mem::replace(&mut self.entry, entry).map_or(Ok(()), Handle::wait)
    }

    /// Shows how many files the walk has found, and after its end how many of them are counted.
    fn show(&mut self) {
        let Self { bar, pending, counted, is_walk_over, .. } = self;
        let found = counted.files + pending.len() as u64;
        let read = || format!("{}{}", bytes(counted.bytes), pending.front().map(large).unwrap_or_default());
        if *is_walk_over {
            bar.show(counted.files, Some(found), read);
        } else {
            bar.show(found, None, || format!("files found, read {}", read()));
        }
    }
}

/// Returns the progress of a large file, with its name.
fn large((path, handle): &PendingFile) -> String {
    match (path.file_name(), handle.progress().latest()) {
        (Some(name), Some(progress)) => {
            format!(", {}: {} of {}", name.to_string_lossy(), bytes(progress.done), bytes(progress.total))
        }
        _ => String::new(),
    }
}
