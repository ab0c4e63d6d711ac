//! [`from_call`]: the items that a call's task sends, as a stream. If the task fails, the stream
//! ends with the call's error.

use super::{Call, Handle};
use crate::{
    channel::stream::{CreditError, ItemReceiver, ItemSender, StreamError, items},
    context::Wait,
    error::CallError,
    executor::Executor,
    task::TaskSet,
};
use futures_util::Stream;
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Submits a call that sends many values. The closure `call` gets the sender, and returns the call
/// that takes it. At most `bound` values are buffered. If the buffer is full, the task waits for
/// the receiver.
///
/// The returned value is a `Stream` and a blocking iterator of the values. If the task panics, is
/// cancelled or never runs, the last item is the [`CallError`]. Dropping the stream early cancels
/// the call.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, ItemSender, WriteError}};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     pub fn numbers(to: i64, mut items: ItemSender<i64>) -> Result<(), WriteError> {
///         for n in 0..to {
///             items.send(n).wait()?;
///         }
///         items.finish();
///         Ok(())
///     }
/// }
/// let numbers = stream::from_call(16, |items| Geometry::tasks().numbers(10, items))?;
/// let sum: i64 = numbers.sum::<Result<i64, _>>()?;
/// assert_eq!(sum, 45);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`CreditError`] for a bound of zero, or of more than 1,048,576.
pub fn from_call<'a, S, E, T, O>(
    bound: usize,
    call: impl FnOnce(ItemSender<T>) -> Call<'a, S, E, O>,
) -> Result<FromCall<S, T, O>, CreditError>
where
    S: TaskSet,
    E: Executor<S> + ?Sized + 'a,
{
    let (sender, receiver) = items(bound)?;
    let handle = call(sender).submit().cancel_on_drop();
    Ok(FromCall { receiver, handle: Some(handle), is_cut: false })
}

/// The values that a call sends. [`from_call`] creates it.
///
/// ```
/// use futures_util::TryStreamExt;
/// # use nanolith::{prelude::*, stream::{self, ItemSender, WriteError}};
/// # pub struct Geometry;
/// # #[define]
/// # impl Geometry {
/// #     pub async fn numbers(to: i64, mut items: ItemSender<i64>) -> Result<(), WriteError> {
/// #         for n in 0..to { items.send(n).await?; }
/// #         items.finish();
/// #         Ok(())
/// #     }
/// # }
/// # pollster::block_on(async {
/// let numbers = stream::from_call(16, |items| Geometry::tasks().numbers(10, items))?;
/// let even: Vec<i64> = numbers.try_filter(|n| std::future::ready(n % 2 == 0)).try_collect().await?;
/// assert_eq!(even, [0, 2, 4, 6, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[must_use = "dropped, it cancels the call"]
pub struct FromCall<S: TaskSet, T, O> {
    receiver: ItemReceiver<T>,
    /// `None` once its failure was returned.
    handle: Option<Handle<S, O>>,
    /// Whether the sender was dropped without an end. The call, which has the reason, may not be
    /// over yet.
    is_cut: bool,
}

impl<S: TaskSet, T, O> Unpin for FromCall<S, T, O> {}

impl<S: TaskSet, T, O> FromCall<S, T, O> {
    /// Returns the handle of the call, and receives no more values. A task that sends another value
    /// finds the receiver gone.
    ///
    /// ```
    /// # use nanolith::{prelude::*, stream::{self, ItemSender, WriteError}};
    /// # pub struct Geometry;
    /// # #[define]
    /// # impl Geometry {
    /// #     pub fn numbers(to: i64, mut items: ItemSender<i64>) -> Result<(), WriteError> {
    /// #         for n in 0..to { items.send(n).wait()?; }
    /// #         items.finish();
    /// #         Ok(())
    /// #     }
    /// # }
    /// let mut numbers = stream::from_call(16, |items| Geometry::tasks().numbers(1_000_000, items))?;
    /// assert_eq!(numbers.next().transpose()?, Some(0));
    /// let job = numbers.into_handle().ok_or("its failure was not reported")?;
    /// assert!(matches!(job.wait()?, Err(WriteError::Dropped)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Returns `None` if the call's failure was already returned.
    #[must_use]
    pub fn into_handle(self) -> Option<Handle<S, O>> {
        self.handle.map(Handle::detach_on_drop)
    }
}

impl<S: TaskSet, T, O> FromCall<S, T, O> {
    /// Returns the next item. If the sender was dropped, sets `is_cut` and returns `None`.
    fn heard(&mut self, next: Option<Result<T, StreamError>>) -> Option<Option<Result<T, FromCallError>>> {
        match next {
            Some(Err(StreamError::Dropped)) if self.handle.is_some() => {
                self.is_cut = true;
                None
            }
            next => Some(next.map(|next| next.map_err(FromCallError::Stream))),
        }
    }

    /// Returns the error of a stream that was cut, once its call is over.
    fn reason(&mut self, ended: Result<O, CallError>) -> FromCallError {
        self.is_cut = false;
        ended.err().map_or(FromCallError::Stream(StreamError::Dropped), FromCallError::Call)
    }
}

impl<S: TaskSet, T, O> Stream for FromCall<S, T, O> {
    type Item = Result<T, FromCallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.is_cut {
            let next = ready!(Pin::new(&mut self.receiver).poll_next(cx));
            if let Some(next) = self.heard(next) {
                return Poll::Ready(next);
            }
        }
        let Some(handle) = &mut self.handle else { return Poll::Ready(None) };
        let ended = ready!(Pin::new(handle).poll(cx));
        self.handle = None;
        Poll::Ready(Some(Err(self.reason(ended))))
    }
}

impl<S: TaskSet, T, O> Iterator for FromCall<S, T, O> {
    type Item = Result<T, FromCallError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.is_cut {
            let next = self.receiver.iter().next();
            if let Some(next) = self.heard(next) {
                return next;
            }
        }
        let ended = self.handle.take().map(Handle::wait)?;
        Some(Err(self.reason(ended)))
    }
}

impl<S: TaskSet, T, O> fmt::Debug for FromCall<S, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromCall").finish_non_exhaustive()
    }
}

/// The error of a stream of values that ended early.
///
/// ```
/// use nanolith::{prelude::*, stream::{self, FromCallError, ItemSender}};
/// # pub struct Geometry;
/// #[define]
/// impl Geometry {
///     pub fn half(mut items: ItemSender<i64>) {
///         let _ = items.send(1).wait();
///         panic!("no more");
///     }
/// }
/// let mut numbers = stream::from_call(16, |items| Geometry::tasks().half(items))?;
/// assert!(matches!(numbers.next(), Some(Ok(1))));
/// assert!(matches!(numbers.next(), Some(Err(FromCallError::Call(CallError::Panicked(..))))));
/// assert!(numbers.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FromCallError {
    /// The call ended without its task's output.
    Call(CallError),
    /// The task failed the stream, or returned without ending it.
    Stream(StreamError),
}

impl fmt::Display for FromCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Stream(error) => error.fmt(f),
        }
    }
}

impl Error for FromCallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Stream(error) => error.source(),
        }
    }
}
