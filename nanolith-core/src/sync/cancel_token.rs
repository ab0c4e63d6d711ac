//! [`CancelToken`]: a cancellation token. Cancelling it cancels the calls that have it, and its
//! child tokens.

use crate::{
    call::cancel_tree::CancelNode,
    context::wait::{self, Sealed, Wait},
    wake::Registration,
};
use std::{
    fmt,
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// A token that cancels many calls, and other work that checks it, at once. Clones are the same
/// token.
///
/// ```
/// use nanolith::{prelude::*, sync::CancelToken};
/// # use nanolith_doc_sets::*;
/// let token = CancelToken::new();
/// assert_eq!(Geometry::tasks().add(4, 5).cancel_token(&token).wait()?, 9);
/// token.cancel();
/// let late = Geometry::tasks().add(4, 5).cancel_token(&token).wait();
/// assert!(matches!(late, Err(CallError::Cancelled(_))));
/// # Ok::<(), CallError>(())
/// ```
///
/// Dropping a token cancels nothing: see [`CancelToken::drop_guard`].
#[derive(Clone)]
pub struct CancelToken {
    stop: Arc<CancelNode>,
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl CancelToken {
    /// Returns a token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self { stop: Arc::default() }
    }

    pub(crate) fn stop(&self) -> &Arc<CancelNode> {
        &self.stop
    }

    /// Returns a token that is cancelled together with this token. The child can also be cancelled
    /// alone.
    ///
    /// ```
    /// # use nanolith::sync::CancelToken;
    /// let all = CancelToken::new();
    /// let (some, others) = (all.child_token(), all.child_token());
    /// some.cancel();
    /// assert!(!all.is_cancelled() && !others.is_cancelled());
    /// all.cancel();
    /// assert!(others.is_cancelled() && all.child_token().is_cancelled());
    /// ```
    #[must_use]
    pub fn child_token(&self) -> Self {
        Self { stop: CancelNode::child_of(&self.stop) }
    }

    /// Cancels the calls that have the token, and the tokens below it: see
    /// [`Handle::cancel`](crate::typed::Handle::cancel).
    ///
    /// The method returns when they are cancelled. A second call does nothing.
    pub fn cancel(&self) {
        self.stop.cancel();
    }

    /// Returns whether the token was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.stop.is_stopped()
    }

    /// Waits until the token is cancelled: the result is a future, and has
    /// [`wait`](Cancelled::wait) for blocking.
    ///
    /// ```
    /// # use nanolith::{prelude::*, sync::CancelToken};
    /// let token = CancelToken::new();
    /// let waits = std::thread::spawn({ let token = token.clone(); move || token.cancelled().wait() });
    /// token.cancel();
    /// waits.join().expect("it does not panic");
    /// # pollster::block_on(
    /// token.cancelled() // awaited
    /// # );
    /// ```
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any time, and the method called again.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { waiter: Registration::new(self.stop.clone()) }
    }

    /// Runs `future` until it is done, or until the token is cancelled. In the second case the
    /// future is dropped, and the result is `None`.
    ///
    /// ```
    /// # use nanolith::sync::CancelToken;
    /// # pollster::block_on(async {
    /// let token = CancelToken::new();
    /// assert_eq!(token.run_until_cancelled(async { 9 }).await, Some(9));
    /// token.cancel();
    /// assert_eq!(token.run_until_cancelled(std::future::pending::<()>()).await, None);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// The same as that of `future`.
    pub async fn run_until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        let (mut future, mut cancelled) = (pin!(future), self.cancelled());
        std::future::poll_fn(|cx| {
            if Pin::new(&mut cancelled).poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Returns a guard that cancels the token when the guard is dropped, also by a panic.
    ///
    /// ```
    /// # use nanolith::sync::CancelToken;
    /// let token = CancelToken::new();
    /// drop(token.clone().drop_guard());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { token: Some(self) }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

/// A wait for the cancellation of a token, returned by [`CancelToken::cancelled`].
///
/// # Cancel safety
///
/// May be dropped at any time.
#[must_use = "does nothing until awaited or waited on"]
pub struct Cancelled {
    waiter: Registration<Arc<CancelNode>>,
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        CancelNode::poll_stopped(&mut self.waiter, cx.waker())
    }
}

impl Sealed for Cancelled {}

impl Wait for Cancelled {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").field("is_cancelled", &self.waiter.home().is_stopped()).finish()
    }
}

/// A guard that cancels a token when it is dropped, returned by [`CancelToken::drop_guard`].
#[derive(Debug)]
#[must_use = "the token is cancelled when this is dropped"]
pub struct DropGuard {
    /// `None` once the guard is disarmed.
    token: Option<CancelToken>,
}

impl DropGuard {
    /// Returns the token without cancelling it.
    ///
    /// ```
    /// # use nanolith::sync::CancelToken;
    /// let token = CancelToken::new().drop_guard().disarm();
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn disarm(mut self) -> CancelToken {
        mem::take(&mut self.token).unwrap_or_default()
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.token.iter().for_each(CancelToken::cancel);
    }
}
