//! Derives the names of enum variants, lists the names that a task cannot have, and finds the name
//! that the user probably meant.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Type, ext::IdentExt, spanned::Spanned};

/// The inherent methods of `Service` and `Cluster`. Both types give access to a set's methods by
/// `Deref`, so such a method would hide a task of the same name. A test of the facade compares this
/// list with the types.
pub(crate) const RESERVED: [&str; 12] = [
    "calls",
    "close",
    "close_timeout",
    "terminate",
    "send",
    "try_send",
    "on_message",
    "wait_for",
    "create_stream",
    "on_stream",
    "info",
    "control",
];

/// The methods of prelude traits that every executor or every value has. They hide a task too.
const OF_THE_PRELUDE: [(&str, &str); 4] = [
    ("clone", "Clone::clone"),
    ("to_owned", "ToOwned::to_owned"),
    ("into", "Into::into"),
    ("try_into", "TryInto::try_into"),
];

/// The names of the primitive types that are `Copy`.
const PRIMITIVES: [&str; 16] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
    "usize",
];

/// Returns whether the type is a primitive one that is `Copy`, by its name.
pub(crate) fn is_primitive(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if PRIMITIVES.iter().any(|name| path.path.is_ident(name)))
}

/// Returns the method that would hide a task of this name, if there is one.
pub(crate) fn hidden_by(name: &Ident) -> Option<String> {
    let name = name.unraw().to_string();
    if RESERVED.contains(&name.as_str()) {
        return Some(format!("the method `{name}` of `Service` and `Cluster`"));
    }
    let of_a_trait = OF_THE_PRELUDE.iter().find(|(method, _)| *method == name);
    of_a_trait.map(|(_, path)| format!("`{path}`, which is in the prelude"))
}

/// Returns the variant of a function: `wait_then_add` becomes `WaitThenAdd`.
pub(crate) fn variant_of(function: &Ident) -> Ident {
    let name = function.unraw().to_string();
    Ident::new(&camel_case(&name), function.span())
}

/// Joins the words of a name and capitalizes each. The result is an identifier if `name` is one.
fn camel_case(name: &str) -> String {
    let mut joined = String::new();
    for word in name.split('_').filter(|word| !word.is_empty()) {
        let digits_meet = joined.ends_with(is_digit) && word.starts_with(is_digit);
        if digits_meet || (joined.is_empty() && word.starts_with(is_digit)) {
            joined.push('_');
        }
        push_capitalized(&mut joined, word);
    }
    match joined.as_str() {
        "" => name.to_owned(),
        "Self" => "Self_".to_owned(),
        _ => joined,
    }
}

fn push_capitalized(joined: &mut String, word: &str) {
    let mut letters = word.chars();
    joined.extend(letters.next().into_iter().flat_map(char::to_uppercase));
    joined.push_str(letters.as_str());
}

fn is_digit(letter: char) -> bool {
    letter.is_numeric()
}

/// Returns a name for a generated type. It has the position of the user's name and the hygiene of
/// the macro, so lints skip it.
pub(crate) fn made(prefix: &str, suffix: &str, place: Span) -> Ident {
    Ident::new(&format!("{prefix}{suffix}"), quietly(place))
}

/// Returns the user's position in the source, with the macro's hygiene. Errors point there, and
/// lints are silent.
pub(crate) fn quietly(place: Span) -> Span {
    Span::call_site().located_at(place)
}

/// Returns the span of all of `tokens`, as [`quietly`] changes it.
pub(crate) fn place_of(tokens: impl ToTokens) -> Span {
    quietly(tokens.span())
}

/// Returns the span of the last of `tokens`, as [`quietly`] changes it.
pub(crate) fn end_of(tokens: TokenStream) -> Span {
    quietly(tokens.into_iter().last().map_or_else(Span::call_site, |last| last.span()))
}

