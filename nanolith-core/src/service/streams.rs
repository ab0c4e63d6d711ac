//! [`Service::create_stream`]: opens a flow-controlled stream to a service. The stream's reader
//! waits in one queue with the service's calls and messages.

use super::{Service, ServiceRef};
use crate::{
    channel::stream::{CreditError, Credits, StreamReader, StreamWriter, pipe_or_back},
    context::wait::{self, Sealed, Wait},
    error::{CallError, SubmitError},
    task::{TakesStreams, TaskSet},
    typed::{MessageTask, SendFuture},
};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

impl<S: TaskSet> Service<S> {
    /// Creates a stream to the service. The set's `#[on_stream]` receives the reader in queue
    /// order. Data that is written before that is kept, up to the credits.
    ///
    /// ```
    /// use nanolith::{prelude::*, stream::{Credits, StreamReader}};
    /// use std::io::BufRead;
    /// pub struct Counter { lines: usize }
    /// #[define]
    /// impl Counter {
    ///     #[on_stream]
    ///     fn on_stream(&mut self, stream: StreamReader) {
    ///         self.lines += stream.lines().map_while(Result::ok).count();
    ///     }
    ///     pub fn lines(&self) -> usize { self.lines }
    /// }
    /// let counter = Counter::service(Counter { lines: 0 }).launch().wait()?;
    /// let mut writer = counter.create_stream(()).credits(Credits::new().bytes(1 << 20).chunks(16)).wait()?;
    /// for n in 0..100 {
    ///     writer.write(format!("{n}\n")).wait()?; // waits for credit
    /// }
    /// writer.finish();
    /// assert_eq!(counter.lines().wait()?, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn create_stream(&self, metadata: S::Metadata) -> CreateStream<'_, S>
    where
        S: TakesStreams,
    {
        CreateStream { service: &self.executor, stage: Stage::Lazy(metadata, Credits::new()) }
    }
}

/// A future that creates a stream to a service when awaited or waited on. Made by
/// [`Service::create_stream`].
///
/// ```
/// # use nanolith::{prelude::*, stream::StreamReader};
/// # pub struct Counter;
/// # #[define]
/// # impl Counter {
/// #     #[on_stream] fn on_stream(&mut self, mut stream: StreamReader) { while let Ok(Some(_)) = stream.read().wait() {} }
/// #     pub fn nothing() {}
/// # }
/// let counter = Counter::service(Counter).launch().wait()?;
/// counter.close().wait()?;
/// assert!(counter.create_stream(()).wait().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`CreateStreamError`] gives the metadata back.
///
/// # Panics
///
/// Polling the future after it completed panics.
///
/// # Cancel safety
///
/// If the future is dropped before it completes, no stream is created.
#[must_use = "a stream is made when this is awaited or waited on"]
pub struct CreateStream<'a, S: TakesStreams> {
    service: &'a ServiceRef<S>,
    stage: Stage<'a, S>,
}

type Offer<'a, S> = SendFuture<'a, S, ServiceRef<S>, StreamReader<<S as TakesStreams>::Metadata>>;

enum Stage<'a, S: TakesStreams> {
    Lazy(S::Metadata, Credits),
    /// The reader is being sent to the service.
    Offered(Offer<'a, S>, Box<StreamWriter<S::Metadata>>),
    Over,
}

impl<S: TakesStreams> Unpin for CreateStream<'_, S> {}

impl<'a, S: TakesStreams> CreateStream<'a, S> {
    /// Sets how much data may be in transit at once. The default is [`Credits::new`].
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{Credits, StreamReader}};
    /// # pub struct Counter;
    /// # #[define]
    /// # impl Counter {
    /// #     #[on_stream] fn on_stream(&mut self, mut stream: StreamReader) { while let Ok(Some(_)) = stream.read().wait() {} }
    /// #     pub fn nothing() {}
    /// # }
    /// let counter = Counter::service(Counter).launch().wait()?;
    /// let writer = counter.create_stream(()).credits(Credits::new().chunks(4)).wait()?;
    /// assert!(counter.create_stream(()).credits(Credits::new().chunks(0)).wait().is_err());
    /// # writer.finish();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn credits(mut self, credits: Credits) -> Self {
        if let Stage::Lazy(_, asked) = &mut self.stage {
            *asked = credits;
        }
        self
    }

    fn start(&mut self) -> Result<(), CreateStreamError<S::Metadata>> {
        let Stage::Lazy(metadata, credits) = std::mem::replace(&mut self.stage, Stage::Over) else {
            panic!("a stream was polled after it was made")
        };
        let (writer, reader) =
            pipe_or_back(metadata, credits).map_err(|(error, metadata)| CreateStreamError::Credits(error, metadata))?;
        self.stage = Stage::Offered(SendFuture::new(self.service, MessageTask::stream(), reader), Box::new(writer));
        Ok(())
    }
}

