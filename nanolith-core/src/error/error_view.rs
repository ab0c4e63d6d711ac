//! [`ErrorView`] reads an error whose type is a type parameter: its source, its text, and whether
//! threads may share it.
//!
//! `TaskError<E>` and its like are errors for every `E` that can be shown: `anyhow::Error` and
//! boxed errors implement `Error` no more than a `String` does. So their `source` knows nothing of
//! `E`, and a service that keeps an error of its `#[init]` knows nothing of it either. But
//! `#[define]` knows each error type of a set: it picks an [`ErrorView`] by method resolution, from
//! the first `impl` of [`ViewError`] below whose bounds hold ([autoref specialization]).
//!
//! [`source`] looks a view up by the type's id: [`learn`] keeps it before the first error of that
//! type is handed out. `InitError` has its view from the set.
//!
//! [autoref specialization]: https://github.com/dtolnay/case-studies/blob/master/autoref-specialization/README.md

use super::{BoxError, CallError};
use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    error::Error,
    fmt::{Debug, Display},
    io,
    marker::PhantomData,
    ops::Deref,
    sync::{PoisonError, RwLock},
};

/// An error of any type, in the hands of one thread.
pub(crate) type Owned = Box<dyn Any + Send>;
/// An error of any type that threads may share.
pub(crate) type Shared = Box<dyn Any + Send + Sync>;

/// How errors of one type are read.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)] // hidden: for generated code
pub struct ErrorView {
    of: TypeId,
    read: Read,
}

/// What is read of a value. A value of another type than the view's gives nothing.
#[derive(Clone, Copy)]
enum Read {
    /// The error that the value is or points to; and how the value goes to all threads, if they may
    /// share it.
    Error(fn(&dyn Any) -> Option<&(dyn Error + 'static)>, fn(Owned) -> Result<Shared, Owned>),
    /// A text.
    Text(fn(&dyn Any) -> Option<String>),
}

impl ErrorView {
    fn new<E: 'static>(read: Read) -> Option<Self> {
        Some(Self { of: TypeId::of::<E>(), read })
    }

    /// Returns the view of errors of this type. The bounds of a set's parameter may hide that it
    /// stands for an error, so that a second view of the type reads more.
    #[must_use]
    pub fn find(of: TypeId, views: &[Option<Self>]) -> Option<Self> {
        views.iter().flatten().filter(|view| view.of == of).max_by_key(|view| view.is_of_errors()).copied()
    }

    fn is_of_errors(&self) -> bool {
        matches!(self.read, Read::Error(..))
    }

    /// Returns the error that `value` is or points to.
    pub(crate) fn as_error<'a>(&self, value: &'a dyn Any) -> Option<&'a (dyn Error + 'static)> {
        match self.read {
            Read::Error(as_error, _) => as_error(value),
            Read::Text(_) => None,
        }
    }

    /// Returns the text of `value`, which the user's code writes.
    pub(crate) fn text(&self, value: &dyn Any) -> Option<String> {
        match self.read {
            Read::Error(as_error, _) => as_error(value).map(ToString::to_string),
            Read::Text(text) => text(value),
        }
    }

    /// Returns `value` for all threads, if [`ErrorView::as_error`] reads it and threads may share
    /// it.
    pub(crate) fn share(&self, value: Owned) -> Result<Shared, Owned> {
        match self.read {
            Read::Error(_, share) => share(value),
            Read::Text(_) => Err(value),
        }
    }
}

/// Stands for a type, which may be a `Result`, while the compiler looks for a view of its error.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// The value to look at, with six `&` before it: method resolution takes off one after the
    /// other.
    pub const NEW: Self = Self(PhantomData);
}

/// Gives the view of a type's error.
pub trait ViewError {
    #[doc(hidden)]
    fn nanolith_error_view(&self) -> Option<ErrorView>;
}

/// Errors that threads may share.
impl<T, E: Error + Send + Sync + 'static> ViewError for &&&&&Probe<Result<T, E>> {
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        ErrorView::new::<E>(Read::Error(|value| Some(value.downcast_ref::<E>()?), |value| Ok(value.downcast::<E>()?)))
    }
}

/// Other errors.
impl<T, E: Error + 'static> ViewError for &&&&Probe<Result<T, E>> {
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        ErrorView::new::<E>(Read::Error(|value| Some(value.downcast_ref::<E>()?), Err))
    }
}

/// Pointers to an error: boxed errors, and the types of `anyhow` and `eyre`.
impl<T, E: Deref<Target = dyn Error + Send + Sync> + Send + Sync + 'static> ViewError for &&&Probe<Result<T, E>> {
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        ErrorView::new::<E>(Read::Error(
            |value| Some(&**value.downcast_ref::<E>()?),
            |value| Ok(value.downcast::<E>()?),
        ))
    }
}

/// Values with a text.
impl<T, E: Display + 'static> ViewError for &&Probe<Result<T, E>> {
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        ErrorView::new::<E>(Read::Text(|value| Some(value.downcast_ref::<E>()?.to_string())))
    }
}

