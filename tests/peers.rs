//! Tests of the tables in `docs/peers.md` and `docs/processes.md`: each test that they name exists and
//! runs. Also tests for faults of other libraries that no other test covers.
#![allow(missing_docs)] // a test's name documents it

use nanolith::{
    executor::OnFull,
    prelude::*,
    service::{LifeEvent, OnPanic, Restart},
    sync::Backoff,
    time::{MILLISECOND, MINUTE},
};
use std::{
    error::Error,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

// ----- the page

#[test]
fn every_test_named_in_peers_md_exists_and_runs() {
    let page = include_str!("../docs/peers.md");
    let tables = page.lines().filter(|line| line.ends_with("| shown by |")).count();
    assert_eq!(tables, 11, "the test finds the head of each table");
    let missing = missing(page);
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_test_named_in_processes_md_exists_and_runs() {
    let page = include_str!("../docs/processes.md");
    let tables = page.lines().filter(|line| line.ends_with("| shown by |")).count();
    assert_eq!(tables, 6, "the test finds the head of each table");
    let missing = missing(page);
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn rows_without_an_existing_test_are_found() {
    let page = "| theirs | ours | shown by |\n|---|---|---|\n\
        | a | b | `tests/peers.rs: every_test_named_in_peers_md_exists_and_runs` |\n\
        | c | d | |\n\
        | e | f | `tests/peers.rs: no_such_test` |\n\
        | g | h | `tests/peers.rs: missing` |\n\
        | h | i | `nanolith-process/tests/parent_end.rs: wait_for_end` |\n\
        | i | j | `tests/none.rs: here` |\n";
    let rows: Vec<_> = missing(page).into_iter().map(|what| what.chars().nth(2)).collect();
    assert_eq!(rows, ["c", "e", "g", "h", "i"].map(|row| row.chars().next()));
}

/// Returns the rows of a page's tables without an existing test.
fn missing(page: &str) -> Vec<&str> {
    let cells = |row: &str| row.trim_matches('|').rsplit('|').next().map(str::to_owned).unwrap_or_default();
    let mut is_of_peers = false;
    let is_row = |line: &&str| {
        let is_head = line.ends_with("| shown by |");
        is_of_peers = is_head || (is_of_peers && line.starts_with('|'));
        is_of_peers && !is_head && line.starts_with("| ")
    };
    page.lines().filter(is_row).filter(|row| !is_shown(&cells(row))).collect()
}

/// Whether a cell names tests, all of which exist.
fn is_shown(cell: &str) -> bool {
    let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
    !names.is_empty() && names.into_iter().all(|name| name.split_once(": ").map_or_else(|| is_case(name), is_test))
}

/// A program that must not compile.
fn is_case(file: &str) -> bool {
    file.starts_with("ui-tests/tests/ui/fail/") && root().join(file).with_extension("stderr").is_file()
}

fn is_test((file, name): (&str, &str)) -> bool {
    let Ok(source) = fs::read_to_string(root().join(file)) else { return false };
    let Some((before, _)) = source.split_once(&format!("\nfn {name}(")) else { return false };
    let mut lists = source.split("trials! {\n").skip(1).peekable();
    if lists.peek().is_some() {
        // A test program with a `main` of its own lists its tests.
        return lists.any(|list| {
            list.lines().map(str::trim).take_while(|line| !line.starts_with('}')).any(|line| line == name)
        });
    }
    let attributes = before.lines().rev().take_while(|line| line.starts_with("#["));
    attributes
        .fold((false, true), |(is_test, runs), line| (is_test || line == "#[test]", runs && !line.contains("ignore")))
        == (true, true)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

// ----- faults of other libraries

/// Counts its runs, can be held, and has a task that always fails.
struct Work;

#[define(vis = "pub(crate)")]
impl Work {
    #[init]
    fn start(starts: Arc<AtomicUsize>) -> Self {
        starts.fetch_add(1, Ordering::SeqCst);
        Self
    }

    #[task]
    fn count(runs: Arc<AtomicUsize>) {
        runs.fetch_add(1, Ordering::SeqCst);
    }

    #[task]
    fn hold(begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv();
    }

    #[task]
    fn fail(&mut self) {
        panic!("no luck");
    }

    #[task]
    fn surroundings(cx: &Context<Self>) -> (Option<u32>, Option<String>) {
        (cx.data().copied(), thread::current().name().map(str::to_owned))
    }
}

/// Piscina ran tasks whose promise had been rejected.
#[test]
fn call_ended_before_its_start_never_starts() -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder().max_queue(2).on_full(OnFull::Reject).build()?;
    let (work, runs) = (Work::on(&pool), Arc::new(AtomicUsize::new(0)));
    pool.pause();
    let cancelled = work.count(runs.clone()).submit();
    let late = work.count(runs.clone()).timeout(MILLISECOND).submit();
    assert!(matches!(work.count(runs.clone()).wait(), Err(CallError::Full(_))));
    cancelled.cancel();
    assert!(matches!(cancelled.wait(), Err(CallError::Cancelled(_))));
    assert!(matches!(late.wait(), Err(CallError::TimedOut(_))));
    let accepted = work.count(runs.clone()).submit();
    pool.resume();
    accepted.wait()?;
    pool.drained().wait();
    assert_eq!(runs.load(Ordering::SeqCst), 1, "the last alone");
    Ok(())
}

/// Nanolith for Node renewed a crashed service without the options that it was launched with.
#[test]
fn restarted_service_keeps_its_settings() -> Result<(), Box<dyn Error>> {
    let (starts, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = asked.clone();
    let work = Work::service(starts.clone())
        .name("renewed")
        .max_queue(1)
        .on_full(OnFull::Reject)
        .data(5_u32)
        .restart(Restart::on_panic().except_in_tasks().limit(2, MINUTE).backoff(Backoff::none()))
        .on_panic(move |_| {
            handler.fetch_add(1, Ordering::SeqCst);
            OnPanic::Restart
        })
        .launch()
        .wait()?;
    let mut life = work.control().life();
    assert!(matches!(life.next(), Some(LifeEvent::Started)));
    for crash in 1..=3 {
        assert_eq!(starts.load(Ordering::SeqCst), crash, "from the same init arguments");
        assert_eq!(work.surroundings().wait()?, (Some(5), Some("renewed".into())));
        let (begun, begins) = channel();
        let (go, goes) = channel();
        let held = work.hold(begun, goes).submit();
        begins.recv()?;
        let fails = work.fail().submit();
        assert!(matches!(work.fail().wait(), Err(CallError::Full(_))), "the queue holds one");
        go.send(())?;
        held.wait()?;
        assert!(matches!(fails.wait(), Err(CallError::Panicked(..))));
        match life.next() {
            Some(LifeEvent::Restarted { restarts, .. }) if crash < 3 => assert_eq!(restarts, crash as u64),
            Some(LifeEvent::GaveUp(_)) if crash == 3 => {}
            other => panic!("the same limit counts, so it is not {other:?} after crash {crash}"),
        }
        assert_eq!(asked.load(Ordering::SeqCst), crash, "the same handler is asked");
    }
    Ok(())
}
