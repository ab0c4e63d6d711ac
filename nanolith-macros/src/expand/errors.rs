//! Generates `fn error_view`, which gives access to the errors of tasks and of the `#[init]` where
//! their types are generic parameters or erased.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Type};

use crate::{
    ast::{Set, ungrouped},
    attr::{self, HookKind},
    expand::type_names,
    text, this,
};

/// Generates the function if an output may be a `Result`.
pub(super) fn view(set: &Set) -> Option<TokenStream> {
    let krate = set.krate();
    let results = results(set);
    if results.is_empty() {
        return None;
    }
    let probes = results
        .into_iter()
        .map(|(cfgs, output)| quote!(#(#cfgs)* (&&&&&&#krate::__private::Probe::<#output>::NEW).nanolith_error_view()));
    Some(quote! {
        fn error_view(of: ::core::any::TypeId) -> ::core::option::Option<#krate::__private::ErrorView> {
            use #krate::__private::ViewError as _;
            #krate::__private::ErrorView::find(of, &[#(#probes),*])
        }
    })
}

/// Returns each output that may be a `Result`, by any name, once. The state is not one.
fn results(set: &Set) -> Vec<(Vec<Attribute>, Type)> {
    let mut results: Vec<(Vec<Attribute>, Type)> = Vec::new();
    let outputs = set.callable().map(|task| (task.cfgs(), task.output.clone()));
    let init = set.hook(HookKind::Init).map(|init| &init.function);
    let made = init.map(|init| (attr::cfgs(&init.attrs), this::spelled_out(&init.output(), &set.this())));
    let state = text::of(this::spelled_out(&set.state(), &set.this()));
    for (cfgs, output) in outputs.chain(made) {
        if text::of(&output) == state || !may_be_result(&output) {
            continue;
        }
        let is_known =
            results.iter().any(|(known, earlier)| known.is_empty() && text::of(earlier) == text::of(&output));
        if !is_known {
            results.push((cfgs, output));
        }
    }
    results
}

/// Returns whether the type is a macro call or a path that may name a `Result`. Other types of the
/// standard library are excluded.
fn may_be_result(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            last.ident == "Result" || !(type_names::is_known(&last.ident.to_string()) || last.ident == "Arc")
        }),
        Type::Macro(_) => true,
        _ => false,
    }
}
