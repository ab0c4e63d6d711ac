//! Parses and removes the helper attributes of functions, such as `#[task]` and `#[init]`, and
//! selects the attributes that generated code repeats.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{
    Attribute, Ident, LitInt, Meta, Path, Token, ext::IdentExt, parse::ParseStream, parse_quote,
    punctuated::Punctuated, spanned::Spanned,
};

use crate::{args, mistakes::Mistakes};

/// The attributes that have a meaning only inside a `#[define]` block.
const HELPERS: [&str; 7] = ["task", "init", "before_task", "after_task", "on_message", "on_stream", "on_close"];

/// Parses a number of calls, which is at least 1.
fn at_least_one(input: ParseStream<'_>) -> syn::Result<u32> {
    let number: LitInt = input.parse()?;
    match number.base10_parse()? {
        0 => Err(syn::Error::new(number.span(), "no call would ever run")),
        calls => Ok(calls),
    }
}

/// The parsed helper attributes of one function.
#[derive(Default)]
pub(crate) struct Helpers {
    pub(crate) task: Option<TaskOptions>,
    /// The hooks that the function is. More than one is a mistake.
    pub(crate) hooks: Vec<(HookKind, Attribute)>,
}

/// The options of `#[task(..)]`.
#[derive(Default)]
pub(crate) struct TaskOptions {
    /// The attribute, if there is one.
    pub(crate) place: Option<Attribute>,
    pub(crate) skip: Option<Ident>,
    pub(crate) name: Option<Ident>,
    pub(crate) local: Option<Ident>,
    pub(crate) idempotent: Option<Ident>,
    /// The word `sliced`: the task runs step by step.
    pub(crate) sliced: Option<Ident>,
    pub(crate) concurrency: Option<Limit>,
}

/// The option `concurrency = 2`.
pub(crate) struct Limit {
    key: Ident,
    pub(crate) calls: u32,
}

impl TaskOptions {
    const KNOWN: [&str; 6] = ["skip", "name", "local", "idempotent", "sliced", "concurrency"];

    fn parse(attribute: &Attribute, mistakes: &mut Mistakes) -> Self {
        let mut options = Self { place: Some(attribute.clone()), ..Self::default() };
        let args = match &attribute.meta {
            Meta::Path(_) => TokenStream::new(),
            Meta::List(list) => list.tokens.clone(),
            Meta::NameValue(_) => {
                mistakes.at(attribute, "`task` takes its options in parentheses: `#[task(name = other)]`");
                TokenStream::new()
            }
        };
        for entry in args::entries("task", &Self::KNOWN, args, mistakes) {
            match entry.key.to_string().as_str() {
                "skip" => options.skip = entry.alone(mistakes),
                "local" => options.local = entry.alone(mistakes),
                "idempotent" => options.idempotent = entry.alone(mistakes),
                "sliced" => options.sliced = entry.alone(mistakes),
                "concurrency" => {
                    let calls = entry.value(mistakes, "2", at_least_one);
                    options.concurrency = calls.map(|calls| Limit { key: entry.key, calls });
                }
                _ => options.name = entry.value(mistakes, "other_name", |input| input.call(name)),
            }
        }
        options.refuse_contradictions(mistakes);
        options
    }

    fn refuse_contradictions(&self, mistakes: &mut Mistakes) {
        let Self { skip, name, local, idempotent, sliced, concurrency, .. } = self;
        if skip.is_none() {
            return;
        }
        let words = [name, local, idempotent, sliced].into_iter().filter_map(Option::as_ref);
        for option in words.chain(concurrency.as_ref().map(|limit| &limit.key)) {
            mistakes
                .at(option, "`skip` leaves the function out, and then nothing else has a meaning; keep one of the two");
        }
    }
}

/// Parses a name, written bare or as a string. A keyword needs its `r#`.
fn name(input: ParseStream<'_>) -> syn::Result<Ident> {
    match input.peek(syn::LitStr) {
        true => input.parse::<syn::LitStr>()?.parse(),
        false => input.parse(),
    }
}

/// The kind of a hook.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookKind {
    Init,
    BeforeTask,
    AfterTask,
    OnMessage,
    OnStream,
    OnClose,
}

impl HookKind {
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::BeforeTask => "before_task",
            Self::AfterTask => "after_task",
            Self::OnMessage => "on_message",
            Self::OnStream => "on_stream",
            Self::OnClose => "on_close",
        }
    }

    /// Returns whether the hook runs as a task from the service's queue. Callers cannot name that
    /// task.
    pub(crate) const fn is_in_line(self) -> bool {
        matches!(self, Self::OnMessage | Self::OnStream)
    }

    fn of(name: &str) -> Option<Self> {
        let all = [Self::Init, Self::BeforeTask, Self::AfterTask, Self::OnMessage, Self::OnStream, Self::OnClose];
        all.into_iter().find(|kind| kind.attribute() == name)
    }
}