/// Returns a local variable that cannot clash with a name of the user's.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Returns `wanted`, or the first of `wanted2`, `wanted3`, .. that is not in `taken`.
pub(crate) fn fresh(wanted: &str, taken: &HashSet<String>) -> Ident {
    let numbered = (2_u32..).map(|number| format!("{wanted}{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    let free = names.find(|name| !taken.contains(name));
    Ident::new(&free.unwrap_or_default(), Span::call_site())
}

/// Adds each identifier in `tokens` to `into`, at any depth.
pub(crate) fn collect_identifiers(tokens: TokenStream, into: &mut HashSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                into.insert(ident.unraw().to_string());
            }
            TokenTree::Group(group) => collect_identifiers(group.stream(), into),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Returns the known name that the user probably meant. At most every third letter may differ.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|name| (distance(written, name), *name));
    let (steps, name) = distances.min_by_key(|(steps, _)| *steps)?;
    (steps <= name.len().div_ceil(3)).then_some(name)
}

/// Returns the [optimal string alignment
/// distance](https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance): the number of
/// letters to insert, delete, replace or swap with their neighbour to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut steps = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                steps = steps.min(rows[i - 2][j - 2] + 1);
            }
            row.push(steps);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(name: &str) -> String {
        let function = syn::parse_str::<Ident>(name)
            .or_else(|_| syn::parse_str(&format!("r#{name}")))
            .expect("a test gives an identifier");
        variant_of(&function).to_string()
    }

    #[test]
    fn words_of_a_name_become_capitals() {
        for (name, expected) in [
            ("add", "Add"),
            ("wait_then_add", "WaitThenAdd"),
            ("doIt", "DoIt"),
            ("__guarded__", "Guarded"),
            ("type", "Type"),
            ("größe_ändern", "GrößeÄndern"),
        ] {
            assert_eq!(variant(name), expected);
        }
    }

    #[test]
    fn invalid_identifiers_are_corrected() {
        assert_eq!(variant("self_"), "Self_");
        assert_eq!(variant("_2d"), "_2d");
        assert_eq!(variant("__"), "__");
    }

    #[test]
    fn digits_of_a_name_stay_separate() {
        assert_eq!(variant("add_1_2"), "Add1_2");
        assert_ne!(variant("add_1_2"), variant("add_12"));
    }

    /// Tries each name of up to five letters from a small alphabet of difficult letters.
    #[test]
    fn every_variant_is_an_identifier_and_maps_to_itself() {
        let mut names = vec![String::new()];
        for _ in 0..5 {
            let longer = names
                .iter()
                .flat_map(|name| ['_', 'a', 'B', '7', 'ß'].into_iter().map(move |letter| format!("{name}{letter}")));
            names = longer.collect();
            let identifiers = names.iter().filter_map(|name| syn::parse_str::<Ident>(name).ok());
            for name in identifiers {
                let variant = variant_of(&name).to_string();
                assert!(syn::parse_str::<Ident>(&variant).is_ok(), "{name}: {variant}");
                assert!(!variant.starts_with(char::is_lowercase), "{name}: {variant}");
            }
        }
    }

    #[test]
    fn misspelled_name_is_suggested_correctly() {
        let known = ["identifier", "crate", "vis", "name", "shared", "wire"];
        assert_eq!(nearest("identifer", &known), Some("identifier"));
        assert_eq!(nearest("idnetifier", &known), Some("identifier"));
        assert_eq!(nearest("visibility", &known), None);
        assert_eq!(nearest("wier", &known), Some("wire"));
    }

    #[test]
    fn fresh_name_differs_from_taken_names() {
        let taken = HashSet::from(["E".to_owned(), "E2".to_owned()]);
        assert_eq!(fresh("E", &taken), "E3");
        assert_eq!(fresh("F", &taken), "F");
    }

    #[test]
    fn method_that_hides_a_task_is_named() {
        let name = |name| Ident::new(name, Span::call_site());
        assert!(hidden_by(&name("close")).is_some_and(|by| by.contains("Service")));
        assert!(hidden_by(&name("clone")).is_some_and(|by| by.contains("Clone::clone")));
        assert!(hidden_by(&name("add")).is_none());
    }
}
