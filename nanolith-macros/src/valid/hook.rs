//! Checks the signatures of hooks, such as `#[init]` and `#[before_task]`, and rejects a second
//! hook of one kind.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{ReturnType, Type};

use crate::{
    ast::{Hook, Receiver, Set, type_name, ungrouped},
    attr::HookKind,
    mistakes::Mistakes,
    valid::signature,
};

pub(super) fn check(set: &Set, mistakes: &mut Mistakes) {
    refuse_second(set, mistakes);
    for hook in &set.hooks {
        // The check of tasks also covers the hooks that run as tasks.
        if !hook.kind.is_in_line() {
            signature::check_qualifiers(&hook.function.sig, mistakes);
            signature::check_generics(&hook.function.sig, mistakes);
        }
        match hook.kind {
            HookKind::Init => check_init(set, hook, mistakes),
            _ => check_fixed(set, hook, mistakes),
        }
    }
}

fn refuse_second(set: &Set, mistakes: &mut Mistakes) {
    for (position, hook) in set.hooks.iter().enumerate() {
        let earlier = set.hooks[..position].iter().find(|earlier| earlier.kind == hook.kind);
        if let Some(earlier) = earlier {
            let (kind, first) = (hook.kind.attribute(), &earlier.function.sig.ident);
            let why = format!("a set has one `#[{kind}]`, and `{first}` is it; make these one function");
            let other = format!("the first `#[{kind}]` is here");
            mistakes.clash(first, &hook.function.sig.ident, why, other);
        }
    }
}

/// Checks an `#[init]`: it takes any owned arguments and returns the state.
fn check_init(set: &Set, hook: &Hook, mistakes: &mut Mistakes) {
    let function = &hook.function;
    if function.receiver() != Receiver::None {
        mistakes.at(function.sig.inputs.first(), wrong(set, hook));
    } else if !set.is_module() && matches!(function.sig.output, ReturnType::Default) {
        mistakes.at(&function.sig.ident, wrong(set, hook));
    }
    if let Some(attribute) = function.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        mistakes.at(
            attribute,
            "an `#[init]` cannot depend on a `cfg`, since `service(..)` takes its arguments; put the \
            `cfg` inside of the function",
        );
    }
    signature::check_params(&hook.params, &function.sig.generics, mistakes);
}

/// Checks each other hook, which has a fixed signature.
fn check_fixed(set: &Set, hook: &Hook, mistakes: &mut Mistakes) {
    let place = wrong_receiver(set, hook).or_else(|| wrong_params(hook)).or_else(|| wrong_output(hook));
    if let Some(place) = place {
        mistakes.at(place, wrong(set, hook));
    }
}

fn wrong_receiver(set: &Set, hook: &Hook) -> Option<TokenStream> {
    let right = match hook.kind {
        HookKind::OnClose => Receiver::Owned,
        _ => Receiver::Shared,
    };
    if hook.kind.is_in_line() {
        return None; // the check of tasks covers this
    }
    let receiver = hook.function.receiver();
    let fits = receiver == Receiver::None || (receiver == right && !set.is_module());
    (!fits).then(|| hook.function.sig.inputs.first().to_token_stream())
}

fn wrong_params(hook: &Hook) -> Option<TokenStream> {
    let inputs: Vec<&Type> = hook.function.inputs().map(|input| &*input.ty).collect();
    let fits = match (hook.kind, inputs.as_slice()) {
        (HookKind::OnMessage | HookKind::OnStream, _) => hook.params.len() == 1,
        (HookKind::OnClose, []) => true,
        (HookKind::BeforeTask, [call]) => is_call_info(call),
        (HookKind::AfterTask, [call, outcome]) => is_call_info(call) && is_outcome(outcome),
        _ => false,
    };
    (!fits).then(|| signature::place_of_params(&hook.function.sig))
}

/// Returns the output of a hook that must not return one. Such a hook has no caller for an error.
fn wrong_output(hook: &Hook) -> Option<TokenStream> {
    let returns = !matches!(ungrouped(&hook.function.output()), Type::Tuple(tuple) if tuple.elems.is_empty());
    let tells_nobody = hook.kind == HookKind::OnClose || hook.kind.is_in_line();
    (tells_nobody && returns).then(|| hook.function.sig.output.to_token_stream())
}

fn is_call_info(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Reference(reference) => is_named(&reference.elem, "CallInfo") && reference.mutability.is_none(),
        _ => false,
    }
}

fn is_outcome(ty: &Type) -> bool {
    is_named(ty, "Outcome")
}

fn is_named(ty: &Type, name: &str) -> bool {
    type_name(ty).is_some_and(|found| found == name)
}

/// Returns the message, with the correct signature and the one found.
fn wrong(set: &Set, hook: &Hook) -> String {
    let name = &hook.function.sig.ident;
    let state = if set.is_module() { "" } else { "&self, " };
    let right = match hook.kind {
        HookKind::Init if set.is_module() => format!("fn {name}(cx: &Context<Tasks>, ..) -> Result<(), Error>"),
        HookKind::Init => format!("fn {name}(cx: &Context<Self>, ..) -> Self` or `.. -> Result<Self, Error>"),
        HookKind::BeforeTask => format!("fn {name}({state}call: &CallInfo)"),
        HookKind::AfterTask => format!("fn {name}({state}call: &CallInfo, outcome: Outcome)"),
        HookKind::OnMessage if set.is_module() => format!("fn {name}(cx: &Context<Tasks>, message: Message)"),
        HookKind::OnMessage => format!("fn {name}(&mut self, cx: &Context<Self>, message: Message)"),
        HookKind::OnStream if set.is_module() => format!("fn {name}(cx: &Context<Tasks>, stream: StreamReader)"),
        HookKind::OnStream => format!("fn {name}(&mut self, cx: &Context<Self>, stream: StreamReader)"),
        HookKind::OnClose if set.is_module() => format!("fn {name}()"),
        HookKind::OnClose => format!("fn {name}(self)"),
    };
    let (kind, found) = (hook.kind.attribute(), signature::written(&hook.function.sig));
    let optional = optional(set, hook);
    format!("`#[{kind}]` is `{right}`{optional}, and this is `{found}`")
}

fn optional(set: &Set, hook: &Hook) -> &'static str {
    match hook.kind {
        HookKind::Init => ", the context or the arguments left out if not needed",
        HookKind::OnMessage | HookKind::OnStream if set.is_module() => ", the context left out if not needed",
        HookKind::OnMessage | HookKind::OnStream => {
            " or with `&self`, or without it, and the context left out if not needed"
        }
        HookKind::OnClose if !set.is_module() => " or without `self`",
        _ if !set.is_module() => " or without `&self`",
        _ => "",
    }
}
