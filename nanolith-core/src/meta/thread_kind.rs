//! [`ThreadKind`]: the kind of thread that some code runs on: of a pool, a service or a `Local`, or
//! outside of them.

use std::sync::Arc;

/// The kind of thread that some code runs on.
///
/// ```
/// use nanolith::{prelude::*, task::ThreadKind};
/// # pub struct Geometry;
/// # #[define]
/// impl Geometry {
///     pub fn whereabouts() -> ThreadKind {
///         nanolith::task::current().place().clone()
///     }
/// }
/// let pool = Pool::builder().name("pictures").build()?;
/// assert_eq!(Geometry::on(&pool).whereabouts().wait()?, ThreadKind::Pool("pictures".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadKind {
    /// A thread that the library did not start: `main`, or another thread of the program.
    Outside,
    /// A thread of the pool of this name.
    Pool(Arc<str>),
    /// The thread of the service of this name.
    Service(Arc<str>),
    /// A thread that drives the [`Local`](crate::local::Local) of this name, and runs its work at
    /// the moment.
    Local(Arc<str>),
}

impl ThreadKind {
    /// Returns the name of the executor.
    #[cfg_attr(not(feature = "tracing"), allow(dead_code))]
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Outside => None,
            Self::Pool(name) | Self::Service(name) | Self::Local(name) => Some(name),
        }
    }
}
