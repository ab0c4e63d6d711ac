//! The checks that read the sources: imports between floors, lengths, names of tests, words, links
//! and the public API.
//!
//! Each check is a module with a `run`. [`files`] finds the files, and [`source`] parses Rust
//! without the tests. [`uses`] finds paths in code. [`lexer`] splits Rust into code, comments and
//! strings. [`allow`] compares findings with a list of earlier findings.

pub(crate) mod api;
pub(crate) mod files;
pub(crate) mod floors;
pub(crate) mod length;
pub(crate) mod links;
pub(crate) mod test_names;
pub(crate) mod words;

mod allow;
mod lexer;
mod source;
mod uses;
