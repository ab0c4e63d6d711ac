//! The two forms of a set: an `impl` block, and an inline module.

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

/// The item as written, less the helper attributes once [`Form::take_functions`] took them.
#[derive(Clone)]
pub(crate) enum Form {
    Impl(ItemImpl),
    Module(ItemMod),
}

/// What of a function is looked at.
struct Parts<'a> {
    attrs: &'a mut Vec<Attribute>,
    vis: &'a Visibility,
    sig: &'a Signature,
}

impl Form {
    /// The name of the type, or of the module.
    pub(crate) fn ident(&self) -> Ident {
        match self {
            Self::Impl(item) => type_name(&item.self_ty).unwrap_or_else(|| names::local("Set")),
            Self::Module(item) => item.ident.clone(),
        }
    }

    /// Reads the helper attributes of each function, and takes them off.
    pub(crate) fn take_functions(&mut self, mistakes: &mut Mistakes) -> Vec<(Function, Helpers)> {
        let take = |parts: Parts<'_>| {
            let helpers = attr::take(parts.attrs, mistakes);
            let Parts { attrs, vis, sig } = parts;
            (Function { attrs: attrs.clone(), vis: vis.clone(), sig: sig.clone() }, helpers)
        };
        self.parts().into_iter().map(take).collect()
    }

    /// Puts an attribute before those of the functions of these names.
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

    /// Every identifier in the head of the block and in its signatures.
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

    /// The names that the block itself defines where generated items will stand, each with its place.
    pub(crate) fn defined(&self) -> Vec<Ident> {
        match self {
            Self::Impl(item) => item.items.iter().filter_map(name_of_impl_item).collect(),
            Self::Module(item) => {
                let items = item.content.iter().flat_map(|(_, items)| items);
                items.flat_map(names_of_item).collect()
            }
        }
    }

    /// The same, where nothing has to be used: an inert API uses nothing.
    pub(crate) fn quiet(&self) -> Self {
        let mut form = self.clone();
        let (Self::Impl(ItemImpl { attrs, .. }) | Self::Module(ItemMod { attrs, .. })) = &mut form;
        attrs.insert(0, parse_quote!(#[allow(dead_code, unused_imports)]));
        form
    }

    /// Leaves out the attributes that `refused` picks from the functions of these names.
    pub(crate) fn without_attributes(&mut self, functions: &[Ident], refused: impl Fn(&Attribute) -> bool) {
        for parts in self.parts() {
            if functions.contains(&parts.sig.ident) {
                parts.attrs.retain(|attribute| !refused(attribute));
            }
        }
    }

    /// Leaves out the functions that `refused` picks.
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

/// The names that a `use` brings in; those of a glob give way to what is generated.
fn names_of_use(tree: &syn::UseTree) -> Vec<Ident> {
    match tree {
        syn::UseTree::Path(path) => names_of_use(&path.tree),
        syn::UseTree::Name(name) => vec![name.ident.clone()],
        syn::UseTree::Rename(rename) => vec![rename.rename.clone()],
        syn::UseTree::Group(group) => group.items.iter().flat_map(names_of_use).collect(),
        syn::UseTree::Glob(_) => Vec::new(),
    }
}
