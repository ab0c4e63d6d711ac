//! A fair [counting semaphore](https://en.wikipedia.org/wiki/Semaphore_(programming)) for sync and
//! async code.
//!
//! [`SemaphoreState`] holds the counts and the waiters as pure data. [`Semaphore`] holds its lock.

mod acquire;
mod error;
mod state;

pub use acquire::Acquire;
pub use error::{AcquireError, TryAcquireError};

use self::state::SemaphoreState;
use crate::wake::Deferred;
use std::{fmt, sync::Arc};

/// A fair counting semaphore: a number of permits that threads and async tasks take and give back.
///
/// The type is a handle: clones share the permits. Permits are granted first come, first served. A
/// caller that asks for many permits is not overtaken by callers that ask for few. A wait that is
/// given up hands on what it was granted, so no permit is lost.
///
/// ```
/// use nanolith::{prelude::*, sync::Semaphore};
/// # pub struct Geometry;
/// # #[define] impl Geometry {
/// #     pub fn add_holding(_permit: nanolith::sync::Permit, x: i64, y: i64) -> i64 { x + y }
/// # }
/// let permits = Semaphore::new(2); // two of these calls at once, by any callers
/// let mut jobs = Vec::new();
/// for n in 0..10 {
///     let permit = permits.acquire().wait()?; // or `.await`
///     jobs.push(Geometry::tasks().add_holding(permit, n, n).submit()); // given back as the task drops it
/// }
/// for job in jobs {
///     job.wait()?;
/// }
/// assert_eq!(permits.available_permits(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Semaphore {
    core: Arc<Deferred<SemaphoreState>>,
}

impl Semaphore {
    /// Creates `count` permits. With a `count` of zero, [`Semaphore::add_permits`] makes the first
    /// permit.
    ///
    /// ```
    /// use nanolith::sync::Semaphore;
    /// assert_eq!(Semaphore::new(3).available_permits(), 3);
    /// ```
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { core: Arc::new(Deferred::new(SemaphoreState::new(count))) }
    }

    /// Takes one permit, once there is one. Await the result with `.await`, or block on it with
    /// `.wait()`. The wait joins the queue when it is first polled.
    ///
    /// ```
    /// use nanolith::{prelude::*, sync::Semaphore};
    /// let permits = Semaphore::new(1);
    /// let permit = permits.acquire().wait()?;
    /// assert_eq!(permits.available_permits(), 0);
    /// drop(permit);
    /// assert_eq!(permits.available_permits(), 1);
    /// # Ok::<(), nanolith::sync::AcquireError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the permits are closed.
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped before it is ready leaves the queue. A permit that it was granted
    /// goes to the next waiter.
    pub fn acquire(&self) -> Acquire {
        self.acquire_many(1)
    }

    /// Takes `count` permits at once, as one [`Permit`].
    ///
    /// No later caller is served before, so a large `count` is not starved. If `count` is greater
    /// than the number of permits, the call waits until [`Semaphore::add_permits`] makes more.
    ///
    /// ```
    /// use nanolith::sync::Semaphore;
    /// let permits = Semaphore::new(8);
    /// # pollster::block_on(async {
    /// let many = permits.acquire_many(5).await?;
    /// assert_eq!((many.count(), permits.available_permits()), (5, 3));
    /// # Ok::<(), nanolith::sync::AcquireError>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Semaphore::acquire`].
    ///
    /// # Cancel safety
    ///
    /// See [`Semaphore::acquire`].
    pub fn acquire_many(&self, count: usize) -> Acquire {
        Acquire::new(self.clone(), count)
    }

    /// Takes one permit, if a permit is free and no other caller waits.
    ///
    /// ```
    /// use nanolith::sync::{Semaphore, TryAcquireError};
    /// let permits = Semaphore::new(1);
    /// let _permit = permits.try_acquire()?;
    /// assert_eq!(permits.try_acquire().unwrap_err(), TryAcquireError::Taken);
    /// # Ok::<(), TryAcquireError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] tells why no permit was taken.
    pub fn try_acquire(&self) -> Result<Permit, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `count` permits at once, if `count` permits are free and no other caller waits.
    ///
    /// ```
    /// use nanolith::sync::Semaphore;
    /// let permits = Semaphore::new(3);
    /// assert!(permits.try_acquire_many(4).is_err());
    /// assert_eq!(permits.try_acquire_many(3)?.count(), 3);
    /// # Ok::<(), nanolith::sync::TryAcquireError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] tells why no permit was taken.
    pub fn try_acquire_many(&self, count: usize) -> Result<Permit, TryAcquireError> {
        self.core.with(|core, _| {
            if core.is_closed() {
                return Err(TryAcquireError::Closed);
            }
            core.take(count).then_some(()).ok_or(TryAcquireError::Taken)
        })?;
        Ok(Permit { permits: self.clone(), count })
    }

    /// Adds `count` permits. Waiting callers get them first.
    ///
    /// ```
    /// use nanolith::sync::Semaphore;
    /// let permits = Semaphore::new(0);
    /// permits.add_permits(2);
    /// assert_eq!(permits.available_permits(), 2);
    /// ```
    pub fn add_permits(&self, count: usize) {
        self.core.with(|core, after| core.add(count, after));
    }

    /// Closes the semaphore: callers that wait, and later callers, get an error. Permits that were
    /// taken stay with their holders.
    ///
    /// ```
    /// use nanolith::{prelude::*, sync::{AcquireError, Semaphore}};
    /// let permits = Semaphore::new(0);
    /// let waits = std::thread::spawn({
    ///     let permits = permits.clone();
    ///     move || permits.acquire().wait().map(drop)
    /// });
    /// permits.close();
    /// assert_eq!(waits.join().expect("no panic"), Err(AcquireError));
    /// ```
    pub fn close(&self) {
        self.core.with(SemaphoreState::close);
    }

    /// Returns whether the semaphore was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.with(|core, _| core.is_closed())
    }

    /// Returns the number of permits that are neither taken nor granted to a waiter. The number is
    /// true at the moment when it is read.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.core.with(|core, _| core.available())
    }

    /// Returns the number of waiting callers. The number is true at the moment when it is read.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core.with(|core, _| core.waiting())
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let look = |core: &mut SemaphoreState, _: &mut _| (core.available(), core.waiting(), core.is_closed());
        let (available, waiting, closed) = self.core.with(look);
        let mut debug = f.debug_struct("Semaphore");
        debug.field("available", &available).field("waiting", &waiting).field("closed", &closed).finish()
    }
}

