//! Prints types and signatures as text, with the spaces that a person would write.
//!
//! The text goes into the task table, and from there into fingerprints. So it depends on the tokens
//! alone: the same signature gives the same text for every layout of its source.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

pub(crate) fn of(tokens: impl ToTokens) -> String {
    let mut text = Text::default();
    text.stream(tokens.to_token_stream());
    text.written
}

#[derive(Default)]
struct Text {
    written: String,
    /// The operator that is being written, one character from each token: `-` before `>`.
    operator: String,
    lifetime: bool,
}

impl Text {
    fn stream(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.group(group.delimiter(), group.stream()),
                TokenTree::Ident(word) => self.word(&word.to_string()),
                TokenTree::Literal(word) => self.word(&word.to_string()),
                TokenTree::Punct(punct) => self.punct(punct.as_char(), punct.spacing()),
            }
        }
    }

    fn group(&mut self, delimiter: Delimiter, tokens: TokenStream) {
        let (open, close) = match delimiter {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::Brace => ("{ ", " }"),
            Delimiter::None => ("", ""),
        };
        self.written.push_str(open);
        self.stream(tokens);
        self.written.push_str(close);
    }

    fn word(&mut self, word: &str) {
        let after_a_word = self.written.ends_with(|last: char| last.is_alphanumeric() || "_>)]".contains(last));
        if after_a_word && !self.lifetime {
            self.written.push(' ');
        }
        self.lifetime = false;
        self.written.push_str(word);
    }

    fn punct(&mut self, character: char, spacing: Spacing) {
        self.lifetime = character == '\'';
        if self.lifetime && self.written.ends_with(char::is_alphanumeric) {
            self.written.push(' ');
        }
        self.operator.push(character);
        if spacing == Spacing::Alone || self.lifetime {
            let operator = std::mem::take(&mut self.operator);
            self.operator(&operator);
        }
    }

    fn operator(&mut self, operator: &str) {
        let spaced = match operator {
            "," | ";" => format!("{operator} "),
            ":" => ": ".to_owned(),
            "->" | "=" | "+" => format!(" {operator} "),
            _ => operator.to_owned(),
        };
        self.written.push_str(&spaced);
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    #[test]
    fn types_print_as_written() {
        for (tokens, expected) in [
            (quote!(Vec<u8>), "Vec<u8>"),
            (quote!(Result<i64, std::io::Error>), "Result<i64, std::io::Error>"),
            (quote!(Box<dyn Fn(&'static str) -> u8 + Send>), "Box<dyn Fn(&'static str) -> u8 + Send>"),
            (quote!([u8; 4]), "[u8; 4]"),
            (quote!(()), "()"),
            (quote!((A, B)), "(A, B)"),
            (quote!(<T as Iterator>::Item), "<T as Iterator>::Item"),
            (quote!(&'static mut T), "&'static mut T"),
            (quote!(Vec<Vec<u8>>), "Vec<Vec<u8>>"),
            (quote!(*const u8), "*const u8"),
        ] {
            assert_eq!(super::of(tokens), expected);
        }
    }

    #[test]
    fn layout_of_the_source_does_not_change_the_text() {
        let spread: syn::Type = syn::parse_str("Vec < Result<u8 ,u8 > >").expect("a type");
        assert_eq!(super::of(spread), "Vec<Result<u8, u8>>");
    }
}
