//! The error of an `#[init]`, where its type is not known: with its text and its sources, whatever the type allows.

use crate::{
    error::view::{self, ErrorView},
    panics,
};
use std::{
    any::{Any, TypeId, type_name},
    error::Error,
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

/// The error that an `#[init]` returned, where its type is not known: as a restart's or a new cluster member's.
///
/// Its text and its [`source`](Error::source) are those of the error. It is cheap to clone.
///
/// ```
/// use nanolith::{CloseError, Crash, Restart, prelude::*};
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
pub struct InitError(Arc<dyn Held>);

/// An error of some type.
trait Held: Error + Send + Sync {
    fn type_of_value(&self) -> TypeId;
    /// The error, if threads may share it.
    fn value(&self) -> Option<&dyn Any>;
    /// The error itself, if this is its only owner.
    fn into_value(self: Arc<Self>) -> Result<Box<dyn Any>, Arc<dyn Held>>;
}

impl InitError {
    /// Returns the error, if it is an `E`, and threads may share an `E`.
    #[must_use]
    pub fn downcast_ref<E: Send + Sync + 'static>(&self) -> Option<&E> {
        self.0.value()?.downcast_ref()
    }

    /// Returns the error itself, if it is an `E`.
    ///
    /// # Errors
    ///
    /// Gives it back if it is of another type, or if a clone is left.
    pub fn downcast<E: Send + 'static>(self) -> Result<E, Self> {
        if self.0.type_of_value() != TypeId::of::<E>() {
            return Err(self);
        }
        let value = self.0.into_value().map_err(Self)?;
        Ok(*value.downcast().unwrap_or_else(|_| unreachable!("its type was compared")))
    }

    /// An error of which nothing is known but its type.
    pub(crate) fn unknown<E: Send + 'static>(error: E) -> Self {
        Self::with_text(error, |_| format!("an error of the type `{}`", type_name::<E>()))
    }

    fn with_text<E: Send + 'static>(error: E, describe: impl FnOnce(&E) -> String) -> Self {
        let text = panics::catch(|| describe(&error)).unwrap_or_else(|panic| format!("its text panicked{panic}"));
        Self(Arc::new(Told { text, error: Mutex::new(error) }))
    }

    fn shared<E: Send + Sync + 'static>(error: E, as_error: fn(&E) -> &(dyn Error + 'static)) -> Self {
        view::learn::<Self>(|_| Some(ErrorView::of_error::<Self>())); // a `LaunchError` of it has its source
        Self(Arc::new(Seen { error, as_error }))
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for InitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// An error that threads may share.
struct Seen<E> {
    error: E,
    as_error: fn(&E) -> &(dyn Error + 'static),
}

impl<E> fmt::Display for Seen<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt((self.as_error)(&self.error), f)
    }
}

impl<E> fmt::Debug for Seen<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt((self.as_error)(&self.error), f)
    }
}

impl<E> Error for Seen<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        (self.as_error)(&self.error).source()
    }
}

impl<E: Send + Sync + 'static> Held for Seen<E> {
    fn type_of_value(&self) -> TypeId {
        TypeId::of::<E>()
    }

    fn value(&self) -> Option<&dyn Any> {
        Some(&self.error)
    }

    fn into_value(self: Arc<Self>) -> Result<Box<dyn Any>, Arc<dyn Held>> {
        Arc::try_unwrap(self).map(|seen| Box::new(seen.error) as _).map_err(|shared| shared as _)
    }
}

/// An error whose text was taken when it came.
struct Told<E> {
    text: String,
    /// Never locked: so it is `Sync`, whatever the error is.
    error: Mutex<E>,
}

impl<E> fmt::Display for Told<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E> fmt::Debug for Told<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<E> Error for Told<E> {}

