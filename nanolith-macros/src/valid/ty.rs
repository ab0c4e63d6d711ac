//! Checks the type of a task's argument or output. References, `impl Trait` and types without a
//! known size are mistakes.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    GenericArgument, Generics, Lifetime, ParenthesizedGenericArguments, PathArguments, PathSegment, Type, TypeFnPtr,
    TypeImplTrait, TypeInfer, TypeReference,
    visit::{self, Visit},
};

use crate::{ast::ungrouped, mistakes::Mistakes, names, text, valid::advice};

/// A mistake in a type, and its position.
pub(crate) enum Finding {
    /// The type itself is a reference.
    Borrow(TypeReference),
    /// The type contains a reference or a lifetime.
    BorrowInside(TokenStream),
    ImplTrait(TypeImplTrait),
    Unsized(Type),
    Inferred(TypeInfer),
    Never(Type),
}

/// Checks an argument's type. A borrow for a lifetime parameter of the function is reported at that
/// parameter.
pub(super) fn check_argument(ty: &Type, generics: &Generics, mistakes: &mut Mistakes) {
    let Some(finding) = finding(ty).filter(|finding| !finding.is_told_at(generics)) else { return };
    let message = match &finding {
        Finding::Borrow(reference) => {
            let instead = advice::for_reference(reference);
            format!("arguments are owned, since a borrow cannot outlive the call; take {instead}")
        }
        Finding::BorrowInside(_) => format!("arguments are owned, and this borrows inside; take {}", owner_of(ty)),
        Finding::ImplTrait(ty) => {
            format!("`impl` has no name to make a field of; take {}", advice::for_impl(ty))
        }
        Finding::Unsized(ty) => {
            format!("`{}` has no size known here; take {}", text::of(ty), advice::for_unsized(ty))
        }
        Finding::Inferred(_) => "an argument becomes a field, whose type cannot be inferred; write the type".to_owned(),
        Finding::Never(_) => "no value is of type `!`, so the task could not be called; remove the argument".to_owned(),
    };
    mistakes.at(finding.place(), message);
}

pub(super) fn check_output(ty: &Type, generics: &Generics, mistakes: &mut Mistakes) {
    let Some(finding) = finding(ty).filter(|finding| !finding.is_told_at(generics)) else { return };
    let message = match &finding {
        Finding::Borrow(_) | Finding::BorrowInside(_) if borrows_state(ty) => {
            "the state stays with its executor, so a call cannot return a borrow of it; return a value or \
                nothing, or leave the function out by `#[task(skip)]`"
                .to_owned()
        }
        Finding::Borrow(reference) => {
            let instead = advice::for_reference(reference);
            format!(
                "what a task returns goes to another thread, and a borrow cannot outlive the call; return {instead}"
            )
        }
        Finding::BorrowInside(_) => {
            format!("what a task returns goes to another thread, and this borrows inside; return {}", owner_of(ty))
        }
        Finding::ImplTrait(ty) => match advice::output_of_future(ty) {
            Some(output) => {
                format!("a task that returns a future is an `async` one; write `async fn .. -> {}`", text::of(output))
            }
            None => format!("`impl` has no name to make a field of; return {}", advice::for_impl(ty)),
        },
        Finding::Unsized(ty) => {
            format!("`{}` has no size known here; return {}", text::of(ty), advice::for_unsized(ty))
        }
        Finding::Inferred(_) => {
            "what a task returns becomes a field, whose type cannot be inferred; write the type".to_owned()
        }
        Finding::Never(_) => "a task that never returns would hold its thread for good and leave its caller waiting; \
            return `()` once it is asked to stop (`cx.is_cancelled()`)"
            .to_owned(),
    };
    mistakes.at(finding.place(), message);
}

/// Returns the type to take or return instead of a type that borrows inside.
fn owner_of(ty: &Type) -> String {
    let mut mentioned = HashSet::new();
    names::collect_identifiers(ty.to_token_stream(), &mut mentioned);
    if GUARDS.iter().any(|guard| mentioned.contains(*guard)) {
        return "the lock itself, as `Arc<Mutex<T>>`, and lock it where the data is used".to_owned();
    }
    let general = "an owned type: `String` for `&str`, `Arc<T>` for `&T`, or `'static`";
    advice::for_borrow_inside(ty).unwrap_or_else(|| general.to_owned())
}

/// Returns whether the type contains a `&Self` or a `&mut Self`.
fn borrows_state(ty: &Type) -> bool {
    struct State(bool);
    impl<'ast> Visit<'ast> for State {
        fn visit_type_reference(&mut self, ty: &'ast TypeReference) {
            self.0 |= matches!(ungrouped(&ty.elem), Type::Path(path) if path.path.is_ident("Self"));
            visit::visit_type_reference(self, ty);
        }
    }
    let mut state = State(false);
    state.visit_type(ty);
    state.0
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

/// Returns the first mistake in `ty`.
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

pub(super) fn is_static(lifetime: Option<&Lifetime>) -> bool {
    lifetime.is_some_and(|lifetime| lifetime.ident == "static")
}

/// A visitor that searches a type. It skips the arguments and outputs of functions, `fn(&T)` or
/// `dyn Fn(&T)`, since a value of the type does not hold them.
#[derive(Default)]
struct Search {
    found: Option<Finding>,
    in_function: bool,
    /// The lifetimes of the enclosing `for<'a>`s.
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

/// The types of guards that a lock returns. The thread that locked has to drop them.
const GUARDS: [&str; 6] = ["MutexGuard", "MappedMutexGuard", "RwLockReadGuard", "RwLockWriteGuard", "Ref", "RefMut"];

/// Returns whether a path leaves a lifetime out. That is not visible, except for standard library
/// types that are known to have one.
fn leaves_lifetime_out(segment: &PathSegment) -> bool {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
    let has_lifetime = segment.ident == "Cow" || GUARDS.iter().any(|guard| segment.ident == guard);
    has_lifetime && !arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)))
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
