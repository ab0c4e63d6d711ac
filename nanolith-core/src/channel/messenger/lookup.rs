//! Finds a messenger by its name from inside a task, if it is attached to the task's call or
//! executor. The future [`Find`] waits until it is.

use super::{FindError, Messenger};
use crate::{
    context::block_on,
    time::Limit,
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
    pin::{Pin, pin},
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

    pub(crate) fn within<T: Clone + Send + Sync + 'static>(&self, name: &str, limit: Duration) -> Find<T> {
        let found = match self.find(name) {
            Err(FindError::NotAttached { .. }) => None,
            found => Some(found),
        };
        Find {
            found,
            name: name.into(),
            waiter: self.data.attached().map(Attachments::wait),
            limit: Limit::new(limit),
            message_type: PhantomData,
        }
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
/// [`Context::messenger_within`](crate::task::Context::messenger_within).
///
/// ```
/// use nanolith::{messenger::{Find, Messenger}, prelude::*, time::MINUTE};
/// # pub struct Counter;
/// # #[define]
/// impl Counter {
///     pub async fn announce(cx: &Context<Self>, total: i64) -> bool {
///         let finding: Find<i64> = cx.messenger_within("totals", MINUTE);
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
/// Returns [`FindError`] when no messenger of this name was attached in time, or when it carries
/// another type.
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
    /// to it.
    waiter: Option<AttachWait>,
    limit: Limit,
    message_type: PhantomData<fn() -> T>,
}

/// No field is pinned.
impl<T: Clone + Send + Sync + 'static> Unpin for Find<T> {}

impl<T: Clone + Send + Sync + 'static> Find<T> {
    /// Blocks until the messenger is attached. Inside a task of a pool, the task's slot is released
    /// while this method blocks.
    ///
    /// ```
    /// use nanolith::{messenger::{FindError, Messenger}, prelude::*, time::MILLISECOND};
    /// # pub struct Counter;
    /// # #[define]
    /// impl Counter {
    ///     pub fn find(cx: &Context<Self>) -> Result<(), FindError> {
    ///         cx.messenger_within::<i64>("totals", MILLISECOND).wait().map(drop)
    ///     }
    /// }
    /// let counter = Counter::service().launch().wait()?;
    /// assert!(matches!(counter.find().wait()?, Err(FindError::NotAttached { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`FindError`] when no messenger of this name was attached in time, or when it
    /// carries another type.
    pub fn wait(mut self) -> Result<Messenger<T>, FindError> {
        let deadline = self.limit.deadline();
        let finding = pin!(std::future::poll_fn(|cx| self.poll_found(cx)));
        let found = block_on::block_on_any_until(finding, deadline);
        found.unwrap_or_else(|| Err(self.not_attached()))
    }

    fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<Result<Messenger<T>, FindError>> {
        if let Some(found) = self.found.take() {
            return Poll::Ready(found);
        }
        let Some(waiter) = &mut self.waiter else { return Poll::Pending };
        let found = ready!(waiter.poll_with(cx.waker(), |list, _| list.find(&self.name)));
        Poll::Ready(endpoint(&found))
    }

    fn not_attached(&self) -> FindError {
        FindError::NotAttached { name: self.name.clone() }
    }
}

impl<T: Clone + Send + Sync + 'static> Future for Find<T> {
    type Output = Result<Messenger<T>, FindError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(found) = self.poll_found(cx) {
            return Poll::Ready(found);
        }
        ready!(self.limit.poll(cx));
        Poll::Ready(Err(self.not_attached()))
    }
}

impl<T: Clone + Send + Sync + 'static> fmt::Debug for Find<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Find").field("name", &self.name).finish_non_exhaustive()
    }
}
