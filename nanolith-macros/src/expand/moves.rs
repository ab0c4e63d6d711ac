//! Generates `const STAYS_ON_THREAD`: why a service of the set cannot run on a pool, if the future
//! of a task, of `#[init]` or of `#[on_close]` cannot move between threads.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    ast::{Function, Receiver, Set, Task},
    attr::{self, HookKind},
};

/// Generates the constant. A set whose futures all move keeps the default.
pub(crate) fn constant(set: &Set) -> Option<TokenStream> {
    let krate = set.krate();
    let tasks = set.tasks.iter().filter(|task| task.leaves_future()).filter_map(|task| of_task(set, task));
    let entries: Vec<_> = tasks.chain(hooks(set)).collect();
    if entries.is_empty() {
        return None;
    }
    Some(quote! {
        const STAYS_ON_THREAD: ::core::option::Option<&'static str> = {
            #[allow(unused_imports)]
            use #krate::__private::FutureStays as _;
            #krate::__private::first_reason(&[#(#entries,)*])
        };
    })
}

fn of_task(set: &Set, task: &Task) -> Option<TokenStream> {
    let (cfgs, krate) = (task.cfgs(), set.krate());
    let name = task.ident();
    if task.options.local.is_some() {
        let reason = format!("the task `{name}` is `#[task(local)]`, so a service of its set has a thread of its own");
        return Some(quote!(#(#cfgs)* (true, #reason)));
    }
    let receiver = task.function.receiver();
    let is_checked_at_once = receiver == Receiver::None || receiver == Receiver::Shared && set.is_shared();
    if is_checked_at_once {
        return None;
    }
    let call = absent_call(set, &task.function, task.params.len());
    let future = if task.options.sliced.is_some() { quote!(#krate::__private::steps(#call)) } else { call };
    let entry = entry(set, &format!("the future of the task `{name}`"), &future);
    Some(quote!(#(#cfgs)* #entry))
}

fn hooks(set: &Set) -> impl Iterator<Item = TokenStream> + '_ {
    let hooks = set.hooks.iter().filter(|hook| hook.function.is_async() && !hook.kind.is_in_line());
    hooks.filter_map(|hook| {
        let is_boxed_as_send = matches!(hook.kind, HookKind::BeforeTask | HookKind::AfterTask)
            && (hook.function.receiver() == Receiver::None || set.is_shared());
        if is_boxed_as_send {
            return None;
        }
        let cfgs = attr::cfgs(&hook.function.attrs);
        let parameters = match hook.kind {
            HookKind::BeforeTask => 1,
            HookKind::AfterTask => 2,
            _ => hook.params.len(),
        };
        let entry = entry(
            set,
            &format!("the future of `{}`", hook.function.sig.ident),
            &absent_call(set, &hook.function, parameters),
        );
        Some(quote!(#(#cfgs)* #entry))
    })
}

fn entry(set: &Set, what: &str, future: &TokenStream) -> TokenStream {
    let krate = set.krate();
    let reason = format!(
        "{what} is not `Send`, so a service of its set cannot run on a pool: hold no `Rc`, `Cell` or guard across \
         an await (a task that takes `&self` also needs a state that is `Sync`), or leave out `.on(..)`"
    );
    quote!((#krate::__private::stays(&|| #krate::__private::FutureProbe::of(|| #future).nanolith_stays()), #reason))
}

/// Generates a call of the user's function that never runs. Its arguments have the types of the
/// function's parameters.
fn absent_call(set: &Set, function: &Function, parameters: usize) -> TokenStream {
    let (krate, path) = (set.krate(), set.path_to(&function.sig.ident));
    let receiver = usize::from(function.receiver() != Receiver::None);
    let context = usize::from(function.takes_context());
    let arguments = (0..receiver + context + parameters).map(|_| quote!(#krate::__private::absent()));
    quote!(#path(#(#arguments),*))
}
