//! Checks the signatures of tasks: qualifiers, generics, receiver, arguments and options.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{FnArg, GenericParam, Generics, Pat, ReceiverKind, ReturnType, Safety, Signature, Type};

use crate::{
    ast::{Param, Receiver, Task, is_context, output_of_steps, type_name, ungrouped},
    mistakes::Mistakes,
    text,
    valid::{
        advice,
        ty::{self, Finding},
    },
};

pub(super) fn check(task: &Task, mistakes: &mut Mistakes) {
    let sig = &task.function.sig;
    check_qualifiers(sig, mistakes);
    check_generics(sig, mistakes);
    check_receiver(task, mistakes);
    check_params(&task.params, &sig.generics, mistakes);
    if let ReturnType::Type(_, output) = &sig.output {
        ty::check_output(output, &sig.generics, mistakes);
    }
    check_options(task, mistakes);
}

/// Refuses the qualifiers that neither a task nor a hook can have.
pub(super) fn check_qualifiers(sig: &Signature, mistakes: &mut Mistakes) {
    let name = &sig.ident;
    if let Some(constness) = &sig.constness {
        mistakes.at(
            constness,
            format!(
                "`{name}` runs on another thread, never at compile time; remove `const`, or leave the \
            function out by `#[task(skip)]`"
            ),
        );
    }
    if let Safety::Unsafe(unsafety) = &sig.safety {
        mistakes.at(
            unsafety,
            format!(
                "`{name}` would be called by safe code, far from who could keep its promises; wrap what \
            is unsafe in a safe function"
            ),
        );
    }
    if let Some(abi) = &sig.abi {
        mistakes
            .at(abi, format!("`{name}` is called from Rust alone; remove `extern`, or call it from a plain function"));
    }
    if let Some(variadic) = &sig.variadic {
        mistakes.at(variadic, "a variadic argument has no type to keep; take a `Vec`");
    }
}

pub(super) fn check_generics(sig: &Signature, mistakes: &mut Mistakes) {
    for param in &sig.generics.params {
        let message = match param {
            GenericParam::Type(_) => {
                "cannot be generic: each task is one variant of one type; make the `impl` generic, or \
                    write one function a type"
            }
            GenericParam::Const(_) => {
                "cannot have a const parameter: each task is one variant of one type; make the `impl` \
                    generic, or take a plain argument"
            }
            GenericParam::Lifetime(_) => {
                "cannot have a lifetime: its arguments are kept until it runs; take owned ones, `String` \
                    for `&str`, `Arc<T>` for `&T`"
            }
        };
        mistakes.at(param, format!("`{}` {message}", sig.ident));
    }
}

fn check_receiver(task: &Task, mistakes: &mut Mistakes) {
    let Some(FnArg::Receiver(receiver)) = task.function.sig.inputs.first() else { return };
    match task.function.receiver() {
        Receiver::Owned => mistakes.at(
            receiver,
            "`self` would consume the state, and the next call would find none; write `&self` or `&mut self`",
        ),
        Receiver::Other => {
            let written = text::of(receiver);
            mistakes.at(
                receiver,
                format!("`{written}`: the executor holds the state and lends it; write `&self` or `&mut self`"),
            );
        }
        Receiver::None | Receiver::Shared | Receiver::Exclusive => {}
    }
    if let ReceiverKind::Reference(_, Some(lifetime), _) = &receiver.kind {
        mistakes.at(lifetime, "the state is lent for the call alone; write `&self` or `&mut self`");
    }
}

/// Checks the parameters of a task or of an `#[init]`.
pub(super) fn check_params(params: &[Param], generics: &Generics, mistakes: &mut Mistakes) {
    for param in params {
        param.refuse_cfg(mistakes);
        check_pattern(param, mistakes);
        if is_context(&param.written.ty) {
            mistakes.at(
                &param.written.ty,
                "the context comes first, and once: `fn task(cx: &Context<Self>, ..)`, after `self` if \
                    there is one",
            );
        } else if mutable_context(&param.written.ty) {
            mistakes.at(&param.written.ty, "the context is only read; write `&Context<Self>`");
        } else {
            ty::check_argument(&param.written.ty, generics, mistakes);
        }
    }
}

fn mutable_context(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Reference(reference) => type_name(&reference.elem).is_some_and(|name| name == "Context"),
        _ => false,
    }
}

