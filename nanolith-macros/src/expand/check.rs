//! Assertions on types, each at the user's own: what moves between threads must be able to.
//!
//! A type with a parameter of the set in it is left to the compiler, which then says what to add to the `impl`.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;

use crate::{
    ast::{Param, Set, Start, Task},
    names,
};

pub(crate) fn assertions(set: &Set) -> TokenStream {
    let attrs = super::attrs(set);
    let tasks = set.tasks.iter().map(|task| of_task(set, task));
    let start = match set.start() {
        Start::Init(init) => of_params(set, &init.params),
        Start::WithState | Start::Stateless => TokenStream::new(),
    };
    let assertions = quote!(#(#tasks)* #start);
    if assertions.is_empty() {
        return TokenStream::new();
    }
    quote! {
        #attrs
        const _: () = {
            #assertions
        };
    }
}

fn of_task(set: &Set, task: &Task) -> TokenStream {
    let cfgs = task.cfgs();
    let arguments = of_params(set, &task.params);
    let output = assertion(set, &quote!(returned), &task.output, &task.function.sig.output);
    match (arguments.is_empty() && output.is_none(), cfgs.is_empty()) {
        (true, _) => TokenStream::new(),
        (false, true) => quote!(#arguments #output),
        (false, false) => quote!(#(#cfgs)* { #arguments #output }),
    }
}

fn of_params(set: &Set, params: &[Param]) -> TokenStream {
    params.iter().filter_map(|param| assertion(set, &quote!(argument), &param.ty, &param.written.ty)).collect()
}

fn assertion(set: &Set, check: &TokenStream, ty: &Type, written: &impl ToTokens) -> Option<TokenStream> {
    if is_plain(ty) || mentions_parameter(set, ty) {
        return None;
    }
    let krate = set.krate();
    let call = quote_spanned!(names::place_of(written)=> #check::<#ty>());
    Some(quote!(#krate::__private::#call;))
}

/// What everybody knows to move: not worth the compiler's time.
fn is_plain(ty: &Type) -> bool {
    const PLAIN: [&str; 17] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
        "usize", "()",
    ];
    PLAIN.contains(&crate::text::of(ty).as_str())
}

fn mentions_parameter(set: &Set, ty: &Type) -> bool {
    let mut mentioned = HashSet::new();
    names::collect_identifiers(ty.to_token_stream(), &mut mentioned);
    let generics = set.generics();
    let types = generics.type_params().map(|param| &param.ident);
    let mut parameters = types.chain(generics.const_params().map(|param| &param.ident));
    parameters.any(|parameter| mentioned.contains(&parameter.to_string()))
}
