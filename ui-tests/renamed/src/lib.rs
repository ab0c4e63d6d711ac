//! A compile test: the dependency on nanolith has the name `stone` here, so that a path to the
//! usual name in the code of `#[define(crate = ::stone)]` is an error.
#![no_implicit_prelude]
#![deny(missing_docs, warnings)]

use ::stone::{Context, define, task::CallInfo};

/// A state.
#[derive(::std::fmt::Debug)]
pub struct Counter {
    total: i64,
}

#[define(crate = ::stone, shared, wire)]
impl Counter {
    #[init]
    fn start(first: ::std::string::String) -> ::std::result::Result<Self, ::std::num::ParseIntError> {
        let total = first.parse()?;
        ::std::result::Result::Ok(Self { total })
    }

    #[before_task]
    async fn before(&self, _call: &CallInfo) {}

    #[on_close]
    fn end(self) {}

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

    /// Anywhere.
    #[::stone::task(idempotent)]
    pub fn double(x: i64) -> i64 {
        x * 2
    }
}

/// A module.
#[define(crate = ::stone)]
pub mod geometry {
    /// Adds.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

/// The facade under a path of the crate's own.
pub mod facade {
    pub use ::stone::*;
}

/// Plain functions.
#[derive(::std::fmt::Debug)]
pub struct Elsewhere;

#[facade::define(crate = crate::facade)]
impl Elsewhere {
    /// Adds.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}
