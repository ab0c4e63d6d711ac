//! `cargo xtask book`: builds the book with mdBook, and checks the links of the built pages.

use crate::{
    checks::{
        files,
        links::{self, Pages},
    },
    shell::{Failure, Outcome, program, target_dir},
};

/// A page that is served for missing pages. Its links start at the root of a site.
const NOT_FOUND: &str = "404.html";

pub(crate) fn run() -> Outcome {
    if !program("mdbook", "--version").succeeds() {
        return Err(Failure::NotHere("not installed: cargo install mdbook --locked".into()));
    }
    let built = target_dir().join("book");
    program("mdbook", "build docs --dest-dir").word(&built.display().to_string()).run()?;
    let mut pages = Pages::new();
    for path in files::paths(&built, "", "html")? {
        if path != NOT_FOUND {
            let page = links::html::page(&files::read(&built, &path)?);
            pages.insert(path, page);
        }
    }
    links::check(&pages, &|path| built.join(path).exists(), &[])
}
