//! The `#[define]` attribute of [nanolith](https://docs.rs/nanolith), and the helper attributes
//! inside its blocks. Programs use them through `nanolith`.
//!
//! A block passes the modules in this order. `args` and `attr` parse the attributes. `ast` sorts
//! the functions of the block into tasks and hooks. `valid` refuses what cannot work. `expand`
//! generates the code. If there is an error, `fallback` generates the output instead.
#![cfg_attr(docsrs, feature(doc_cfg))]
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
#[cfg(test)]
mod untouched;
mod valid;

use proc_macro::TokenStream;
use quote::quote;

use crate::{args::Options, ast::Set, mistakes::Mistakes};

/// Makes a set of tasks from an `impl` block or an inline module. Each function with a visibility
/// becomes a typed call.
///
/// See the documentation of `nanolith`.
#[proc_macro_attribute]
pub fn define(args: TokenStream, item: TokenStream) -> TokenStream {
    expansion(args.into(), item.into()).into()
}

/// Parses the block, validates it and generates the code.
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
    /// Configures a task, inside a `#[define]` block: includes a function, excludes it (`skip`), or
    /// sets options such as its name.
    task
    /// Marks the function that makes the state of a service, inside a `#[define]` block. It runs on
    /// the service's thread.
    init
    /// Marks a function that runs before each task, inside a `#[define]` block.
    before_task
    /// Marks a function that runs after each task whose `#[before_task]` succeeded, inside a
    /// `#[define]` block.
    after_task
    /// Marks the function that handles the messages sent to a service, inside a `#[define]` block.
    on_message
    /// Marks the function that handles the streams opened to a service, inside a `#[define]` block.
    on_stream
    /// Marks the function that runs when a service closes, inside a `#[define]` block.
    on_close
}

/// Returns the names that no task can have, since methods of executors would hide them. A test of
/// the facade uses this.
#[doc(hidden)]
#[proc_macro]
pub fn reserved_names(_: TokenStream) -> TokenStream {
    let names = names::RESERVED;
    quote!([#(#names),*]).into()
}