impl<E: Send + 'static> Held for Told<E> {
    fn type_of_value(&self) -> TypeId {
        TypeId::of::<E>()
    }

    fn value(&self) -> Option<&dyn Any> {
        None
    }

    fn into_value(self: Arc<Self>) -> Result<Box<dyn Any>, Arc<dyn Held>> {
        let told = Arc::try_unwrap(self).map_err(|shared| shared as Arc<dyn Held>)?;
        Ok(Box::new(told.error.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }
}

// ----- for generated code, which knows the type

/// Chooses what is kept of an `E`, by method resolution: of the traits below the first whose bound holds, since a call on
/// `&&&&&InitErrors` takes off one reference after the other.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct InitErrors<E>(PhantomData<fn() -> E>);

#[doc(hidden)]
#[allow(missing_docs)]
impl<E> InitErrors<E> {
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E> Default for InitErrors<E> {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! conversion {
    ($(#[$doc:meta])* $name:ident for $of:ty, [$($bound:tt)+], $convert:expr) => {
        $(#[$doc])*
        #[doc(hidden)]
        #[allow(missing_docs)]
        pub trait $name<E> {
            fn conversion(&self) -> fn(E) -> InitError;
        }

        impl<E: $($bound)+> $name<E> for $of {
            fn conversion(&self) -> fn(E) -> InitError {
                $convert
            }
        }
    };
}

conversion! {
    /// For an error.
    ByError for &&&&InitErrors<E>,
    [Error + Send + Sync + 'static],
    |error| InitError::shared(error, |error| error)
}
conversion! {
    /// For a pointer to one: a boxed error, or one of `anyhow`.
    ByPointer for &&&InitErrors<E>,
    [Deref<Target = dyn Error + Send + Sync> + Send + Sync + 'static],
    |error| InitError::shared(error, |error| &**error)
}
conversion! {
    /// For a value with a text.
    ByDisplay for &&InitErrors<E>,
    [fmt::Display + Send + 'static],
    |error| InitError::with_text(error, E::to_string)
}
conversion! {
    /// For a value with a text for programmers.
    ByDebug for &InitErrors<E>,
    [fmt::Debug + Send + 'static],
    |error| InitError::with_text(error, |error| format!("{error:?}"))
}
conversion! {
    /// For any value.
    ByType for InitErrors<E>,
    [Send + 'static],
    InitError::unknown
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{io, num::ParseIntError};

    /// What is kept of an error of this type.
    macro_rules! convert {
        ($error:expr) => {{
            fn of<E>(_: &E) -> InitErrors<E> {
                InitErrors::new()
            }
            let error = $error;
            let kinds = of(&error);
            ((&&&&&kinds).conversion())(error)
        }};
    }

    fn sources(error: &dyn Error) -> Vec<String> {
        error.source().into_iter().flat_map(|source| [vec![source.to_string()], sources(source)].concat()).collect()
    }

    fn parsed() -> ParseIntError {
        "x".parse::<i64>().expect_err("it is no number")
    }

    #[test]
    fn error_keeps_its_text_its_sources_and_itself() {
        let error = convert!(io::Error::other(parsed()));
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
        let boxed: Box<dyn Error + Send + Sync> = Box::new(Outer(parsed()));
        let error = convert!(boxed);
        assert_eq!((error.to_string(), sources(&error)), ("outer".into(), vec![parsed().to_string()]));
        let error = convert!(Outer(parsed()));
        assert_eq!((error.to_string(), sources(&error)), ("outer".into(), vec![parsed().to_string()]));
    }

    #[test]
    fn any_type_has_a_text_and_comes_back() {
        #[derive(Debug, PartialEq)]
        struct Plain(u8);
        struct Opaque;
        struct Mean;
        impl fmt::Display for Mean {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("no text")
            }
        }
        let text = convert!("locked".to_owned());
        assert_eq!(text.to_string(), "locked");
        assert_eq!(text.downcast::<String>().ok(), Some("locked".to_owned()));
        let plain = convert!(Plain(7));
        assert_eq!(plain.to_string(), "Plain(7)");
        assert_eq!(plain.downcast::<Plain>().ok(), Some(Plain(7)));
        assert!(convert!(Opaque).to_string().ends_with("Opaque`"));
        assert!(convert!(std::cell::Cell::new(1)).to_string().contains('1'), "no thread shares it");
        assert!(convert!(Mean).to_string().starts_with("its text panicked"));
    }
}
