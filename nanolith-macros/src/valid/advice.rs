//! Finds the type to write instead of a type that a task can neither take nor return.

use quote::quote;
use syn::{
    AssocType, GenericArgument, Path, PathArguments, PathSegment, Type, TypeImplTrait, TypeParamBound, TypeReference,
    TypeTraitObject, parse_quote,
    visit::{self, Visit},
    visit_mut::{self, VisitMut},
};

use crate::{ast::ungrouped, text};

/// Returns the type to take or return instead of a reference.
pub(super) fn for_reference(reference: &TypeReference) -> String {
    let inner = ungrouped(&reference.elem);
    let owned = sized(owned(inner));
    let name = written(&owned);
    let is_mutable = reference.mutability.is_some();
    match inner {
        Type::ImplTrait(ty) => for_impl(ty),
        Type::TraitObject(object) => format!("`Box<{}>` or `Arc<{}>`", with_send(object), with_sync(object)),
        _ if is_mutable => format!("`{name}`, and give it back in what the task returns"),
        // The reference is to a view, such as the `str` of a `String`, or to a borrow.
        _ if name != text::of(inner) => format!("`{name}`"),
        _ => format!("`{name}` or `Arc<{name}>`"),
    }
}

/// Returns the type to take or return instead of a type that borrows inside. Returns `None` unless
/// each borrow in it has a known owned type.
pub(super) fn for_borrow_inside(ty: &Type) -> Option<String> {
    owned_by_value(ty).map(|owned| format!("`{}`", written(&owned)))
}

/// Returns the type to write instead of a type that cannot be taken or returned, if one is known.
pub(super) fn instead_of(ty: &Type) -> Option<Type> {
    match ungrouped(ty) {
        Type::ImplTrait(ty) => output_of_future(ty).cloned().or_else(|| converted(ty)),
        other => owned_by_value(&sized(other.clone())),
    }
}

/// Returns the type with owned types in place of its borrows, or `None` if a lifetime is left.
fn owned_by_value(ty: &Type) -> Option<Type> {
    let owned = owned(ty);
    let mut search = Lifetimes(false);
    search.visit_type(&owned);
    (!search.0).then_some(owned)
}

/// Returns the type to take or return instead of an `impl Trait`.
pub(super) fn for_impl(ty: &TypeImplTrait) -> String {
    match converted(ty) {
        Some(ty) => format!("`{}`", written(&ty)),
        None => format!("a concrete type, or `Box<dyn {}>`", with_send(ty)),
    }
}

/// Returns the type that a function usually wants of an `impl Trait`.
fn converted(ty: &TypeImplTrait) -> Option<Type> {
    let bounds = ty.bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last(),
        _ => None,
    });
    bounds.into_iter().find_map(of_conversion)
}

/// Returns the `T` of `impl Future<Output = T>`.
pub(super) fn output_of_future(ty: &TypeImplTrait) -> Option<&Type> {
    ty.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let future = bound.path.segments.last().filter(|last| last.ident == "Future")?;
            associated(future, "Output")
        }
        _ => None,
    })
}

