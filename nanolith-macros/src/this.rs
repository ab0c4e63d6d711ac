//! Replaces `Self` with the set's own type: in a generated enum, `Self` would mean the enum.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    ExprPath, Path, QSelf, Token, Type, TypePath,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

/// Returns `ty`, with `this` in place of `Self`.
pub(crate) fn spelled_out(ty: &Type, this: &Type) -> Type {
    let mut ty = ty.clone();
    SpellOut { this }.visit_type_mut(&mut ty);
    ty
}

/// Replaces `Self` in bounds and `where` clauses.
pub(crate) fn spell_out_generics(generics: &mut syn::Generics, this: &Type) {
    SpellOut { this }.visit_generics_mut(generics);
}

struct SpellOut<'a> {
    this: &'a Type,
}

impl SpellOut<'_> {
    /// Turns `Self::Item` into `<Counter<T>>::Item`.
    fn qualify(&self, qself: &mut Option<QSelf>, path: &mut Path) {
        if qself.is_some() || !starts_with_self(path) {
            return;
        }
        let rest = path.segments.iter().skip(1).cloned().collect();
        *path = Path { leading_colon: Some(<Token![::]>::default()), segments: rest };
        *qself = Some(QSelf {
            lt_token: <Token![<]>::default(),
            ty: Box::new(self.this.clone()),
            position: 0,
            as_token: None,
            gt_token: <Token![>]>::default(),
        });
    }
}

fn starts_with_self(path: &Path) -> bool {
    path.leading_colon.is_none() && path.segments.first().is_some_and(|first| first.ident == "Self")
}

/// Returns `this` with the span of the user's `Self`, so that the compiler reports errors there.
fn standing_at(this: &Type, place: Span) -> Type {
    let tokens = located(this.to_token_stream(), place);
    syn::parse2(tokens).unwrap_or_else(|_| this.clone())
}

fn located(tokens: TokenStream, place: Span) -> TokenStream {
    let each = tokens.into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            token = Group::new(group.delimiter(), located(group.stream(), place)).into();
        }
        token.set_span(token.span().located_at(place));
        token
    });
    each.collect()
}

impl VisitMut for SpellOut<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        let is_self = matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident("Self"));
        if is_self {
            *ty = standing_at(self.this, ty.span());
        } else {
            visit_mut::visit_type_mut(self, ty);
        }
    }

    fn visit_type_path_mut(&mut self, ty: &mut TypePath) {
        visit_mut::visit_type_path_mut(self, ty);
        self.qualify(&mut ty.qself, &mut ty.path);
    }

    fn visit_expr_path_mut(&mut self, expr: &mut ExprPath) {
        visit_mut::visit_expr_path_mut(self, expr);
        if expr.path.segments.len() > 1 {
            self.qualify(&mut expr.qself, &mut expr.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::{Type, parse_quote};

    #[test]
    fn self_type_is_replaced_at_any_depth() {
        let this: Type = parse_quote!(Stack<T>);
        let cases: [(Type, &str); 5] = [
            (parse_quote!(Self), "Stack<T>"),
            (parse_quote!(Vec<Option<Self>>), "Vec<Option<Stack<T>>>"),
            (parse_quote!(Self::Item), "<Stack<T>>::Item"),
            (parse_quote!(<Self as Shape>::Side), "<Stack<T> as Shape>::Side"),
            (parse_quote!([u8; Self::SIZE]), "[u8; <Stack<T>>::SIZE]"),
        ];
        for (ty, expected) in cases {
            assert_eq!(crate::text::of(super::spelled_out(&ty, &this)), expected);
        }
    }
}
