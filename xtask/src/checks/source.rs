//! [`Source`]: a parsed Rust file. This module reads the files of folders, and excludes tests.

use crate::{checks::files, shell::Failure};
use proc_macro2::{TokenStream, TokenTree};
use std::{collections::BTreeSet, path::Path};
use syn::{Attribute, Expr, ExprLit, ImplItem, Item, ItemMod, Lit, Meta, MetaNameValue};

/// A file that is not a test.
pub(crate) struct Source {
    /// The path from the root, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
}

/// Parses the Rust files below these folders. Excludes tests: files that [`is_test_name`]
/// recognizes, and modules that a `#[cfg(test)]` declares.
pub(crate) fn sources(root: &Path, folders: &[&str]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for folder in folders {
        for path in files::paths(root, folder, "rs")? {
            if !is_test_name(&path) {
                sources.push(parse(files::read(root, &path)?, path)?);
            }
        }
    }
    let tests: BTreeSet<_> =
        sources.iter().flat_map(|source| test_modules(&source.path, &source.syntax.items)).collect();
    sources.retain(|source| !tests.iter().any(|test| is_of_module(&source.path, test)));
    Ok(sources)
}

pub(crate) fn parse(text: String, path: String) -> Result<Source, Failure> {
    match syn::parse_file(&text) {
        Ok(syntax) => Ok(Source { path, text, syntax }),
        Err(error) => Err(Failure::Rule(format!("{path}:{}: {error}", error.span().start().line))),
    }
}

/// Whether the name of a file, or of one of its folders, is the name of tests.
fn is_test_name(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.trim_end_matches(".rs");
    let is_test = |word: &str| word == "tests" || word.ends_with("_tests") || word.ends_with("_model");
    folders.split('/').chain([stem]).any(is_test)
}

/// Returns the modules that these items declare for tests alone, as paths without `.rs`.
fn test_modules(path: &str, items: &[Item]) -> Vec<String> {
    let file = |module: &ItemMod| match module.attrs.iter().find_map(named_path) {
        Some(name) => format!("{}/{}", folder(path), name.trim_end_matches(".rs")),
        None => format!("{}/{}", module_folder(path), module.ident),
    };
    let declared = items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && is_test(&module.attrs) => Some(file(module)),
        _ => None,
    });
    declared.collect()
}

/// Returns the file that a `#[path = ".."]` names, relative to the folder of the declaring file.
fn named_path(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(MetaNameValue { path, value: Expr::Lit(ExprLit { lit: Lit::Str(name), .. }), .. }) => {
            path.is_ident("path").then(|| name.value())
        }
        _ => None,
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the folder of the files of the modules that a file declares.
fn module_folder(path: &str) -> &str {
    let module = path.trim_end_matches(".rs");
    match module.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => module,
    }
}

/// Whether a file is the file of a module, or below it.
fn is_of_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Whether an item with these attributes exists only in tests.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => list.path.is_ident("cfg") && needs_test(list.tokens.clone()),
        _ => false,
    })
}

/// Whether a condition is `test`, or an `all(..)` that contains it.
fn needs_test(condition: TokenStream) -> bool {
    let mut is_all = false;
    condition.into_iter().any(|token| match token {
        TokenTree::Ident(word) => {
            is_all = word == "all";
            word == "test"
        }
        TokenTree::Group(group) => is_all && needs_test(group.stream()),
        _ => false,
    })
}

/// Returns the attributes of an item, if it can have any.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns the attributes of an item of an `impl`.
pub(crate) fn impl_attributes(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn names_of_test_files_are_recognized() {
        for test in ["src/queue_tests.rs", "src/lanes_model.rs", "src/sched/tests/ring.rs", "src/tests.rs"] {
            assert!(is_test_name(test), "{test}");
        }
        for code in ["src/queue.rs", "src/model.rs", "src/latest.rs", "xtask/src/checks/source.rs"] {
            assert!(!is_test_name(code), "{code}");
        }
    }

    #[test]
    fn condition_that_needs_test_is_a_test() {
        assert!(is_test(&[parse_quote!(#[cfg(test)])]));
        assert!(is_test(&[parse_quote!(#[cfg(all(not(loom), test))])]));
        assert!(is_test(&[parse_quote!(#[test])]));
        assert!(!is_test(&[parse_quote!(#[cfg(not(test))])]));
        assert!(!is_test(&[parse_quote!(#[cfg(all(not(test), loom))])]));
        assert!(!is_test(&[parse_quote!(#[cfg(any(test, loom))])]));
        assert!(!is_test(&[parse_quote!(#[cfg(feature = "test-util")]), parse_quote!(#[inline])]));
    }

    #[test]
    fn module_declared_for_tests_is_one_file_or_a_folder() {
        let items = [
            parse_quote!(
                #[cfg(test)]
                mod model;
            ),
            parse_quote!(
                mod log;
            ),
            parse_quote!(
                #[cfg(test)]
                mod t {}
            ),
        ];
        assert_eq!(test_modules("src/broadcast/mod.rs", &items), ["src/broadcast/model"]);
        assert_eq!(test_modules("src/broadcast.rs", &items), ["src/broadcast/model"]);
        let named = [parse_quote!(
            #[cfg(test)]
            #[path = "front_cost.rs"]
            mod cost;
        )];
        assert_eq!(test_modules("src/front.rs", &named), ["src/front_cost"]);
        assert!(is_of_module("src/broadcast/model.rs", "src/broadcast/model"));
        assert!(is_of_module("src/broadcast/model/deep.rs", "src/broadcast/model"));
        assert!(!is_of_module("src/broadcast/models.rs", "src/broadcast/model"));
    }

    #[test]
    fn parse_failure_names_the_file_and_the_line() {
        let failure = parse("fn a() {}\nfn {".into(), "src/a.rs".into()).err().unwrap().to_string();
        assert!(failure.starts_with("src/a.rs:2:"), "{failure}");
    }
}