/// Returns the type that a function usually wants of a conversion: `PathBuf` for `AsRef<Path>`.
fn of_conversion(bound: &PathSegment) -> Option<Type> {
    Some(match bound.ident.to_string().as_str() {
        "AsRef" | "AsMut" | "Borrow" | "BorrowMut" | "Into" | "TryInto" => sized(owned(type_argument(bound)?)),
        "Iterator" | "IntoIterator" | "DoubleEndedIterator" | "ExactSizeIterator" => {
            let item = owned(associated(bound, "Item")?);
            parse_quote!(::std::vec::Vec<#item>)
        }
        "ToString" | "Display" => parse_quote!(::std::string::String),
        "ToSocketAddrs" => parse_quote!(::std::net::SocketAddr),
        _ => return None,
    })
}

/// Returns the type to take or return instead of a type whose size is not known.
pub(super) fn for_unsized(ty: &Type) -> String {
    match ty {
        Type::TraitObject(object) => format!("`Box<{}>`", with_send(object)),
        _ => format!("`{}`", written(&sized(owned(ty)))),
    }
}

/// Returns the bounds of `impl A` or `dyn A`, and the bounds that a move to another thread needs.
fn with_send(bounds: &impl Bounds) -> String {
    let mut written = bounds.written();
    let promises = |bound: &str| bounds.bounds().any(|found| found == bound);
    // An error is boxed in the usual form, with `Send` and `Sync`.
    let is_error = promises("Error");
    for bound in ["Send", "Sync"] {
        if !promises(bound) && (bound == "Send" || is_error) {
            written = format!("{written} + {bound}");
        }
    }
    written
}

fn with_sync(object: &TypeTraitObject) -> String {
    let written = with_send(object);
    match object.bounds().any(|bound| bound == "Sync") || written.ends_with("Sync") {
        true => written,
        false => format!("{written} + Sync"),
    }
}

/// The bounds of `impl A + B` or `dyn A + B`.
trait Bounds {
    fn all(&self) -> impl Iterator<Item = &TypeParamBound>;

    /// Returns the bounds as written, without `impl`.
    fn written(&self) -> String;

    /// Returns the last name of each bound.
    fn bounds(&self) -> impl Iterator<Item = String> {
        self.all().filter_map(|bound| match bound {
            TypeParamBound::Trait(bound) => Some(bound.path.segments.last()?.ident.to_string()),
            _ => None,
        })
    }
}

impl Bounds for TypeImplTrait {
    fn all(&self) -> impl Iterator<Item = &TypeParamBound> {
        self.bounds.iter()
    }

    fn written(&self) -> String {
        let bounds = &self.bounds;
        text::of(quote!(#bounds))
    }
}

impl Bounds for TypeTraitObject {
    fn all(&self) -> impl Iterator<Item = &TypeParamBound> {
        self.bounds.iter()
    }

    fn written(&self) -> String {
        text::of(self)
    }
}

/// Returns `ty`, with an owned type in place of each borrow.
fn owned(ty: &Type) -> Type {
    let mut ty = ty.clone();
    Own.visit_type_mut(&mut ty);
    ty
}

struct Own;

impl VisitMut for Own {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        match ungrouped(ty) {
            Type::Reference(reference) if !super::ty::is_static(reference.lifetime.as_ref()) => {
                *ty = sized((*reference.elem).clone());
            }
            Type::Path(path) if path.qself.is_none() => {
                let last = path.path.segments.last().filter(|last| last.ident == "Cow");
                if let Some(viewed) = last.and_then(type_argument) {
                    *ty = sized(viewed.clone());
                }
            }
            _ => {}
        }
    }
}

/// Returns the type that owns the data of the view `ty`: `String` for `str`.
fn sized(ty: Type) -> Type {
    match ungrouped(&ty) {
        Type::Slice(slice) => {
            let elem = &slice.elem;
            parse_quote!(::std::vec::Vec<#elem>)
        }
        Type::TraitObject(object) => {
            let object: Type = syn::parse_str(&with_send(object)).unwrap_or_else(|_| ty.clone());
            parse_quote!(::std::boxed::Box<#object>)
        }
        Type::Path(path) if path.qself.is_none() => owner(&path.path).map_or(ty.clone(), |path| parse_quote!(#path)),
        _ => ty,
    }
}

fn owner(path: &Path) -> Option<Path> {
    match path.segments.last()?.ident.to_string().as_str() {
        "str" => Some(parse_quote!(::std::string::String)),
        "Path" => Some(parse_quote!(::std::path::PathBuf)),
        "OsStr" => Some(parse_quote!(::std::ffi::OsString)),
        "CStr" => Some(parse_quote!(::std::ffi::CString)),
        _ => None,
    }
}

/// Returns the type as text, without the paths of modules whose names a program usually imports.
fn written(ty: &Type) -> String {
    let modules =
        ["::std::string::", "::std::path::", "::std::ffi::", "::std::vec::", "::std::boxed::", "::std::net::"];
    modules.iter().fold(text::of(ty), |text, module| text.replace(module, ""))
}

fn type_argument(segment: &PathSegment) -> Option<&Type> {
    arguments(segment).find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn associated<'a>(segment: &'a PathSegment, name: &str) -> Option<&'a Type> {
    arguments(segment).find_map(|argument| match argument {
        GenericArgument::AssocType(AssocType { ident, ty, .. }) if ident == name => Some(ty),
        _ => None,
    })
}

fn arguments(segment: &PathSegment) -> impl Iterator<Item = &GenericArgument> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments.args.iter()),
        _ => None,
    };
    arguments.into_iter().flatten()
}

/// A visitor that finds a lifetime other than `'static`.
struct Lifetimes(bool);

impl<'ast> Visit<'ast> for Lifetimes {
    fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
        self.0 |= lifetime.ident != "static";
        visit::visit_lifetime(self, lifetime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(ty: &str) -> String {
        for_reference(&syn::parse_str(ty).expect("a test gives a reference"))
    }

    #[test]
    fn advice_replaces_a_borrowed_view_by_its_owner() {
        for (ty, expected) in [
            ("&str", "`String`"),
            ("&mut str", "`String`, and give it back in what the task returns"),
            ("&Path", "`PathBuf`"),
            ("&std::path::Path", "`PathBuf`"),
            ("&OsStr", "`OsString`"),
            ("&CStr", "`CString`"),
            ("&[u8]", "`Vec<u8>`"),
            ("&[&str]", "`Vec<String>`"),
            ("&[&[&Path]]", "`Vec<Vec<PathBuf>>`"),
            ("&&str", "`String`"),
            ("&Config", "`Config` or `Arc<Config>`"),
            ("&mut Vec<u8>", "`Vec<u8>`, and give it back in what the task returns"),
            ("&dyn Shape", "`Box<dyn Shape + Send>` or `Arc<dyn Shape + Send + Sync>`"),
            ("&impl AsRef<Path>", "`PathBuf`"),
        ] {
            assert_eq!(reference(ty), expected, "{ty}");
        }
    }

    #[test]
    fn advice_replaces_a_nested_borrow_in_place() {
        for (ty, expected) in [
            ("Option<&str>", Some("`Option<String>`")),
            ("[&Path; 2]", Some("`[PathBuf; 2]`")),
            ("HashMap<&str, Vec<&[u8]>>", Some("`HashMap<String, Vec<Vec<u8>>>`")),
            ("Cow<'a, str>", Some("`String`")),
            ("Option<std::borrow::Cow<'_, [u8]>>", Some("`Option<Vec<u8>>`")),
            ("Box<dyn Fn(u8) + 'a>", None),
            ("Parser<'_>", None),
        ] {
            assert_eq!(for_borrow_inside(&syn::parse_str(ty).expect("a type")).as_deref(), expected, "{ty}");
        }
    }

    #[test]
    fn advice_replaces_a_conversion_by_its_target() {
        for (ty, expected) in [
            ("impl AsRef<Path>", "`PathBuf`"),
            ("impl AsRef<str> + Send", "`String`"),
            ("impl Into<String>", "`String`"),
            ("impl AsRef<[u8]>", "`Vec<u8>`"),
            ("impl IntoIterator<Item = (i64, &'a str)>", "`Vec<(i64, String)>`"),
            ("impl ToString", "`String`"),
            ("impl Fn(u8) -> u8", "a concrete type, or `Box<dyn Fn(u8) -> u8 + Send>`"),
            ("impl Error + 'static", "a concrete type, or `Box<dyn Error + 'static + Send + Sync>`"),
            ("impl Iterator", "a concrete type, or `Box<dyn Iterator + Send>`"),
        ] {
            assert_eq!(for_impl(&syn::parse_str(ty).expect("an `impl`")), expected, "{ty}");
        }
    }

    #[test]
    fn advice_replaces_an_unsized_type_by_its_owner() {
        for (ty, expected) in [
            ("str", "`String`"),
            ("[u8]", "`Vec<u8>`"),
            ("dyn Shape", "`Box<dyn Shape + Send>`"),
            ("dyn Shape + Send", "`Box<dyn Shape + Send>`"),
            ("dyn std::error::Error", "`Box<dyn std::error::Error + Send + Sync>`"),
        ] {
            assert_eq!(for_unsized(&syn::parse_str(ty).expect("a type")), expected, "{ty}");
        }
    }
}
