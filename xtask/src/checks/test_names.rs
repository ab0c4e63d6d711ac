//! `cargo xtask test-names`: checks that the name of each test has at most 60 characters.
//!
//! A test is a function with an attribute whose path ends in `test`, such as `#[tokio::test]`, or
//! in `proptest`. The check finds tests in macro calls too, for example in `proptest! { .. }`.

use crate::{
    checks::{files, source::parse},
    shell::{Failure, Outcome, root},
};
use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{
    ItemFn, Macro, Meta,
    visit::{self, Visit},
};

const MAX_NAME: usize = 60;

pub(crate) fn run() -> Outcome {
    let root = root();
    let mut names = 0;
    let mut problems = Vec::new();
    for path in files::paths(&root, "", "rs")? {
        let tests = tests(&parse(files::read(&root, &path)?, path.clone())?.syntax);
        names += tests.len();
        problems.extend(tests.iter().filter_map(|name| too_long(&path, name)));
    }
    println!("{names} tests; at most {MAX_NAME} characters a name");
    if problems.is_empty() { Ok(()) } else { Err(Failure::Rule(problems.join("\n"))) }
}

/// Returns the problem with a name that is too long.
fn too_long(path: &str, name: &Ident) -> Option<String> {
    let length = name.to_string().chars().count();
    let line = name.span().start().line;
    (length > MAX_NAME).then(|| format!("{path}:{line}: `{name}` has {length} characters, more than {MAX_NAME}"))
}

/// Returns the names of the tests in a file.
fn tests(file: &syn::File) -> Vec<Ident> {
    let mut tests = Tests::default();
    tests.visit_file(file);
    tests.names
}

/// A visitor that collects the names of tests.
#[derive(Default)]
struct Tests {
    names: Vec<Ident>,
}

impl Tests {
    /// Collects the functions in the tokens of a macro call. `proptest!` takes functions that are
    /// not Rust, so their tokens are not parsed as items.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut is_test = false;
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match (token, tokens.peek()) {
                (TokenTree::Punct(mark), Some(TokenTree::Group(attribute))) if mark.as_char() == '#' => {
                    is_test |= syn::parse2(attribute.stream()).is_ok_and(|attribute| is_test_attribute(&attribute));
                }
                (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if word == "fn" => {
                    self.names.extend(is_test.then(|| name.clone()));
                    is_test = false;
                }
                (TokenTree::Group(group), _) => self.tokens(group.stream()),
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if function.attrs.iter().any(|attribute| is_test_attribute(&attribute.meta)) {
            self.names.push(function.sig.ident.clone());
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.tokens(call.tokens.clone());
    }
}

fn is_test_attribute(attribute: &Meta) -> bool {
    attribute.path().segments.last().is_some_and(|name| name.ident == "test" || name.ident == "proptest")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        tests(&syn::parse_file(text).unwrap()).iter().map(Ident::to_string).collect()
    }

    #[test]
    fn test_is_known_by_its_attribute() {
        let text = "#[test] fn a() {} #[ignore] #[tokio::test(flavor = \"x\")] async fn b() {}
            #[proptest] fn c(x: u8) {} #[cfg(test)] fn no() {} #[inline] fn test() {} mod m { #[test] fn d() {} }";
        assert_eq!(names(text), ["a", "b", "c", "d"]);
    }

    #[test]
    fn test_in_a_macro_call_is_found() {
        let text = "proptest! {
                #![config(config())]
                #[test] fn a(x in 0..3, y in text()) { f(x) }
                fn no(x in 0..3) {}
                #[doc = \"B.\"] #[test] fn b() {}
            }
            fn f() { each! { { #[test] fn c() {} } } }";
        assert_eq!(names(text), ["a", "b", "c"]);
    }

    #[test]
    fn name_above_the_limit_is_a_problem_with_its_line() {
        let problem = |length| {
            let name = "n".repeat(length);
            let file = syn::parse_file(&format!("\n#[test]\nfn {name}() {{}}")).unwrap();
            too_long("a.rs", &tests(&file)[0])
        };
        assert_eq!(problem(MAX_NAME), None);
        let text = problem(MAX_NAME + 1).unwrap();
        assert!(text.starts_with("a.rs:3: `nnn") && text.ends_with("has 61 characters, more than 60"), "{text}");
    }
}
