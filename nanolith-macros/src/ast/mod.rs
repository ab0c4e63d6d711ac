//! [`Set`]: the model of a `#[define]` block, whose functions are sorted into tasks, hooks and
//! other functions.
//!
//! This module refuses only a function that it cannot sort. `valid` checks whether a task or a hook
//! is allowed, and `expand` generates code for it. Both call the methods of these types.

mod form;
mod function;
mod hook;
mod task;

pub(crate) use form::Form;
pub(crate) use function::{Function, Param, Receiver, is_context, type_name, ungrouped};
pub(crate) use hook::Hook;
pub(crate) use task::{Task, output_of_steps};

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Generics, Ident, Path, Type, TypeParamBound, Visibility, ext::IdentExt, parse_quote};

use crate::{
    args::Options,
    attr::{self, Helpers, HookKind, TaskOptions},
    mistakes::Mistakes,
    names, this,
};

/// A `#[define]` block.
pub(crate) struct Set {
    pub(crate) options: Options,
    pub(crate) form: Form,
    pub(crate) tasks: Vec<Task>,
    pub(crate) hooks: Vec<Hook>,
    /// The names that generated items cannot have. The set is empty unless there is a mistake.
    pub(crate) clashes: HashSet<String>,
    /// The type parameter for the executor: `E`, or a name that the block's signatures do not use.
    pub(crate) executor: Ident,
}

/// The way in which a service of the set gets its state.
pub(crate) enum Start<'a> {
    Init(&'a Hook),
    WithState,
    Stateless,
}

impl Set {
    /// Sorts the functions of `form`, and removes their helper attributes.
    pub(crate) fn new(mut form: Form, options: Options, mistakes: &mut Mistakes) -> Self {
        let executor = names::fresh("E", &form.identifiers());
        let functions: Vec<(Function, Helpers)> = form.take_functions(mistakes);
        let mut set = Self { options, form, tasks: Vec::new(), hooks: Vec::new(), clashes: HashSet::new(), executor };
        for (function, helpers) in functions {
            set.sort(function, helpers, mistakes);
        }
        set.let_arguments_be_owned();
        set
    }