/// Removes the helper attributes from a function and parses them. An attribute is recognized by the
/// last segment of its path, so `#[nanolith::task]` is a helper too.
pub(crate) fn take(attributes: &mut Vec<Attribute>, mistakes: &mut Mistakes) -> Helpers {
    let mut helpers = Helpers::default();
    attributes.retain(|attribute| {
        if let Some(helper) = helper_under_cfg(attribute) {
            let message = format!("`#[{helper}]` cannot stand in a `cfg_attr`: put the `cfg` on the function itself");
            mistakes.at(attribute, message);
            return false;
        }
        let Some(name) = helper_name(attribute.path()) else { return true };
        match HookKind::of(&name) {
            Some(kind) => helpers.take_hook(kind, attribute, mistakes),
            None => helpers.take_task(attribute, mistakes),
        }
        false
    });
    helpers
}

impl Helpers {
    fn take_hook(&mut self, kind: HookKind, attribute: &Attribute, mistakes: &mut Mistakes) {
        if !matches!(attribute.meta, Meta::Path(_)) {
            let name = kind.attribute();
            mistakes.at(attribute, format!("`{name}` has no options: `#[{name}]`"));
        }
        self.hooks.push((kind, attribute.clone()));
    }

    fn take_task(&mut self, attribute: &Attribute, mistakes: &mut Mistakes) {
        let options = TaskOptions::parse(attribute, mistakes);
        if self.task.is_some() {
            mistakes.at(attribute, "a second `#[task]`: put all options in one, `#[task(local, name = other)]`");
        } else {
            self.task = Some(options);
        }
    }
}

fn helper_name(path: &Path) -> Option<String> {
    let name = path.segments.last()?.ident.unraw().to_string();
    HELPERS.contains(&name.as_str()).then_some(name)
}

fn helper_under_cfg(attribute: &Attribute) -> Option<String> {
    let inner = conditional(attribute)?.1;
    inner.iter().find_map(|meta| helper_name(meta.path()))
}

/// Returns the condition and the attributes of a `cfg_attr`.
pub(crate) fn conditional(attribute: &Attribute) -> Option<(Meta, Vec<Meta>)> {
    if !attribute.path().is_ident("cfg_attr") {
        return None;
    }
    let parts = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    let mut parts = parts.into_iter();
    let condition = parts.next()?;
    Some((condition, parts.collect()))
}

/// Returns whether an attribute is a `cfg`, which each generated item of a task repeats.
fn is_cfg(meta: &Meta) -> bool {
    meta.path().is_ident("cfg")
}

/// Returns whether an attribute of a function also applies to its generated method.
fn is_for_methods(meta: &Meta) -> bool {
    let path = meta.path();
    is_cfg(meta) || is_lint(meta) || path.is_ident("doc") || path.is_ident("deprecated")
}

fn is_lint(meta: &Meta) -> bool {
    ["allow", "warn", "deny", "forbid", "expect"].iter().any(|level| meta.path().is_ident(level))
}

/// Returns the `cfg`s among `attributes`.
pub(crate) fn cfgs(attributes: &[Attribute]) -> Vec<Attribute> {
    repeated(attributes, is_cfg)
}

/// Returns the `cfg`s and the lint levels among `attributes`. They apply to each item that is
/// generated from an `impl`.
pub(crate) fn for_items(attributes: &[Attribute]) -> Vec<Attribute> {
    repeated(attributes, |meta| is_cfg(meta) || is_lint(meta))
}

/// Returns the attributes that a generated method repeats from its function.
pub(crate) fn for_methods(attributes: &[Attribute]) -> Vec<Attribute> {
    repeated(attributes, is_for_methods)
}

/// Returns whether `attributes` contain documentation, also within a `cfg_attr`.
pub(crate) fn are_documented(attributes: &[Attribute]) -> bool {
    !repeated(attributes, |meta| meta.path().is_ident("doc") && !matches!(meta, Meta::List(_))).is_empty()
}

fn repeated(attributes: &[Attribute], wanted: fn(&Meta) -> bool) -> Vec<Attribute> {
    attributes.iter().filter_map(|attribute| repeat(attribute, wanted)).collect()
}

