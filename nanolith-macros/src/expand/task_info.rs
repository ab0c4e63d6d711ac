//! Generates the static metadata of a set: its name, its identifier and its task table.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::Attribute;

use crate::{
    ast::{Receiver, Set, Task},
    names, text,
};

/// Generates `NAME`, `IDENTIFIER` and `TASKS`.
pub(crate) fn constants(set: &Set) -> TokenStream {
    let (krate, name, identifier) = (set.krate(), set.name(), identifier(set, None));
    let infos = set.tasks.iter().filter(|task| task.sound).map(|task| info(set, task));
    quote! {
        const NAME: &'static str = #name;
        const IDENTIFIER: &'static str = #identifier;
        const TASKS: &'static [#krate::task::TaskInfo] = &[#(#infos),*];
    }
}

/// Generates the identifier of the set, or of one of its tasks.
fn identifier(set: &Set, task: Option<&Task>) -> TokenStream {
    let below = task.map(|task| format!("::{}", task.plain_name())).unwrap_or_default();
    if let Some(given) = &set.options.identifier {
        let whole = given.value() + &below;
        return quote!(#whole);
    }
    match set.is_module() {
        true if below.is_empty() => quote!(::core::module_path!()),
        true => quote!(::core::concat!(::core::module_path!(), #below)),
        false => {
            let below = format!("::{}{below}", set.name());
            quote!(::core::concat!(::core::module_path!(), #below))
        }
    }
}

fn info(set: &Set, task: &Task) -> TokenStream {
    let (krate, cfgs, types) = (set.krate(), task.cfgs(), task.types());
    let (set_name, name, identifier) = (set.name(), task.plain_name(), identifier(set, Some(task)));
    let arguments = task.params.iter().map(argument);
    let output = text::of(task.written_output());
    let traits = traits(set, task);
    quote! {
        #(#cfgs)*
        #krate::task::TaskInfo::new(#set_name, #name, #identifier)
            .arguments(&[#(#arguments),*])
            .output(#output)
            .size(::core::mem::size_of::<(#(#types,)*)>())
            #(#traits)*
    }
}

/// Generates the name and the type of an argument, as written.
fn argument(param: &crate::ast::Param) -> TokenStream {
    let (name, ty) = (param.name.to_string(), text::of(&param.written.ty));
    let name = name.trim_start_matches("r#");
    quote!((#name, #ty))
}

fn traits(set: &Set, task: &Task) -> Vec<TokenStream> {
    let krate = set.krate();
    let receiver = match task.function.receiver() {
        Receiver::Shared => Some(quote!(.receiver(#krate::task::Receiver::Shared))),
        Receiver::Exclusive => Some(quote!(.receiver(#krate::task::Receiver::Exclusive))),
        Receiver::None | Receiver::Owned | Receiver::Other => None,
    };
    let asynchronous = task.leaves_future().then(|| quote!(.asynchronous()));
    let local = task.options.local.as_ref().map(|_| quote!(.local()));
    let idempotent = task.options.idempotent.as_ref().map(|_| quote!(.idempotent()));
    let concurrency =
        task.options.concurrency.as_ref().map(|limit| limit.calls).map(|calls| quote!(.concurrency(#calls)));
    [receiver, asynchronous, local, idempotent, concurrency].into_iter().flatten().collect()
}

/// Generates `fn info`, which finds a task in `TASKS` by its index.
pub(crate) fn lookup(set: &Set) -> TokenStream {
    let (krate, tasks) = (set.krate(), set.task_type());
    let task = names::local("task");
    let mut before = Before::default();
    let arms = set.tasks.iter().map(|task| {
        let (cfgs, variant, index) = (task.cfgs(), &task.variant, before.index());
        before.count(&cfgs);
        quote!(#(#cfgs)* #tasks::#variant { .. } => #index,)
    });
    let never = super::phantom(set).map(|_| quote!(#tasks::__Never(never, _) => match never {},));
    quote! {
        fn task_info(#task: &Self::Task) -> &'static #krate::task::TaskInfo {
            let index: usize = match *#task {
                #(#arms)*
                #never
            };
            &<Self as #krate::TaskSet>::TASKS[index]
        }
    }
}

/// The tasks before a task in `TASKS`.
#[derive(Default)]
struct Before {
    /// The number of tasks without a `cfg`.
    certain: usize,
    /// A `()` for each task with a `cfg`, under this `cfg`.
    conditional: Vec<TokenStream>,
}

impl Before {
    fn count(&mut self, cfgs: &[Attribute]) {
        match cfgs {
            [] => self.certain += 1,
            _ => self.conditional.push(quote!(#(#cfgs)* ())),
        }
    }

    /// Returns the number of tasks. The compiler adds the number of those with a `cfg` that it
    /// keeps.
    fn index(&self) -> TokenStream {
        let (certain, conditional) = (Literal::usize_unsuffixed(self.certain), &self.conditional);
        match conditional.is_empty() {
            true => quote!(#certain),
            false => quote!(const { #certain + <[()]>::len(&[#(#conditional),*]) }),
        }
    }
}