    /// Allows `clippy::needless_pass_by_value`, since a task has to own its arguments. Clippy does
    /// not report `async` functions, nor arguments that are `Copy`.
    fn let_arguments_be_owned(&mut self) {
        let tasks = self.tasks.iter().map(|task| (&task.params, &task.function));
        let hooks = self.hooks.iter().map(|hook| (&hook.params, &hook.function));
        let may_be_reported = |params: &[Param], function: &Function| {
            !function.is_async() && !params.iter().all(|param| names::is_primitive(&param.ty))
        };
        let all = tasks.chain(hooks).filter(|(params, function)| may_be_reported(params, function));
        let functions: Vec<Ident> = all.map(|(_, function)| function.sig.ident.clone()).collect();
        self.form.mark(&functions, &parse_quote!(#[allow(clippy::needless_pass_by_value)]));
    }

    fn sort(&mut self, function: Function, helpers: Helpers, mistakes: &mut Mistakes) {
        let this = self.this();
        match helpers.hooks.first() {
            Some((kind, _)) => {
                refuse_two_roles(*kind, &helpers, mistakes);
                if kind.is_in_line() {
                    self.tasks.push(Task::of_hook(*kind, function.clone(), self.vis(), &this));
                }
                self.hooks.push(Hook::new(*kind, function, &this));
            }
            None if is_task(&function, helpers.task.as_ref()) => {
                let options = helpers.task.unwrap_or_default();
                self.tasks.push(Task::new(function, options, self.vis(), &this));
            }
            None => {}
        }
    }

    /// Returns the type of the set in a form that generated code can name anywhere.
    pub(crate) fn this(&self) -> Type {
        match &self.form {
            Form::Impl(item) => ungrouped(&item.self_ty).clone(),
            Form::Module(_) => {
                let name = self.type_name("Tasks");
                parse_quote!(#name)
            }
        }
    }

    /// Returns the type of the set as the generated functions name it: `Self` in an `impl`.
    pub(crate) fn this_here(&self) -> Type {
        match &self.form {
            Form::Impl(_) => parse_quote!(Self),
            Form::Module(_) => self.this(),
        }
    }

    /// Returns the type that an `#[init]` makes. A module has no state, so its type is `()`.
    pub(crate) fn state(&self) -> Type {
        match &self.form {
            Form::Impl(_) => parse_quote!(Self),
            Form::Module(_) => parse_quote!(()),
        }
    }

    /// Returns the name of a generated type: `GeometryTask`, or `Task` in a module.
    pub(crate) fn type_name(&self, suffix: &str) -> Ident {
        let prefix = match (&self.options.name, &self.form) {
            (Some(name), _) => name.unraw().to_string(),
            (None, Form::Impl(_)) => self.name(),
            (None, Form::Module(_)) => String::new(),
        };
        let aside = if self.clashes.contains(&format!("{prefix}{suffix}")) { "Inert" } else { "" };
        names::made(&format!("{aside}{prefix}"), suffix, self.form.ident().span())
    }

    pub(crate) fn task_type(&self) -> Ident {
        self.type_name("Task")
    }

    pub(crate) fn output_type(&self) -> Ident {
        self.type_name("Output")
    }

    pub(crate) fn calls_type(&self) -> Ident {
        self.type_name("Calls")
    }

    /// Returns the name of the set's type or module, as messages show it.
    pub(crate) fn name(&self) -> String {
        self.form.ident().unraw().to_string()
    }

    pub(crate) fn krate(&self) -> &Path {
        &self.options.krate
    }

    pub(crate) fn vis(&self) -> &Visibility {
        &self.options.vis
    }

    pub(crate) fn is_module(&self) -> bool {
        matches!(self.form, Form::Module(_))
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.options.shared.is_some()
    }

    /// Returns the path of a function: `Self::add`, or in a module `self::add`. No argument can
    /// shadow either path.
    pub(crate) fn path_to(&self, function: &Ident) -> TokenStream {
        match &self.form {
            Form::Impl(_) => quote!(Self::#function),
            Form::Module(_) => quote!(self::#function),
        }
    }

    /// Returns the parameters of the `impl`, with `Self` in their bounds replaced. Each type
    /// parameter is `'static`, as a set has to be. The `'static` bounds have the span of the end of
    /// the `impl`'s head, where the compiler also reports a missing bound.
    pub(crate) fn generics(&self) -> Generics {
        let Form::Impl(item) = &self.form else { return Generics::default() };
        let (mut generics, this, where_clause) = (item.generics.clone(), &item.self_ty, &item.generics.where_clause);
        this::spell_out_generics(&mut generics, &self.this());
        let end = names::end_of(quote!(#this #where_clause));
        for param in item.generics.type_params().filter(|param| !param.bounds.iter().any(is_static)) {
            let parameter = &param.ident;
            let predicate = syn::parse_quote_spanned!(end=> #parameter: 'static);
            generics.make_where_clause().predicates.push(predicate);
        }
        generics
    }

    /// Returns the attributes of the `impl` that each generated item repeats. The items of a module
    /// are already under the module's attributes.
    pub(crate) fn attrs(&self) -> Vec<Attribute> {
        match &self.form {
            Form::Impl(item) => attr::for_items(&item.attrs),
            Form::Module(_) => Vec::new(),
        }
    }

    pub(crate) fn hook(&self, kind: HookKind) -> Option<&Hook> {
        self.hooks.iter().find(|hook| hook.kind == kind)
    }

    /// Returns the task that stands for a hook which waits in the service's queue.
    pub(crate) fn in_line(&self, kind: HookKind) -> Option<&Task> {
        self.tasks.iter().find(|task| task.hook == Some(kind))
    }

    /// Returns the names of the functions that are tasks or hooks.
    pub(crate) fn functions(&self) -> Vec<Ident> {
        let hooks = self.hooks.iter().map(|hook| &hook.function.sig.ident);
        self.tasks.iter().map(Task::ident).chain(hooks).cloned().collect()
    }

    /// Returns the tasks that a caller can name.
    pub(crate) fn callable(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| task.hook.is_none())
    }

    pub(crate) fn start(&self) -> Start<'_> {
        let tasks = self.tasks.iter().map(|task| &task.function);
        let mut functions = tasks.chain(self.hooks.iter().map(|hook| &hook.function));
        match self.hook(HookKind::Init) {
            Some(init) => Start::Init(init),
            None if functions.any(|function| function.receiver() != Receiver::None) => Start::WithState,
            None => Start::Stateless,
        }
    }
}

fn is_static(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static")
}

/// Returns whether a function is a task: it has a visibility, or it has `#[task]`. `#[task(skip)]`
/// excludes it.
fn is_task(function: &Function, options: Option<&TaskOptions>) -> bool {
    match options {
        Some(options) => options.skip.is_none(),
        None => !matches!(function.vis, Visibility::Inherited),
    }
}

fn refuse_two_roles(kind: HookKind, helpers: &Helpers, mistakes: &mut Mistakes) {
    let kind = kind.attribute();
    let task = helpers.task.iter().filter_map(|task| Some(("task", task.place.as_ref()?)));
    let hooks = helpers.hooks.iter().skip(1).map(|(second, place)| (second.attribute(), place));
    for (second, place) in task.chain(hooks) {
        let message =
            format!("this function is the hook `#[{kind}]` and cannot be `#[{second}]` too; write a second function");
        mistakes.at(place, message);
    }
}
