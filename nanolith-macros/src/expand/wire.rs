//! Generates the serde derives of both enums for `#[define(wire)]`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{ast::Set, text};

/// Generates the derives, if the set has the option.
pub(crate) fn derives(set: &Set) -> Option<TokenStream> {
    let _ = set.options.wire.as_ref()?;
    let krate = set.krate();
    let serde = quote!(#krate::__private::serde);
    let path = text::of(&serde);
    Some(quote! {
        #[::core::prelude::v1::derive(#serde::Serialize, #serde::Deserialize)]
        #[serde(crate = #path)]
    })
}

/// Generates the attribute that excludes a variant without a value from the derives.
pub(crate) fn skip(set: &Set) -> Option<TokenStream> {
    set.options.wire.as_ref().map(|_| quote!(#[serde(skip)]))
}
