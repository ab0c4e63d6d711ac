//! [`Options`]: the parsed options of `#[define(..)]`. This module also splits the options of
//! `#[task(..)]` for `attr`.

use std::fmt::Display;

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Ident, LitStr, Path, Token, Type, Visibility,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    parse_quote,
};

use crate::{mistakes::Mistakes, names, text};

/// The options of `#[define(..)]`, which hold for the whole set.
pub(crate) struct Options {
    /// The path to the facade.
    pub(crate) krate: Path,
    pub(crate) identifier: Option<LitStr>,
    /// The visibility of the generated types, and of `tasks`, `on` and `service`.
    pub(crate) vis: Visibility,
    /// The prefix of the generated types.
    pub(crate) name: Option<Ident>,
    /// The type of the messages that the set's services receive.
    pub(crate) inbox: Option<Type>,
    /// The type of the events that the set's services send.
    pub(crate) outbox: Option<Type>,
    /// The type of the value that a caller attaches to a stream to a service.
    pub(crate) streams: Option<Type>,
    /// The word `shared`, if it is given.
    pub(crate) shared: Option<Ident>,
    /// The word `wire`, if it is given.
    pub(crate) wire: Option<Ident>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            krate: parse_quote!(::nanolith),
            identifier: None,
            vis: parse_quote!(pub),
            name: None,
            inbox: None,
            outbox: None,
            streams: None,
            shared: None,
            wire: None,
        }
    }
}

impl Options {
    const KNOWN: [&str; 9] = ["identifier", "crate", "vis", "name", "inbox", "outbox", "streams", "shared", "wire"];

    pub(crate) fn parse(args: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut options = Self::default();
        for entry in entries("define", &Self::KNOWN, args, mistakes) {
            options.take(entry, mistakes);
        }
        options
    }

