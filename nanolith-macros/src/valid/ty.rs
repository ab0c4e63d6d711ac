//! What the type of an argument or an output may be.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    GenericArgument, Generics, Lifetime, ParenthesizedGenericArguments, PathArguments, PathSegment, Type, TypeFnPtr,
    TypeImplTrait, TypeInfer, TypeReference,
    visit::{self, Visit},
};

use crate::{ast::ungrouped, mistakes::Mistakes, names, text};

/// What is wrong with a type, and where in it.
pub(crate) enum Finding {
    /// The type itself is a reference.
    Borrow(TypeReference),
    /// A reference or a lifetime inside of it.
    BorrowInside(TokenStream),
    ImplTrait(TypeImplTrait),
    Unsized(Type),
    Inferred(TypeInfer),
    Never(Type),
}

/// A borrow for one of the function's own lifetimes is told there.
pub(super) fn check_argument(ty: &Type, generics: &Generics, mistakes: &mut Mistakes) {
    let Some(finding) = finding(ty).filter(|finding| !finding.is_told_at(generics)) else { return };
    let message = match &finding {
        Finding::Borrow(reference) => {
            format!("arguments are owned, since a borrow cannot outlive the call; take {}", owned(reference))
        }
        Finding::BorrowInside(_) => {
            "arguments are owned, and this borrows inside; take an owned type: `String` for `&str`, \
                `Arc<T>` for `&T`, or `'static`"
                .to_owned()
        }
        Finding::ImplTrait(ty) => {
            format!("`impl` has no name to make a field of; take a concrete type, or `Box<dyn {}>`", with_send(ty))
        }
        Finding::Unsized(ty) => format!("`{}` has no size known here; take {}", text::of(ty), boxed(ty)),
        Finding::Inferred(_) => "an argument becomes a field, whose type cannot be inferred; write the type".to_owned(),
        Finding::Never(_) => "no value is of type `!`, so the task could not be called; remove the argument".to_owned(),
    };
    mistakes.at(finding.place(), message);
}

pub(super) fn check_output(ty: &Type, generics: &Generics, mistakes: &mut Mistakes) {
    let Some(finding) = finding(ty).filter(|finding| !finding.is_told_at(generics)) else { return };
    let message = match &finding {
        Finding::Borrow(reference) => {
            format!(
                "what a task returns goes to another thread, and a borrow cannot outlive the call; return \
                {}",
                owned(reference)
            )
        }
        Finding::BorrowInside(_) => {
            "what a task returns goes to another thread, and this borrows inside; return an owned \
                type: `String` for `&str`, `Arc<T>` for `&T`, or `'static`"
                .to_owned()
        }
        Finding::ImplTrait(ty) => {
            format!("`impl` has no name to make a field of; return a concrete type, or `Box<dyn {}>`", with_send(ty))
        }
        Finding::Unsized(ty) => format!("`{}` has no size known here; return {}", text::of(ty), boxed(ty)),
        Finding::Inferred(_) => {
            "what a task returns becomes a field, whose type cannot be inferred; write the type".to_owned()
        }
        Finding::Never(_) => "a task that never returns would hold its thread for good and leave its caller waiting; \
            return `()` once it is asked to stop (`cx.is_cancelled()`)"
            .to_owned(),
    };
    mistakes.at(finding.place(), message);
}

impl Finding {
    fn is_told_at(&self, generics: &Generics) -> bool {
        let mut mentioned = HashSet::new();
        if let Self::Borrow(_) | Self::BorrowInside(_) = self {
            names::collect_identifiers(self.place(), &mut mentioned);
        }
        generics.lifetimes().any(|param| mentioned.contains(&param.lifetime.ident.to_string()))
    }

    fn place(&self) -> TokenStream {
        match self {
            Self::Borrow(ty) => ty.to_token_stream(),
            Self::BorrowInside(tokens) => tokens.clone(),
            Self::ImplTrait(ty) => ty.to_token_stream(),
            Self::Unsized(ty) | Self::Never(ty) => ty.to_token_stream(),
            Self::Inferred(ty) => ty.to_token_stream(),
        }
    }
}

/// The owned type to take for a borrow.
fn owned(reference: &TypeReference) -> String {
    let inner = ungrouped(&reference.elem);
    let written = text::of(inner);
    let mutable = reference.mutability.is_some();
    match (inner, written.as_str()) {
        (_, "str") => "`String`".to_owned(),
        (_, "Path" | "std::path::Path") => "`PathBuf`".to_owned(),
        (_, "OsStr" | "std::ffi::OsStr") => "`OsString`".to_owned(),
        (_, "CStr" | "std::ffi::CStr") => "`CString`".to_owned(),
        (Type::Slice(slice), _) => format!("`Vec<{}>`", text::of(&slice.elem)),
        (Type::TraitObject(_), _) => format!("`Box<{written}>` or `Arc<{written}>`"),
        _ if mutable => format!("`{written}`, and give it back in what the task returns"),
        _ => format!("`{written}` or `Arc<{written}>`"),
    }
}

