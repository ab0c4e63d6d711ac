//! A hook.

use syn::Type;

use crate::{
    ast::{Function, Param},
    attr::HookKind,
};

pub(crate) struct Hook {
    pub(crate) kind: HookKind,
    pub(crate) function: Function,
    /// The arguments; those of a service's start, for `#[init]`.
    pub(crate) params: Vec<Param>,
}

impl Hook {
    pub(crate) fn new(kind: HookKind, function: Function, this: &Type) -> Self {
        let params = function.params(this);
        Self { kind, function, params }
    }
}
