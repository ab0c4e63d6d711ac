//! [`Form`]: the item under `#[define]`, which is an `impl` block or an inline module.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Ident, ImplItem, Item, ItemImpl, ItemMod, Signature, Visibility, parse_quote};

use crate::{
    ast::{Function, type_name},
    attr::{self, Helpers},
    mistakes::Mistakes,
    names,
};

/// The item as written. [`Form::take_functions`] removes its helper attributes.
#[derive(Clone)]
pub(crate) enum Form {
    Impl(ItemImpl),
    Module(ItemMod),
}

/// The parts of a function that this module reads.
struct Parts<'a> {
    attrs: &'a mut Vec<Attribute>,
    vis: &'a Visibility,
    sig: &'a Signature,
}

impl Form {
    /// Returns the name of the type, or of the module.
    pub(crate) fn ident(&self) -> Ident {
        match self {
            Self::Impl(item) => type_name(&item.self_ty).unwrap_or_else(|| names::local("Set")),
            Self::Module(item) => item.ident.clone(),
        }
    }

    /// Reads the helper attributes of each function, and removes them.
    pub(crate) fn take_functions(&mut self, mistakes: &mut Mistakes) -> Vec<(Function, Helpers)> {
        let take = |parts: Parts<'_>| {
            let helpers = attr::take(parts.attrs, mistakes);
            let Parts { attrs, vis, sig } = parts;
            (Function { attrs: attrs.clone(), vis: vis.clone(), sig: sig.clone() }, helpers)
        };
        self.parts().into_iter().map(take).collect()
    }

    /// Puts `attribute` before the attributes of the functions with these names.
    pub(crate) fn mark(&mut self, functions: &[Ident], attribute: &Attribute) {
        for parts in self.parts() {
            if functions.contains(&parts.sig.ident) {
                parts.attrs.insert(0, attribute.clone());
            }
        }
    }

    fn parts(&mut self) -> Vec<Parts<'_>> {
        match self {
            Self::Impl(item) => item.items.iter_mut().filter_map(Parts::of_impl_item).collect(),
            Self::Module(item) => content(item).into_iter().filter_map(Parts::of_item).collect(),
        }
    }

    /// Returns each identifier in the head of the block and in its signatures.
    pub(crate) fn identifiers(&mut self) -> HashSet<String> {
        let mut found = HashSet::new();
        if let Self::Impl(item) = self {
            let (generics, where_clause, this) = (&item.generics, &item.generics.where_clause, &item.self_ty);
            names::collect_identifiers(quote!(#generics #where_clause #this), &mut found);
        }
        for parts in self.parts() {
            names::collect_identifiers(parts.sig.to_token_stream(), &mut found);
        }
        found
    }

    /// Returns the names that the block itself defines in the namespace of the generated items.
    /// Each name has its span.
    pub(crate) fn defined(&self) -> Vec<Ident> {
        match self {
            Self::Impl(item) => item.items.iter().filter_map(name_of_impl_item).collect(),
            Self::Module(item) => {
                let items = item.content.iter().flat_map(|(_, items)| items);
                items.flat_map(names_of_item).collect()
            }
        }
    }

    /// Returns a copy of the form that allows unused items: an inert API uses nothing.
    pub(crate) fn quiet(&self) -> Self {
        let mut form = self.clone();
        let (Self::Impl(ItemImpl { attrs, .. }) | Self::Module(ItemMod { attrs, .. })) = &mut form;
        attrs.insert(0, parse_quote!(#[allow(dead_code, unused_imports)]));
        form
    }

    /// Removes the attributes that `refused` selects from the functions with these names.
    pub(crate) fn without_attributes(&mut self, functions: &[Ident], refused: impl Fn(&Attribute) -> bool) {
        for parts in self.parts() {
            if functions.contains(&parts.sig.ident) {
                parts.attrs.retain(|attribute| !refused(attribute));
            }
        }
    }

    /// Removes the functions that `refused` selects.
    pub(crate) fn without_functions(&mut self, refused: impl Fn(&Signature) -> bool) {
        match self {
            Self::Impl(item) => {
                item.items.retain(|item| !matches!(item, ImplItem::Fn(function) if refused(&function.sig)));
            }
            Self::Module(item) => {
                if let Some((_, items)) = &mut item.content {
                    items.retain(|item| !matches!(item, Item::Fn(function) if refused(&function.sig)));
                }
            }
        }
    }
}

impl ToTokens for Form {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Impl(item) => item.to_tokens(tokens),
            Self::Module(item) => item.to_tokens(tokens),
        }
    }
}

fn content(module: &mut ItemMod) -> impl IntoIterator<Item = &mut Item> {
    module.content.iter_mut().flat_map(|(_, items)| items)
}

impl<'a> Parts<'a> {
    fn of_impl_item(item: &'a mut ImplItem) -> Option<Self> {
        match item {
            ImplItem::Fn(function) => Some(Self { attrs: &mut function.attrs, vis: &function.vis, sig: &function.sig }),
            _ => None,
        }
    }

    fn of_item(item: &'a mut Item) -> Option<Self> {
        match item {
            Item::Fn(function) => Some(Self { attrs: &mut function.attrs, vis: &function.vis, sig: &function.sig }),
            _ => None,
        }
    }
}

fn name_of_impl_item(item: &ImplItem) -> Option<Ident> {
    match item {
        ImplItem::Const(item) => Some(item.ident.clone()),
        ImplItem::Fn(item) => Some(item.sig.ident.clone()),
        _ => None,
    }
}

fn names_of_item(item: &Item) -> Vec<Ident> {
    match item {
        Item::Const(item) => vec![item.ident.clone()],
        Item::Enum(item) => vec![item.ident.clone()],
        Item::Fn(item) => vec![item.sig.ident.clone()],
        Item::Static(item) => vec![item.ident.clone()],
        Item::Struct(item) => vec![item.ident.clone()],
        Item::Trait(item) => vec![item.ident.clone()],
        Item::Type(item) => vec![item.ident.clone()],
        Item::Union(item) => vec![item.ident.clone()],
        Item::Use(item) => names_of_use(&item.tree),
        _ => Vec::new(),
    }
}

/// Returns the names that a `use` imports. The names of a glob import are left out, since a
/// generated item shadows them.
fn names_of_use(tree: &syn::UseTree) -> Vec<Ident> {
    match tree {
        syn::UseTree::Path(path) => names_of_use(&path.tree),
        syn::UseTree::Name(name) => vec![name.ident.clone()],
        syn::UseTree::Rename(rename) => vec![rename.rename.clone()],
        syn::UseTree::Group(group) => group.items.iter().flat_map(names_of_use).collect(),
        syn::UseTree::Glob(_) => Vec::new(),
    }
}
