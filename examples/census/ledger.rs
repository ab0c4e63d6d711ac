//! [`Ledger`]: the sums of the census, which are the state of a service that alone owns them.

use crate::count::{Count, Digest, Worker};
use nanolith::prelude::*;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

/// The state of the service. It stores a path and a digest of each file, since any later file may
/// be a duplicate.
#[derive(Default)]
pub(crate) struct Ledger {
    types: BTreeMap<FileType, Totals>,
    same: HashMap<Digest, Group>,
    workers: BTreeMap<Worker, u64>,
    unreadable: Vec<Unreadable>,
}

#[define]
impl Ledger {
    #[init]
    fn open() -> Self {
        Self::default()
    }

    /// Adds a file that was counted.
    pub(crate) fn record(&mut self, path: PathBuf, count: Count) {
        self.types.entry(file_type(&path)).or_default().add(&count);
        if count.bytes > 0 {
            self.group(path.into(), &count);
        }
        *self.workers.entry(count.worker).or_default() += 1;
    }

    /// Adds an entry that could not be read.
    pub(crate) fn reject(&mut self, unreadable: Unreadable) {
        self.unreadable.push(unreadable);
    }

    /// Returns the report so far, in an order that does not depend on which file was counted first.
    pub(crate) fn report(&self) -> Report {
        let mut unreadable = self.unreadable.clone();
        unreadable.sort();
        let workers = self.workers.clone();
        Report { types: self.sorted_types(), total: self.total(), duplicates: self.duplicates(), unreadable, workers }
    }

    fn group(&mut self, path: Box<Path>, count: &Count) {
        match self.same.get_mut(&count.digest) {
            Some(group) => group.others.push(path),
            None => {
                let group = Group { bytes: count.bytes, first: path, others: Vec::new() };
                self.same.insert(count.digest, group);
            }
        }
    }

    /// Returns the types, the largest first.
    fn sorted_types(&self) -> Vec<(FileType, Totals)> {
        let mut types: Vec<_> = self.types.iter().map(|(name, totals)| (name.clone(), *totals)).collect();
        types.sort_by_key(|(_, totals)| Reverse(totals.bytes));
        types
    }

    fn total(&self) -> Totals {
        let mut total = Totals::default();
        self.types.values().for_each(|totals| total.merge(totals));
        total
    }

    /// Returns the duplicates, those that waste most first.
    fn duplicates(&self) -> Vec<Duplicates> {
        let groups = self.same.iter().filter(|(_, group)| !group.others.is_empty());
        let mut duplicates: Vec<_> = groups.map(|(digest, group)| group.duplicates(*digest)).collect();
        duplicates.sort_by(|a, b| b.wasted().cmp(&a.wasted()).then_with(|| a.paths.cmp(&b.paths)));
        duplicates
    }
}

/// The files of one digest. Most groups have one file, which needs no list.
struct Group {
    bytes: u64,
    first: Box<Path>,
    others: Vec<Box<Path>>,
}

impl Group {
    fn duplicates(&self, digest: Digest) -> Duplicates {
        let mut paths: Vec<_> = self.others.iter().chain([&self.first]).map(|path| path.to_path_buf()).collect();
        paths.sort();
        Duplicates { digest, bytes: self.bytes, paths }
    }
}

/// An extension as written, or `None`.
pub(crate) type FileType = Option<String>;

fn file_type(path: &Path) -> FileType {
    let extension = path.extension()?.to_string_lossy();
    (!extension.is_empty()).then(|| extension.into_owned())
}

/// The sums over the files of a type.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) words: u64,
}

impl Totals {
    fn add(&mut self, count: &Count) {
        self.merge(&Self { files: 1, bytes: count.bytes, lines: count.lines, words: count.words });
    }

    fn merge(&mut self, other: &Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.lines += other.lines;
        self.words += other.words;
    }
}

/// Files with the same bytes.
pub(crate) struct Duplicates {
    pub(crate) digest: Digest,
    /// The size of each file.
    pub(crate) bytes: u64,
    pub(crate) paths: Vec<PathBuf>,
}

impl Duplicates {
    /// Returns the bytes that would be saved if one file were kept.
    pub(crate) fn wasted(&self) -> u64 {
        self.bytes * (self.paths.len() as u64 - 1)
    }
}

/// An entry that could not be read, and the reason.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

/// The census.
pub(crate) struct Report {
    pub(crate) types: Vec<(FileType, Totals)>,
    pub(crate) total: Totals,
    pub(crate) duplicates: Vec<Duplicates>,
    pub(crate) unreadable: Vec<Unreadable>,
    /// The number of files that each worker counted.
    pub(crate) workers: BTreeMap<Worker, u64>,
}