    fn take(&mut self, entry: Entry, mistakes: &mut Mistakes) {
        match entry.key.unraw().to_string().as_str() {
            "identifier" => self.identifier = entry.value(mistakes, r#""shop.orders""#, identifier),
            "crate" => {
                let krate = entry.value(mistakes, "::path::to::nanolith", absolute);
                self.krate = krate.unwrap_or(self.krate.clone());
            }
            "vis" => self.vis = entry.value(mistakes, r#""pub(crate)""#, visibility).unwrap_or(self.vis.clone()),
            "name" => self.name = entry.value(mistakes, "Counters", prefix),
            "inbox" => self.inbox = entry.value(mistakes, "Command", Type::parse),
            "outbox" => self.outbox = entry.value(mistakes, "Event", Type::parse),
            "streams" => self.streams = entry.value(mistakes, "Upload", Type::parse),
            "shared" => self.shared = entry.alone(mistakes),
            _ => self.wire = entry.alone(mistakes).filter(|wire| wire_is_on(wire, mistakes)),
        }
    }
}

fn identifier(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let text: LitStr = input.parse()?;
    match text.value().trim().is_empty() {
        true => Err(syn::Error::new(text.span(), "an identifier is not empty")),
        false => Ok(text),
    }
}

/// Parses a path that means the same in every module.
fn absolute(input: ParseStream<'_>) -> syn::Result<Path> {
    let path = input.call(Path::parse_mod_style)?;
    let first = path.segments.first().map(|segment| segment.ident.to_string());
    let absolute = path.leading_colon.is_some() || matches!(first.as_deref(), Some("crate" | "$crate"));
    match absolute {
        true => Ok(path),
        false => {
            let written = text::of(&path);
            let message = format!("a relative path means something else in another module; write `::{written}`");
            Err(syn::Error::new_spanned(path, message))
        }
    }
}

fn visibility(input: ParseStream<'_>) -> syn::Result<Visibility> {
    input.parse::<LitStr>()?.parse()
}

/// Parses a name, written bare or as a string.
fn prefix(input: ParseStream<'_>) -> syn::Result<Ident> {
    match input.peek(LitStr) {
        true => input.parse::<LitStr>()?.parse(),
        false => input.parse(),
    }
}

fn wire_is_on(wire: &Ident, mistakes: &mut Mistakes) -> bool {
    let on = cfg!(feature = "wire");
    if !on {
        mistakes.at(
            wire,
            "`wire` needs the cargo feature `wire`: `nanolith = { version = \"..\", features = [\"wire\"] }`",
        );
    }
    on
}

/// An option: `key`, or `key = value`.
pub(crate) struct Entry {
    /// The attribute's name, for error messages.
    attribute: &'static str,
    pub(crate) key: Ident,
    value: Option<TokenStream>,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        let assigned = input.parse::<Option<Token![=]>>()?.is_some();
        let value = up_to_comma(input)?;
        match (assigned, value.is_empty()) {
            (true, true) => Err(syn::Error::new(key.span(), format!("`{key} =` lacks its value"))),
            (false, false) => Err(syn::Error::new_spanned(value, "expected `=` or `,`")),
            _ => Ok(Self { attribute: "", key, value: assigned.then_some(value) }),
        }
    }
}

/// Returns the tokens up to a comma that is not between the angle brackets of a type.
fn up_to_comma(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let (mut tokens, mut depth) = (TokenStream::new(), 0_usize);
    while !input.is_empty() && (depth > 0 || !input.peek(Token![,])) {
        let is_arrow = input.peek(Token![->]);
        let token = input.parse::<TokenTree>()?;
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        token.to_tokens(&mut tokens);
        if is_arrow {
            input.parse::<TokenTree>()?.to_tokens(&mut tokens); // this `>` closes no type
        }
    }
    Ok(tokens)
}

impl Entry {
    /// Returns the value as parsed by `read`. If that fails, records an error that shows a valid
    /// value.
    pub(crate) fn value<T>(
        &self,
        mistakes: &mut Mistakes,
        good: &str,
        read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
    ) -> Option<T> {
        let Self { attribute, key, value } = self;
        let example = format!("for example `#[{attribute}({key} = {good})]`");
        let Some(value) = value else {
            mistakes.at(key, format!("`{key}` takes a value: {example}"));
            return None;
        };
        match read.parse2(value.clone()) {
            Ok(read) => Some(read),
            Err(error) => {
                let written = text::of(value);
                mistakes.at(value, format!("`{key}` cannot be `{written}`: {error}; {example}"));
                None
            }
        }
    }

    /// Returns the key, and records an error if it has a value.
    pub(crate) fn alone(self, mistakes: &mut Mistakes) -> Option<Ident> {
        let Self { attribute, key, value } = self;
        if let Some(value) = value {
            mistakes.at(value, format!("`{key}` stands alone: `#[{attribute}({key})]`"));
        }
        Some(key)
    }
}

/// Returns the options of one attribute. Records an error for an unknown option, and for an option
/// that is given twice.
pub(crate) fn entries(
    attribute: &'static str,
    known: &[&str],
    args: TokenStream,
    mistakes: &mut Mistakes,
) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::new();
    for entry in split(args, mistakes) {
        let name = entry.key.unraw().to_string();
        let earlier = kept.iter().find(|kept| kept.key.unraw() == name);
        if let Some(earlier) = earlier {
            let again = format!("`{name}` is given twice; keep one");
            mistakes.clash(&earlier.key, &entry.key, again, format!("`{name}` is given here too"));
        } else if known.contains(&name.as_str()) {
            kept.push(Entry { attribute, ..entry });
        } else {
            mistakes.at(&entry.key, unknown(attribute, &name, known));
        }
    }
    kept
}

fn unknown(attribute: impl Display, name: &str, known: &[&str]) -> String {
    match names::nearest(name, known) {
        Some(meant) => format!("`{attribute}` has no option `{name}`; did you mean `{meant}`?"),
        None => format!("`{attribute}` has no option `{name}`; it has `{}`", known.join("`, `")),
    }
}

