//! The checks that read the sources themselves: order of imports, lengths, words, the public API.
//!
//! Each check is a module with a `run`. [`files`] finds what they read, [`source`] parses Rust and
//! leaves tests out, [`uses`] finds paths in code, [`lexer`] splits Rust into code, comments and
//! strings, and [`allow`] holds findings against a list of old ones.

pub(crate) mod api;
pub(crate) mod floors;
pub(crate) mod length;
pub(crate) mod words;

mod allow;
mod files;
mod lexer;
mod source;
mod uses;
