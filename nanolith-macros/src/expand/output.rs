//! Generates `enum GeometryOutput` of a set `Geometry`, with a variant for each task that holds its
//! output.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    ast::{Set, Task},
    expand::{attrs, doc, named, phantom_variant, wire},
};

pub(crate) fn enumeration(set: &Set) -> TokenStream {
    let (attrs, vis, name, derives) = (attrs(set), set.vis(), set.output_type(), wire::derives(set));
    let doc = doc(&format!("The outputs of the tasks of `{}`.", set.name()));
    let generics = set.generics();
    let where_clause = &generics.where_clause;
    let variants = set.tasks.iter().filter(|task| task.sound).map(|task| variant(set, task));
    let phantom = phantom_variant(set);
    let debug = named(set, &name);
    quote! {
        #doc
        #attrs
        #[allow(dead_code, deprecated, private_interfaces)]
        #derives
        #vis enum #name #generics #where_clause {
            #(#variants,)*
            #phantom
        }

        #debug
    }
}

fn variant(set: &Set, task: &Task) -> TokenStream {
    let (cfgs, variant, output) = (task.cfgs(), &task.variant, wire::output(set, task));
    let doc = doc(&format!("The output of `{}::{}`.", set.name(), task.ident()));
    quote! {
        #doc
        #(#cfgs)*
        #variant(#output)
    }
}