/// A number of permits that were taken. Dropping the value returns them to the semaphore.
///
/// The value borrows nothing, so it can move into a task or over a port, together with the work
/// that needs it.
///
/// ```
/// use nanolith::sync::{Permit, Semaphore};
/// let permits = Semaphore::new(1);
/// let permit: Permit = permits.try_acquire()?;
/// std::thread::spawn(move || drop(permit)).join().expect("no panic");
/// assert_eq!(permits.available_permits(), 1);
/// # Ok::<(), nanolith::sync::TryAcquireError>(())
/// ```
#[must_use = "dropped, it is given back at once"]
pub struct Permit {
    permits: Semaphore,
    count: usize,
}

impl Permit {
    /// Returns the number of permits in this value.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Drops the value and keeps its permits. The semaphore has fewer permits from now on, until
    /// [`Semaphore::add_permits`] makes others.
    ///
    /// ```
    /// use nanolith::sync::Semaphore;
    /// let permits = Semaphore::new(3);
    /// permits.try_acquire()?.forget();
    /// assert_eq!(permits.available_permits(), 2);
    /// # Ok::<(), nanolith::sync::TryAcquireError>(())
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }

    /// Moves `count` permits into a value of their own. Returns `None` if this value has fewer.
    ///
    /// ```
    /// use nanolith::sync::Semaphore;
    /// let permits = Semaphore::new(5);
    /// let mut many = permits.try_acquire_many(5)?;
    /// let two = many.split(2).expect("it has five");
    /// assert_eq!((many.count(), two.count()), (3, 2));
    /// # Ok::<(), nanolith::sync::TryAcquireError>(())
    /// ```
    #[must_use]
    pub fn split(&mut self, count: usize) -> Option<Self> {
        self.count = self.count.checked_sub(count)?;
        Some(Self { permits: self.permits.clone(), count })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.count > 0 {
            self.permits.add_permits(self.count);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count).finish_non_exhaustive()
    }
}
