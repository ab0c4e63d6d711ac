//! Prints the tokens of types and signatures as text, with the spaces of rustfmt, on one line.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

pub(crate) fn print(tokens: TokenStream) -> String {
    let mut words = Vec::new();
    flatten(tokens, &mut words);
    let mut text = String::new();
    let mut before = "";
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).map_or("", String::as_str);
        if word == "," && matches!(next, ")" | ">" | "]" | "") && before != "(" && !is_tuple_of_one(&words[..at]) {
            continue;
        }
        if is_spaced(before, word) {
            text.push(' ');
        }
        text += word;
        before = word;
    }
    text
}

/// Whether a comma after these words makes a tuple of one type: the parenthesis has no comma yet.
fn is_tuple_of_one(words: &[String]) -> bool {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate().rev() {
        match word.as_str() {
            ")" | ">" | "]" => depth += 1,
            "(" if depth == 0 => return at == 0 || !is_name(&words[at - 1]) && words[at - 1] != ">",
            "(" | "<" | "[" => depth -= 1,
            "," if depth == 0 => return false,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    false
}

/// Splits tokens into words. An operator of several characters is one word.
fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    let mut joint = String::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.extend([open].into_iter().filter(|open| !open.is_empty()).map(Into::into));
                flatten(group.stream(), words);
                words.extend([close].into_iter().filter(|close| !close.is_empty()).map(Into::into));
            }
            TokenTree::Punct(sign) => {
                joint.push(sign.as_char());
                let whole = matches!(joint.as_str(), "::" | "->" | "=>" | "..");
                let goes_on =
                    sign.spacing() == Spacing::Joint && matches!(sign.as_char(), ':' | '-' | '=' | '.' | '\'');
                if whole || !goes_on {
                    words.push(std::mem::take(&mut joint));
                }
            }
            TokenTree::Ident(name) => words.push(std::mem::take(&mut joint) + &name.to_string()),
            TokenTree::Literal(value) => words.push(value.to_string()),
        }
    }
}

fn is_name(word: &str) -> bool {
    word.chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '\'' | '"'))
}

fn is_spaced(before: &str, word: &str) -> bool {
    match (before, word) {
        ("" | "(" | "[" | "<" | "&" | "*" | "::" | "." | "#" | "!" | "?", _) => false,
        (_, "," | ";" | ":" | ")" | "]" | ">" | ".") => false,
        ("=" | "+" | "->" | "," | ":" | "for" | "where" | "in" | "as" | "mut" | "dyn", "<") if before != "for" => true,
        (_, "::") => matches!(before, "=" | "+" | "->" | "," | ":" | "for" | "mut" | "dyn" | "impl" | "where" | "as"),
        (_, "<") => !is_name(before),
        ("impl" | "mut" | "dyn" | "for" | "in" | "as" | "where", "(") => true,
        (_, "(") => !is_name(before) && before != ">",
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_print_as_rustfmt_writes_them() {
        for text in [
            "pub fn wait(self) -> Result<T, CallError>",
            "pub async fn f<'a, T: Send + 'static>(&'a mut self, x: &mut [u8; 4], y: Option<&'a str>) -> (A, B)",
            "fn f(g: impl for<'a> FnOnce(&'a T) -> (A,) + Send, h: fn(u8) -> u8) where T: ?Sized + Iterator<Item = u8>",
            "impl<S: TaskSet, const N: usize> Executor<S> for &'_ [E; N]",
            "pub unsafe fn f(p: *const T, b: Box<dyn Fn() -> <T as A>::B>) -> ::std::io::Result<()>",
            "pub struct Pair<A, B = ()>",
        ] {
            assert_eq!(print(text.parse().unwrap()), text);
        }
    }

    #[test]
    fn trailing_comma_is_removed_unless_it_makes_a_tuple() {
        assert_eq!(
            print("fn f(a: A, b: B<C,>,) -> (A,) where A: B,".parse().unwrap()),
            "fn f(a: A, b: B<C>) -> (A,) where A: B"
        );
    }
}
