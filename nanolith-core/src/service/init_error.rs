//! [`InitError`]: the error that an `#[init]` returned, with its type erased. It keeps the text and
//! the sources, as far as the type has them.

use crate::{
    error::error_view::{self, ErrorView, Owned, Shared},
    task::TaskSet,
    util::unwind,
};
use std::{
    any::{TypeId, type_name},
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The error that an `#[init]` returned, with its type erased: the error of a restart, or of a new
/// cluster member.
///
/// The text and the [`source`](Error::source) are those of the original error. A clone is cheap.
///
/// ```
/// use nanolith::{prelude::*, service::{CloseError, Crash, Restart}, time::MINUTE};
/// use std::{num::ParseIntError, sync::atomic::{AtomicBool, Ordering}};
/// # pub struct Counter { total: i64 }
/// static IS_SICK: AtomicBool = AtomicBool::new(false);
/// #[define]
/// impl Counter {
///     #[init]
///     fn start() -> Result<Self, ParseIntError> {
///         let first = if IS_SICK.load(Ordering::Relaxed) { "no number" } else { "10" };
///         Ok(Self { total: first.parse()? })
///     }
///     pub fn fail(&mut self) { IS_SICK.store(true, Ordering::Relaxed); panic!("at {}", self.total) }
/// }
/// let counter = Counter::service().restart(Restart::on_panic().limit(1, MINUTE)).launch().wait()?;
/// let closed = counter.control().closed();
/// assert!(counter.fail().wait().is_err());
/// let Err(CloseError::Crashed(Crash::Init(error))) = closed.wait() else { unreachable!() };
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// assert!(error.downcast_ref::<ParseIntError>().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct InitError(Arc<Kept>);

/// An error of an erased type.
enum Kept {
    /// An error that is `Sync`, and the functions that read it.
    Shared(Shared, ErrorView),
    /// An error that is not `Sync`, and its text at the time of the failure. The lock is never
    /// taken: it makes any error `Sync`.
    Text(String, Mutex<Owned>),
}

impl InitError {
    /// Creates an `InitError` from an error of the `#[init]` of `S`. It keeps as much as the type
    /// allows.
    pub(super) fn of<S: TaskSet, E: Send + 'static>(error: E) -> Self {
        Self::new(error, S::error_view(TypeId::of::<E>()))
    }

    fn new<E: Send + 'static>(error: E, view: Option<ErrorView>) -> Self {
        error_view::learn::<Self>(|_| error_view::view_of!(Self)); // for the source of a `LaunchError` of it
        let shared = match view {
            Some(view) => view.share(Box::new(error)).map(|error| Kept::Shared(error, view)),
            None => Err(Box::new(error) as Owned),
        };
        Self::keep(shared.unwrap_or_else(|error| {
            let text = match unwind::catch(|| view?.text(&*error)) {
                Ok(Some(text)) => text,
                Ok(None) => format!("an error of the type `{}`", type_name::<E>()),
                Err(panic) => format!("its text panicked{panic}"),
            };
            Kept::Text(text, Mutex::new(error))
        }))
    }

    fn keep(kept: Kept) -> Self {
        Self(Arc::new(kept))
    }

    /// Returns a reference to the original error, if it is an `E` and `E` is `Sync`.
    #[must_use]
    pub fn downcast_ref<E: Send + Sync + 'static>(&self) -> Option<&E> {
        match &*self.0 {
            Kept::Shared(error, _) => error.downcast_ref(),
            Kept::Text(..) => None,
        }
    }

    /// Returns the original error, if it is an `E`.
    ///
    /// # Errors
    ///
    /// Returns `self` if the error is of another type, or if a clone still exists.
    pub fn downcast<E: Send + 'static>(self) -> Result<E, Self> {
        let error = match Arc::try_unwrap(self.0).map_err(Self)? {
            Kept::Shared(error, view) => error.downcast().map_err(|error| Kept::Shared(error, view)),
            Kept::Text(text, error) => {
                let error = error.into_inner().unwrap_or_else(PoisonError::into_inner);
                error.downcast().map_err(|error| Kept::Text(text, Mutex::new(error)))
            }
        };
        error.map(|error| *error).map_err(Self::keep)
    }

    /// Returns the error, or its text if the error cannot be shared.
    fn read(&self) -> Result<&(dyn Error + 'static), &str> {
        match &*self.0 {
            Kept::Shared(error, view) => view.as_error(&**error).ok_or("an error that has no text"),
            Kept::Text(text, _) => Err(text),
        }
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.read() {
            Ok(error) => fmt::Display::fmt(error, f),
            Err(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.read() {
            Ok(error) => fmt::Debug::fmt(error, f),
            Err(text) => fmt::Debug::fmt(text, f),
        }
    }
}

impl Error for InitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.read().ok()?.source()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::error::BoxError;
    use std::{cell::Cell, io, num::ParseIntError};

    /// Creates an `InitError` from an error of this type.
    macro_rules! keep {
        ($ty:ty, $error:expr) => {
            InitError::new::<$ty>($error, error_view::view_of!($ty))
        };
    }

    fn sources(error: &dyn Error) -> Vec<String> {
        error.source().into_iter().flat_map(|source| [vec![source.to_string()], sources(source)].concat()).collect()
    }

    fn parsed() -> ParseIntError {
        "x".parse::<i64>().expect_err("it is no number")
    }

    #[test]
    fn error_keeps_its_text_its_sources_and_its_type() {
        let error = keep!(io::Error, io::Error::other(parsed()));
        assert_eq!(error.to_string(), parsed().to_string());
        assert!(error.downcast_ref::<io::Error>().is_some() && error.downcast_ref::<ParseIntError>().is_none());
        let shared = error.clone();
        let Err(error) = error.downcast::<io::Error>() else { panic!("a clone is left") };
        drop(shared);
        let Err(error) = error.downcast::<String>() else { panic!("it is of another type") };
        assert!(error.downcast::<io::Error>().is_ok());
    }

    #[test]
    fn boxed_error_keeps_its_sources() {
        #[derive(Debug)]
        struct Outer(ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("outer")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = keep!(BoxError, Outer(parsed()).into());
        assert_eq!((error.to_string(), sources(&error)), ("outer".into(), vec![parsed().to_string()]));
        let error = keep!(Outer, Outer(parsed()));
        assert_eq!((error.to_string(), sources(&error)), ("outer".into(), vec![parsed().to_string()]));
    }

    #[test]
    fn any_type_has_a_text_and_downcasts() {
        #[derive(Debug, PartialEq)]
        struct Plain(u8);
        struct Opaque;
        struct Mean;
        impl fmt::Display for Mean {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("no text")
            }
        }
        let text = keep!(String, "locked".to_owned());
        assert_eq!(text.to_string(), "locked");
        assert_eq!(text.downcast::<String>().ok(), Some("locked".to_owned()));
        let plain = keep!(Plain, Plain(7));
        assert_eq!(plain.to_string(), "Plain(7)");
        assert_eq!(plain.downcast::<Plain>().ok(), Some(Plain(7)));
        assert!(keep!(Opaque, Opaque).to_string().ends_with("Opaque`"));
        assert!(keep!(Cell<u8>, Cell::new(1)).to_string().contains('1'), "no thread shares it");
        assert!(keep!(Mean, Mean).to_string().starts_with("its text panicked"));
    }
}
