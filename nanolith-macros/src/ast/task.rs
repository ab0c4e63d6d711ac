//! A task.

use syn::{Attribute, GenericArgument, Ident, PathArguments, Type, Visibility, ext::IdentExt};

use crate::{
    ast::{Function, Param, ungrouped},
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
        let written = function.output();
        let output = options.sliced.as_ref().and_then(|_| output_of_steps(&written)).unwrap_or(written);
        let output = this::spelled_out(&output, this);
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

    /// Whether the executor keeps a future of it.
    pub(crate) fn leaves_future(&self) -> bool {
        self.function.is_async() || self.options.sliced.is_some()
    }

    /// What a call of it gives, as written.
    pub(crate) fn written_output(&self) -> Type {
        let written = self.function.output();
        self.options.sliced.as_ref().and_then(|_| output_of_steps(&written)).unwrap_or(written)
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

/// The `T` of `Step<T>`, by whatever path.
pub(crate) fn output_of_steps(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let step = path.path.segments.last().filter(|last| last.ident == "Step")?;
    let PathArguments::AngleBracketed(arguments) = &step.arguments else { return None };
    match (arguments.args.first(), arguments.args.len()) {
        (Some(GenericArgument::Type(output)), 1) => Some(output.clone()),
        _ => None,
    }
}
