//! One block a type: the items of a second block never come into being, and one error says why.
//!
//! The generated items stand in the call of a macro that passes them on if they come with its own
//! key. Each block makes such a macro in a module whose name says what is wrong where two blocks
//! make it. The compiler reports the second module and keeps the first one, whose macro gives
//! nothing for the second block's key.

use std::hash::{DefaultHasher, Hash, Hasher};

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, ext::IdentExt};

use crate::{
    ast::{Form, Set},
    attr, text,
};

/// `items`, or nothing where an earlier block of the module is for the same type, or generates
/// types of the same names.
pub(super) fn guarded(set: &Set, items: TokenStream) -> TokenStream {
    let Form::Impl(item) = &set.form else { return items };
    let guard = Guard { cfgs: attr::cfgs(&item.attrs), key: key(set) };
    let this = as_name(&text::of(&item.self_ty));
    let prefix = set.options.name.as_ref().map_or_else(|| set.name(), |name| name.unraw().to_string());
    let items = match prefix == this {
        true => items,
        false => guard.around(&format!("use_define_name_for_a_second_{prefix}"), &items),
    };
    guard.around(&format!("only_one_define_block_for_{this}"), &items)
}

struct Guard {
    cfgs: Vec<Attribute>,
    /// Of this block alone.
    key: Ident,
}

impl Guard {
    fn around(&self, name: &str, items: &TokenStream) -> TokenStream {
        let (Self { cfgs, key }, name) = (self, Ident::new(name, Span::call_site()));
        quote! {
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(non_snake_case)]
            mod #name {
                macro_rules! items {
                    (#key $($items:tt)*) => { $($items)* };
                    ($($items:tt)*) => {};
                }
                pub(super) use items;
            }
            #(#cfgs)*
            #name::items! { #key #items }
        }
    }
}

/// The same for the same block in every build, and another for every other block.
fn key(set: &Set) -> Ident {
    let mut hasher = DefaultHasher::new();
    text::of(&set.form).hash(&mut hasher);
    set.options.name.to_token_stream().to_string().hash(&mut hasher);
    Ident::new(&format!("block_{:016x}", hasher.finish()), Span::call_site())
}

/// A type as a part of a name: `Counter<i64>` becomes `Counter_i64`.
fn as_name(ty: &str) -> String {
    let words: Vec<&str> = ty.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("_")
}
