//! [`Panic`]: a caught panic of a task, with its message, its source location and its payload.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// A panic: what it said, where, and the payload.
///
/// ```
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x.checked_add(y).expect("the sum fits") } }
/// if let Err(CallError::Panicked(panic, _)) = Geometry::tasks().add(i64::MAX, 1).wait() {
///     assert_eq!(panic.message(), "the sum fits");
///     assert_eq!(panic.place().map(|(file, _)| file), Some(file!()));
/// #     return;
/// }
/// # unreachable!("it panics");
/// ```
#[derive(Clone)]
pub struct Panic(Arc<Caught>);

struct Caught {
    message: String,
    place: Option<Place>,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>, place: Option<Place>) -> Self {
        let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "a value that is no text".to_owned(),
        };
        Self(Arc::new(Caught { message, place, payload: Mutex::new(Some(payload)) }))
    }

    /// Creates the panic of a task that ran elsewhere, such as in another process. `place` is its
    /// file and line. The payload is the message.
    ///
    /// ```
    /// use nanolith::call::Panic;
    /// let panic = Panic::remote("no luck", Some(("geometry.rs", 7)));
    /// assert_eq!((panic.message(), panic.place()), ("no luck", Some(("geometry.rs", 7))));
    /// ```
    #[must_use]
    pub fn remote(message: impl Into<String>, place: Option<(&str, u32)>) -> Self {
        let place = place.map(|(file, line)| Place { file: file.into(), line });
        Self::new(Box::new(message.into()), place)
    }

    /// Whether a `T` was thrown.
    pub(crate) fn is<T: 'static>(&self) -> bool {
        let payload = self.0.payload.lock().unwrap_or_else(PoisonError::into_inner);
        payload.as_ref().is_some_and(|payload| payload.is::<T>())
    }

    /// What the panic said, if it said it in text; else `a value that is no text`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// File and line of the panic. Missing when another panic hook was set after ours, or the panic
    /// was passed on from another thread, as by `resume_unwind` or within a `par_iter`.
    #[must_use]
    pub fn place(&self) -> Option<(&str, u32)> {
        self.0.place.as_ref().map(|place| (place.file.as_str(), place.line))
    }

    /// The payload, for [`std::panic::resume_unwind`]; the first who asks gets it, of all clones.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let Err(CallError::Panicked(panic, _)) = Geometry::tasks().add(i64::MAX, 1).wait() else { unreachable!() };
    /// let payload = panic.take_payload().expect("it was not taken");
    /// assert!(panic.take_payload().is_none());
    /// let again = std::thread::spawn(|| std::panic::resume_unwind(payload));
    /// assert!(again.join().is_err());
    /// ```
    #[must_use]
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.0.payload.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = self.place() {
            write!(f, " at {file}:{line}")?;
        }
        write!(f, ": {}", self.message())
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic").field("message", &self.message()).field("place", &self.place()).finish()
    }
}

/// The payload by which the end of a simulation unwinds a thread that waits.
pub(crate) struct Unwind;