fn check_pattern(param: &Param, mistakes: &mut Mistakes) {
    if param.is_named() {
        return;
    }
    let ty = text::of(&param.written.ty);
    let message = match &*param.written.pat {
        Pat::Wild(_) => format!("an argument becomes a field and needs a name: `_value: {ty}`"),
        pattern => {
            let pattern = text::of(pattern);
            format!(
                "an argument becomes a field and needs a name, not a pattern: `value: {ty}`, then `let \
                    {pattern} = value;` inside"
            )
        }
    };
    mistakes.at(&param.written.pat, message);
}

fn check_options(task: &Task, mistakes: &mut Mistakes) {
    check_sliced(task, mistakes);
    if task.options.sliced.is_some() {
        return;
    }
    if let (Some(local), false) = (&task.options.local, task.function.is_async()) {
        mistakes.at(
            local,
            "`local` keeps a future on one thread, and this function has none; remove it, or write `async fn`",
        );
    }
}

/// Checks a task that runs step by step.
fn check_sliced(task: &Task, mistakes: &mut Mistakes) {
    let Some(sliced) = &task.options.sliced else { return };
    if let Some(asyncness) = &task.function.sig.asyncness {
        let message = "an `async` task gives way by `nanolith::yield_now().await`; remove `async` or `sliced`";
        return mistakes.at(asyncness, message);
    }
    if let Some(local) = &task.options.local {
        mistakes
            .at(local, "`local` keeps a future on one thread, and the steps of a sliced task are `Send`; remove it");
    }
    if task.function.receiver() != Receiver::None {
        let message = "a step goes on when others have had their turn, and cannot borrow the state meanwhile; take what it \
            needs as an argument, or write an `async` task with `nanolith::yield_now().await`";
        return mistakes.at(&task.function.sig.inputs[0], message);
    }
    let output = task.function.output();
    if output_of_steps(&output).is_none() {
        let message = format!(
            "a sliced task returns what a step came to; write `-> Step<{}>`, and give `Step::Done(..)` or \
            `Step::resume_with(move || ..)`",
            text::of(output)
        );
        match &task.function.sig.output {
            ReturnType::Default => mistakes.at(sliced, message),
            ReturnType::Type(_, written) => mistakes.at(written, message),
        }
    }
}

/// Returns whether the compiler refuses a function of this signature too. A second error from the
/// compiler would repeat this one.
pub(crate) fn is_refused_by_the_compiler(sig: &Signature) -> bool {
    let output = match &sig.output {
        ReturnType::Type(_, ty) => ty::finding(ty),
        ReturnType::Default => None,
    };
    let arguments = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => ty::finding(&input.ty),
        FnArg::Receiver(_) => None,
    });
    let refused = |finding: Finding| matches!(finding, Finding::Inferred(_) | Finding::Unsized(_));
    sig.variadic.is_some() || borrows_from_nothing(sig) || arguments.chain(output).any(refused)
}

/// Returns whether the output borrows, and the parameters have no borrow or several borrows for it.
fn borrows_from_nothing(sig: &Signature) -> bool {
    let borrows = |ty: &Type| matches!(ty::finding(ty), Some(Finding::Borrow(_) | Finding::BorrowInside(_)));
    let ReturnType::Type(_, output) = &sig.output else { return false };
    let sources = sig.inputs.iter().filter(|input| match input {
        FnArg::Typed(input) => borrows(&input.ty),
        FnArg::Receiver(_) => false,
    });
    let receiver = matches!(sig.inputs.first(), Some(FnArg::Receiver(_)));
    borrows(output) && !receiver && sig.generics.lifetimes().next().is_none() && sources.count() != 1
}

/// Returns whether a task can neither take nor return a value of this type.
pub(crate) fn is_refused(ty: &Type) -> bool {
    ty::finding(ty).is_some()
}

/// Returns the type itself, or the advised owned type for a refused one, if there is one.
pub(crate) fn advised(ty: &Type) -> Option<Type> {
    match ty::finding(ty) {
        None => Some(ty.clone()),
        Some(Finding::Inferred(_) | Finding::Never(_)) => None,
        Some(_) => advice::instead_of(ty),
    }
}

/// Returns `fn name(..) -> ..`, for messages.
pub(super) fn written(sig: &Signature) -> String {
    let (asyncness, name, inputs, output) = (&sig.asyncness, &sig.ident, &sig.inputs, &sig.output);
    let output = match output {
        ReturnType::Default => TokenStream::new(),
        output => output.to_token_stream(),
    };
    text::of(quote!(#asyncness fn #name(#inputs) #output)).trim_end().to_owned()
}

/// Returns the tokens of the parameters, or the name if there are none.
pub(super) fn place_of_params(sig: &Signature) -> TokenStream {
    match sig.inputs.is_empty() {
        true => sig.ident.to_token_stream(),
        false => sig.inputs.to_token_stream(),
    }
}
