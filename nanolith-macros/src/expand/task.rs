//! Generates `enum GeometryTask` of a set `Geometry`, with a variant for each task that has its
//! arguments as fields.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    ast::{Set, Task},
    expand::{attrs, doc, named, phantom_variant, wire},
};

pub(crate) fn enumeration(set: &Set) -> TokenStream {
    let (attrs, vis, name, derives) = (attrs(set), set.vis(), set.task_type(), wire::derives(set));
    let doc = doc(&format!("The tasks of `{}`, their arguments as fields.", set.name()));
    let generics = set.generics();
    let where_clause = &generics.where_clause;
    // The variants of hooks come last: serde counts a skipped variant when it serializes, but not
    // when it deserializes.
    let hooks = set.tasks.iter().filter(|task| task.hook.is_some());
    let variants = set.callable().chain(hooks).filter(|task| task.sound).map(|task| variant(set, task));
    let phantom = phantom_variant(set);
    let debug = named(set, &name);
    quote! {
        #doc
        #attrs
        #[allow(dead_code, deprecated, non_snake_case, private_interfaces)]
        #derives
        #vis enum #name #generics #where_clause {
            #(#variants,)*
            #phantom
        }

        #debug
    }
}

fn variant(set: &Set, task: &Task) -> TokenStream {
    let (cfgs, variant, names) = (task.cfgs(), &task.variant, task.names());
    let types = task.params.iter().map(|param| wire::argument(set, task, param));
    let own_doc = doc(&format!("The task `{}::{}`.", set.name(), task.ident()));
    let skip = task.hook.and_then(|_| wire::skip(set));
    let docs = names.iter().map(|name| doc(&format!("The argument `{name}`.")));
    // A task without arguments is a unit variant, so that a user can write it with or without `{}`.
    let fields = (!names.is_empty()).then(|| quote!({ #(#docs #names: #types),* }));
    quote! {
        #own_doc
        #(#cfgs)*
        #skip
        #variant #fields
    }
}