fn repeat(attribute: &Attribute, wanted: fn(&Meta) -> bool) -> Option<Attribute> {
    let Some((condition, inner)) = conditional(attribute) else {
        return wanted(&attribute.meta)
            .then(|| Attribute { meta: relaxed(attribute.meta.clone()), ..attribute.clone() });
    };
    let inner: Vec<Meta> = inner.into_iter().filter(wanted).map(relaxed).collect();
    (!inner.is_empty()).then(|| parse_quote!(#[cfg_attr(#condition, #(#inner),*)]))
}

/// Turns an `expect` into an `allow`. The function itself fulfils the expectation, and the
/// generated method might not.
fn relaxed(meta: Meta) -> Meta {
    match meta {
        Meta::List(mut list) if list.path.is_ident("expect") => {
            list.path = Ident::new("allow", list.path.span()).into();
            Meta::List(list)
        }
        other => other,
    }
}

/// Returns the expansion of a helper attribute outside a `#[define]` block: an error that says
/// where the attribute is allowed.
pub(crate) fn misplaced(helper: &str, item: &TokenStream) -> TokenStream {
    let example = match helper {
        "task" => "#[define] impl Geometry { #[task] fn add(x: i64, y: i64) -> i64 { x + y } }".to_owned(),
        "init" => "#[define] impl Counter { #[init] fn start(first: i64) -> Self { .. } }".to_owned(),
        _ => format!("#[define] impl Counter {{ #[{helper}] fn hook(..) {{ .. }} }}"),
    };
    let message = format!("`#[{helper}]` has a meaning only inside a `#[define]` block: `{example}`");
    let mut tokens = syn::Error::new(Span::call_site(), message).into_compile_error();
    item.to_tokens(&mut tokens);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn function(tokens: &TokenStream) -> Vec<Attribute> {
        syn::parse2::<syn::ItemFn>(quote!(#tokens fn f() {})).expect("a function").attrs
    }

    fn written(attributes: &[Attribute]) -> Vec<String> {
        attributes.iter().map(crate::text::of).collect()
    }

    #[test]
    fn helper_attributes_are_removed_by_their_last_segment() {
        let mut attributes = function(&quote!(#[nanolith::task(local)] #[inline] #[define::init]));
        let mut mistakes = Mistakes::default();
        let helpers = take(&mut attributes, &mut mistakes);
        assert_eq!(written(&attributes), ["#[inline]"]);
        assert!(helpers.task.is_some_and(|task| task.local.is_some()));
        assert!(helpers.hooks.iter().any(|(kind, _)| *kind == HookKind::Init));
        assert_eq!(mistakes.count(), 0);
    }

    #[test]
    fn methods_repeat_docs_lints_and_cfgs_except_expect() {
        let attributes = function(&quote! {
            #[doc = "Adds."]
            #[must_use]
            #[expect(dead_code)]
            #[cfg(unix)]
            #[cfg_attr(test, inline, allow(unused))]
        });
        let repeated = written(&for_methods(&attributes));
        assert_eq!(repeated.len(), 4);
        assert_eq!(repeated[1], "#[allow(dead_code)]");
        assert_eq!(repeated[3], "#[cfg_attr(test, allow(unused))]");
        assert_eq!(written(&cfgs(&attributes)), ["#[cfg(unix)]"]);
    }

    #[test]
    fn helper_under_cfg_attr_is_an_error() {
        let mut mistakes = Mistakes::default();
        take(&mut function(&quote!(#[cfg_attr(unix, task(skip))])), &mut mistakes);
        assert!(mistakes.messages()[0].contains("`#[task]` cannot stand in a `cfg_attr`"));
    }

    #[test]
    fn limit_option_takes_a_number_of_calls() {
        let mut mistakes = Mistakes::default();
        let helpers = take(&mut function(&quote!(#[task(concurrency = 2)])), &mut mistakes);
        assert_eq!(helpers.task.and_then(|task| task.concurrency).map(|limit| limit.calls), Some(2));
        assert_eq!(mistakes.count(), 0);
        for bad in [quote!(0), quote!(-1), quote!(two), quote!(1.5), quote!(5_000_000_000)] {
            let mut mistakes = Mistakes::default();
            take(&mut function(&quote!(#[task(concurrency = #bad)])), &mut mistakes);
            let messages = mistakes.messages();
            assert!(messages.len() == 1 && messages[0].contains("`#[task(concurrency = 2)]`"), "{messages:?}");
        }
    }

    #[test]
    fn task_options_are_checked_like_those_of_define() {
        let mut mistakes = Mistakes::default();
        take(&mut function(&quote!(#[task(nmae = other, skip = 1, local, local)])), &mut mistakes);
        let messages = mistakes.messages();
        assert_eq!(messages[0], "`task` has no option `nmae`; did you mean `name`?");
        assert_eq!(messages.len(), 5);
    }
}
