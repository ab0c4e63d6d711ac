//! How an error is read whose type is a parameter.
//!
//! `TaskError<E>` and its like are errors for every `E` that can be shown: `anyhow::Error` and
//! boxed errors implement `Error` no more than a `String` does. So their `source` knows nothing of
//! `E`. But `#[define]` knows each error type of a set: it picks, by method resolution, the
//! [`ErrorView`] of the first trait below that the type has (autoref specialization, as described
//! in <https://github.com/dtolnay/case-studies/blob/master/autoref-specialization/README.md>). What
//! it picked is kept by the type's id before the first error of that type is handed out.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    error::Error,
    fmt::Display,
    marker::PhantomData,
    ops::DerefMut,
    sync::{PoisonError, RwLock},
};

use super::BoxError;

/// How errors of one type are read.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)] // hidden: for generated code
pub struct ErrorView {
    of: TypeId,
    as_error: fn(&dyn Any) -> Option<&(dyn Error + 'static)>,
}

impl ErrorView {
    fn new<E: 'static>(as_error: fn(&dyn Any) -> Option<&(dyn Error + 'static)>) -> Self {
        Self { of: TypeId::of::<E>(), as_error }
    }

    /// The one for errors of a type of this crate.
    pub(crate) fn of_error<E: Error + 'static>() -> Self {
        Self::new::<E>(|error| Some(error.downcast_ref::<E>()?))
    }

    /// The one for errors of this type.
    #[must_use]
    pub fn find(of: TypeId, views: &[Option<Self>]) -> Option<Self> {
        views.iter().flatten().find(|view| view.of == of).copied()
    }
}

/// Stands for a type, here a `Result`, while the compiler looks for a view of its error.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// The value to look at, with four `&` before it.
    pub const NEW: Self = Self(PhantomData);
}

/// Errors.
pub trait ViewError {
    #[doc(hidden)]
    fn nanolith_error_view(&self) -> Option<ErrorView>;
}

impl<T, E: Error + 'static> ViewError for &&&Probe<Result<T, E>> {
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        Some(ErrorView::of_error::<E>())
    }
}

/// What holds an error of any type: boxed errors, and the types of `anyhow` and `eyre`.
pub trait ViewBoxed {
    #[doc(hidden)]
    fn nanolith_error_view(&self) -> Option<ErrorView>;
}

impl<T, E> ViewBoxed for &&Probe<Result<T, E>>
where
    E: DerefMut<Target = dyn Error + Send + Sync> + Display + 'static,
{
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        Some(ErrorView::new::<E>(|error| Some(&**error.downcast_ref::<E>()?)))
    }
}

/// What has a text alone.
pub trait ViewText {
    #[doc(hidden)]
    fn nanolith_error_view(&self) -> Option<ErrorView>;
}

impl<T, E: Display + 'static> ViewText for &Probe<Result<T, E>> {
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        Some(ErrorView::new::<E>(|_| None))
    }
}

/// All else.
pub trait ViewNothing {
    #[doc(hidden)]
    fn nanolith_error_view(&self) -> Option<ErrorView>;
}

impl<T> ViewNothing for Probe<T> {
    fn nanolith_error_view(&self) -> Option<ErrorView> {
        None
    }
}

static KNOWN: RwLock<BTreeMap<TypeId, ErrorView>> = RwLock::new(BTreeMap::new());

/// Keeps the view of `E`, which `find` gives, unless it is known.
pub(crate) fn learn<E: 'static>(find: impl FnOnce(TypeId) -> Option<ErrorView>) {
    if view_of::<E>().is_none() {
        if let Some(view) = find(TypeId::of::<E>()) {
            KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(view.of, view);
        }
    }
}

fn view_of<E: 'static>() -> Option<ErrorView> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&TypeId::of::<E>()).copied()
}

/// The source of `error`, if its type is known to have one.
pub(crate) fn source<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    match view_of::<E>() {
        Some(view) => (view.as_error)(error)?.source(),
        None => (error as &dyn Any).downcast_ref::<BoxError>()?.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fmt, io, num::ParseIntError};

    /// An error with a source.
    #[derive(Debug)]
    struct Outer(ParseIntError);

    impl Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn outer() -> Outer {
        Outer("x".parse::<u8>().unwrap_err())
    }

    /// What generated code writes for an output of this type.
    macro_rules! view {
        ($ty:ty) => {
            (&&&&Probe::<$ty>::NEW).nanolith_error_view()
        };
    }

    struct Shapeless;

    #[test]
    fn each_kind_of_error_has_the_view_that_fits() {
        assert!(view!(Result<(), Outer>).is_some_and(|view| (view.as_error)(&outer()).is_some()));
        let boxed: BoxError = outer().into();
        assert!(view!(Result<(), BoxError>).is_some_and(|view| (view.as_error)(&boxed).is_some()));
        let text = String::from("text");
        assert!(view!(Result<(), String>).is_some_and(|view| (view.as_error)(&text).is_none()));
        assert!(view!(Result<(), Shapeless>).is_none() && view!(u8).is_none());
    }

    #[test]
    fn a_view_is_found_by_the_type_of_the_error() {
        let views = [view!(u8), view!(Result<u8, io::Error>), view!(Result<u8, Outer>)];
        assert!(ErrorView::find(TypeId::of::<Outer>(), &views).is_some_and(|view| view.of == TypeId::of::<Outer>()));
        assert!(ErrorView::find(TypeId::of::<u8>(), &views).is_none());
    }

    #[test]
    fn a_type_that_was_learnt_has_its_source() {
        assert!(source(&outer()).is_none());
        learn::<Outer>(|of| ErrorView::find(of, &[view!(Result<(), Outer>)]));
        assert!(source(&outer()).is_some_and(<dyn Error>::is::<ParseIntError>));
        let boxed: BoxError = outer().into();
        assert!(source(&boxed).is_some_and(<dyn Error>::is::<ParseIntError>), "known without being learnt");
    }
}
