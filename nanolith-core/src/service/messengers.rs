//! Attaches messengers, which are typed broadcast channels, to a service at its launch or later.
//! The service's tasks find them by name.

use super::{ServiceBuilder, ServiceControl, service_state::Phase};
use crate::{call::backend::Backend, channel::messenger::Messenger, task::TaskSet};
use std::{error::Error, fmt};

impl<S: TaskSet, E, A> ServiceBuilder<S, E, A> {
    /// Attaches a messenger. The service's tasks and its `#[init]` find it with
    /// [`Context::messenger`](crate::task::Context::messenger).
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// pub struct Counter { total: i64, totals: Messenger<i64> }
    /// #[define]
    /// impl Counter {
    ///     #[init]
    ///     fn start(cx: &Context<Self>, total: i64) -> Result<Self, nanolith::messenger::FindError> {
    ///         Ok(Self { total, totals: cx.messenger("totals")? })
    ///     }
    ///     pub fn bump(&mut self, by: i64) {
    ///         self.total += by;
    ///         let _ = self.totals.try_send(self.total);
    ///     }
    /// }
    /// let totals = Messenger::<i64>::open("totals")?;
    /// let mut heard = totals.subscribe();
    /// let counter = Counter::service(10).messenger(&totals).launch().wait()?;
    /// counter.bump(5).wait()?;
    /// assert_eq!(heard.recv().wait()?, 15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn messenger<T: Clone + Send + Sync + 'static>(mut self, messenger: &Messenger<T>) -> Self {
        self.settings.data.attach(messenger.attachment());
        self
    }
}

impl<S: TaskSet> ServiceControl<'_, S> {
    /// Attaches a messenger to a running service. When this returns, every task finds the
    /// messenger. Tasks that already wait for the messenger are woken.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// # pub struct Counter;
    /// # #[define]
    /// impl Counter {
    ///     pub fn announce(cx: &Context<Self>, total: i64) -> bool {
    ///         cx.messenger::<i64>("totals").is_ok_and(|totals| totals.try_send(total).is_ok())
    ///     }
    /// }
    /// let counter = Counter::service().launch().wait()?;
    /// assert!(!counter.announce(9).wait()?);
    /// counter.control().attach(&Messenger::<i64>::open("totals")?)?;
    /// assert!(counter.announce(9).wait()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AttachError`] if the service has ended.
    pub fn attach<T: Clone + Send + Sync + 'static>(&self, messenger: &Messenger<T>) -> Result<(), AttachError> {
        let over = self.inner.lock().phase == Phase::Over;
        match Backend::data(&**self.inner).attached() {
            Some(attached) if !over => {
                attached.attach(messenger.attachment());
                Ok(())
            }
            _ => Err(AttachError),
        }
    }
}

/// The error of [`ServiceControl::attach`] for a service that has ended.
///
/// ```
/// use nanolith::{messenger::Messenger, prelude::*, service::AttachError};
/// # pub struct Counter;
/// # #[define] impl Counter { pub fn total(&self) -> i64 { 0 } }
/// let counter = Counter::service(Counter).launch().wait()?;
/// counter.close().wait()?;
/// assert_eq!(counter.control().attach(&Messenger::<i64>::new()), Err(AttachError));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachError;

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service has ended")
    }
}

impl Error for AttachError {}
