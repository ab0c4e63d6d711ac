//! Generates `impl`s of `HasInbox`, `TakesStreams`, `HasOutbox` and `GivesStreams`: the types that
//! services of the set receive and send.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Type, parse_quote};

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

/// Generates the items of `ServiceSet` for the set's messages. A set without an inbox has a type
/// without values.
pub(crate) fn inbox_of_service_set(set: &Set) -> TokenStream {
    let krate = set.krate();
    let no_message = quote!(#krate::__private::NoMessage);
    let without = inbox_items(&[], &no_message, &quote!(match message {}), &quote!(::core::option::Option::None));
    let Some((task, ty)) = inbox(set) else { return without };
    let (task_of, message_of) = (conversion(set, task), borrow(set, task));
    let cfgs = task.cfgs();
    let with = inbox_items(&cfgs, &ty.to_token_stream(), &quote!((#task_of)(message)), &message_of);
    let conditions: Vec<_> =
        cfgs.iter().filter_map(|cfg| cfg.meta.require_list().ok()).map(|cfg| &cfg.tokens).collect();
    if conditions.is_empty() {
        return with;
    }
    let neither: Attribute = parse_quote!(#[cfg(not(all(#(#conditions),*)))]);
    let without =
        inbox_items(&[neither], &no_message, &quote!(match message {}), &quote!(::core::option::Option::None));
    quote!(#with #without)
}

/// Generates the same items without bodies.
pub(crate) fn inert_inbox_of_service_set(set: &Set) -> TokenStream {
    let krate = set.krate();
    let ty = inbox(set).map_or_else(|| quote!(#krate::__private::NoMessage), |(_, ty)| ty.to_token_stream());
    inbox_items(&[], &ty, &quote!(::core::unimplemented!()), &quote!(::core::unimplemented!()))
}

fn inbox_items(cfgs: &[Attribute], ty: &TokenStream, task_of: &TokenStream, message_of: &TokenStream) -> TokenStream {
    quote! {
        #(#cfgs)*
        type InboxMessage = #ty;
        #(#cfgs)*
        fn inbox_task(message: Self::InboxMessage) -> Self::Task {
            #task_of
        }
        #(#cfgs)*
        fn inbox_message(task: &Self::Task) -> ::core::option::Option<&Self::InboxMessage> {
            #message_of
        }
    }
}

/// Returns the task of `#[on_message]`, and the type of its message.
fn inbox(set: &Set) -> Option<(&Task, Type)> {
    let task = set.in_line(HookKind::OnMessage).filter(|task| task.sound)?;
    let declared = set.options.inbox.as_ref().map(|ty| this::spelled_out(ty, &set.this()));
    Some((task, declared.or_else(|| heard(task))?))
}

fn heard(task: &Task) -> Option<Type> {
    task.params.first().map(|param| param.ty.clone())
}

/// Generates the `impl`s. `conversions` returns the conversion from a message or a stream to its
/// task, and the conversion back.
fn both(set: &Set, conversions: &dyn Fn(&Task) -> (TokenStream, TokenStream)) -> TokenStream {
    let krate = set.krate();
    let sound = |kind| set.in_line(kind).filter(|task| task.sound);
    let inbox = inbox(set).map(|(task, ty)| {
        let (task_of, message_of) = conversions(task);
        let items = quote! {
            type Message = #ty;
            const TASK: fn(Self::Message) -> Self::Task = #task_of;
            const MESSAGE: fn(Self::Task) -> ::core::option::Option<Self::Message> = #message_of;
        };
        implementation(set, &task.cfgs(), &quote!(HasInbox), &items)
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

/// Generates the borrow of the message in a task.
fn borrow(set: &Set, task: &Task) -> TokenStream {
    let (tasks, variant, name) = (set.task_type(), &task.variant, task.names());
    quote! {
        match task {
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
