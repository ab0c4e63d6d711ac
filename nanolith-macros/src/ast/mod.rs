//! The model of a set: what the user wrote, sorted into tasks, hooks and the rest.
//!
//! Nothing is refused here but what cannot be sorted. What a task or a hook may be is for `valid`, and what becomes
//! of them for `expand`; both ask the methods of these types.

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
    /// The names that generated items cannot have: none, or there is a mistake.
    pub(crate) clashes: HashSet<String>,
    /// The executor's type parameter: `E`, or what else stands nowhere in the block's signatures.
    pub(crate) executor: Ident,
}

/// How a service of the set comes by its state.
pub(crate) enum Start<'a> {
    Init(&'a Hook),
    WithState,
    Stateless,
}

impl Set {
    /// Sorts the functions of `form`, and takes their helper attributes off.
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

    /// A task has to own its arguments: clippy is not to say otherwise.
    fn let_arguments_be_owned(&mut self) {
        let tasks = self.tasks.iter().map(|task| (&task.params, task.ident()));
        let hooks = self.hooks.iter().map(|hook| (&hook.params, &hook.function.sig.ident));
        let all = tasks.chain(hooks).filter(|(params, _)| !params.is_empty());
        let functions: Vec<Ident> = all.map(|(_, ident)| ident.clone()).collect();
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

    /// The type of the set, as it can be named anywhere in generated code.
    pub(crate) fn this(&self) -> Type {
        match &self.form {
            Form::Impl(item) => ungrouped(&item.self_ty).clone(),
            Form::Module(_) => {
                let name = self.type_name("Tasks");
                parse_quote!(#name)
            }
        }
    }

    /// The type of the set where generated functions stand: `Self` in an `impl`.
    pub(crate) fn this_here(&self) -> Type {
        match &self.form {
            Form::Impl(_) => parse_quote!(Self),
            Form::Module(_) => self.this(),
        }
    }

    /// What an `#[init]` makes: a module has no state.
    pub(crate) fn state(&self) -> Type {
        match &self.form {
            Form::Impl(_) => parse_quote!(Self),
            Form::Module(_) => parse_quote!(()),
        }
    }

    /// The name of a generated type: `GeometryTask`, or in a module `Task`.
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

    /// The name of the set for people: of its type, or of its module.
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

    /// Where a function is called: `Self::add`, and in a module `self::add`, which no argument can shadow.
    pub(crate) fn path_to(&self, function: &Ident) -> TokenStream {
        match &self.form {
            Form::Impl(_) => quote!(Self::#function),
            Form::Module(_) => quote!(self::#function),
        }
    }

    /// The parameters of the `impl`, without `Self` in their bounds. Every type is `'static`, as a set has to be; this
    /// stands where the head of the `impl` ends, since behind it the compiler shows a bound that it misses.
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

    /// What every generated item repeats of the `impl`; the items of a module stand under its attributes already.
    pub(crate) fn attrs(&self) -> Vec<Attribute> {
        match &self.form {
            Form::Impl(item) => attr::for_items(&item.attrs),
            Form::Module(_) => Vec::new(),
        }
    }

    pub(crate) fn hook(&self, kind: HookKind) -> Option<&Hook> {
        self.hooks.iter().find(|hook| hook.kind == kind)
    }

    /// The task that a hook in line with the tasks is.
    pub(crate) fn in_line(&self, kind: HookKind) -> Option<&Task> {
        self.tasks.iter().find(|task| task.hook == Some(kind))
    }

    /// The functions that are tasks or hooks.
    pub(crate) fn functions(&self) -> Vec<Ident> {
        let hooks = self.hooks.iter().map(|hook| &hook.function.sig.ident);
        self.tasks.iter().map(Task::ident).chain(hooks).cloned().collect()
    }

    /// Those that can be called by name.
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

/// A function with a visibility is a task, unless `#[task]` or `#[task(skip)]` says otherwise.
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
