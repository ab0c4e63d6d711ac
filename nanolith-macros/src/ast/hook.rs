//! [`Hook`]: the parsed form of a hook, which is a function with a role such as `#[init]` or
//! `#[before_task]` in a `#[define]` block.

use syn::Type;

use crate::{
    ast::{Function, Param},
    attr::HookKind,
};

pub(crate) struct Hook {
    pub(crate) kind: HookKind,
    pub(crate) function: Function,
    /// The arguments. Those of an `#[init]` are the arguments of `service`.
    pub(crate) params: Vec<Param>,
}

impl Hook {
    pub(crate) fn new(kind: HookKind, function: Function, this: &Type) -> Self {
        let params = function.params(this);
        Self { kind, function, params }
    }
}
