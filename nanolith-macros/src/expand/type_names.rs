//! Looks at the names in a type. [`Origin`] decides whether a `Send` assertion on it can stand
//! inside a generated type, and [`Reason`] says why the type may not be `Send`.

use std::collections::HashSet;

use quote::ToTokens;
use syn::{
    Type, TypeParamBound, TypePtr, TypeTraitObject,
    visit::{self, Visit},
};

use crate::{names, text};

/// The origin of a type that may not be `Send`, as its names show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Standard,
    Unknown,
}

impl Origin {
    /// Returns the origin, or `None` for a type that is known to be `Send`. Such a type needs no
    /// check, which saves compile time.
    pub(super) fn of(ty: &Type) -> Option<Self> {
        let mut mentioned = HashSet::new();
        names::collect_identifiers(ty.to_token_stream(), &mut mentioned);
        let is_pointer = text::of(ty).contains('*');
        let mut moves = mentioned.iter().map(|name| MOVES.contains(&name.as_str()));
        let is_standard = |name: &String| MOVES.contains(&name.as_str()) || STANDARD.contains(&name.as_str());
        match mentioned.iter().all(is_standard) {
            true if moves.all(|moves| moves) && !is_pointer => None,
            true => Some(Self::Standard),
            false => Some(Self::Unknown),
        }
    }
}

/// Returns whether the name is of a standard library type that is `Send` if its parameters are.
pub(super) fn is_known(name: &str) -> bool {
    MOVES.contains(&name)
}

/// The names whose types are `Send` if their parameters are. If a name belongs to another type, the
/// compiler still rejects a value that cannot move.
const MOVES: [&str; 37] = [
    "bool",
    "char",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "str",
    "static",
    "std",
    "core",
    "alloc",
    "string",
    "vec",
    "option",
    "result",
    "boxed",
    "collections",
    "Box",
    "Option",
    "Result",
    "String",
    "Vec",
    "VecDeque",
    "HashMap",
    "HashSet",
    "BTreeMap",
    "BTreeSet",
];

/// The other names in the types of the standard library. No set has such a name.
const STANDARD: [&str; 43] = [
    "rc",
    "cell",
    "sync",
    "any",
    "error",
    "fmt",
    "ops",
    "iter",
    "future",
    "pin",
    "ptr",
    "dyn",
    "fn",
    "for",
    "const",
    "mut",
    "Rc",
    "Weak",
    "Cell",
    "RefCell",
    "OnceCell",
    "LazyCell",
    "OnceLock",
    "LazyLock",
    "Ref",
    "RefMut",
    "Arc",
    "Mutex",
    "MutexGuard",
    "RwLockReadGuard",
    "RwLockWriteGuard",
    "RwLock",
    "NonNull",
    "Any",
    "Debug",
    "Error",
    "Fn",
    "FnMut",
    "FnOnce",
    "Iterator",
    "Item",
    "Send",
    "Sync",
];

/// The reason why a type may not be `Send`, as its names show. It selects the checks with a fitting
/// error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Any,
    Rc,
    RefCell,
    Cell,
    OnceCell,
    Pointer,
    Guard,
    Error,
    Object,
}

impl Reason {
    /// Returns the first reason found. A trait object counts if it does not name `Send`.
    pub(super) fn of(ty: &Type) -> Self {
        let mut mentioned = HashSet::new();
        names::collect_identifiers(ty.to_token_stream(), &mut mentioned);
        let by_name = BY_NAME.iter().find(|(name, _)| mentioned.contains(*name));
        let mut inside = Inside(None);
        inside.visit_type(ty);
        by_name.map(|(_, reason)| *reason).or(inside.0).unwrap_or(Self::Any)
    }

    /// Returns the prefix of the names of the checks for this reason.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Rc => "rc",
            Self::RefCell => "ref_cell",
            Self::Cell => "cell",
            Self::OnceCell => "once_cell",
            Self::Pointer => "pointer",
            Self::Guard => "guard",
            Self::Error => "error",
            Self::Object => "object",
        }
    }
}

