//! Everything that is generated is documented, and gives no warning of any group.
#![deny(missing_docs, warnings, rust_2018_idioms, unused, nonstandard_style, future_incompatible)]
#![deny(unused_qualifications, unreachable_pub, missing_debug_implementations, unused_lifetimes, trivial_casts)]
#![allow(unreachable_pub, missing_debug_implementations)] // of the sets themselves, which stand in a program

use nanolith::prelude::*;

/// A set.
pub struct Counter {
    total: i64,
}

#[define]
impl Counter {
    #[init]
    fn start(cx: &Context<Self>, first: i64) -> Self {
        let _ = cx.task();
        Self { total: first }
    }

    /// Adds.
    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }

    /// The total.
    pub async fn total(&self, cx: &Context<Self>) -> i64 {
        cx.progress(1, 1);
        self.total
    }

    #[on_close]
    fn end(self) {}
}

/// A module.
#[define(name = Own)]
pub mod geometry {
    /// Adds.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {
    let counter = Counter::service(1).launch().wait().unwrap();
    assert_eq!((counter.bump(1).wait().unwrap(), counter.total().wait().unwrap()), (2, 2));
    assert_eq!(geometry::tasks().add(1, 2).wait().unwrap(), 3);
}
