//! The `#[define]` attribute of [nanolith](https://docs.rs/nanolith), and the attributes that stand inside of its
//! blocks. Programs use them through `nanolith`.
//!
//! The rooms, in the order in which a block passes them: `args` and `attr` read the attributes, `ast` sorts the
//! block into tasks and hooks, `valid` refuses what cannot work, `expand` writes the code, and `fallback` what
//! takes its place beside an error.
#![forbid(unsafe_code)]

mod args;
mod ast;
mod attr;
mod expand;
mod fallback;
mod mistakes;
mod names;
#[cfg(test)]
mod snapshots;
mod text;
mod this;
mod valid;

use proc_macro::TokenStream;
use quote::quote;

use crate::{args::Options, ast::Set, mistakes::Mistakes};

/// Makes a set of tasks of an `impl` block or an inline module: each function with a visibility becomes a typed call.
///
/// See the documentation of `nanolith`.
#[proc_macro_attribute]
pub fn define(args: TokenStream, item: TokenStream) -> TokenStream {
    expansion(args.into(), item.into()).into()
}

/// Parse, validate, emit.
fn expansion(args: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let mut mistakes = Mistakes::default();
    let options = Options::parse(args, &mut mistakes);
    let Some(form) = valid::form(&item, &mut mistakes) else {
        return fallback::untouched(item, &mistakes);
    };
    let mut set = Set::new(form, options, &mut mistakes);
    valid::check(&mut set, &mut mistakes);
    match mistakes.count() {
        0 => expand::set(&set),
        _ => fallback::inert(set, &mistakes),
    }
}

macro_rules! helpers {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[proc_macro_attribute]
        pub fn $name(_: TokenStream, item: TokenStream) -> TokenStream {
            attr::misplaced(stringify!($name), &item.into()).into()
        }
    )*};
}

helpers! {
    /// Inside of a `#[define]` block: takes a function in, leaves it out (`skip`), or says how it is called.
    task
    /// Inside of a `#[define]` block: makes the state of a service, on its thread.
    init
    /// Inside of a `#[define]` block: runs before each task.
    before_task
    /// Inside of a `#[define]` block: runs after each task whose `#[before_task]` succeeded.
    after_task
    /// Inside of a `#[define]` block: hears the messages that are sent to a service.
    on_message
    /// Inside of a `#[define]` block: takes the streams that are made to a service.
    on_stream
    /// Inside of a `#[define]` block: runs when a service closes.
    on_close
}

/// The names that no task can have, since the methods of executors would hide them: for a test of the facade.
#[doc(hidden)]
#[proc_macro]
pub fn reserved_names(_: TokenStream) -> TokenStream {
    let names = names::RESERVED;
    quote!([#(#names),*]).into()
}
