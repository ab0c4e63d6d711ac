//! Generates `impl`s of `HasInbox`, `TakesStreams`, `HasOutbox` and `GivesStreams`: the types that
//! services of the set receive and send.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Type};

use crate::{
    ast::{Set, Task},
    attr::HookKind,
    expand::trait_attrs,
    this,
};

/// Generates all of these `impl`s.
pub(crate) fn all(set: &Set) -> TokenStream {
    both(set, &|task| (conversion(set, task), conversion_back(set, task)))
}

/// Generates the same `impl`s for a set that receives nothing.
pub(crate) fn inert(set: &Set) -> TokenStream {
    both(set, &|_| (quote!(|_| ::core::unimplemented!()), quote!(|_| ::core::unimplemented!())))
}

/// Generates the `impl`s. `conversions` returns the conversion from a message or a stream to its
/// task, and the conversion back.
fn both(set: &Set, conversions: &dyn Fn(&Task) -> (TokenStream, TokenStream)) -> TokenStream {
    let krate = set.krate();
    let heard = |task: &Task| task.params.first().map(|param| param.ty.clone());
    let sound = |kind| set.in_line(kind).filter(|task| task.sound);
    let inbox = sound(HookKind::OnMessage).and_then(|task| {
        let declared = set.options.inbox.as_ref().map(|ty| this::spelled_out(ty, &set.this()));
        let (ty, (task_of, message_of)) = (declared.or(heard(task))?, conversions(task));
        let items = quote! {
            type Message = #ty;
            const TASK: fn(Self::Message) -> Self::Task = #task_of;
            const MESSAGE: fn(Self::Task) -> ::core::option::Option<Self::Message> = #message_of;
        };
        Some(implementation(set, &task.cfgs(), &quote!(HasInbox), &items))
    });
    let streams = sound(HookKind::OnStream).and_then(|task| {
        let (ty, (task_of, stream_of)) = (heard(task)?, conversions(task));
        let items = quote! {
            type Metadata = <#ty as #krate::__private::StreamArgument>::Metadata;
            const TASK: fn(#krate::stream::StreamReader<Self::Metadata>) -> Self::Task = #task_of;
            const STREAM: fn(Self::Task) -> ::core::option::Option<#krate::stream::StreamReader<Self::Metadata>> =
                #stream_of;
        };
        Some(implementation(set, &task.cfgs(), &quote!(TakesStreams), &items))
    });
    let outbox = said(set, set.options.outbox.as_ref(), &quote!(HasOutbox), &quote!(Event));
    let gives = said(set, set.options.streams.as_ref(), &quote!(GivesStreams), &quote!(Metadata));
    quote!(#inbox #streams #outbox #gives)
}

fn conversion(set: &Set, task: &Task) -> TokenStream {
    let (tasks, variant, name) = (set.task_type(), &task.variant, task.names());
    quote!(|heard| #tasks::#variant { #(#name: heard),* })
}

fn conversion_back(set: &Set, task: &Task) -> TokenStream {
    let (tasks, variant, name) = (set.task_type(), &task.variant, task.names());
    quote! {
        |task| match task {
            #tasks::#variant { #(#name: heard),* } => ::core::option::Option::Some(heard),
            _ => ::core::option::Option::None,
        }
    }
}

/// Returns the type of the set's events. A set without an outbox has a type without values.
pub(crate) fn event(set: &Set) -> TokenStream {
    match &set.options.outbox {
        Some(ty) => this::spelled_out(ty, &set.this()).to_token_stream(),
        None => {
            let krate = set.krate();
            quote!(#krate::__private::NoMessage)
        }
    }
}

/// Generates `impl HasOutbox`, if the option gives a type.
fn said(set: &Set, ty: Option<&Type>, of: &TokenStream, name: &TokenStream) -> Option<TokenStream> {
    let ty = this::spelled_out(ty?, &set.this());
    Some(implementation(set, &[], of, &quote!(type #name = #ty;)))
}

fn implementation(set: &Set, cfgs: &[Attribute], of: &TokenStream, items: &TokenStream) -> TokenStream {
    let (attrs, krate, this, generics) = (trait_attrs(set), set.krate(), set.this().to_token_stream(), set.generics());
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    quote! {
        #(#cfgs)*
        #attrs
        #[allow(deprecated)]
        impl #impl_generics #krate::task::#of for #this #where_clause {
            #items
        }
    }
}
