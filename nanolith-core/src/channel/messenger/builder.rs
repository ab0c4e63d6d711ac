//! [`MessengerBuilder`]: the settings of a messenger, which is a broadcast channel that is found by
//! name.

use super::{
    LagPolicy, Messenger, OpenError, registry,
    shared::{Endpoint, MessengerShared},
};
use std::{fmt, marker::PhantomData, sync::Arc};

/// A builder for a messenger. Created by [`Messenger::builder`].
///
/// ```
/// use nanolith::messenger::{LagPolicy, Messenger};
/// let builder = Messenger::<u32>::builder().on_lag(LagPolicy::DropOldest(16));
/// let ticks = builder.open("ticks")?;
/// assert_eq!(ticks.name(), "ticks");
/// # Ok::<(), nanolith::messenger::OpenError>(())
/// ```
#[must_use = "settings do nothing until `build` or `named`"]
pub struct MessengerBuilder<T> {
    policy: Option<LagPolicy>,
    carries: PhantomData<fn() -> T>,
}

impl<T: Clone + Send + Sync + 'static> MessengerBuilder<T> {
    pub(super) fn new() -> Self {
        Self { policy: None, carries: PhantomData }
    }

    /// Sets what happens when a receiver falls behind. By default, senders wait when a receiver has
    /// 1,024 messages ahead of it.
    ///
    /// ```
    /// use nanolith::messenger::{LagPolicy, Messenger};
    /// let orders = Messenger::<u32>::builder().on_lag(LagPolicy::Unbounded).build()?;
    /// # let slow = orders.join().subscribe();
    /// assert!((0..10_000).all(|n| orders.try_send(n).is_ok()));
    /// # Ok::<(), nanolith::messenger::OpenError>(())
    /// ```
    pub fn on_lag(mut self, policy: LagPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Creates a messenger without a name.
    ///
    /// ```
    /// use nanolith::messenger::{LagPolicy, Messenger, OpenError};
    /// let zero = Messenger::<u32>::builder().on_lag(LagPolicy::Wait(0));
    /// assert_eq!(zero.build().unwrap_err(), OpenError::ZeroBound);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`OpenError::ZeroBound`] for a bound of zero.
    pub fn build(self) -> Result<Messenger<T>, OpenError> {
        let policy = self.checked()?.unwrap_or_default();
        Ok(Messenger::of(Endpoint::new(MessengerShared::new(None, policy))))
    }

    /// Opens an endpoint of the messenger of this name, and creates the messenger if the name is
    /// not in use. If a policy was set here, an existing messenger must have the same policy.
    ///
    /// ```
    /// use nanolith::messenger::{LagPolicy, Messenger, OpenError};
    /// let ticks = Messenger::<u32>::builder().on_lag(LagPolicy::DropOldest(16)).open("ticks")?;
    /// let again = Messenger::<u32>::open("ticks")?; // as it is
    /// let other = Messenger::<u32>::builder().on_lag(LagPolicy::Unbounded).open("ticks");
    /// assert!(matches!(other, Err(OpenError::OtherPolicy { .. })));
    /// # Ok::<(), OpenError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] when the name is in use with another type or another policy, and for a
    /// bound of zero.
    pub fn open(self, name: impl Into<Arc<str>>) -> Result<Messenger<T>, OpenError> {
        registry::open(name.into(), self.checked()?).map(Messenger::of)
    }

    fn checked(self) -> Result<Option<LagPolicy>, OpenError> {
        match self.policy.and_then(LagPolicy::bound) {
            Some(0) => Err(OpenError::ZeroBound),
            _ => Ok(self.policy),
        }
    }
}

impl<T> Clone for MessengerBuilder<T> {
    fn clone(&self) -> Self {
        Self { policy: self.policy, carries: PhantomData }
    }
}

impl<T> fmt::Debug for MessengerBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessengerBuilder").field("on_lag", &self.policy).finish_non_exhaustive()
    }
}
