//! A call's life in one allocation: its [`slot`] and what is known of it beside ([`meta`]).

mod blocks;
pub(crate) mod meta;
pub(crate) mod shared;
pub(crate) mod slot;
#[cfg(test)]
mod slot_tests;
pub(crate) mod spot;

pub use meta::Progress;
