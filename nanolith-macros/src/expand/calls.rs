//! Generates the struct `GeometryCalls<E>` of a set `Geometry`, which has one typed method for each
//! task.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};

use crate::{
    ast::{Receiver, Set, Task},
    attr,
    expand::{attrs, dispatch, doc, phantom, trait_attrs, with_executor},
    names,
};

/// Generates the struct and its methods.
pub(crate) fn all(set: &Set) -> TokenStream {
    around(set, &quote!(clippy::used_underscore_binding), |task| construction(set, task))
}

/// Generates the struct with methods that do nothing. Tasks with mistakes have a method too.
pub(crate) fn inert(set: &Set) -> TokenStream {
    around(set, &quote!(unused_variables), |_| quote!(::core::unimplemented!()))
}

/// Generates the struct and its methods, which allow `lint`.
fn around(set: &Set, lint: &TokenStream, body: impl Fn(&Task) -> TokenStream) -> TokenStream {
    let structure = structure(set);
    let methods = set.callable().map(|task| method(set, task, &body(task)));
    let (attrs, calls, this, executor, krate) = (attrs(set), set.calls_type(), set.this(), &set.executor, set.krate());
    let mut generics = with_executor(set);
    let bound: syn::WherePredicate = syn::parse_quote!(#executor: #krate::Executor<#this>);
    generics.make_where_clause().predicates.push(bound);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let (clone, debug) = (clone(set), debug(set));
    quote! {
        #structure
        #clone
        #debug

        #attrs
        #[allow(#lint)]
        impl #impl_generics #calls #type_generics #where_clause {
            #(#methods)*
        }
    }
}

/// Generates `Clone`, with the bound that the executor is `Clone`. The set's parameters need no
/// bound.
fn clone(set: &Set) -> TokenStream {
    let executor = &set.executor;
    let construct = dispatch::construct_calls(set, &quote!(executor: ::core::clone::Clone::clone(&self.executor)));
    let body = quote! {
        fn clone(&self) -> Self {
            #construct
        }
    };
    implementation(set, &quote!(::core::clone::Clone), &quote!(#executor: ::core::clone::Clone), &body)
}

/// Generates `Debug`, which shows the name of the struct and the executor.
fn debug(set: &Set) -> TokenStream {
    let (executor, name) = (&set.executor, set.calls_type().to_string());
    let formatter = names::local("f");
    let body = quote! {
        fn fmt(&self, #formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            #formatter.debug_struct(#name).field("executor", &self.executor).finish()
        }
    };
    implementation(set, &quote!(::core::fmt::Debug), &quote!(#executor: ::core::fmt::Debug), &body)
}

fn implementation(set: &Set, of: &TokenStream, bound: &TokenStream, body: &TokenStream) -> TokenStream {
    let (attrs, calls) = (trait_attrs(set), set.calls_type());
    let mut generics = with_executor(set);
    generics.make_where_clause().predicates.push(syn::parse_quote!(#bound));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    quote! {
        #attrs
        impl #impl_generics #of for #calls #type_generics #where_clause {
            #body
        }
    }
}

fn structure(set: &Set) -> TokenStream {
    let (attrs, vis, calls, executor) = (attrs(set), set.vis(), set.calls_type(), &set.executor);
    let doc = doc(&format!("The typed calls of the tasks of `{}`, run by `{executor}`.", set.name()));
    let generics = with_executor(set);
    let where_clause = &generics.where_clause;
    let phantom = phantom(set).map(|phantom| quote!(set: #phantom,));
    quote! {
        #doc
        #attrs
        #vis struct #calls #generics #where_clause {
            executor: #executor,
            #phantom
        }
    }
}

fn method(set: &Set, task: &Task, body: &TokenStream) -> TokenStream {
    let (vis, name, params, types) = (&task.function.vis, task.name(), task.names(), task.types());
    let (this, executor, krate, output) = (set.this(), &set.executor, set.krate(), &task.output);
    let attrs = attr::for_methods(&task.function.attrs);
    let doc = undocumented(set, task);
    let generics = &task.function.sig.generics;
    let where_clause = conditions(set, task);
    quote! {
        #(#attrs)*
        #doc
        #[track_caller]
        #vis fn #name #generics (&self #(, #params: #types)*) -> #krate::Call<'_, #this, #executor, #output>
        #where_clause
        {
            #body
        }
    }
}

/// Returns the bounds that this task needs, in addition to an executor that runs the set.
fn conditions(set: &Set, task: &Task) -> Option<TokenStream> {
    let (this, executor, krate) = (set.this(), &set.executor, set.krate());
    let state = match task.function.receiver() {
        Receiver::Shared => Some(quote!(SharesState)),
        Receiver::Exclusive => Some(quote!(OwnsState)),
        Receiver::None | Receiver::Owned | Receiver::Other => None,
    };
    let local = task.options.local.as_ref().map(|_| quote!(RunsLocal));
    let needed: Vec<_> = state.into_iter().chain(local).map(|bound| quote!(#krate::executor::#bound<#this>)).collect();
    let own = task.function.sig.generics.where_clause.as_ref().map(|clause| clause.predicates.to_token_stream());
    let bound = (!needed.is_empty()).then(|| quote!(#executor: #(#needed)+*));
    let predicates: Vec<_> = bound.into_iter().chain(own).collect();
    (!predicates.is_empty()).then(|| quote!(where #(#predicates),*))
}

/// Returns a line of documentation for a method whose function has none.
fn undocumented(set: &Set, task: &Task) -> Option<TokenStream> {
    let doc = doc(&format!("Returns a call of `{}::{}`.", set.name(), task.ident()));
    (!attr::are_documented(&task.function.attrs)).then_some(doc)
}

fn construction(set: &Set, task: &Task) -> TokenStream {
    let (krate, tasks, outputs) = (set.krate(), set.task_type(), set.output_type());
    let (variant, params) = (&task.variant, task.names());
    let (output, value) = (names::local("output"), names::local("value"));
    // With this span, an error about a caller's argument also shows the parameter of the function.
    let construct = quote_spanned!(names::quietly(task.ident().span())=> #tasks::#variant { #(#params),* });
    quote! {
        #krate::Call::new(&self.executor, #construct, |#output| match #output {
            #outputs::#variant(#value) => ::core::option::Option::Some(#value),
            _ => ::core::option::Option::None,
        })
    }
}
