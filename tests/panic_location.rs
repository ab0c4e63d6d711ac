//! Tests of the source location in the error that a caller gets for a panic.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{pool::Concurrency, prelude::*};
use std::{
    panic::{catch_unwind, resume_unwind},
    thread,
};

pub struct Work;

#[define]
impl Work {
    pub fn survives() {
        let _ = catch_unwind(|| panic!("caught by the task"));
    }

    pub fn passes_on() {
        resume_unwind(thread::spawn(|| panic!("of another thread")).join().expect_err("it panics"))
    }

    pub fn survives_and_passes_on() {
        Self::survives();
        Self::passes_on();
    }

    pub fn waits_and_panics(pool: Pool) -> u32 {
        let on_top = Self::on(&pool).survives_and_passes_on().wait();
        assert!(matches!(on_top, Err(CallError::Panicked(..))));
        panic!("of line {}", line!());
    }
}

/// Returns the text and the line of a task's panic.
fn panicked<T>(outcome: Result<T, CallError>) -> (String, Option<u32>) {
    let Err(CallError::Panicked(panic, _)) = outcome else { panic!("it panics") };
    assert!(panic.place().is_none_or(|(file, _)| file == file!()));
    (panic.message().to_owned(), panic.place().map(|place| place.1))
}

#[test]
fn propagated_panic_has_no_location_of_an_earlier_one() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("it builds");
    let work = Work::on(&pool);
    work.survives().wait().expect("it catches its panic");
    assert_eq!(panicked(work.passes_on().wait()), ("of another thread".into(), None));
    assert_eq!(panicked(work.survives_and_passes_on().wait()), ("of another thread".into(), None));
}

#[test]
fn panic_after_a_nested_panic_has_its_own_location() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("it builds");
    let (message, line) = panicked(Work::on(&pool).waits_and_panics(pool.clone()).wait());
    assert_eq!(Some(message), line.map(|line| format!("of line {line}")));
}
