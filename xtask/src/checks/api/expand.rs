//! Expands `macro_rules` macros that generate types, `impl`s and methods, as far as this workspace
//! uses them.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use std::{collections::BTreeMap, rc::Rc};
use syn::{
    Error, Expr, File, ImplItem, Item, ItemImpl, Lit, Meta, Path, Result, Type, Visibility,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser, discouraged::Speculative},
};

/// Returns the items of a macro call, by the first rule that matches. Returns `None` if no rule
/// matches, or if the call generates no items.
pub(crate) fn expand(definition: &TokenStream, call: &TokenStream) -> Option<Vec<Item>> {
    syn::parse2::<File>(expand_tokens(definition, call)?).ok().map(|file| file.items)
}

/// Like [`expand`], for a macro call in the block of an `impl`.
pub(crate) fn expand_in_impl(definition: &TokenStream, call: &TokenStream) -> Option<Vec<ImplItem>> {
    let items = expand_tokens(definition, call)?;
    syn::parse2::<ItemImpl>(quote!(impl Block { #items })).ok().map(|block| block.items)
}

fn expand_tokens(definition: &TokenStream, call: &TokenStream) -> Option<TokenStream> {
    let tokens: Vec<_> = definition.clone().into_iter().collect();
    let rules = tokens.split(|token| is_sign(token, ';')).filter_map(|rule| match rule {
        [TokenTree::Group(pattern), _, _, TokenTree::Group(body)] => Some((pattern.stream(), body.stream())),
        _ => None,
    });
    for (pattern, body) in rules {
        let pattern: Vec<_> = pattern.into_iter().collect();
        let matched = |input: ParseStream<'_>| fit(&pattern, input);
        if let Ok(bound) = matched.parse2(call.clone()) {
            return Some(transcribe(body, &bound));
        }
    }
    None
}

#[derive(Default)]
struct Bound {
    one: BTreeMap<String, TokenStream>,
    /// For each name in a repetition, the bindings of each round.
    many: BTreeMap<String, Rc<Vec<Bound>>>,
}

/// A part of a pattern or a body.
enum Part<'a> {
    Variable { name: String, kind: Option<String>, used: usize },
    Repeat { inner: Vec<TokenTree>, separator: Option<&'a TokenTree>, sign: char, used: usize },
    Token(&'a TokenTree),
}

fn part(tokens: &[TokenTree]) -> Part<'_> {
    match tokens {
        [dollar, TokenTree::Group(inner), rest @ ..] if is_sign(dollar, '$') => {
            let inner = inner.stream().into_iter().collect();
            match rest {
                [TokenTree::Punct(sign), ..] if matches!(sign.as_char(), '*' | '+' | '?') => {
                    Part::Repeat { inner, separator: None, sign: sign.as_char(), used: 3 }
                }
                [separator, TokenTree::Punct(sign), ..] => {
                    Part::Repeat { inner, separator: Some(separator), sign: sign.as_char(), used: 4 }
                }
                _ => Part::Token(dollar),
            }
        }
        [dollar, TokenTree::Ident(name), colon, TokenTree::Ident(kind), ..]
            if is_sign(dollar, '$') && is_sign(colon, ':') =>
        {
            Part::Variable { name: name.to_string(), kind: Some(kind.to_string()), used: 4 }
        }
        [dollar, TokenTree::Ident(name), ..] if is_sign(dollar, '$') => {
            Part::Variable { name: name.to_string(), kind: None, used: 2 }
        }
        _ => Part::Token(&tokens[0]),
    }
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == sign)
}

fn fit(mut pattern: &[TokenTree], input: ParseStream<'_>) -> Result<Bound> {
    let mut bound = Bound::default();
    while !pattern.is_empty() {
        let used = match part(pattern) {
            Part::Variable { name, kind, used } => {
                bound.one.insert(name, fragment(kind.as_deref().unwrap_or(""), input)?);
                used
            }
            Part::Repeat { inner, separator, sign, used } => {
                let rounds = Rc::new(repeat(&inner, separator, sign, input));
                let mut names = Vec::new();
                variables(&inner, &mut names);
                bound.many.extend(names.into_iter().map(|name| (name, rounds.clone())));
                used
            }
            Part::Token(token) => {
                fit_token(token, input, &mut bound)?;
                1
            }
        };
        pattern = &pattern[used..];
    }
    Ok(bound)
}

fn fit_token(token: &TokenTree, input: ParseStream<'_>, bound: &mut Bound) -> Result<()> {
    let found: TokenTree = input.parse()?;
    match (token, &found) {
        (TokenTree::Group(pattern), TokenTree::Group(group)) if pattern.delimiter() == group.delimiter() => {
            let pattern: Vec<_> = pattern.stream().into_iter().collect();
            let inner = (|input: ParseStream<'_>| fit(&pattern, input)).parse2(group.stream())?;
            bound.one.extend(inner.one);
            bound.many.extend(inner.many);
            Ok(())
        }
        _ if token.to_string() == found.to_string() => Ok(()),
        _ => Err(Error::new(found.span(), "does not fit")),
    }
}

fn repeat(inner: &[TokenTree], separator: Option<&TokenTree>, sign: char, input: ParseStream<'_>) -> Vec<Bound> {
    let mut rounds = Vec::new();
    while !input.is_empty() && (sign != '?' || rounds.is_empty()) {
        let ahead = input.fork();
        if let (Some(separator), false) = (separator, rounds.is_empty())
            && fit_token(separator, &ahead, &mut Bound::default()).is_err()
        {
            break;
        }
        let Ok(round) = fit(inner, &ahead) else { break };
        input.advance_to(&ahead);
        rounds.push(round);
    }
    rounds
}

fn fragment(kind: &str, input: ParseStream<'_>) -> Result<TokenStream> {
    fn tokens<T: Parse + ToTokens>(input: ParseStream<'_>) -> Result<TokenStream> {
        input.parse::<T>().map(ToTokens::into_token_stream)
    }
    match kind {
        "ident" => input.call(Ident::parse_any).map(|name: Ident| TokenTree::from(name).into()),
        "ty" => tokens::<Type>(input),
        "path" => tokens::<Path>(input),
        "literal" => tokens::<Lit>(input),
        "expr" => tokens::<Expr>(input),
        "meta" => tokens::<Meta>(input),
        "vis" => tokens::<Visibility>(input),
        "tt" => input.parse::<TokenTree>().map(Into::into),
        _ => Err(input.error(format!("no fragment `{kind}` here"))),
    }
}

/// Adds the names of the variables in a part of a pattern or a body.
fn variables(mut tokens: &[TokenTree], names: &mut Vec<String>) {
    while !tokens.is_empty() {
        let used = match part(tokens) {
            Part::Variable { name, used, .. } => {
                names.push(name);
                used
            }
            Part::Repeat { inner, used, .. } => {
                variables(&inner, names);
                used
            }
            Part::Token(TokenTree::Group(group)) => {
                variables(&group.stream().into_iter().collect::<Vec<_>>(), names);
                1
            }
            Part::Token(_) => 1,
        };
        tokens = &tokens[used..];
    }
}

fn transcribe(body: TokenStream, bound: &Bound) -> TokenStream {
    write(&body.into_iter().collect::<Vec<_>>(), &[bound])
}

/// Writes a body. `scopes` has the bindings around a repetition, the innermost last.
fn write(mut body: &[TokenTree], scopes: &[&Bound]) -> TokenStream {
    let mut out = TokenStream::new();
    while !body.is_empty() {
        let used = match part(body) {
            // In a body, a variable before a colon looks like a fragment.
            Part::Variable { name, .. } => {
                match scopes.iter().rev().find_map(|scope| scope.one.get(&name)) {
                    Some(tokens) => out.extend(tokens.clone()),
                    None => out.extend(body[1..2].iter().cloned()), // `$crate` reads as `crate`
                }
                2
            }
            Part::Repeat { inner, separator, used, .. } => {
                for (at, round) in rounds(&inner, scopes).iter().enumerate() {
                    out.extend(separator.filter(|_| at > 0).cloned());
                    out.extend(write(&inner, &[scopes, &[round]].concat()));
                }
                used
            }
            Part::Token(TokenTree::Group(group)) => {
                let inner = write(&group.stream().into_iter().collect::<Vec<_>>(), scopes);
                out.extend([TokenTree::from(Group::new(group.delimiter(), inner))]);
                1
            }
            Part::Token(token) => {
                out.extend([token.clone()]);
                1
            }
        };
        body = &body[used..];
    }
    out
}

/// Returns the bindings of each round for a repetition in a body.
fn rounds<'a>(inner: &[TokenTree], scopes: &[&'a Bound]) -> &'a [Bound] {
    let mut names = Vec::new();
    variables(inner, &mut names);
    let bound = names.iter().find_map(|name| scopes.iter().rev().find_map(|scope| scope.many.get(name)));
    bound.map_or(&[], |rounds| rounds.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the items that a macro with these rules generates for a call.
    fn made(rules: &str, call: &str) -> Option<String> {
        let items = expand(&rules.parse().unwrap(), &call.parse().unwrap())?;
        Some(items.iter().map(|item| item.to_token_stream().to_string()).collect::<Vec<_>>().join(" "))
    }

    fn tokens(text: &str) -> Option<String> {
        Some(text.parse::<TokenStream>().unwrap().to_string())
    }

    #[test]
    fn variables_take_fragments() {
        let rules = "($name:ident, $of:ty, $x:literal) => { impl $name for $of { const X: u8 = $x; } };";
        assert_eq!(made(rules, "Run, Vec<u8>, 7"), tokens("impl Run for Vec<u8> { const X: u8 = 7; }"));
    }

    #[test]
    fn methods_come_from_a_call_in_an_impl() {
        let rules =
            "(order: $($at:ident).+) => {}; (bounds: $($at:ident).+) => { pub fn max(self) { self.$($at).+.max; } };";
        let methods = expand_in_impl(&rules.parse().unwrap(), &"bounds: config.queue".parse().unwrap()).unwrap();
        let methods: Vec<_> = methods.iter().map(|item| item.to_token_stream().to_string()).collect();
        assert_eq!(methods, [tokens("pub fn max(self) { self.config.queue.max; }").unwrap()]);
    }

    #[test]
    fn repetitions_expand_once_for_each_match() {
        let rules =
            "($($(#[$doc:meta])* $name:ident: $($set:ident).+;)*) => {$( $(#[$doc])* struct $name($($set),+); )*}";
        let expected = tokens("#[a] #[b] struct X(c, d); struct Y(e);");
        assert_eq!(made(rules, "#[a] #[b] X: c.d; Y: e;"), expected);
    }

    #[test]
    fn optional_fragments_may_be_absent() {
        let rules =
            "($name:ident $(<$($param:ident),+>)?) => { impl $(<$($param),+>)? Layer for $name $(<$($param),+>)? {} };";
        assert_eq!(made(rules, "Retry"), tokens("impl Layer for Retry {}"));
        assert_eq!(made(rules, "Fallback<F, G>"), tokens("impl<F, G> Layer for Fallback<F, G> {}"));
    }

    #[test]
    fn first_matching_rule_is_used() {
        let rules = "(one) => { struct One; }; ($name:ident) => { struct $name; };";
        assert_eq!(made(rules, "one"), tokens("struct One;"));
        assert_eq!(made(rules, "Two"), tokens("struct Two;"));
        assert_eq!(made(rules, "Two, Three"), None);
    }

    #[test]
    fn unbound_names_stay_unchanged() {
        assert_eq!(made("() => { type A = $crate::B; };", ""), tokens("type A = crate::B;"));
        assert_eq!(made("($x:ident) => { fn f($x: u8) {} };", "y"), tokens("fn f(y: u8) {}"));
    }
}
