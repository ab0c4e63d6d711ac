//! Snapshot tests: the expansions of a few sets equal the files `snapshots/*.rs`, which a person
//! can read.
//!
//! After an intended change, `UPDATE_SNAPSHOTS=1 cargo test -p nanolith-macros` rewrites the files.

use std::{fs, path::PathBuf};

use proc_macro2::TokenStream;
use quote::quote;
use syn::{File, Item};

/// Returns the expansion, nearly as rustfmt formats it. The items that the macro of a block expands
/// to replace the macro call.
fn expansion(args: TokenStream, item: TokenStream) -> String {
    let mut file: File = syn::parse2(crate::expansion(args, item)).expect("the expansion is a list of items");
    file.items = file.items.into_iter().flat_map(passed_on).collect();
    prettyplease::unparse(&file)
}

fn passed_on(item: Item) -> Vec<Item> {
    match item {
        Item::Macro(call) if call.mac.path.segments.len() == 2 => {
            let items = call.mac.tokens.into_iter().skip(1).collect(); // without the key
            let file: File = syn::parse2(items).expect("the macro passes on a list of items");
            file.items.into_iter().flat_map(passed_on).collect()
        }
        item => vec![item],
    }
}

fn assert_snapshot(name: &str, expansion: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "src", "snapshots", name].iter().collect();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, expansion).expect("the snapshot can be written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == expansion, "{name} differs; the expansion is now:\n{expansion}");
}

#[test]
fn stateless_set_expands_to_its_snapshot() {
    let geometry = quote! {
        impl Geometry {
            /// Adds two numbers.
            pub fn add(x: i64, y: i64) -> i64 { x + y }
            pub fn parse(text: String) -> Result<i64, ParseIntError> { text.parse() }
            pub async fn wait_then_add(x: i64, y: i64) -> i64 { sleep(SECOND).await; x + y }
            #[task(sliced)]
            pub fn sum(of: Vec<i64>) -> Step<i64> { add_on(0, of) }
            fn helper() {}
        }
    };
    assert_snapshot("geometry.rs", &expansion(TokenStream::new(), geometry));
}

#[test]
fn service_expands_with_init_and_hooks_as_functions() {
    let counter = quote! {
        impl Counter {
            #[init]
            fn start(cx: &Context<Self>, first: i64) -> Result<Self, StartError> { Ok(Self { total: first }) }
            #[before_task]
            fn before(&self, call: &CallInfo) {}
            #[after_task]
            async fn after(&self, call: &CallInfo, outcome: Outcome) {}
            #[on_close]
            fn on_close(self) {}
            pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
            pub async fn slow(&self, cx: &Context<Self>) -> i64 { self.total }
            pub(crate) fn total(&self) -> i64 { self.total }
        }
    };
    assert_snapshot("counter.rs", &expansion(TokenStream::new(), counter));
}

#[test]
fn set_with_inbox_and_outbox_expands_to_its_snapshot() {
    let log = quote! {
        impl Log {
            #[on_message]
            fn on_message(&mut self, cx: &Context<Self>, command: Command) {}
            pub fn heard(&self) -> Vec<String> { self.heard.clone() }
        }
    };
    assert_snapshot("log.rs", &expansion(quote!(inbox = Command, outbox = Event), log));
}

#[test]
fn module_expands_to_its_own_set() {
    let module = quote! {
        pub mod geometry {
            use super::Point;
            pub fn move_by(point: Point, x: i64) -> Point { helper(point, x) }
            fn helper(point: Point, x: i64) -> Point { point + x }
        }
    };
    assert_snapshot("module.rs", &expansion(TokenStream::new(), module));
}

#[test]
fn generic_set_expands_with_every_parameter() {
    let stack = quote! {
        impl<T, const N: usize> Stack<T, N> where T: Clone + Send {
            #[cfg(unix)]
            #[task(idempotent, name = double)]
            pub fn twice(item: T) -> Option<(T, Self)> { None }
            pub async fn items(&self) -> Vec<T> { self.items.clone() }
        }
    };
    assert_snapshot("generic.rs", &expansion(quote!(identifier = "stack", shared, name = Pile), stack));
}

#[test]
fn set_with_mistakes_keeps_its_item_and_an_inert_api() {
    let broken = quote! {
        impl Broken {
            pub fn greet(name: &str) -> String { name.into() }
            pub fn add(x: i64) -> i64 { x }
        }
    };
    assert_snapshot("broken.rs", &expansion(TokenStream::new(), broken));
}
