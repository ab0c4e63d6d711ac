//! Generates the output beside errors: the user's item, and a copy of the API whose methods do
//! nothing. The callers of a set with one mistake then get no further errors.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{ImplItem, Item, ItemImpl, Type, ext::IdentExt, parse_quote};

use crate::{
    ast::{Set, ungrouped},
    attr, expand,
    mistakes::Mistakes,
    valid,
};

/// Generates the output for a set that was parsed and refused. A method with a refused type takes
/// any argument and returns the type that the error advises. Callers may therefore already follow
/// the advice.
pub(crate) fn inert(mut set: Set, mistakes: &Mistakes) -> TokenStream {
    set.form.without_functions(valid::is_refused_by_the_compiler);
    set.form.without_attributes(&set.functions(), valid::takes_function);
    set.tasks.retain(|task| !task.is_twin && task.function.sig.variadic.is_none());
    set.clashes = set.form.defined().iter().map(|name| name.unraw().to_string()).collect();
    for task in &mut set.tasks {
        task.output = valid::advised(&task.output).unwrap_or_else(|| parse_quote!(::core::convert::Infallible));
    }
    let tasks = set.tasks.iter_mut().flat_map(|task| &mut task.params);
    for param in tasks.chain(set.hooks.iter_mut().flat_map(|hook| &mut hook.params)) {
        if valid::is_refused(&param.ty) {
            param.ty = parse_quote!(impl ::core::marker::Sized);
        }
    }
    let (errors, api) = (mistakes.compile_errors(), expand::inert(&set));
    quote!(#errors #api)
}

/// Generates the output for an item that cannot become a set. The item stays, without the helper
/// attributes and without the parts that the compiler would report again.
pub(crate) fn untouched(item: TokenStream, mistakes: &Mistakes) -> TokenStream {
    let errors = mistakes.compile_errors();
    let item = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(item)) => mended(item).into_token_stream(),
        _ => item,
    };
    quote!(#errors #item)
}

/// Returns the `impl` in a form that the compiler accepts. Returns `None` for an `impl` that no
/// type can have, or that no stable compiler accepts.
fn mended(mut item: ItemImpl) -> Option<ItemImpl> {
    let can_have_methods = match ungrouped(&item.self_ty) {
        Type::Path(path) => path.qself.is_none(),
        other => matches!(other, Type::TraitObject(_)),
    };
    if item.modifiers.polarity.is_some() || (item.trait_.is_none() && !can_have_methods) {
        return None;
    }
    if item.trait_.is_none() {
        item.unsafety = None;
    }
    for item in &mut item.items {
        if let ImplItem::Fn(function) = item {
            attr::take(&mut function.attrs, &mut Mistakes::default());
        }
    }
    Some(item)
}
