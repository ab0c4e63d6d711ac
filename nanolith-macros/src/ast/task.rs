//! A task.

use syn::{Attribute, Ident, Type, Visibility, ext::IdentExt};

use crate::{
    ast::{Function, Param},
    attr::{self, HookKind, TaskOptions},
    names, this,
};

pub(crate) struct Task {
    pub(crate) function: Function,
    pub(crate) options: TaskOptions,
    pub(crate) variant: Ident,
    pub(crate) params: Vec<Param>,
    /// Without `Self`.
    pub(crate) output: Type,
    /// Whether its signature can be a task's: `valid` finds out.
    pub(crate) sound: bool,
    /// The hook that it is, if nobody can call it by name.
    pub(crate) hook: Option<HookKind>,
    /// Whether an earlier task has its variant: `valid` finds out.
    pub(crate) is_twin: bool,
}

impl Task {
    /// A task of a function without a visibility, one by `#[task]`, gets that of the set.
    pub(crate) fn new(mut function: Function, options: TaskOptions, vis: &Visibility, this: &Type) -> Self {
        if matches!(function.vis, Visibility::Inherited) {
            function.vis = vis.clone();
        }
        let params = function.params(this);
        let output = this::spelled_out(&function.output(), this);
        let variant = names::variant_of(options.name.as_ref().unwrap_or(&function.sig.ident));
        Self { function, options, variant, params, output, sound: true, hook: None, is_twin: false }
    }

    /// A hook that is run in line with the tasks.
    pub(crate) fn of_hook(kind: HookKind, function: Function, vis: &Visibility, this: &Type) -> Self {
        Self { hook: Some(kind), ..Self::new(function, TaskOptions::default(), vis, this) }
    }

    /// The function.
    pub(crate) fn ident(&self) -> &Ident {
        &self.function.sig.ident
    }

    /// What callers call it.
    pub(crate) fn name(&self) -> &Ident {
        self.options.name.as_ref().unwrap_or(self.ident())
    }

    /// Its name in tables.
    pub(crate) fn plain_name(&self) -> String {
        self.name().unraw().to_string()
    }

    pub(crate) fn cfgs(&self) -> Vec<Attribute> {
        attr::cfgs(&self.function.attrs)
    }

    pub(crate) fn names(&self) -> Vec<&Ident> {
        self.params.iter().map(|param| &param.name).collect()
    }

    pub(crate) fn types(&self) -> Vec<&Type> {
        self.params.iter().map(|param| &param.ty).collect()
    }
}
