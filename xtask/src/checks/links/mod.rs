//! `cargo xtask links`: each link between the Markdown pages of the workspace leads to a file that
//! exists, and to a heading of it. Links to other sites are not followed.
//!
//! [`markdown`] reads a page of the sources, and [`html`] a page of the built book.

pub(crate) mod html;
mod markdown;

use crate::{
    checks::files,
    shell::{Failure, Outcome, root},
};
use std::collections::{BTreeMap, BTreeSet};

/// The addresses at which the files of the workspace are published.
const PUBLISHED: &[&str] = &[
    "https://github.com/nanolith-rs/nanolith/blob/main/",
    "https://github.com/nanolith-rs/nanolith/tree/main/",
    "https://raw.githubusercontent.com/nanolith-rs/nanolith/main/",
];

/// The pages by their paths, which have `/` between their parts.
pub(crate) type Pages = BTreeMap<String, Page>;

/// What a page links to, and what can be linked to in it.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) links: Vec<Link>,
    pub(crate) anchors: BTreeSet<String>,
    /// Links whose target is not defined, with their lines.
    pub(crate) undefined: Vec<Link>,
}

/// A link, and the line that it is on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) target: String,
}

pub(crate) fn run() -> Outcome {
    let root = root();
    let mut pages = Pages::new();
    for path in files::paths(&root, "", "md")? {
        let page = markdown::page(&files::read(&root, &path)?);
        pages.insert(path, page);
    }
    check(&pages, &|path| root.join(path).exists(), PUBLISHED)
}

/// Checks the links of all pages. `exists` says whether there is a file or folder of this path. The
/// addresses in `published` are those of the folder in which the pages are.
pub(crate) fn check(pages: &Pages, exists: &dyn Fn(&str) -> bool, published: &[&str]) -> Outcome {
    let problems = problems(pages, exists, published);
    println!("{} links on {} pages", pages.values().map(|page| page.links.len()).sum::<usize>(), pages.len());
    if problems.is_empty() { Ok(()) } else { Err(Failure::Rule(problems.join("\n"))) }
}

fn problems(pages: &Pages, exists: &dyn Fn(&str) -> bool, published: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, page) in pages {
        for Link { line, target } in &page.undefined {
            problems.push(format!("{path}:{line}: the reference `{target}` is not defined"));
        }
        for Link { line, target } in &page.links {
            let Some((file, anchor)) = resolve(path, target, published) else { continue };
            if !exists(&file) {
                problems.push(format!("{path}:{line}: `{target}` leads to no file"));
            } else if let (Some(linked), Some(anchor)) = (pages.get(&file), anchor) {
                if !linked.anchors.contains(anchor) {
                    problems.push(format!("{path}:{line}: `{target}` leads to no heading of {file}"));
                }
            }
        }
    }
    problems
}

/// Returns the path that a link on the page `from` leads to, and the anchor. Returns `None` for a
/// link to another site.
fn resolve<'l>(from: &str, link: &'l str, published: &[&str]) -> Option<(String, Option<&'l str>)> {
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let anchor = anchor.filter(|anchor| !anchor.is_empty());
    if let Some(path) = published.iter().find_map(|site| file.strip_prefix(site)) {
        return Some((path.trim_end_matches('/').to_owned(), anchor));
    }
    if file.contains(':') || file.starts_with("//") {
        return None;
    }
    if file.is_empty() {
        return Some((from.to_owned(), anchor));
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('?').next().unwrap_or(file).split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some((parts.join("/"), anchor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(links: &[&str], anchors: &[&str]) -> Page {
        let links = links.iter().map(|target| Link { line: 1, target: (*target).to_owned() }).collect();
        Page { links, anchors: anchors.iter().map(|anchor| (*anchor).to_owned()).collect(), undefined: Vec::new() }
    }

    fn found(links: &[&str]) -> usize {
        let pages = Pages::from([
            ("README.md".to_owned(), page(&[], &["start"])),
            ("docs/book/a.md".to_owned(), page(links, &["one"])),
            ("docs/book/b.md".to_owned(), page(&[], &["two"])),
        ]);
        let exists = |path: &str| pages.contains_key(path) || path == "examples" || path == "docs/plots/T1.svg";
        problems(&pages, &exists, PUBLISHED).len()
    }

    #[test]
    fn links_to_files_headings_and_other_sites_pass() {
        assert_eq!(found(&["b.md", "b.md#two", "#one", "../../README.md#start", "../plots/T1.svg"]), 0);
        assert_eq!(found(&["https://docs.rs/nanolith#none", "mailto:a@b.c"]), 0);
    }

    #[test]
    fn links_to_missing_files_and_headings_are_problems() {
        assert_eq!(found(&["c.md", "../b.md", "b.md#one", "#two", "../README.md"]), 5);
    }

    #[test]
    fn published_files_are_files_of_the_workspace() {
        let site = "https://github.com/nanolith-rs/nanolith";
        assert_eq!(found(&[&format!("{site}/tree/main/examples"), &format!("{site}/blob/main/README.md#start")]), 0);
        assert_eq!(found(&[&format!("{site}/tree/main/exmples"), &format!("{site}/blob/main/README.md#end")]), 2);
        assert_eq!(found(&[site, &format!("{site}/issues/16")]), 0);
    }

    #[test]
    fn undefined_reference_is_a_problem() {
        let page = Page { undefined: vec![Link { line: 3, target: "no".into() }], ..Page::default() };
        let problems = problems(&Pages::from([("a.md".to_owned(), page)]), &|_| true, PUBLISHED);
        assert_eq!(problems, ["a.md:3: the reference `no` is not defined"]);
    }
}
