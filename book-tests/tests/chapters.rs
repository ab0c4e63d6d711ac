//! Tests of the book as a whole: each chapter is in its summary and runs its examples, and the chapter on
//! errors has each public error.
#![allow(missing_docs)] // a test's name documents it

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

#[test]
fn each_chapter_is_in_the_summary_and_tested() {
    let summary = read("docs/SUMMARY.md");
    let tested = read("book-tests/src/lib.rs");
    let files = fs::read_dir(root().join("docs/book")).expect("the folder is there");
    let chapters: Vec<String> = files
        .map(|file| file.expect("it can be listed").file_name().into_string().expect("it is Unicode"))
        .map(|file| format!("book/{file}"))
        .collect();
    assert!(chapters.len() > 10, "the test finds the chapters");
    for chapter in chapters {
        assert!(summary.contains(&format!("]({chapter})")), "docs/SUMMARY.md has no line for {chapter}");
        assert!(tested.contains(&format!("\"{chapter}\"")), "book-tests/src/lib.rs does not test {chapter}");
    }
}

#[test]
fn each_page_of_docs_is_in_the_summary() {
    let summary = read("docs/SUMMARY.md");
    for file in fs::read_dir(root().join("docs")).expect("the folder is there") {
        let name = file.expect("it can be listed").file_name().into_string().expect("it is Unicode");
        if name.ends_with(".md") && name != "SUMMARY.md" {
            assert!(summary.contains(&format!("]({name})")), "docs/SUMMARY.md has no line for {name}");
        }
    }
}

#[test]
fn each_public_error_and_variant_has_a_row() {
    let chapter = read("docs/book/errors.md");
    let errors = errors(&read("docs/api.txt"));
    assert!(errors.len() > 30 && errors.values().flatten().count() > 70, "the test finds the errors");
    let missing: Vec<String> = errors
        .iter()
        .flat_map(|(error, variants)| {
            let variants: Vec<String> = variants.iter().map(|variant| format!("{error}::{variant}")).collect();
            if variants.is_empty() { vec![error.clone()] } else { variants }
        })
        .filter(|name| !chapter.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "docs/book/errors.md has no row for {missing:#?}");
}

#[test]
fn quoted_errors_of_the_compiler_are_its_output() {
    let chapter = read("docs/book/errors.md");
    let (_, section) = chapter.split_once("## Errors of the compiler").expect("the section is there");
    let quoted: Vec<&str> =
        section.lines().filter_map(|row| Some(row.strip_prefix("| `` ")?.split_once(" `` |")?.0)).collect();
    assert!(quoted.len() > 10, "the test finds the texts");
    let cases = fs::read_dir(root().join("ui-tests/tests/ui/fail")).expect("the folder is there");
    let outputs: String = cases
        .map(|file| file.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
        .map(|path| fs::read_to_string(path).expect("it is text"))
        .collect();
    let wrong: Vec<&str> = quoted.into_iter().filter(|text| !outputs.contains(text)).collect();
    assert!(wrong.is_empty(), "the compiler does not say {wrong:#?}");
}

/// Returns the public error types of the listing, with their variants.
fn errors(listing: &str) -> BTreeMap<String, BTreeSet<String>> {
    let lines = || listing.lines().filter_map(|line| line.strip_prefix("nanolith::")?.split_once(": "));
    let is_error = |path: &str| {
        let name = path.rsplit("::").next().unwrap_or(path);
        (name.ends_with("Error") && name != "OnError") || path == "service::Crash" || path == "pipeline::Cause"
    };
    let mut errors: BTreeMap<String, BTreeSet<String>> = lines()
        .filter(|(path, item)| is_error(path) && (item.contains("pub enum ") || item.contains("pub struct ")))
        .map(|(path, _)| (path.to_owned(), BTreeSet::new()))
        .collect();
    for (path, item) in lines() {
        let Some((error, variant)) = path.rsplit_once("::") else { continue };
        let item = item.trim_start_matches("#[non_exhaustive] ");
        if let Some(variants) = errors.get_mut(error).filter(|_| item.starts_with(variant)) {
            variants.insert(variant.to_owned());
        }
    }
    errors
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