/// Values with a text for programmers.
impl<T, E: Debug + 'static> ViewError for &Probe<Result<T, E>> {
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        ErrorView::new::<E>(Read::Text(|value| Some(format!("{:?}", value.downcast_ref::<E>()?))))
    }
}

/// All else, and what is no `Result`.
impl<T> ViewError for Probe<T> {
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        None
    }
}

/// The view of an error type, as generated code has it.
macro_rules! view_of {
    ($error:ty) => {{
        use $crate::error::error_view::{Probe, ViewError as _};
        (&&&&&&Probe::<Result<(), $error>>::NEW).nanolith_error_view()
    }};
}
pub(crate) use view_of;

static KNOWN: RwLock<BTreeMap<TypeId, ErrorView>> = RwLock::new(BTreeMap::new());

/// Keeps the view of `E`, which `find` gives, unless it is known or reads no error.
pub(crate) fn learn<E: 'static>(find: impl FnOnce(TypeId) -> Option<ErrorView>) {
    let of = TypeId::of::<E>();
    if known(of).is_none() {
        if let Some(view) = find(of).filter(ErrorView::is_of_errors) {
            KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(of, view);
        }
    }
}

fn known(of: TypeId) -> Option<ErrorView> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&of).copied()
}

/// The view of a type whose errors have sources, and that needs no set.
fn built_in(of: TypeId) -> Option<ErrorView> {
    ErrorView::find(of, &[view_of!(BoxError), view_of!(CallError), view_of!(io::Error)])
}

/// Returns the source of `error`, if its type is known to have one.
pub(crate) fn source<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    let of = TypeId::of::<E>();
    known(of).or_else(|| built_in(of))?.as_error(error)?.source()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, fmt, num::ParseIntError};

    /// An error with a source. A `Cell<u8>` in it keeps threads from sharing it.
    #[derive(Debug)]
    struct Outer<X = ()>(ParseIntError, X);

    impl<X> Display for Outer<X> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl<X: Debug> Error for Outer<X> {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn outer<X>(more: X) -> Outer<X> {
        Outer("x".parse::<u8>().unwrap_err(), more)
    }

    #[derive(Debug)]
    struct Plain;

    struct Shapeless;

    /// Whether an error of this type has a source, its text, and whether threads share it.
    macro_rules! read {
        ($ty:ty, $error:expr) => {{
            let error: $ty = $error;
            view_of!($ty).map(|view| {
                let has_source = view.as_error(&error).is_some_and(|error| error.source().is_some());
                (has_source, view.text(&error).unwrap_or_default(), view.share(Box::new(error)).is_ok())
            })
        }};
    }

    #[test]
    fn each_kind_of_error_has_its_view() {
        assert_eq!(read!(Outer, outer(())), Some((true, "outer".into(), true)));
        assert_eq!(read!(Outer<Cell<u8>>, outer(Cell::new(1))), Some((true, "outer".into(), false)));
        assert_eq!(read!(BoxError, outer(()).into()), Some((true, "outer".into(), true)));
        assert_eq!(read!(&str, "text"), Some((false, "text".into(), false)));
        assert_eq!(read!(Plain, Plain), Some((false, "Plain".into(), false)));
        assert_eq!(read!(Shapeless, Shapeless), None);
        assert!(Probe::<u8>::NEW.nanolith_error_view().is_none(), "it is no `Result`");
    }

    /// The view of a type where only this is known of it.
    fn of_debug<E: Debug + 'static>() -> Option<ErrorView> {
        view_of!(E)
    }

    #[test]
    fn bounds_of_a_parameter_choose_its_view() {
        fn of_error<E: Error + 'static>() -> Option<ErrorView> {
            view_of!(E)
        }
        fn of_any<E: 'static>() -> Option<ErrorView> {
            view_of!(E)
        }
        assert!(of_error::<Outer>().is_some_and(|view| view.as_error(&outer(())).is_some()));
        assert!(of_debug::<Outer>().is_some_and(|view| view.as_error(&outer(())).is_none()));
        assert!(of_any::<Outer>().is_none());
    }

    #[test]
    fn view_of_errors_is_found_by_their_type() {
        let views = [view_of!(Shapeless), view_of!(String), view_of!(Outer), of_debug::<Outer>()];
        let found = ErrorView::find(TypeId::of::<Outer>(), &views);
        assert!(found.is_some_and(|view| view.as_error(&outer(())).is_some()), "the one that reads more");
        assert!(ErrorView::find(TypeId::of::<u8>(), &views).is_none());
    }

    #[test]
    fn registered_type_has_its_source() {
        learn::<Outer>(|_| of_debug::<Outer>()); // by a set that knows less of it
        assert!(source(&outer(())).is_none());
        learn::<Outer>(|of| ErrorView::find(of, &[view_of!(Outer)]));
        assert!(source(&outer(())).is_some_and(<dyn Error>::is::<ParseIntError>));
    }

    #[test]
    fn built_in_type_has_its_source() {
        let boxed: BoxError = outer(()).into();
        assert!(source(&boxed).is_some_and(<dyn Error>::is::<ParseIntError>));
        assert!(source(&io::Error::other(outer(()))).is_some_and(<dyn Error>::is::<ParseIntError>));
    }
}