fn boxed(ty: &Type) -> String {
    match ty {
        Type::Slice(slice) => format!("`Vec<{}>`", text::of(&slice.elem)),
        Type::TraitObject(object) => format!("`Box<{}>`", with_send(object)),
        _ => "`String`".to_owned(),
    }
}

/// The bounds of `impl A` or `dyn A`, with the `Send` that moving to another thread asks for.
fn with_send(ty: &impl ToTokens) -> String {
    let written = text::of(ty);
    let is_send = written.split([' ', '+']).any(|bound| bound == "Send");
    let bounds = match written.strip_prefix("impl ") {
        Some(bounds) => bounds.to_owned(),
        None => written,
    };
    if is_send { bounds } else { format!("{bounds} + Send") }
}

/// The first thing that is wrong with `ty`.
pub(crate) fn finding(ty: &Type) -> Option<Finding> {
    let ty = ungrouped(ty);
    match ty {
        Type::Never(_) => return Some(Finding::Never(ty.clone())),
        Type::TraitObject(_) | Type::Slice(_) => return Some(Finding::Unsized(ty.clone())),
        Type::Path(path) if path.path.is_ident("str") => return Some(Finding::Unsized(ty.clone())),
        Type::Reference(reference) if !is_static(reference.lifetime.as_ref()) => {
            return Some(Finding::Borrow(reference.clone()));
        }
        _ => {}
    }
    let mut search = Search::default();
    search.visit_type(ty);
    search.found
}

fn is_static(lifetime: Option<&Lifetime>) -> bool {
    lifetime.is_some_and(|lifetime| lifetime.ident == "static")
}

/// Looks inside of a type. What a function takes and gives, `fn(&T)` or `dyn Fn(&T)`, is not held by a value of it.
#[derive(Default)]
struct Search {
    found: Option<Finding>,
    in_function: bool,
    /// The lifetimes of the `for<'a>` that are open.
    bound: Vec<String>,
}

impl Search {
    fn find(&mut self, finding: Finding) {
        self.found.get_or_insert(finding);
    }

    fn within_function(&mut self, look: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.in_function, true);
        look(self);
        self.in_function = outside;
    }
}

/// A lifetime that is left out of a path cannot be seen, but in the one type that everybody knows to have one.
fn leaves_lifetime_out(segment: &PathSegment) -> bool {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
    segment.ident == "Cow" && !arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)))
}

impl<'ast> Visit<'ast> for Search {
    fn visit_path_segment(&mut self, segment: &'ast PathSegment) {
        if !self.in_function && leaves_lifetime_out(segment) {
            self.find(Finding::BorrowInside(segment.to_token_stream()));
        }
        visit::visit_path_segment(self, segment);
    }

    fn visit_type_reference(&mut self, ty: &'ast TypeReference) {
        if ty.lifetime.is_none() && !self.in_function {
            self.find(Finding::BorrowInside(ty.to_token_stream()));
        }
        visit::visit_type_reference(self, ty);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        let bound = self.bound.iter().any(|bound| lifetime.ident == bound);
        if !bound && !self.in_function && !is_static(Some(lifetime)) {
            self.find(Finding::BorrowInside(lifetime.to_token_stream()));
        }
    }

    fn visit_bound_lifetimes(&mut self, lifetimes: &'ast syn::BoundLifetimes) {
        let names = lifetimes.lifetimes.iter().filter_map(|param| match param {
            syn::GenericParam::Lifetime(param) => Some(param.lifetime.ident.to_string()),
            _ => None,
        });
        self.bound.extend(names);
    }

    fn visit_type_fn_ptr(&mut self, ty: &'ast TypeFnPtr) {
        self.within_function(|search| visit::visit_type_fn_ptr(search, ty));
    }

    fn visit_parenthesized_generic_arguments(&mut self, arguments: &'ast ParenthesizedGenericArguments) {
        self.within_function(|search| visit::visit_parenthesized_generic_arguments(search, arguments));
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.find(Finding::ImplTrait(ty.clone()));
    }

    fn visit_type_infer(&mut self, ty: &'ast TypeInfer) {
        self.find(Finding::Inferred(ty.clone()));
    }
}
