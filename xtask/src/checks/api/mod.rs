//! `cargo xtask api`: compares the names that a user of `nanolith` can use with the listing in
//! `docs/api.txt`.
//!
//! The listing is generated from the sources: from the `pub` items of `src/lib.rs`, through each
//! `pub use`, with all features on. It needs neither a build nor a nightly compiler, and is the
//! same under each version of Rust. Types are listed as the sources write them. The listing does
//! not show which types are `Send`, nor the code that `#[define]` generates. Tests and snapshots
//! check these.
//!
//! [`krate`] resolves names, and [`expand`] expands `macro_rules` macros. [`listing`] collects and
//! sorts the lines. [`print`](self::print) writes tokens as rustfmt would.

mod expand;
mod krate;
mod listing;
mod print;

use crate::{
    checks::{files, source::sources},
    shell::{Failure, Outcome, root},
};
use std::{collections::BTreeSet, env, fs};

const LISTING: &str = "docs/api.txt";

/// The crates whose sources the listing is generated from. Users name the first one.
const CRATES: &[(&str, &str)] = &[("nanolith", "src"), ("nanolith_core", "nanolith-core/src")];

pub(crate) fn run() -> Outcome {
    let root = root();
    let folders: Vec<_> = CRATES.iter().map(|(_, folder)| *folder).collect();
    let crates = krate::Crates::new(sources(&root, &folders)?, CRATES)?;
    let lines = listing::lines(&crates, CRATES[0].0)?;
    println!("{LISTING}: {} lines", lines.len());
    if env::var_os("NANOLITH_API").is_some_and(|word| word == "update") {
        return fs::write(root.join(LISTING), lines.join("\n") + "\n")
            .map_err(|source| Failure::NotRun { line: format!("write {LISTING}"), source });
    }
    let difference = difference(&files::read(&root, LISTING)?, &lines);
    if difference.is_empty() {
        return Ok(());
    }
    let hint = "if that is meant, `NANOLITH_API=update cargo xtask api` writes it, and CHANGELOG.md has a line for it";
    Err(Failure::Rule(format!("{LISTING} differs from the public API:\n{}\n{hint}", difference.join("\n"))))
}

/// Returns the lines that are gone, followed by the new lines.
fn difference(listing: &str, lines: &[String]) -> Vec<String> {
    let before: BTreeSet<&str> = listing.lines().collect();
    let now: BTreeSet<&str> = lines.iter().map(String::as_str).collect();
    let gone = before.difference(&now).map(|line| format!("- {line}"));
    let new = now.difference(&before).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_names_removed_and_added_lines() {
        assert!(difference("a\nb\n", &["a".into(), "b".into()]).is_empty());
        assert_eq!(difference("a\nb\n", &["b".into(), "c".into()]), ["- a", "+ c"]);
    }
}