impl<S: TakesStreams> Future for CreateStream<'_, S> {
    type Output = Result<StreamWriter<S::Metadata>, CreateStreamError<S::Metadata>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !matches!(self.stage, Stage::Offered(..)) {
            self.start()?;
        }
        let Stage::Offered(offer, _) = &mut self.stage else { unreachable!("it was just offered") };
        let sent = ready!(Pin::new(offer).poll(cx));
        let Stage::Offered(_, writer) = std::mem::replace(&mut self.stage, Stage::Over) else {
            unreachable!("it was just offered")
        };
        Poll::Ready(match sent {
            Ok(()) => Ok(*writer),
            Err(refused) => {
                let (reader, error) = refused.into_parts();
                Err(CreateStreamError::Refused(SubmitError::new(reader.into_metadata(*writer), error)))
            }
        })
    }
}

impl<S: TakesStreams> Sealed for CreateStream<'_, S> {}

impl<S: TakesStreams> Wait for CreateStream<'_, S> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<S: TakesStreams> fmt::Debug for CreateStream<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateStream").finish_non_exhaustive()
    }
}

/// The error of a failed [`Service::create_stream`]. Gives the metadata back.
///
/// ```
/// use nanolith::{prelude::*, service::CreateStreamError, stream::StreamReader};
/// # pub struct Counter;
/// # #[define]
/// # impl Counter {
/// #     #[on_stream] fn on_stream(&mut self, stream: StreamReader<String>) { drop(stream) }
/// #     pub fn nothing() {}
/// # }
/// let counter = Counter::service(Counter).launch().wait()?;
/// counter.close().wait()?;
/// match counter.create_stream("points".into()).wait() {
///     Err(CreateStreamError::Refused(refused)) => assert_eq!(refused.into_inner(), "points"),
///     _ => unreachable!("it is closed"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
pub enum CreateStreamError<M> {
    /// The credits are invalid.
    Credits(CreditError, M),
    /// The service rejected the stream: it is closed, or its queue is full and it does not wait for
    /// queue room.
    Refused(SubmitError<M>),
}

impl<M> CreateStreamError<M> {
    /// Returns the metadata.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{Credits, StreamReader}};
    /// # pub struct Counter;
    /// # #[define]
    /// # impl Counter {
    /// #     #[on_stream] fn on_stream(&mut self, stream: StreamReader<String>) { drop(stream) }
    /// #     pub fn nothing() {}
    /// # }
    /// let counter = Counter::service(Counter).launch().wait()?;
    /// let wrong = counter.create_stream("points".into()).credits(Credits::new().bytes(0)).wait();
    /// assert_eq!(wrong.err().map(|error| error.into_inner()).as_deref(), Some("points"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> M {
        match self {
            Self::Credits(_, metadata) => metadata,
            Self::Refused(refused) => refused.into_inner(),
        }
    }

    fn reason(&self) -> Reason<'_> {
        match self {
            Self::Credits(error, _) => Reason::Credits(error),
            Self::Refused(refused) => Reason::Call(refused.error()),
        }
    }
}

enum Reason<'a> {
    Credits(&'a CreditError),
    Call(&'a CallError),
}

impl<M> fmt::Display for CreateStreamError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Reason::Credits(error) => error.fmt(f),
            Reason::Call(error) => error.fmt(f),
        }
    }
}

impl<M> fmt::Debug for CreateStreamError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Reason::Credits(error) => f.debug_tuple("Credits").field(error).finish_non_exhaustive(),
            Reason::Call(error) => f.debug_tuple("Refused").field(error).finish(),
        }
    }
}

impl<M> Error for CreateStreamError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.reason() {
            Reason::Credits(error) => Some(error),
            Reason::Call(error) => Some(error),
        }
    }
}
