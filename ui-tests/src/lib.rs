//! Task sets in every shape, under the strictest lints: the code that `#[define]` generates causes
//! no warning. `tests/ui` has the programs that must not compile, and the compiler's errors.
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations, warnings, clippy::all, clippy::pedantic)]

use nanolith::{
    prelude::*,
    task::{CallInfo, Outcome},
};
use std::{num::TryFromIntError, sync::Arc, time::Duration};

/// Without a state.
#[derive(Debug)]
pub struct Geometry;

#[define]
impl Geometry {
    /// Adds two numbers.
    #[must_use]
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    /// Reads a number.
    ///
    /// # Errors
    ///
    /// What is no number.
    pub fn parse(text: String) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    /// Adds later.
    pub async fn add_later(cx: &Context<Self>, x: i64, y: i64) -> i64 {
        nanolith::time::sleep(Duration::from_millis(1)).await;
        cx.progress(1, 1);
        x + y
    }

    /// Gives nothing.
    pub fn nothing() {}

    /// Was there before.
    #[deprecated = "add"]
    #[must_use]
    pub fn sum(x: i64, y: i64) -> i64 {
        x + y
    }

    /// Takes a name that is a keyword.
    #[must_use]
    pub fn r#match(r#type: String) -> usize {
        r#type.len()
    }
}

/// With a state, an init and hooks.
#[derive(Debug)]
pub struct Counter {
    total: i64,
}

#[define(identifier = "ui.counter")]
impl Counter {
    #[init]
    fn start(first: i64) -> Result<Self, TryFromIntError> {
        let first = u32::try_from(first)?;
        Ok(Self { total: first.into() })
    }

    #[before_task]
    fn before(&self, call: &CallInfo) {
        debug_assert!(call.in_service(), "{} has a total of {}", call.task(), self.total);
    }

    #[after_task]
    async fn after(call: &CallInfo, outcome: Outcome) {
        debug_assert_ne!(outcome, Outcome::Panicked, "{}", call.task());
        nanolith::time::sleep(Duration::from_millis(1)).await;
    }

    #[on_close]
    fn end(self) {
        debug_assert!(self.total >= 0);
    }

    /// Adds to the total.
    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }

    /// The total.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.total
    }

    /// Adds to the total, later.
    pub async fn bump_later(&mut self, by: i64) -> i64 {
        nanolith::time::sleep(Duration::from_millis(1)).await;
        self.bump(by)
    }
}

/// A state that a pool shares.
#[derive(Debug)]
pub struct Shared(Arc<str>);

#[define(shared)]
impl Shared {
    /// Its text.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

/// A generic set.
#[derive(Debug)]
pub struct Stack<T, const N: usize> {
    items: Vec<T>,
}

#[define]
impl<T: Clone + Send + 'static, const N: usize> Stack<T, N> {
    #[init]
    fn empty() -> Self {
        Self { items: Vec::with_capacity(N) }
    }

    /// Puts one on top.
    pub fn push(&mut self, item: T) -> usize {
        self.items.push(item);
        self.items.len()
    }

    /// The one on top.
    #[must_use]
    pub fn top(&self) -> Option<T> {
        self.items.last().cloned()
    }
}

/// A module as a set.
#[define]
pub mod words {
    /// How many there are.
    #[must_use]
    pub fn count(text: String) -> usize {
        text.split_whitespace().count()
    }
}

/// A set for this crate alone.
pub(crate) struct Private;

#[define(vis = "pub(crate)")]
impl Private {
    #[task]
    fn quiet() -> u8 {
        1
    }
}

/// Calls one task of each set, so that nothing is unused.
///
/// # Errors
///
/// Whatever ends one of the calls.
pub fn all() -> Result<(), CallError> {
    Geometry::tasks().add(1, 2).wait()?;
    words::tasks().count("one two".into()).wait()?;
    Private::tasks().quiet().wait()?;
    Ok(())
}
