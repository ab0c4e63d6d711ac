//! Tests of each mistake that `valid` reports: a row is one misuse and a part of its message.

use proc_macro2::TokenStream;

use crate::{args::Options, ast::Set, mistakes::Mistakes};

/// Returns the mistakes of a block.
fn messages(args: &str, item: &str) -> Vec<String> {
    let mut mistakes = Mistakes::default();
    let options = Options::parse(args.parse().expect("tokens"), &mut mistakes);
    let item: TokenStream = item.parse().expect("tokens");
    if let Some(form) = super::form(&item, &mut mistakes) {
        let mut set = Set::new(form, options, &mut mistakes);
        super::check(&mut set, &mut mistakes);
    }
    mistakes.messages()
}

/// Returns the mistakes of a block with one sound task and these functions.
fn messages_in_impl(functions: &str) -> Vec<String> {
    messages("", &format!("impl Set {{ pub fn sound(x: u8) -> u8 {{ x }} {functions} }}"))
}

#[track_caller]
fn assert_one(messages: &[String], part: &str) {
    assert!(messages.len() == 1 && messages[0].contains(part), "expected one message with `{part}`: {messages:?}");
}

#[test]
fn attribute_applies_to_inherent_impls_and_inline_modules() {
    for (item, part) in [
        ("struct Set;", "this is a struct; put the attribute on its `impl` block"),
        ("enum Set { A }", "this is an enum"),
        ("fn set() {}", "this is a function"),
        ("impl Shape for Set { fn f() {} }", "tasks cannot come from a trait impl; use `impl Set { .. }`"),
        ("mod outside;", "inline module: `mod outside { .. }`"),
        ("unsafe impl Set { pub fn f() {} }", "`unsafe impl`"),
        ("impl !Send for Set {}", "negative impl"),
        ("impl (A, B) { pub fn f() {} }", "a type that is a plain path"),
        ("impl Set { fn f() {} }", "add `pub` to one, or `#[task]`"),
        ("mod set { fn f() {} }", "add `pub` to one, or `#[task]`"),
        ("impl<'a> Set<'a> { pub fn f() {} }", "the scope of `'a`"),
        ("impl Set<'_> { pub fn f() {} }", "the scope of `'_`"),
    ] {
        assert_one(&messages("", item), part);
    }
}

#[test]
fn steps_of_a_sliced_task_borrow_nothing() {
    for (function, part) in [
        ("#[task(sliced)] pub fn f() -> u8 { 1 }", "write `-> Step<u8>`"),
        ("#[task(sliced)] pub fn f() {}", "write `-> Step<()>`"),
        ("#[task(sliced)] pub fn f() -> Step<u8, u8> { x }", "returns what a step came to"),
        ("#[task(sliced)] pub async fn f() -> Step<u8> { x }", "remove `async` or `sliced`"),
        ("#[task(sliced)] pub fn f(&self) -> Step<u8> { x }", "cannot borrow the state meanwhile"),
        ("#[task(sliced)] pub fn f(&mut self) -> Step<u8> { x }", "write an `async` task"),
        ("#[task(sliced, local)] pub fn f() -> Step<u8> { x }", "are `Send`; remove it"),
        ("#[task(skip, sliced)] pub fn f() -> Step<u8> { x }", "keep one of the two"),
    ] {
        assert_one(&messages_in_impl(function), part);
    }
    assert!(
        messages_in_impl("#[task(sliced)] pub fn f(cx: &Context<Self>, x: u8) -> nanolith::Step<u8> { x }").is_empty()
    );
}

#[test]
fn receivers_borrow_the_state() {
    assert_one(&messages_in_impl("pub fn f(self) {}"), "write `&self` or `&mut self`");
    assert_one(&messages_in_impl("pub fn f(self: Arc<Self>) {}"), "`self: Arc<Self>`: the executor holds the state");
    assert!(messages_in_impl("pub fn f(self: &Self) {} pub fn g(self: &mut Self) {}").is_empty());
}

