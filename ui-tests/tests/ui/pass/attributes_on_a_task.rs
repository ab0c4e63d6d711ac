//! Documentation, `deprecated`, `must_use`, `allow`, `expect`, `track_caller`, `inline`, `cfg_attr` on tasks.
#![deny(missing_docs, warnings, unfulfilled_lint_expectations)]

use nanolith::prelude::*;

/// A set.
pub struct Geometry;

#[define]
impl Geometry {
    /// Documented,
    /// in two lines.
    #[doc(alias = "plus")]
    #[must_use = "a sum is to be used"]
    #[inline]
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    /// Old.
    #[deprecated(since = "0.1.0", note = "use `add`")]
    pub fn old_add(x: i64, y: i64) -> i64 {
        x + y
    }

    #[allow(missing_docs, non_snake_case)]
    pub fn Loud(ARGUMENT: i64) -> i64 {
        ARGUMENT
    }

    /// Expects what comes.
    #[expect(unused_variables)]
    pub fn ignores(x: i64) {}

    /// Says where it was called.
    #[track_caller]
    pub fn line() -> u32 {
        std::panic::Location::caller().line()
    }

    /// Two attributes under a condition.
    #[cfg_attr(not(any()), allow(unused_variables), doc = "A second line.")]
    pub fn conditional(x: i64) {}

    /// Not for documentation.
    #[doc(hidden)]
    #[cold]
    pub fn hidden() {}
}

/// A module.
#[define]
#[allow(non_snake_case)]
pub mod geometry {
    /// Documented.
    #[must_use]
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    /// Old.
    #[deprecated = "use `add`"]
    pub fn old_add(x: i64, y: i64) -> i64 {
        x + y
    }

    /// Expects what comes.
    #[expect(unused_variables)]
    #[track_caller]
    pub fn Ignores(x: i64) {}
}

fn main() {
    let geometry = Geometry::tasks();
    assert_eq!(geometry.add(4, 5).wait().unwrap(), 9);
    assert_eq!(geometry.Loud(4).wait().unwrap(), 4);
    geometry.ignores(4).wait().unwrap();
    geometry.conditional(4).wait().unwrap();
    geometry.hidden().wait().unwrap();
    assert!(geometry.line().wait().unwrap() > 0);
    #[expect(deprecated)]
    let old = geometry.old_add(4, 5);
    assert_eq!(old.wait().unwrap(), 9);
    #[expect(deprecated)]
    let old = geometry::tasks().old_add(4, 5);
    assert_eq!(old.wait().unwrap(), 9);
    geometry::tasks().Ignores(1).wait().unwrap();
}
