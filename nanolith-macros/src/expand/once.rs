//! Generates the items of only one `#[define]` block for each type, and one error if there is a
//! second block.
//!
//! The generated items are in the call of a macro that expands to them if they come with the
//! macro's own key. Each block defines such a macro in a module. The module's name states the
//! mistake for the case that two blocks define the module. The compiler reports the second module
//! and keeps the first one. The first module's macro expands to nothing for the key of the second
//! block.

use std::hash::{DefaultHasher, Hash, Hasher};

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, ext::IdentExt};

use crate::{
    ast::{Form, Set},
    attr, text,
};

/// Generates `items`. They expand to nothing if an earlier block in the module is for the same
/// type, or generates types of the same names.
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
    /// The key, which is different for each block.
    key: Ident,
}

impl Guard {
    fn around(&self, name: &str, items: &TokenStream) -> TokenStream {
        let (Self { cfgs, key }, name) = (self, Ident::new(name, Span::call_site()));
        quote! {
            #(#cfgs)*
            #[doc(hidden)]
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

/// Returns the key of the block. It is the same in each build, and different for each block.
fn key(set: &Set) -> Ident {
    let mut hasher = DefaultHasher::new();
    text::of(&set.form).hash(&mut hasher);
    set.options.name.to_token_stream().to_string().hash(&mut hasher);
    Ident::new(&format!("block_{:016x}", hasher.finish()), Span::call_site())
}

/// Returns a type as part of a name: `Counter<i64>` becomes `Counter_i64`.
fn as_name(ty: &str) -> String {
    let words: Vec<&str> = ty.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("_")
}