#[test]
fn arguments_must_be_owned_and_named() {
    for (function, part) in [
        ("pub fn f(x: &str) {}", "take `String`"),
        ("pub fn f(x: &[u8]) {}", "take `Vec<u8>`"),
        ("pub fn f(x: &T) {}", "take `T` or `Arc<T>`"),
        ("pub fn f(x: &mut T) {}", "take `T`, and give it back"),
        ("pub fn f(x: Option<&T>) {}", "this borrows inside; take `Option<T>`"),
        ("pub fn f(x: Cow<'_, str>) {}", "this borrows inside; take `String`"),
        ("pub fn f(x: Option<Cow<str>>) {}", "this borrows inside; take `Option<String>`"),
        ("pub fn f(x: Parser<'_>) {}", "this borrows inside; take an owned type"),
        ("pub fn f(x: MutexGuard<'_, u8>) {}", "take the lock itself, as `Arc<Mutex<T>>`"),
        ("pub fn f(x: std::cell::Ref<u8>) {}", "take the lock itself, as `Arc<Mutex<T>>`"),
        ("pub fn f(x: impl AsRef<Path>) {}", "take `PathBuf`"),
        ("pub fn f(x: impl Fn(u8)) {}", "`Box<dyn Fn(u8) + Send>`"),
        ("pub fn f(x: dyn Fn()) {}", "take `Box<dyn Fn() + Send>`"),
        ("pub fn f(x: str) {}", "take `String`"),
        ("pub fn f(x: [u8]) {}", "take `Vec<u8>`"),
        ("pub fn f(x: Vec<_>) {}", "write the type"),
        ("pub fn f((a, b): (A, B)) {}", "`value: (A, B)`, then `let (a, b) = value;` inside"),
        ("pub fn f(_: u8) {}", "`_value: u8`"),
        ("pub fn f(x: u8, cx: &Context<Self>) {}", "the context comes first"),
        ("pub fn f(cx: &Context<Self>, dx: &Context<Self>) {}", "the context comes first, and once"),
        ("pub fn f(cx: &mut Context<Self>) {}", "write `&Context<Self>`"),
        ("pub fn f(#[cfg(unix)] x: u8) {}", "cannot depend on a `cfg`"),
    ] {
        assert_one(&messages_in_impl(function), part);
    }
}

#[test]
fn function_types_count_as_no_borrow() {
    assert!(messages_in_impl("pub fn f(x: fn(&T) -> &T, y: Box<dyn for<'a> Fn(&'a T) + Send>) {}").is_empty());
    assert!(messages_in_impl("pub fn f(x: &'static str, y: Cow<'static, str>) -> &'static str { x }").is_empty());
    assert!(messages_in_impl("pub fn f(x: fn(Cow<str>), y: Cow) {}").is_empty());
}

#[test]
fn outputs_must_be_owned_and_finite() {
    for (function, part) in [
        ("pub fn f(&self) -> &str { x }", "return `String`"),
        ("pub fn f(&mut self) -> &mut Self { self }", "the state stays with its executor"),
        ("pub fn f(&self) -> Result<&Self, u8> { Ok(self) }", "the state stays with its executor"),
        ("pub fn f() -> impl Future<Output = u8> + Send { x }", "write `async fn .. -> u8`"),
        ("pub fn f() -> impl Iterator<Item = u8> { x }", "return `Vec<u8>`"),
        ("pub fn f() -> impl Shape { x }", "`Box<dyn Shape + Send>`"),
        ("pub fn f() -> Option<&T> { x }", "this borrows inside"),
        ("pub fn f() -> ! { loop {} }", "a task that never returns"),
        ("pub fn f() -> _ { 1 }", "write the type"),
    ] {
        assert_one(&messages_in_impl(function), part);
    }
}

#[test]
fn attributes_that_consume_the_function_are_errors() {
    for (function, part) in [
        ("#[tokio::main] pub async fn f() {}", "`#[tokio::main]` starts a runtime"),
        ("#[cfg_attr(unix, async_std::main)] pub async fn f() {}", "`#[async_std::main]` starts a runtime"),
        ("#[test] pub fn f() {}", "a test is no task"),
        ("#[before_task] #[tokio::test] async fn f(call: &CallInfo) {} pub fn g() {}", "a test is no task"),
    ] {
        assert_one(&messages_in_impl(function), part);
    }
    for function in
        ["#[inline] pub fn f() {}", "#[tracing::instrument] pub fn f() {}", "#[test] fn f() {} pub fn g() {}"]
    {
        assert_eq!(messages_in_impl(function), Vec::<String>::new(), "{function}");
    }
}

#[test]
fn task_must_be_a_plain_function() {
    for (function, part) in [
        ("pub fn f<T>(x: T) {}", "make the `impl` generic, or write one function a type"),
        ("pub fn f<'a>(x: &'a str) -> &'a str { x }", "cannot have a lifetime"),
        ("pub fn f<const N: usize>(x: [u8; N]) {}", "cannot have a const parameter"),
        ("pub const fn f() {}", "remove `const`"),
        ("pub unsafe fn f() {}", "wrap what is unsafe in a safe function"),
        ("pub extern \"C\" fn f() {}", "remove `extern`"),
        ("#[task(local)] pub fn f() {}", "or write `async fn`"),
        ("#[task(skip, name = g)] pub fn f() {}", "keep one of the two"),
    ] {
        assert_one(&messages_in_impl(function), part);
    }
}

#[test]
fn tasks_with_one_variant_are_errors_at_both() {
    let messages = messages_in_impl("pub fn do_it() {} pub fn doIt() {}");
    assert!(
        messages[0].contains("both become the variant `DoIt`") && messages[1].contains("`do_it` becomes"),
        "{messages:?}"
    );
    assert_eq!(messages_in_impl("#[task(name = a)] pub fn b() {} #[task(name = a)] pub fn c() {}").len(), 2);
    assert!(messages_in_impl("#[cfg(a)] pub fn f() {} #[cfg(not(a))] pub fn f() {}").is_empty());
}

