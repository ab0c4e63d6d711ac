//! Generates the functions that give callers the typed calls: `tasks`, `on`, `service`, `shared`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    ast::Set,
    expand::{attrs, calls_over, dispatch, doc, hooks},
};

/// Generates associated functions in an `impl`, and free functions in a module.
pub(crate) fn functions(set: &Set) -> TokenStream {
    placed(set, hooks::service(set))
}

/// Generates the same functions, with a `service` that starts nothing: the mistake may be in the
/// start.
pub(crate) fn inert(set: &Set) -> TokenStream {
    placed(set, hooks::inert_service(set))
}

fn placed(set: &Set, service: TokenStream) -> TokenStream {
    let this = set.this();
    let all =
        [("tasks", tasks(set)), ("on", on(set)), ("service", service), ("shared", shared(set).unwrap_or_default())];
    let free = all.into_iter().filter(|(name, tokens)| !set.clashes.contains(*name) && !tokens.is_empty());
    let functions: Vec<_> = free.map(|(_, function)| function).collect();
    if set.is_module() {
        return quote!(#(#functions)*);
    }
    let (attrs, generics) = (attrs(set), set.generics());
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    quote! {
        #attrs
        #[allow(clippy::self_named_constructors)]
        impl #impl_generics #this #where_clause {
            #(#functions)*
        }
    }
}

fn tasks(set: &Set) -> TokenStream {
    let (vis, krate) = (set.vis(), set.krate());
    let pool = quote!(#krate::pool::GlobalPool);
    let (calls, construct) = (calls_over(set, &pool), dispatch::construct_calls(set, &quote!(executor: #pool)));
    let doc = doc(&format!("Returns the typed calls of `{}`, run by the global pool.", set.name()));
    quote! {
        #doc
        #[must_use]
        #vis fn tasks() -> &'static #calls {
            const { &#construct }
        }
    }
}

fn on(set: &Set) -> TokenStream {
    let (vis, krate, this, executor) = (set.vis(), set.krate(), set.this_here(), &set.executor);
    let calls = calls_over(set, &quote!(#executor));
    let doc = doc(&format!("Returns the typed calls of `{}`, run by `executor`: a pool, or another.", set.name()));
    quote! {
        #doc
        #[must_use]
        #vis fn on<#executor>(executor: &#executor) -> #calls
        where
            #executor: ::core::clone::Clone + #krate::Executor<#this>,
        {
            <#this as #krate::TaskSet>::calls(::core::clone::Clone::clone(executor))
        }
    }
}

/// Generates `shared`, for a set with `#[define(shared)]`.
fn shared(set: &Set) -> Option<TokenStream> {
    let (vis, krate) = (set.vis(), set.krate());
    let doc = doc("Returns a state to share between the tasks of a pool. Its `.on(&pool)` returns the typed calls.");
    (set.is_shared() && !set.is_module()).then(|| {
        quote! {
            #doc
            #vis fn shared(state: ::std::sync::Arc<Self>) -> #krate::pool::SharedState<Self> {
                #krate::pool::SharedState::new(state)
            }
        }
    })
}
