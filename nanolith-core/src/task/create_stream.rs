//! [`Context::create_stream`]: a service's task opens a flow-controlled stream of bytes or items to
//! the service's owners, the holders of its handles.

use super::{Context, GivesStreams, Outbox, TaskSet};
use crate::channel::{
    port,
    stream::{CreditError, Credits, StreamWriter, pipe_or_back},
};
use std::{error::Error, fmt};

impl<S: TaskSet> Context<S> {
    /// Opens a stream to the service's owners. One owner takes it: see
    /// [`Service::on_stream`](crate::service::Service::on_stream). Data that is written before that
    /// is kept, up to the credits.
    ///
    /// ```
    /// # use nanolith::prelude::*;
    /// use std::io::{Read, Write};
    /// # pub struct Counter { total: i64 }
    /// #[define(streams = &'static str)]
    /// impl Counter {
    ///     pub fn print(&self, cx: &Context<Self>) -> std::io::Result<()> {
    ///         let mut writer = cx.create_stream("total").map_err(std::io::Error::other)?;
    ///         write!(writer, "{}", self.total)?;
    ///         writer.finish();
    ///         Ok(())
    ///     }
    /// }
    /// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
    /// counter.print().wait()??;
    /// let mut stream = counter.control().next_stream().wait().ok_or("one was made")?;
    /// let mut text = String::new();
    /// stream.read_to_string(&mut text)?;
    /// assert_eq!((*stream.metadata(), &*text), ("total", "10"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenStreamError`] gives the metadata back: there is no owner.
    pub fn create_stream(
        &self,
        metadata: S::Metadata,
    ) -> Result<StreamWriter<S::Metadata>, OpenStreamError<S::Metadata>>
    where
        S: GivesStreams,
    {
        self.create_stream_with(metadata, Credits::new())
    }

    /// Like [`Context::create_stream`], with the given credits.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::Credits};
    /// # pub struct Counter { total: i64 }
    /// #[define(streams = ())]
    /// impl Counter {
    ///     pub fn can_stream(cx: &Context<Self>) -> bool {
    ///         cx.create_stream_with((), Credits::new().chunks(0)).is_ok()
    ///     }
    /// }
    /// assert!(!Counter::service().launch().wait()?.can_stream().wait()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenStreamError`] gives the metadata back: there is no owner, or the credits are invalid.
    pub fn create_stream_with(
        &self,
        metadata: S::Metadata,
        credits: Credits,
    ) -> Result<StreamWriter<S::Metadata>, OpenStreamError<S::Metadata>>
    where
        S: GivesStreams,
    {
        let (writer, reader) =
            pipe_or_back(metadata, credits).map_err(|(error, metadata)| OpenStreamError::Credits(error, metadata))?;
        let port = Outbox::of(self.executor_data()).and_then(Outbox::offering);
        let offered = match port {
            Some(port) => port.try_send(reader).map_err(port::TrySendError::into_inner),
            None => Err(reader),
        };
        match offered {
            Ok(()) => Ok(writer),
            Err(reader) => Err(OpenStreamError::NoOwner(reader.into_metadata(writer))),
        }
    }
}

/// The error of [`Context::create_stream`]. It gives the metadata back.
///
/// ```
/// use nanolith::{prelude::*, task::OpenStreamError};
/// # pub struct Geometry;
/// #[define(streams = String)]
/// impl Geometry {
///     pub fn draw(cx: &Context<Self>) -> Option<String> {
///         cx.create_stream("points".into()).err().map(OpenStreamError::into_inner)
///     }
/// }
/// assert_eq!(Geometry::tasks().draw().wait()?.as_deref(), Some("points")); // a pool has no owner
/// # Ok::<(), CallError>(())
/// ```
#[non_exhaustive]
pub enum OpenStreamError<M> {
    /// The credits are invalid.
    Credits(CreditError, M),
    /// There is no owner to take the stream: on a pool, or when the service has ended.
    NoOwner(M),
}

impl<M> OpenStreamError<M> {
    /// Returns the metadata.
    pub fn into_inner(self) -> M {
        match self {
            Self::Credits(_, metadata) | Self::NoOwner(metadata) => metadata,
        }
    }
}

impl<M> fmt::Display for OpenStreamError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credits(error, _) => error.fmt(f),
            Self::NoOwner(_) => f.write_str("there is no owner to take the stream"),
        }
    }
}

impl<M> fmt::Debug for OpenStreamError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credits(error, _) => f.debug_tuple("Credits").field(error).finish_non_exhaustive(),
            Self::NoOwner(_) => f.write_str("NoOwner(..)"),
        }
    }
}

impl<M> Error for OpenStreamError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Credits(error, _) => Some(error),
            Self::NoOwner(_) => None,
        }
    }
}