#[test]
fn hidden_task_error_offers_another_name() {
    assert_one(&messages_in_impl("pub fn close() {}"), "`#[task(name = close_task)]`");
    assert_one(&messages_in_impl("pub fn into() {}"), "hidden by `Into::into`");
    assert!(messages_in_impl("#[task(name = shut)] pub fn close() {}").is_empty());
}

#[test]
fn reserved_generated_names_are_errors() {
    assert_one(&messages_in_impl("fn tasks() {}"), "adds a function `tasks` here");
    assert!(messages_in_impl("fn shared() {}").is_empty());
    for (item, part) in [
        ("mod m { pub fn f() {} struct Task; }", "adds a type `Task` here"),
        ("mod m { pub fn f() {} use std::{process::Output, fmt}; }", "adds a type `Output` here"),
        ("mod m { pub fn f() {} use a::b as Calls; }", "adds a type `Calls` here"),
        ("mod m { pub fn f() {} fn on() {} }", "adds a function `on` here"),
    ] {
        assert_one(&messages("", item), part);
    }
    assert!(messages("name = Own", "mod m { pub fn f() {} struct Task; }").is_empty());
}

#[test]
fn shared_option_requires_a_state_and_a_reader() {
    assert_one(&messages("shared", "mod m { pub fn f() {} }"), "a module has no state to share");
    assert_one(&messages("shared", "impl Set { pub fn f() {} }"), "no task takes `&self`");
}

#[test]
fn hook_error_shows_the_right_signature() {
    for (function, part) in [
        ("#[init] fn start(&self) -> Self { x }", "`fn start(cx: &Context<Self>, ..) -> Self`"),
        ("#[init] fn start(x: u8) {}", "and this is `fn start(x: u8)`"),
        ("#[before_task] fn b(x: u8) {}", "`fn b(&self, call: &CallInfo)` or without `&self`"),
        ("#[after_task] fn a(&self, call: &CallInfo) {}", "`fn a(&self, call: &CallInfo, outcome: Outcome)`"),
        ("#[on_close] fn c(&self) {}", "`fn c(self)` or without `self`, and this is `fn c(&self)`"),
        ("#[on_close] fn c(self) -> u8 { 1 }", "and this is `fn c(self) -> u8`"),
        ("#[init] #[task] fn start() -> Self { x }", "cannot be `#[task]` too"),
        ("#[on_message] fn m(&mut self) {}", "`fn m(&mut self, cx: &Context<Self>, message: Message)` or with `&self`"),
        ("#[on_message] fn m(&mut self, a: u8, b: u8) {}", "and this is `fn m(&mut self, a: u8, b: u8)`"),
        ("#[on_message] fn m(self, message: u8) {}", "`self`"),
        ("#[on_message] fn m(&mut self, message: u8) -> u8 { 1 }", "-> u8`"),
        ("#[on_message] fn m(message: &str) {}", "take `String`"),
        ("#[on_message] #[task] fn m(message: u8) {}", "cannot be `#[task]` too"),
        ("#[on_stream] fn s(&mut self) {}", "stream: StreamReader)`"),
        ("#[before_task] #[after_task] fn b(call: &CallInfo) {}", "cannot be `#[after_task]` too"),
        ("#[init] #[cfg(unix)] fn start() -> Self { x }", "cannot depend on a `cfg`"),
    ] {
        assert_one(&messages_in_impl(function), part);
    }
    assert_one(&messages("", "mod m { pub fn f() {} #[on_close] fn c(x: u8) {} }"), "`#[on_close]` is `fn c()`");
}

#[test]
fn second_hook_of_a_kind_is_an_error_at_both() {
    let messages = messages_in_impl("#[init] fn a() -> Self { x } #[init] fn b() -> Self { x }");
    assert!(messages[0].contains("`a` is it") && messages[1].contains("the first `#[init]` is here"), "{messages:?}");
}

#[test]
fn all_mistakes_of_a_block_are_reported_in_one_build() {
    let messages =
        messages("nmae = X", "impl Set { pub fn a(x: &str, _: u8) {} pub fn b(self) {} pub fn send<T>() {} }");
    assert_eq!(messages.len(), 6, "{messages:?}");
}

#[test]
fn inbox_requires_an_on_message_handler() {
    let vain = messages("inbox = Command", "impl Set { pub fn f() {} }");
    assert_one(&vain, "add `#[on_message] fn on_message(&mut self, message: Command) { .. }`");
    let heard = "impl Set { pub fn f() {} #[on_message] fn hear(message: Command) {} }";
    assert!(messages("inbox = Command, outbox = Event", heard).is_empty());
    assert_one(&messages("inbox", heard), "`inbox` takes a value: for example `#[define(inbox = Command)]`");
}
