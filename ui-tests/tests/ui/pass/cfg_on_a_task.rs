//! A `cfg` on a task holds for every generated piece of it: without the task they are gone too.
#![deny(missing_docs, warnings)]

use nanolith::{TaskSet, prelude::*};

/// A set.
pub struct Geometry;

#[define]
impl Geometry {
    /// Is not there: nor is its type.
    #[cfg(not(any()))]
    pub fn present(x: i64) -> i64 {
        x
    }

    /// Is not there: nor are its types.
    #[cfg(any())]
    pub fn absent(x: Missing) -> AlsoMissing {
        x.into()
    }

    /// One of two.
    #[cfg(any())]
    pub fn either(x: Missing) {}

    /// The other.
    #[cfg(not(any()))]
    #[task(idempotent)]
    pub async fn either(x: i64) -> i64 {
        x
    }

    #[cfg(any())]
    #[before_task]
    fn before(call: &nanolith::task::CallInfo) -> Missing {}
}

/// A module.
#[define]
pub mod geometry {
    /// Is there.
    #[cfg(not(any()))]
    pub fn present(x: i64) -> i64 {
        x
    }

    /// Is not.
    #[cfg(any())]
    pub fn absent(x: Missing) -> AlsoMissing {
        x.into()
    }
}

/// A set without tasks.
pub struct Empty;

#[define]
impl Empty {
    /// Is not there.
    #[cfg(any())]
    pub fn absent(x: Missing) -> AlsoMissing {
        x.into()
    }
}

/// A set that is not there at all.
#[cfg(any())]
#[define]
impl Missing {
    pub fn absent() {}
}

/// Nor this, its `cfg` below.
#[define]
#[cfg(any())]
impl Missing {
    pub fn absent() {}
}

fn main() {
    assert_eq!(Geometry::tasks().present(4).wait().unwrap(), 4);
    assert_eq!(Geometry::tasks().either(5).wait().unwrap(), 5);
    assert_eq!(geometry::tasks().present(4).wait().unwrap(), 4);
    assert_eq!(Geometry::TASKS.iter().map(|task| task.name()).collect::<Vec<_>>(), ["present", "either"]);
    assert_eq!(geometry::Tasks::TASKS.len(), 1);
    assert!(Empty::TASKS.is_empty());
}
