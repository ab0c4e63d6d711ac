//! [`Task`]: the parsed form of one task function of a `#[define]` block.

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
    /// The output type, with `Self` replaced by the set's own type.
    pub(crate) output: Type,
    /// Whether the signature is allowed for a task. `valid` sets this.
    pub(crate) sound: bool,
    /// The kind of hook, if this task stands for a hook. Callers cannot name such a task.
    pub(crate) hook: Option<HookKind>,
    /// Whether an earlier task has the same variant. `valid` sets this.
    pub(crate) is_twin: bool,
}

impl Task {
    /// Creates a task. A function without a visibility, which is a task by `#[task]`, gets the
    /// visibility of the set.
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

    /// Creates the task that stands for a hook which waits in the service's queue.
    pub(crate) fn of_hook(kind: HookKind, function: Function, vis: &Visibility, this: &Type) -> Self {
        Self { hook: Some(kind), ..Self::new(function, TaskOptions::default(), vis, this) }
    }

    /// Returns the name of the function.
    pub(crate) fn ident(&self) -> &Ident {
        &self.function.sig.ident
    }

    /// Returns the name by which callers call the task.
    pub(crate) fn name(&self) -> &Ident {
        self.options.name.as_ref().unwrap_or(self.ident())
    }

    /// Returns the name as the task table shows it, without `r#`.
    pub(crate) fn plain_name(&self) -> String {
        self.name().unraw().to_string()
    }

    /// Returns whether running the task leaves a future that the executor polls.
    pub(crate) fn leaves_future(&self) -> bool {
        self.function.is_async() || self.options.sliced.is_some()
    }

    /// Returns the output type of a call, as the user wrote it.
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

/// Returns the `T` of `Step<T>`, by any path.
pub(crate) fn output_of_steps(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let step = path.path.segments.last().filter(|last| last.ident == "Step")?;
    let PathArguments::AngleBracketed(arguments) = &step.arguments else { return None };
    match (arguments.args.first(), arguments.args.len()) {
        (Some(GenericArgument::Type(output)), 1) => Some(output.clone()),
        _ => None,
    }
}
