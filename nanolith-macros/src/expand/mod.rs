//! What a sound set becomes: the item as written, and beside it (in a module: inside it) the generated items.
//!
//! Generated code names everything by full paths, since the user may have no prelude or a `Result` of their own. Its
//! tokens stand at the attribute, so that lints let them be; a method's name alone is the user's token.

mod calls;
mod check;
mod dispatch;
mod entry;
mod errors;
mod hooks;
mod id;
mod messages;
mod once;
mod origin;
mod output;
mod task;
mod wire;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Generics, Ident, ext::IdentExt, parse_quote};

use crate::{
    ast::{Form, Set},
    names,
};

/// All of it.
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
    let checks = check::assertions(set);
    quote! {
        #tag
        #task
        #output
        #calls
        #task_set
        #messages
        #entry
        #checks
    }
}

/// The same API around the same sound tasks, but for bodies: nothing of it runs, since the build has failed.
pub(crate) fn inert(set: &Set) -> TokenStream {
    let tag = tag(set);
    let task = task::enumeration(set);
    let output = output::enumeration(set);
    let calls = calls::inert(set);
    let task_set = dispatch::inert(set);
    let messages = messages::inert(set);
    let entry = entry::inert(set);
    let items = quote! { #tag #task #output #calls #task_set #messages #entry };
    beside(&set.form.quiet(), &once::guarded(set, items))
}

/// The item as written, with the generated ones at their place.
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

/// The type that stands for a module.
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

/// `Debug` for an enum of the set: the name of the variant. What is in it need not be `Debug`.
fn named(set: &Set, enumeration: &Ident) -> TokenStream {
    let (attrs, generics, formatter) = (impl_attrs(set), set.generics(), names::local("f"));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let variants = set.tasks.iter().filter(|task| task.sound).map(|task| {
        let (cfgs, variant, name) = (task.cfgs(), &task.variant, task.variant.unraw().to_string());
        quote!(#(#cfgs)* #enumeration::#variant { .. } => #name,)
    });
    let phantom = phantom(set).map(|_| quote!(#enumeration::__Never(ref never, _) => match *never {},));
    quote! {
        #attrs
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

/// A line of documentation.
fn doc(line: &str) -> TokenStream {
    let line = format!(" {line}");
    quote!(#[doc = #line])
}

/// What stands on every generated type: the block's `cfg`s, and that lints leave alone what the user cannot change.
fn attrs(set: &Set) -> TokenStream {
    let repeated = set.attrs();
    quote! {
        #(#repeated)*
        #[allow(dead_code, deprecated, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
    }
}

/// The same for an `impl`, which holds expressions too.
fn impl_attrs(set: &Set) -> TokenStream {
    let repeated = set.attrs();
    quote! {
        #(#repeated)*
        #[allow(
            dead_code, deprecated, non_snake_case, private_bounds, private_interfaces, unreachable_pub,
            unreachable_code, unreachable_patterns, unused_qualifications, unused_variables,
            clippy::all, clippy::pedantic
        )]
    }
}

/// The set's generics, with the executor's parameter before them.
fn with_executor(set: &Set) -> Generics {
    let executor = &set.executor;
    let mut generics = set.generics();
    generics.params.insert(0, parse_quote!(#executor));
    generics
}

/// The typed calls over `executor`: `StackCalls<E, T>`.
fn calls_over(set: &Set, executor: &TokenStream) -> TokenStream {
    let calls = set.calls_type();
    let others = set.generics().params.into_iter().map(argument);
    quote!(#calls<#executor #(, #others)*>)
}

/// The parameter as an argument.
fn argument(param: syn::GenericParam) -> TokenStream {
    match param {
        syn::GenericParam::Lifetime(param) => param.lifetime.to_token_stream(),
        syn::GenericParam::Type(param) => param.ident.to_token_stream(),
        syn::GenericParam::Const(param) => param.ident.to_token_stream(),
    }
}

/// `PhantomData` of every type parameter, for a set that has some: a task need not mention each.
fn phantom(set: &Set) -> Option<TokenStream> {
    let generics = set.generics();
    let types: Vec<_> = generics.type_params().map(|param| &param.ident).collect();
    (!types.is_empty()).then(|| quote!(::core::marker::PhantomData<(#(fn() -> #types,)*)>))
}

/// The variant that mentions every type parameter and has no value.
fn phantom_variant(set: &Set) -> Option<TokenStream> {
    let phantom = phantom(set)?;
    let skip = wire::skip(set);
    Some(quote! {
        #[doc(hidden)]
        #skip
        __Never(::core::convert::Infallible, #phantom),
    })
}
