//! Checks that `#[define]` is on an `impl` block or an inline module that can become a task set.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{GenericParam, Item, ItemImpl, ItemMod, Lifetime, PathArguments, Type, visit::Visit};

use crate::{
    ast::{Form, ungrouped},
    mistakes::Mistakes,
    text,
};

const PLACE: &str =
    "`#[define]` goes on an inherent `impl` block, `impl Type { .. }`, or on an inline module, `mod name { .. }`";

/// Returns the item, if it can become a set.
pub(crate) fn form(item: &TokenStream, mistakes: &mut Mistakes) -> Option<Form> {
    let before = mistakes.count();
    let form = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(item)) => {
            check_impl(&item, mistakes);
            Form::Impl(item)
        }
        Ok(Item::Mod(item)) => {
            check_module(&item, mistakes);
            Form::Module(item)
        }
        Ok(other) => {
            mistakes.at(keyword(&other), format!("{PLACE}; this is {}", description(&other)));
            return None;
        }
        Err(error) => {
            mistakes.add(error);
            return None;
        }
    };
    (mistakes.count() == before).then_some(form)
}

fn check_impl(item: &ItemImpl, mistakes: &mut Mistakes) {
    let this = text::of(&item.self_ty);
    if let Some(polarity) = &item.modifiers.polarity {
        mistakes.at(polarity, format!("tasks cannot come from a negative impl; use `impl {this} {{ .. }}`"));
        return;
    }
    if let Some((path, _)) = &item.trait_ {
        let message = format!(
            "tasks cannot come from a trait impl; use `impl {this} {{ .. }}`, with a line for each \
                that calls the trait's"
        );
        mistakes.at(path, message);
        return;
    }
    if let Some(unsafety) = &item.unsafety {
        mistakes.at(unsafety, format!("tasks cannot come from an `unsafe impl`; use `impl {this} {{ .. }}`"));
    }
    if let Some(defaultness) = &item.modifiers.defaultness {
        mistakes.at(defaultness, format!("tasks cannot come from a `default impl`; use `impl {this} {{ .. }}`"));
    }
    check_type(&item.self_ty, mistakes);
    check_lifetimes(item, mistakes);
}

fn check_type(this: &Type, mistakes: &mut Mistakes) {
    if !is_plain_path(ungrouped(this)) {
        mistakes.at(
            this,
            "tasks belong to a type that is a plain path: `impl Geometry { .. }` or `impl \
                shapes::Circle<T> { .. }`",
        );
    }
}

/// Returns whether only the last segment of the path has generic arguments.
fn is_plain_path(this: &Type) -> bool {
    let Type::Path(path) = this else { return false };
    let mut segments = path.path.segments.iter().rev().skip(1);
    path.qself.is_none() && segments.all(|segment| matches!(segment.arguments, PathArguments::None))
}

fn check_lifetimes(item: &ItemImpl, mistakes: &mut Mistakes) {
    for param in &item.generics.params {
        if let GenericParam::Lifetime(lifetime) = param {
            mistakes.at(lifetime, lifetime_message(&lifetime.lifetime));
        }
    }
    let mut elided = Elided(mistakes);
    elided.visit_type(&item.self_ty);
}

/// A visitor that refuses the `'_` in `impl View<'_>`.
struct Elided<'a>(&'a mut Mistakes);

impl<'ast> Visit<'ast> for Elided<'_> {
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident == "_" {
            self.0.at(lifetime, lifetime_message(lifetime));
        }
    }
}

fn lifetime_message(lifetime: &Lifetime) -> String {
    format!(
        "a set cannot have a lifetime: its calls and its state outlive the scope of `{lifetime}`; \
            own the data, or share it in an `Arc`"
    )
}

fn check_module(item: &ItemMod, mistakes: &mut Mistakes) {
    if item.content.is_none() {
        let name = &item.ident;
        let message = format!(
            "tasks are read from an inline module: `mod {name} {{ .. }}`; the macro cannot see \
                another file"
        );
        let (keyword, semi) = (&item.mod_token, &item.semi);
        mistakes.at(quote!(#keyword #name #semi), message);
    }
    if let Some(unsafety) = &item.unsafety {
        mistakes.at(unsafety, "tasks cannot come from an `unsafe mod`; use `mod name { .. }`");
    }
}

fn description(item: &Item) -> &'static str {
    match item {
        Item::Struct(_) => "a struct; put the attribute on its `impl` block",
        Item::Enum(_) => "an enum; put the attribute on its `impl` block",
        Item::Union(_) => "a union; put the attribute on its `impl` block",
        Item::Fn(_) => "a function; put it into such a block",
        Item::Trait(_) | Item::TraitAlias(_) => "a trait; a set is a type or a module with functions",
        _ => "neither",
    }
}

/// Returns the keyword that names the kind of an item.
fn keyword(item: &Item) -> TokenStream {
    match item {
        Item::Struct(item) => item.struct_token.to_token_stream(),
        Item::Enum(item) => item.enum_token.to_token_stream(),
        Item::Union(item) => item.union_token.to_token_stream(),
        Item::Fn(item) => item.sig.fn_token.to_token_stream(),
        Item::Trait(item) => item.trait_token.to_token_stream(),
        other => other.to_token_stream(),
    }
}
