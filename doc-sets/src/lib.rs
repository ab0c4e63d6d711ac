//! The task sets that most examples of the documentation use: [`Geometry`], whose tasks have no
//! state, and [`Counter`], whose tasks have one.
//!
//! The doc tests of a crate are compiled as one program. With these sets, the compiler generates
//! the code of the pool and of the service once. With a set in each example, it would do so some
//! 280 times.

use nanolith::prelude::*;
use std::num::ParseIntError;

/// Stateless tasks.
#[derive(Debug)]
pub struct Geometry;

#[define]
impl Geometry {
    /// Adds two numbers.
    ///
    /// # Panics
    ///
    /// If the sum does not fit.
    pub fn add(x: i64, y: i64) -> i64 {
        x.checked_add(y).expect("the sum fits")
    }

    /// Adds the numbers.
    pub fn sum(of: Vec<i64>) -> i64 {
        of.iter().sum()
    }

    /// Reads a number.
    ///
    /// # Errors
    ///
    /// If the text is no number.
    pub fn parse(text: String) -> Result<i64, ParseIntError> {
        text.parse()
    }
}

/// A service that adds up.
#[derive(Debug)]
pub struct Counter {
    total: i64,
}

#[define]
impl Counter {
    /// Begins with `first`.
    #[init]
    pub fn start(first: i64) -> Self {
        Self { total: first }
    }

    /// Adds `by`, and returns the total.
    ///
    /// # Panics
    ///
    /// If the sum does not fit.
    pub fn bump(&mut self, by: i64) -> i64 {
        self.total = self.total.checked_add(by).expect("the sum fits");
        self.total
    }

    /// Returns the total.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.total
    }
}
