//! A test that reads the source files: only the types of this folder store wakers, or clone wakers
//! to store them.
//!
//! Another list of wakers could drop or clone a waker under its lock, or keep a waker after its
//! wait is gone.

use std::{collections::BTreeSet, fs, path::Path};

/// Files that store a waker by other means, each with the reason.
const STORES: &[(&str, &str)] = &[
    ("call/slot/mod.rs", "the cell of a call's waker is part of the slot's protocol, which has no lock"),
    ("channel/stream/notify.rs", "the bell of a stream has at most one waiter and no lock"),
    ("deadlock/probe.rs", "a waker of one poll, which stands before the task's"),
    ("park/parker.rs", "a thread's own waker"),
    ("time/timer.rs", "an alarm has one waker, which it drops or uses off the timer's lock"),
    ("service/service_shared.rs", "the waker of the service's thread"),
    ("service/service_state.rs", "the wakers of the service's own futures that gave way"),
    ("pool/pool_state.rs", "the wakers of threads that wait for their own pool"),
    ("cluster/cluster_shared.rs", "the cluster's own watch over a member"),
    ("park/condvar.rs", "the wakers of simulated threads; its users hold locks, so the baton stays where it is"),
    (
        "pool/threads/sim_threads.rs",
        "the wakers of simulated threads; its users hold locks, so the baton stays where it is",
    ),
];

/// Files that clone a waker by other means, each with the reason.
const CLONES: &[(&str, &str)] = &[
    ("call/slot/handle_side.rs", "`register` clones into the slot's cell, which has no lock"),
    ("deadlock/probe.rs", "a waker of one poll, which stands before the task's"),
    ("service/backend.rs", "the clone is made before the service's lock"),
    ("service/service_shared.rs", "the waker of the service's thread"),
    ("pool/worker/backend.rs", "a thread's own waker, cloned before the pool's lock"),
    ("park/condvar.rs", "the wakers of simulated threads"),
    ("pool/threads/sim_threads.rs", "the wakers of simulated threads"),
];

#[test]
fn wakers_are_stored_by_the_wake_types() {
    assert_only(STORES, stores_waker);
}

#[test]
fn wakers_are_cloned_by_the_wake_types() {
    assert_only(CLONES, clones_waker);
}

/// Finds the lines for which `holds`, and compares their files with those that may have such lines.
fn assert_only(allowed: &[(&str, &str)], holds: fn(&str) -> bool) {
    let mut used = BTreeSet::new();
    let mut others = Vec::new();
    for (file, text) in sources() {
        for (at, line) in code(&text).filter(|(_, line)| holds(line)) {
            match allowed.iter().find(|(known, _)| *known == file) {
                Some((known, _)) => _ = used.insert(*known),
                None => others.push(format!("{file}:{at}: {}", line.trim())),
            }
        }
    }
    assert!(others.is_empty(), "use the types of `wake` for these wakers:\n{}", others.join("\n"));
    let unused: Vec<_> = allowed.iter().filter(|(file, _)| !used.contains(file)).collect();
    assert!(unused.is_empty(), "these files need no exception any more: {unused:?}");
}

/// Returns whether the line declares a field, a variant or a collection of wakers. A function that
/// takes or returns a waker only passes it on.
fn stores_waker(line: &str) -> bool {
    let declares = line.contains("fn ") || line.starts_with("use ") || line.contains("task::");
    let types = ["<Waker>", "(Waker)", ": Waker,", ", Waker)", ", Waker>", ": AtomicWaker"];
    !declares && types.iter().any(|stored| line.contains(stored))
}

/// Returns whether the line clones a waker. An alarm is an argument of the timer, so its waker is
/// cloned before the timer's lock.
fn clones_waker(line: &str) -> bool {
    let clones = ["waker.clone()", "waker().clone()", "waker.cloned()"];
    !line.contains("TimerAction::Wake(") && clones.iter().any(|clone| line.contains(clone))
}

/// Returns the lines of a file that are neither comments nor tests, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let code = lines.take_while(|(_, line)| !line.starts_with("mod tests") && !line.starts_with("mod model"));
    code.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Returns the files of the library, without those of this folder, by their paths in `src`.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("the sources are there").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = checked_name(&root, &path) {
                found.push((name, fs::read_to_string(path).expect("a source is text")));
            }
        }
    }
    assert!(found.len() > 100, "the sources are found");
    found
}

fn checked_name(root: &Path, path: &Path) -> Option<String> {
    let name = path.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
    let is_test = name.ends_with("_tests.rs") || name.ends_with("_model.rs") || name.ends_with("/model.rs");
    (name.ends_with(".rs") && !is_test && !name.starts_with("wake/")).then_some(name)
}

#[test]
fn stored_wakers_are_found_in_text() {
    for line in ["    waiting: Vec<Waker>,", "    Wake(Waker),", "    waker: Waker,", "    all: Vec<(u64, Waker)>,"] {
        assert!(stores_waker(line), "{line}");
    }
    for line in
        ["    pub fn wake(&mut self, waker: Waker) {", "    task::{Context, Poll, Waker},", "    waker: &Waker,"]
    {
        assert!(!stores_waker(line), "{line}");
    }
}
