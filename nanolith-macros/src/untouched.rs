//! Tests that the expansion contains the user's block as written, each token with its span.

use std::ops::Range;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

/// A token's text and its position in the source.
type Token = (String, Range<usize>);

/// A block with each helper attribute, and with the forms of code that a parser might rewrite.
const FUNCTIONS: &str = r#"
    const LIMIT: u8 = 0xff_u8;

    /// Adds.
    #[inline]
    #[task(idempotent, name = plus)]
    #[must_use = "a sum"]
    pub fn add(x: i64, mut y: i64,) -> i64 { let z = {(x)}; y += z; match y { | 0 => 1, _ if true => {} n => n } }

    #[nanolith::task(local)] pub async fn wait(text: ::std::string::String) -> Result<(), Error> {
        vec![1, 2,].iter().for_each(|&x: &i32| -> () { drop(x); }); ready().await?; Ok::<_, Error>(())
    }

    #[task(skip)]
    #[cfg(unix)]
    pub const unsafe extern "C" fn raw<'a, T>(r#type: &'a mut T) where T: Copy + 'a, for<'b> T: Fn(&'b str) -> u8 {}

    fn helper() -> impl Fn(u8) -> u8 + 'static { move |x| -(-x) as u8 & 1u8 << 2 }
"#;

const HOOKS: &str = r"
    #[init]
    fn start(cx: &Context<Self>, first: Vec<u8>) -> Self { Self { first, ..Self::new() } }
    #[before_task] fn before(&self, call: &CallInfo) {}
    #[on_close]
    async fn close(self) {}
    pub fn read(self: &Self) -> usize { 'a: loop { break 'a self.0 .0 } }
";

const HELPERS: [&str; 6] = [
    "#[task(idempotent, name = plus)]",
    "#[nanolith::task(local)]",
    "#[task(skip)]",
    "#[init]",
    "#[before_task]",
    "#[on_close]",
];

/// Returns the tokens of a source, in order.
fn tokens(stream: TokenStream) -> Vec<Token> {
    let mut all = Vec::new();
    for token in stream {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                all.push((open.to_owned(), group.span_open().byte_range()));
                all.extend(tokens(group.stream()));
                all.push((close.to_owned(), group.span_close().byte_range()));
            }
            other => all.push((other.to_string(), other.span().byte_range())),
        }
    }
    all
}

fn parsed(source: &str) -> TokenStream {
    source.parse().expect("a test gives tokens")
}

/// Returns the source with spaces in place of the helper attributes.
fn without_helpers(source: &str) -> String {
    HELPERS.iter().fold(source.to_owned(), |source, helper| source.replace(helper, &" ".repeat(helper.len())))
}

/// Returns the tokens without the lint level that the macro adds to a function.
fn without_additions(all: &[Token]) -> Vec<Token> {
    let nowhere = Span::call_site().byte_range();
    let added = tokens(parsed("#[allow(clippy::needless_pass_by_value)]"));
    let is_added = |window: &[Token]| {
        window.len() == added.len()
            && window.iter().zip(&added).all(|((text, place), (expected, _))| text == expected && *place == nowhere)
    };
    let (mut kept, mut rest) = (Vec::new(), all);
    while let [first, after @ ..] = rest {
        if rest.get(..added.len()).is_some_and(is_added) {
            rest = &rest[added.len()..];
        } else {
            kept.push(first.clone());
            rest = after;
        }
    }
    kept
}

#[track_caller]
fn assert_untouched(source: &str, until: usize) {
    let expansion = tokens(crate::expansion(TokenStream::new(), parsed(source)));
    assert!(!expansion.iter().any(|(text, _)| text == "compile_error"), "the block is refused");
    let (found, expected) = (without_additions(&expansion), tokens(parsed(&without_helpers(source))));
    for (found, expected) in found.iter().zip(&expected[..expected.len() - until]) {
        assert_eq!(found, expected);
    }
    assert!(found.len() > expected.len());
}

#[test]
fn an_impl_stays_as_written() {
    assert_untouched(&format!("#[cfg(unix)] impl<T: Send> Set<T,> where T: Clone, {{ {FUNCTIONS} {HOOKS} }}"), 0);
}

#[test]
fn a_module_stays_as_written() {
    // The generated items come before the last brace.
    let items = "use super::{self, *}; pub(in crate::a) struct Point(pub u8, u8,); impl !Send for Point {}";
    assert_untouched(&format!("/// A module.\npub(crate) mod set {{ #![allow(unused)] {items} {FUNCTIONS} }}"), 1);
}
