//! Finds a messenger by its name from inside a task, if it is attached to the task's call or
//! executor. The future [`Find`] waits until it is.

use super::{FindError, Messenger};
use crate::{
    context::wait::{self, Sealed, Wait},
    wake::{
        attachments::{AttachWait, Attachment, Attachments},
        extensions::Extensions,
    },
};
use std::{
    any::type_name,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// An attached messenger, as [`Context::messengers`](crate::task::Context::messengers) lists it.
///
/// ```
/// use nanolith::{messenger::{AttachedMessenger, Messenger}, prelude::*};
/// # pub struct Geometry;
/// # #[define]
/// impl Geometry {
///     pub fn list(cx: &Context<Self>) -> Vec<AttachedMessenger> {
///         cx.messengers()
///     }
/// }
/// let orders = Messenger::<u32>::open("orders")?;
/// let list = Geometry::tasks().list().messenger(&orders).wait()?;
/// assert_eq!((&*list[0].name, list[0].message_type), ("orders", "u32"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedMessenger {
    /// The messenger's name.
    pub name: Arc<str>,
    /// The type of its messages.
    pub message_type: &'static str,
}

impl<T: Clone + Send + Sync + 'static> Messenger<T> {
    /// Returns an entry for the attachments of a call or an executor. It holds an endpoint of its
    /// own, from which a lookup creates endpoints.
    pub(crate) fn attachment(&self) -> Attachment {
        Attachment { name: self.shared_name(), message_type: type_name::<T>(), item: Arc::new(self.join()) }
    }
}

/// The attachments that a task searches for messengers: first those of its call, then those of its
/// executor.
pub(crate) struct Lookup<'a> {
    pub(crate) call: Option<&'a Attachments>,
    pub(crate) data: &'a Extensions,
}

impl Lookup<'_> {
    pub(crate) fn find<T: Clone + Send + Sync + 'static>(&self, name: &str) -> Result<Messenger<T>, FindError> {
        let found = self.call.and_then(|call| call.find(name));
        let found = found.or_else(|| self.data.attached().and_then(|attached| attached.find(name)));
        found.map_or_else(|| Err(FindError::NotAttached { name: name.into() }), |found| endpoint(&found))
    }

    pub(crate) fn find_later<T: Clone + Send + Sync + 'static>(&self, name: &str) -> Find<T> {
        let waiter = self.data.attached().map(Attachments::wait);
        let found = match self.find(name) {
            Err(FindError::NotAttached { .. }) if waiter.is_some() => None,
            found => Some(found),
        };
        Find { found, name: name.into(), waiter, message_type: PhantomData }
    }

    /// Returns the attached messengers, each name once.
    pub(crate) fn list(&self) -> Vec<AttachedMessenger> {
        let mut list: Vec<AttachedMessenger> = Vec::new();
        let all = self.call.into_iter().chain(self.data.attached()).flat_map(Attachments::list);
        for Attachment { name, message_type: carries, .. } in all {
            if !list.iter().any(|known| known.name == name) {
                list.push(AttachedMessenger { name, message_type: carries });
            }
        }
        list
    }
}

/// Creates a new endpoint of the attached messenger, if it carries `T`.
fn endpoint<T: Clone + Send + Sync + 'static>(found: &Attachment) -> Result<Messenger<T>, FindError> {
    let other =
        || FindError::OtherType { name: found.name.clone(), asked: type_name::<T>(), carries: found.message_type };
    found.item.downcast_ref::<Messenger<T>>().map(Messenger::join).ok_or_else(other)
}

/// A future that waits until a messenger is attached. Created by
/// [`Context::find_messenger`](crate::task::Context::find_messenger).
///
/// ```
/// use nanolith::{messenger::{Find, Messenger}, prelude::*};
/// # pub struct Counter;
/// # #[define]
/// impl Counter {
///     pub async fn announce(cx: &Context<Self>, total: i64) -> bool {
///         let finding: Find<i64> = cx.find_messenger("totals");
///         let totals = finding.await; // or `.wait()`
///         totals.is_ok_and(|totals| totals.try_send(total).is_ok())
///     }
/// }
/// let counter = Counter::service().launch().wait()?;
/// let announcing = counter.announce(9).submit();
/// let totals = Messenger::<i64>::open("totals")?;
/// let mut heard = totals.subscribe();
/// counter.control().attach(&totals)?;
/// assert!(announcing.wait()?);
/// assert_eq!(heard.recv().wait()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns [`FindError`] when the messenger carries another type, or when messengers cannot be
/// attached to the executor.
///
/// # Panics
///
/// The future panics when it is polled after it was ready.
///
/// # Cancel safety
///
/// This future can be dropped and created again at any time.
#[must_use = "does nothing until awaited or waited on"]
pub struct Find<T: Clone + Send + Sync + 'static> {
    found: Option<Result<Messenger<T>, FindError>>,
    name: Arc<str>,
    /// The wait for an attachment to the executor. `None` means that messengers cannot be attached
    /// to it, and that `found` holds the outcome.
    waiter: Option<AttachWait>,
    message_type: PhantomData<fn() -> T>,
}

/// No field is pinned.
impl<T: Clone + Send + Sync + 'static> Unpin for Find<T> {}

impl<T: Clone + Send + Sync + 'static> Future for Find<T> {
    type Output = Result<Messenger<T>, FindError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { found, name, waiter, .. } = &mut *self;
        if let Some(found) = found.take() {
            return Poll::Ready(found);
        }
        let waiter = waiter.as_mut().expect("a search was polled after it was ready");
        let found = ready!(waiter.poll_with(cx.waker(), |list, _| list.find(name)));
        Poll::Ready(endpoint(&found))
    }
}

impl<T: Clone + Send + Sync + 'static> Sealed for Find<T> {}

impl<T: Clone + Send + Sync + 'static> Wait for Find<T> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<T: Clone + Send + Sync + 'static> fmt::Debug for Find<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Find").field("name", &self.name).finish_non_exhaustive()
    }
}
