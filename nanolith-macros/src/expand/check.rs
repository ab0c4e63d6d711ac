//! Generates compile-time assertions that a type which moves between threads is `Send`, with errors
//! at the user's own types.
//!
//! A check of a type from the standard library stands inside a generated type: `Checked<SetTask, {
//! argument::<Rc<u8>>(); true }>` is `SetTask`. If the check fails, the type does not exist, and
//! the compiler reports no errors that would follow from the first.
//!
//! A check of any other type stands beside the generated type. Such a type may contain a service of
//! the same set, so a check inside would depend on its own result. A type with a parameter of the
//! set in it is left to the compiler, which then says what to add to the `impl`.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericArgument, Ident, PathArguments, Type};

use crate::{
    ast::{Hook, Param, Set, Task, ungrouped},
    expand::type_names::{Origin, Reason},
    names, text,
};

/// Returns the type of the tasks, with the checks that stand inside it.
pub(crate) fn tasks(set: &Set) -> TokenStream {
    enumeration(set, &set.task_type(), &of_arguments(set, Origin::Standard))
}

/// Returns the type of the outputs, with the checks that stand inside it. Its span is that of the
/// function that makes the state, so the compiler says there why the state cannot move.
pub(crate) fn outputs(set: &Set) -> TokenStream {
    let mut name = set.output_type();
    if let Some(maker) = maker(set) {
        name.set_span(names::end_of(maker.function.sig.output.to_token_stream()));
    }
    enumeration(set, &name, &of_outputs(set, Origin::Standard))
}

/// Returns the task that returns the state itself, such as `fn new() -> Self`. Returns `None` if
/// another output might be the one that cannot move.
pub(super) fn maker(set: &Set) -> Option<&Task> {
    let is_unknown = |task: &&Task| Origin::of(&task.output) == Some(Origin::Unknown);
    let mut unknown = set.tasks.iter().filter(|task| task.sound).filter(is_unknown);
    let maker = unknown.next().filter(|task| mentions_state(set, &task.function.output()))?;
    (set.generics().params.is_empty() && unknown.next().is_none()).then_some(maker)
}

fn mentions_state(set: &Set, ty: &Type) -> bool {
    let mut mentioned = HashSet::new();
    names::collect_identifiers(ty.to_token_stream(), &mut mentioned);
    mentioned.contains("Self") || mentioned.contains(&set.name())
}

/// Generates the checks that stand beside the generated types.
pub(crate) fn assertions(set: &Set) -> TokenStream {
    let attrs = super::attrs(set);
    let (arguments, outputs) = (of_arguments(set, Origin::Unknown), of_outputs(set, Origin::Unknown));
    if arguments.is_empty() && outputs.is_empty() {
        return TokenStream::new();
    }
    quote! {
        #attrs
        #[allow(deprecated)]
        const _: () = {
            #arguments
            #outputs
        };
    }
}

fn of_arguments(set: &Set, origin: Origin) -> TokenStream {
    let of_param = |param: &Param| check(set, "argument", &param.ty, &param.written.ty, &[origin]);
    let of_task = |task: &Task| under_cfg(task, task.params.iter().filter_map(of_param).collect());
    set.tasks.iter().filter(|task| task.sound).map(of_task).collect()
}

fn of_outputs(set: &Set, origin: Origin) -> TokenStream {
    let of_output =
        |task: &Task| check(set, "returned", &task.output, &task.function.sig.output, &[origin]).unwrap_or_default();
    let maker = maker(set).map(Task::ident);
    let tasks = set.tasks.iter().filter(|task| task.sound && maker != Some(task.ident()));
    tasks.map(|task| under_cfg(task, of_output(task))).collect()
}

/// Returns the arguments of an `#[init]` as the tuple that its builder stores. Each type that may
/// not be able to move has a check.
pub(crate) fn arguments(set: &Set, params: &[Param]) -> TokenStream {
    let types = params.iter().map(|param| argument(set, param).unwrap_or_else(|| param.ty.to_token_stream()));
    quote!((#(#types,)*))
}

fn argument(set: &Set, param: &Param) -> Option<TokenStream> {
    let check = check(set, "argument", &param.ty, &param.written.ty, &[Origin::Standard, Origin::Unknown])?;
    Some(checked(set, &param.ty, &check))
}

/// Returns the output type of an `#[init]`, with a check that it is the state or a `Result` of the
/// state.
pub(crate) fn init_output(set: &Set, init: &Hook) -> TokenStream {
    let (written, krate) = (init.function.output(), set.krate());
    let state = if set.is_module() { quote!(()) } else { set.this().to_token_stream() };
    let output = crate::this::spelled_out(&written, &set.this());
    if is_state_or_result(set, &written) || mentions_parameter(set, &output) || mentions_parameter(set, &set.this()) {
        return written.into_token_stream();
    }
    let place = names::place_of(&init.function.sig.output);
    let call = quote_spanned!(place=> init_output::<#state, #output>());
    checked(set, &written, &quote!(#krate::__private::#call;))
}

/// Returns whether the type as written is the state: `Self` or `Result<Self, ..>`, and in a module
/// `()` or `Result<(), ..>`.
fn is_state_or_result(set: &Set, output: &Type) -> bool {
    let is_state = |ty: &Type| text::of(ty) == text::of(set.state());
    let Type::Path(path) = ungrouped(output) else { return is_state(output) };
    let result = path.path.segments.last().filter(|last| last.ident == "Result");
    match result.map(|last| &last.arguments) {
        Some(PathArguments::AngleBracketed(arguments)) => {
            matches!(arguments.args.first(), Some(GenericArgument::Type(first)) if is_state(first))
        }
        _ => is_state(output),
    }
}

fn enumeration(set: &Set, name: &Ident, checks: &TokenStream) -> TokenStream {
    let generics = set.generics();
    let type_generics = generics.split_for_impl().1;
    checked(set, &quote!(#name #type_generics), checks)
}

pub(super) fn checked(set: &Set, ty: &impl ToTokens, checks: &TokenStream) -> TokenStream {
    let krate = set.krate();
    match checks.is_empty() {
        true => ty.to_token_stream(),
        false => quote!(#krate::__private::Checked<#ty, { #checks true }>),
    }
}

fn under_cfg(task: &Task, checks: TokenStream) -> TokenStream {
    let cfgs = task.cfgs();
    match checks.is_empty() || cfgs.is_empty() {
        true => checks,
        false => quote!(#(#cfgs)* { #checks }),
    }
}

/// Returns the call that checks `ty`, unless the type is known to move or comes from none of
/// `origins`.
fn check(set: &Set, check: &str, ty: &Type, written: &impl ToTokens, origins: &[Origin]) -> Option<TokenStream> {
    if !origins.contains(&Origin::of(ty)?) || mentions_parameter(set, ty) {
        return None;
    }
    let krate = set.krate();
    let check = Ident::new(&format!("{}_{check}", Reason::of(ty).name()), names::place_of(written));
    let call = quote_spanned!(names::place_of(written)=> #check::<#ty>());
    Some(quote!(#krate::__private::#call;))
}

pub(super) fn mentions_parameter(set: &Set, ty: &Type) -> bool {
    let mut mentioned = HashSet::new();
    names::collect_identifiers(ty.to_token_stream(), &mut mentioned);
    let generics = set.generics();
    let types = generics.type_params().map(|param| &param.ident);
    let mut parameters = types.chain(generics.const_params().map(|param| &param.ident));
    parameters.any(|parameter| mentioned.contains(&parameter.to_string()))
}