/// Splits the options first and parses each of them alone. An option that does not parse therefore
/// does not hide the options after it.
fn split(args: TokenStream, mistakes: &mut Mistakes) -> Vec<Entry> {
    let each = |input: ParseStream<'_>| {
        let mut parts = Vec::new();
        while !input.is_empty() {
            parts.push(up_to_comma(input)?);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(parts)
    };
    let parts = each.parse2(args).unwrap_or_default();
    let read = |part: TokenStream| match syn::parse2(part.clone()) {
        Ok(entry) => Some(entry),
        Err(error) => {
            let place = if part.is_empty() { quote!(,) } else { part };
            mistakes.at(place, format!("expected `option` or `option = value`: {error}"));
            None
        }
    };
    parts.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(args: &str) -> Vec<String> {
        let mut mistakes = Mistakes::default();
        Options::parse(args.parse().expect("tokens"), &mut mistakes);
        mistakes.messages()
    }

    fn read(args: &str) -> Options {
        let mut mistakes = Mistakes::default();
        let options = Options::parse(args.parse().expect("tokens"), &mut mistakes);
        assert_eq!(mistakes.messages(), Vec::<String>::new());
        options
    }

    #[test]
    fn every_option_is_read() {
        let options = read(r#"identifier = "a.b", crate = ::other::path, vis = "pub(crate)", name = Meters, shared"#);
        assert_eq!(options.identifier.map(|text| text.value()), Some("a.b".to_owned()));
        assert_eq!(text::of(options.krate), "::other::path");
        assert_eq!(text::of(options.vis), "pub(crate)");
        assert!(options.name.is_some_and(|name| name == "Meters"));
        assert!(options.shared.is_some());
    }

    #[test]
    fn type_option_may_contain_commas() {
        let options = read("inbox = Map<Key, Vec<(u8, fn(u8) -> u8)>>, outbox = [u8; 4], streams = (A, B), shared");
        assert_eq!(options.inbox.map(text::of), Some("Map<Key, Vec<(u8, fn(u8) -> u8)>>".to_owned()));
        assert_eq!(options.streams.map(text::of), Some("(A, B)".to_owned()));
        assert!(options.outbox.is_some() && options.shared.is_some());
    }

    #[test]
    fn name_option_may_be_a_string_with_a_trailing_comma() {
        assert!(read(r#"name = "Meters","#).name.is_some_and(|name| name == "Meters"));
    }

    #[test]
    fn unknown_option_error_suggests_the_closest_option() {
        assert_eq!(messages("identifer = \"a\""), ["`define` has no option `identifer`; did you mean `identifier`?"]);
        let messages = messages("priority");
        assert_eq!(
            messages,
            [
                "`define` has no option `priority`; it has `identifier`, `crate`, `vis`, `name`, `inbox`, `outbox`, `streams`, `shared`, `wire`"
            ]
        );
    }

    #[test]
    fn repeated_option_is_an_error_at_both_places() {
        assert_eq!(messages("shared, shared"), ["`shared` is given twice; keep one", "`shared` is given here too"]);
    }

    #[test]
    fn bad_value_error_shows_a_good_value() {
        for (args, example) in [
            ("identifier = 5", r#"`#[define(identifier = "shop.orders")]`"#),
            ("identifier = \"\"", r#"`#[define(identifier = "shop.orders")]`"#),
            ("identifier", r#"`#[define(identifier = "shop.orders")]`"#),
            ("vis = \"publik\"", r#"`#[define(vis = "pub(crate)")]`"#),
            ("name = 3", "`#[define(name = Counters)]`"),
            ("shared = true", "`#[define(shared)]`"),
            ("crate = foo", "write `::foo`"),
        ] {
            let messages = messages(args);
            assert!(messages.len() == 1 && messages[0].contains(example), "{args}: {messages:?}");
        }
    }

    #[test]
    fn all_option_mistakes_are_reported_at_once() {
        assert_eq!(messages("5, nmae = X, vis = 3, shared = 1").len(), 4);
    }

    #[cfg(not(feature = "wire"))]
    #[test]
    fn option_without_its_feature_names_the_feature() {
        assert!(messages("wire")[0].contains("cargo feature `wire`"));
    }
}
