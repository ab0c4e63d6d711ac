//! Generates the serde derives of both enums for `#[define(wire)]`, and the checks of their fields.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;

use crate::{
    ast::{Param, Set, Task},
    expand::{check, type_names::Origin},
    names, text,
};

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

/// Generates the type of the field for an argument, with its check.
pub(crate) fn argument(set: &Set, task: &Task, param: &Param) -> TokenStream {
    field(set, task, &param.ty, &param.written.ty)
}

/// Generates the type of the field for an output, with its check.
pub(crate) fn output(set: &Set, task: &Task) -> TokenStream {
    field(set, task, &task.output, &task.function.sig.output)
}

/// The check stands inside the type: if it fails, the compiler reports none of the errors that the
/// code of the derives would have.
fn field(set: &Set, task: &Task, ty: &Type, written: &impl ToTokens) -> TokenStream {
    let is_checked = set.options.wire.is_some() && task.hook.is_none() && Origin::of(ty).is_some();
    if !is_checked || check::mentions_parameter(set, ty) {
        return ty.to_token_stream();
    }
    let krate = set.krate();
    let call = quote_spanned!(names::place_of(written)=> wire_value::<#ty>());
    check::checked(set, ty, &quote!(#krate::__private::#call;))
}
