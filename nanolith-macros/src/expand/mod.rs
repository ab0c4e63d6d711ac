//! Generates the code of a valid set: the item as written, and the generated items beside it. For a
//! module they are inside it.
//!
//! Generated code names each item by its full path, since the user's module may have no prelude or
//! a `Result` of its own. The tokens have the attribute's span, so lints skip them. Only the name
//! of a method has the span of the user's token.

mod calls;
mod check;
mod dispatch;
mod entry;
mod errors;
mod hooks;
mod messages;
mod moves;
mod once;
mod output;
mod task;
mod task_info;
mod type_names;
mod wire;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Generics, Ident, ext::IdentExt, parse_quote};

use crate::{
    ast::{Form, Set},
    names,
};

/// Generates the whole expansion of a set.
pub(crate) fn set(set: &Set) -> TokenStream {
    beside(&set.form, &once::guarded(set, items(set)))
}

fn items(set: &Set) -> TokenStream {
    let tag = tag(set);
    let task = task::enumeration(set);
    let output = output::enumeration(set);
    let calls = calls::all(set);
    let task_set = dispatch::task_set(set);
    let messages = messages::all(set);
    let entry = entry::functions(set);
    let service_set = hooks::service_set(set);
    let checks = check::assertions(set);
    quote! {
        #tag
        #task
        #output
        #calls
        #task_set
        #messages
        #entry
        #service_set
        #checks
    }
}

/// Generates the same API for the same valid tasks, without bodies. None of it runs, since the
/// build has failed.
pub(crate) fn inert(set: &Set) -> TokenStream {
    let tag = tag(set);
    let task = task::enumeration(set);
    let output = output::enumeration(set);
    let calls = calls::inert(set);
    let task_set = dispatch::inert(set);
    let messages = messages::inert(set);
    let entry = entry::inert(set);
    let service_set = hooks::inert_service_set(set);
    let items = quote! { #tag #task #output #calls #task_set #messages #entry #service_set };
    beside(&set.form.quiet(), &once::guarded(set, items))
}

/// Returns the item as written, with the generated items beside or inside it.
fn beside(form: &Form, items: &TokenStream) -> TokenStream {
    match form {
        Form::Impl(item) => quote!(#item #items),
        Form::Module(item) => {
            let mut item = item.clone();
            if let Some((_, content)) = &mut item.content {
                content.push(syn::Item::Verbatim(items.clone()));
            }
            item.into_token_stream()
        }
    }
}

/// Generates the type that stands for a module.
fn tag(set: &Set) -> TokenStream {
    if !set.is_module() {
        return TokenStream::new();
    }
    let (vis, this, attrs) = (set.vis(), set.this(), attrs(set));
    let doc = doc(&format!("The set of tasks of the module `{}`.", set.name()));
    quote! {
        #doc
        #attrs
        #vis struct #this;
    }
}

/// Generates `Debug` for an enum of the set. It prints the name of the variant, so the fields need
/// not be `Debug`.
fn named(set: &Set, enumeration: &Ident) -> TokenStream {
    let (attrs, generics, formatter) = (trait_attrs(set), set.generics(), names::local("f"));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let variants = set.tasks.iter().filter(|task| task.sound).map(|task| {
        let (cfgs, variant, name) = (task.cfgs(), &task.variant, task.variant.unraw().to_string());
        quote!(#(#cfgs)* #enumeration::#variant { .. } => #name,)
    });
    let phantom = phantom(set).map(|_| quote!(#enumeration::__Never(ref never, _) => match *never {},));
    // A `cfg` may leave an enum without variants. Then `match` has no value to pass on.
    quote! {
        #attrs
        #[allow(unreachable_code)]
        impl #impl_generics ::core::fmt::Debug for #enumeration #type_generics #where_clause {
            fn fmt(&self, #formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #formatter.write_str(match *self {
                    #(#variants)*
                    #phantom
                })
            }
        }
    }
}

/// Generates a line of documentation.
fn doc(line: &str) -> TokenStream {
    let line = format!(" {line}");
    quote!(#[doc = #line])
}

/// Generates the attributes that each generated item repeats: the block's `cfg`s and lint levels.
/// Lints skip the item's tokens, except for those that have the span of the user's tokens. An item
/// allows the lints that these would trigger.
fn attrs(set: &Set) -> TokenStream {
    let repeated = set.attrs();
    quote!(#(#repeated)*)
}

/// Generates the attributes of each generated `impl` of a trait.
fn trait_attrs(set: &Set) -> TokenStream {
    let repeated = set.attrs();
    quote!(#(#repeated)* #[automatically_derived])
}

/// Returns the set's generics, with the executor's parameter before them.
fn with_executor(set: &Set) -> Generics {
    let executor = &set.executor;
    let mut generics = set.generics();
    generics.params.insert(0, parse_quote!(#executor));
    generics
}

/// Returns the type of the typed calls over `executor`: `StackCalls<E, T>`.
fn calls_over(set: &Set, executor: &TokenStream) -> TokenStream {
    let calls = set.calls_type();
    let others = set.generics().params.into_iter().map(argument);
    quote!(#calls<#executor #(, #others)*>)
}

/// Returns a generic parameter as a generic argument.
fn argument(param: syn::GenericParam) -> TokenStream {
    match param {
        syn::GenericParam::Lifetime(param) => param.lifetime.to_token_stream(),
        syn::GenericParam::Type(param) => param.ident.to_token_stream(),
        syn::GenericParam::Const(param) => param.ident.to_token_stream(),
    }
}

/// Returns the `PhantomData` of each type parameter, if the set has any. A task need not mention
/// each parameter.
fn phantom(set: &Set) -> Option<TokenStream> {
    let generics = set.generics();
    let types: Vec<_> = generics.type_params().map(|param| &param.ident).collect();
    (!types.is_empty()).then(|| quote!(::core::marker::PhantomData<(#(fn() -> #types,)*)>))
}

/// Generates a variant that mentions each type parameter and has no value.
fn phantom_variant(set: &Set) -> Option<TokenStream> {
    let phantom = phantom(set)?;
    let skip = wire::skip(set);
    Some(quote! {
        #[doc(hidden)]
        #skip
        __Never(::core::convert::Infallible, #phantom),
    })
}
