//! [`Function`]: a function of a `#[define]` block, with its receiver, its context and its
//! arguments.

use syn::{Attribute, FnArg, Ident, Pat, PatType, ReceiverKind, ReturnType, Signature, Type, Visibility, parse_quote};

use crate::{mistakes::Mistakes, this};

/// A function without its body.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
}

/// The access to the state that a function needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    None,
    Shared,
    Exclusive,
    /// `self`: allowed for `#[on_close]` alone.
    Owned,
    /// `self: Arc<Self>` and other receivers, which no function of a set may have.
    Other,
}

/// An argument.
pub(crate) struct Param {
    /// The name as written, or a generated name if the user wrote a pattern.
    pub(crate) name: Ident,
    /// The argument as written.
    pub(crate) written: PatType,
    /// The type as written, with `Self` replaced by the set's own type.
    pub(crate) ty: Type,
}

impl Function {
    pub(crate) fn receiver(&self) -> Receiver {
        let Some(FnArg::Receiver(receiver)) = self.sig.inputs.first() else { return Receiver::None };
        match &receiver.kind {
            ReceiverKind::Value => Receiver::Owned,
            ReceiverKind::Reference(_, _, None) => Receiver::Shared,
            ReceiverKind::Reference(_, _, Some(_)) => Receiver::Exclusive,
            ReceiverKind::Typed(_, ty) => typed_receiver(ty),
            _ => Receiver::Other,
        }
    }

    pub(crate) fn is_async(&self) -> bool {
        self.sig.asyncness.is_some()
    }

    /// Returns the parameters other than `self`.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &PatType> {
        self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(input) => Some(input),
            FnArg::Receiver(_) => None,
        })
    }

    /// Returns the output type, which is `()` if none is written.
    pub(crate) fn output(&self) -> Type {
        match &self.sig.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        }
    }

    /// Returns whether the first parameter is a context.
    pub(crate) fn takes_context(&self) -> bool {
        self.inputs().next().is_some_and(|first| is_context(&first.ty))
    }

    /// Returns the parameters other than `self` and a leading context.
    pub(crate) fn params(&self, this: &Type) -> Vec<Param> {
        let inputs = self.inputs().skip(usize::from(self.takes_context()));
        inputs.enumerate().map(|(position, input)| Param::new(position, input, this)).collect()
    }
}

fn typed_receiver(ty: &Type) -> Receiver {
    match ungrouped(ty) {
        ty if is_self(ty) => Receiver::Owned,
        Type::Reference(reference) if !is_self(&reference.elem) => Receiver::Other,
        Type::Reference(reference) if reference.mutability.is_none() => Receiver::Shared,
        Type::Reference(_) => Receiver::Exclusive,
        _ => Receiver::Other,
    }
}

fn is_self(ty: &Type) -> bool {
    matches!(ungrouped(ty), Type::Path(path) if path.qself.is_none() && path.path.is_ident("Self"))
}

impl Param {
    fn new(position: usize, written: &PatType, this: &Type) -> Self {
        let name = match plain_name(&written.pat) {
            Some(name) => name.clone(),
            None => Ident::new(&format!("argument{position}"), proc_macro2::Span::mixed_site()),
        };
        Self { name, written: written.clone(), ty: this::spelled_out(&written.ty, this) }
    }

    /// Returns whether the argument has a name that can become a field.
    pub(crate) fn is_named(&self) -> bool {
        plain_name(&self.written.pat).is_some()
    }

    /// Records an error for a `cfg` on an argument: an argument always exists if its task does.
    pub(crate) fn refuse_cfg(&self, mistakes: &mut Mistakes) {
        let conditional = ["cfg", "cfg_attr"];
        for attribute in &self.written.attrs {
            if conditional.iter().any(|name| attribute.path().is_ident(name)) {
                mistakes.at(
                    attribute,
                    "an argument cannot depend on a `cfg`; put the `cfg` on two versions of the function",
                );
            }
        }
    }
}

/// Returns the name in `x` and `mut x`.
fn plain_name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => Some(&name.ident),
        _ => None,
    }
}

/// Returns whether a type is `&Context<..>`, by any path.
pub(crate) fn is_context(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Reference(reference) if reference.mutability.is_none() => {
            type_name(&reference.elem).is_some_and(|name| name == "Context")
        }
        _ => false,
    }
}

/// Returns the type inside parentheses, or inside the invisible group of a macro's `$ty`.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        other => other,
    }
}

/// Returns the last name of a path, without its arguments.
pub(crate) fn type_name(ty: &Type) -> Option<Ident> {
    match ungrouped(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|last| last.ident.clone()),
        _ => None,
    }
}