const BY_NAME: [(&str, Reason); 12] = [
    ("Rc", Reason::Rc),
    ("RefCell", Reason::RefCell),
    ("Cell", Reason::Cell),
    ("OnceCell", Reason::OnceCell),
    ("LazyCell", Reason::OnceCell),
    ("NonNull", Reason::Pointer),
    ("MutexGuard", Reason::Guard),
    ("MappedMutexGuard", Reason::Guard),
    ("RwLockReadGuard", Reason::Guard),
    ("RwLockWriteGuard", Reason::Guard),
    ("Ref", Reason::Guard),
    ("RefMut", Reason::Guard),
];

/// A visitor that finds reasons which are not names, such as pointers and trait objects.
struct Inside(Option<Reason>);

impl<'ast> Visit<'ast> for Inside {
    fn visit_type_ptr(&mut self, ty: &'ast TypePtr) {
        self.0.get_or_insert(Reason::Pointer);
        visit::visit_type_ptr(self, ty);
    }

    fn visit_type_trait_object(&mut self, ty: &'ast TypeTraitObject) {
        let bounds: Vec<String> = ty.bounds.iter().filter_map(last_name).collect();
        if !bounds.iter().any(|bound| bound == "Send") {
            let is_error = bounds.iter().any(|bound| bound == "Error");
            self.0.get_or_insert(if is_error { Reason::Error } else { Reason::Object });
        }
        visit::visit_type_trait_object(self, ty);
    }
}

fn last_name(bound: &TypeParamBound) -> Option<String> {
    match bound {
        TypeParamBound::Trait(bound) => Some(bound.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(ty: &str) -> Option<Origin> {
        Origin::of(&syn::parse_str(ty).expect("a test gives a type"))
    }

    #[test]
    fn well_known_send_types_are_not_checked() {
        for ty in ["i64", "()", "[u8; 4]", "Vec<Option<String>>", "std::vec::Vec<u8>", "&'static str"] {
            assert!(origin(ty).is_none(), "{ty}");
        }
    }

    #[test]
    fn types_without_a_set_have_standard_origin() {
        for ty in ["Rc<u8>", "RefCell<std::rc::Rc<u8>>", "*const u8", "Box<dyn Fn(&str) -> usize>", "fn(u8) -> u8"] {
            assert!(origin(ty) == Some(Origin::Standard), "{ty}");
        }
    }

    #[test]
    fn types_that_may_hold_the_set_have_unknown_origin() {
        for ty in ["Service<Counter>", "Vec<Peer>", "Rc<Counter>", "Box<dyn Shape>"] {
            assert!(origin(ty) == Some(Origin::Unknown), "{ty}");
        }
    }

    #[test]
    fn reason_names_the_part_that_is_not_send() {
        for (ty, expected) in [
            ("Option<Rc<RefCell<u8>>>", Reason::Rc),
            ("Arc<std::cell::RefCell<u8>>", Reason::RefCell),
            ("&'static Cell<u8>", Reason::Cell),
            ("Arc<OnceCell<u8>>", Reason::OnceCell),
            ("Vec<*mut u8>", Reason::Pointer),
            ("NonNull<u8>", Reason::Pointer),
            ("std::sync::RwLockReadGuard<'static, u8>", Reason::Guard),
            ("Result<u8, Box<dyn std::error::Error>>", Reason::Error),
            ("Result<Order, Box<dyn Error + Send + Sync>>", Reason::Any),
            ("Box<dyn Fn()>", Reason::Object),
            ("Box<dyn Fn() + Send>", Reason::Any),
            ("Order", Reason::Any),
        ] {
            assert_eq!(Reason::of(&syn::parse_str(ty).expect("a type")), expected, "{ty}");
        }
    }
}
