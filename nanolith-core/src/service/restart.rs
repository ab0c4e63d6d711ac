//! [`Restart`]: the policy that decides when a service restarts. [`Restarts`] counts the recent
//! restarts against its limit.

use crate::{
    pool::BuildError,
    sync::backoff::{Backoff, chance},
    time::{MILLISECOND, MINUTE, SECOND},
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The policy that decides when a service restarts, for
/// [`ServiceBuilder::restart`](super::ServiceBuilder::restart).
///
/// | what happens | [`never`](Restart::never) | [`on_panic`](Restart::on_panic) | [`on_panic().except_in_tasks()`](Restart::except_in_tasks) |
/// |---|---|---|---|
/// | a task panics | the state is kept | a new state | the state is kept |
/// | a hook panics | the state is kept | a new state | a new state |
/// | a future panics as it is dropped | the service ends | a new state | a new state |
/// | [`ServiceControl::restart`](super::ServiceControl::restart), or a restart of the [group](super::RestartGroup) | refused | a new state | a new state |
/// | `#[init]` fails at a restart | | another try | another try |
///
/// An exception handler ([`ServiceBuilder::on_panic`](super::ServiceBuilder::on_panic)) decides the
/// first two rows in place of the policy. [`OnPanic::Restart`](super::OnPanic::Restart) then leads
/// to a new state, or ends the service if the policy is `never`.
///
/// The caller of the task that panicked receives its [panic](crate::error::CallError::Panicked) in
/// each case. Other calls that had begun end as
/// [`CallError::Crashed`](crate::error::CallError::Crashed) with the old state. Queued calls run on
/// the new state.
///
/// The service gives up after five restarts within a minute, unless [`Restart::limit`] sets another
/// limit. A close skips the first wait after a crash, so that accepted calls run soon. If a start
/// fails after that, the waits are kept.
///
/// ```
/// use nanolith::{
///     prelude::*, service::Restart, sync::Backoff,
///     time::{MILLISECOND, MINUTE, SECOND},
/// };
/// let restart = Restart::on_panic().limit(3, MINUTE).backoff(Backoff::exponential(MILLISECOND).max_delay(SECOND));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a policy is given to a service's builder"]
pub struct Restart {
    when: When,
    most: usize,
    within: Duration,
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    Never,
    OnPanicExceptInTasks,
    OnPanic,
}

impl Restart {
    /// Creates the policy of a service that never restarts. A task's panic leaves the state as it
    /// is. A crash ends the service, and its calls end as
    /// [`CallError::Crashed`](crate::error::CallError::Crashed).
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::Restart};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub fn bump(&mut self, by: i64) -> i64 { self.total += 1; assert!(by < 100); self.total += by - 1; self.total }
    /// # }
    /// let counter = Counter::service(10).restart(Restart::never()).launch().wait()?; // as without
    /// assert!(counter.bump(100).wait().is_err()); // panics half way
    /// assert_eq!(counter.bump(5).wait()?, 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn never() -> Self {
        Self::new(When::Never)
    }

    /// Creates a policy that restarts the service when a task or a hook panics, since the panic may
    /// have left the state partly changed.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::Restart};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub fn bump(&mut self, by: i64) -> i64 { self.total += 1; assert!(by < 100); self.total += by - 1; self.total }
    /// # }
    /// let counter = Counter::service(10).restart(Restart::on_panic()).launch().wait()?;
    /// assert!(counter.bump(100).wait().is_err()); // panics half way
    /// assert_eq!(counter.bump(5).wait()?, 15); // a new state
    /// assert_eq!(counter.info().restarts, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn on_panic() -> Self {
        Self::new(When::OnPanic)
    }

    /// Keeps the state when a task panics. Use this for tasks that leave the state whole. A panic
    /// of a hook still restarts the service.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::Restart};
    /// # pub struct Counter { total: i64 }
    /// # #[define] impl Counter {
    /// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
    /// #     pub fn bump(&mut self, by: i64) -> i64 { assert!(by < 100); self.total += by; self.total }
    /// # }
    /// let counter = Counter::service(10).restart(Restart::on_panic().except_in_tasks()).launch().wait()?;
    /// assert_eq!(counter.bump(5).wait()?, 15);
    /// assert!(counter.bump(100).wait().is_err()); // panics
    /// assert_eq!(counter.bump(5).wait()?, 20); // the same state
    /// assert_eq!(counter.info().restarts, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn except_in_tasks(mut self) -> Self {
        if let When::OnPanic = self.when {
            self.when = When::OnPanicExceptInTasks;
        }
        self
    }

    const fn new(when: When) -> Self {
        Self { when, most: 5, within: MINUTE, backoff: Backoff::exponential(MILLISECOND).max_delay(SECOND) }
    }

    /// Sets the limit of restarts. The service gives up, and ends as crashed, when it would restart
    /// more than `restarts` times within the time `within`. `restarts` is at least 1, and `within`
    /// is longer than zero. With `Duration::MAX` all restarts of the service's life count.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::Restart, time::MINUTE};
    /// # use nanolith_doc_sets::*;
    /// let launched = Geometry::service().restart(Restart::on_panic().limit(0, MINUTE)).launch().wait();
    /// assert!(launched.is_err()); // that would be `Restart::never()`
    /// ```
    pub const fn limit(mut self, restarts: usize, within: Duration) -> Self {
        (self.most, self.within) = (restarts, within);
        self
    }

    /// Sets how long the service waits before a restart. The default waits 1 ms first, and doubles
    /// the wait each time, up to 1 s.
    ///
    /// ```
    /// # use nanolith::{prelude::*, service::Restart, sync::Backoff};
    /// let at_once = Restart::on_panic().backoff(Backoff::none());
    /// ```
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    pub(super) fn check(&self) -> Result<(), BuildError> {
        match (self.when, self.most, self.within) {
            (When::Never, ..) => Ok(()),
            (_, 0, _) => Err(BuildError::bad("restart", "has a limit of 0 restarts: that is `Restart::never()`")),
            (_, _, Duration::ZERO) => Err(BuildError::bad("restart", "has a limit within no time, which never holds")),
            _ => Ok(()),
        }
    }

    /// Returns whether a task's panic is a crash if there is no exception handler.
    #[doc(hidden)]
    #[must_use]
    pub fn after_panic(&self) -> bool {
        self.when == When::OnPanic
    }

    /// Returns whether a crash leads to a restart at all.
    pub(super) fn after_crash(&self) -> bool {
        self.when > When::Never
    }
}

/// A policy, and the moments of the restarts that count against its limit.
#[derive(Debug)]
pub struct Restarts {
    policy: Restart,
    recent: VecDeque<Instant>,
}

impl Restarts {
    /// Creates a count of no restarts.
    pub fn new(policy: Restart) -> Self {
        Self { policy, recent: VecDeque::new() }
    }

    pub(super) fn policy(&self) -> &Restart {
        &self.policy
    }

    /// Counts a restart at `now`. Returns how long to wait before it. Returns `None` if the limit
    /// is reached, or if the policy never restarts.
    pub fn next(&mut self, now: Instant) -> Option<Duration> {
        if !self.policy.after_crash() {
            return None;
        }
        while self.recent.front().is_some_and(|then| now.duration_since(*then) >= self.policy.within) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.policy.most {
            return None;
        }
        let wait = self.policy.backoff.wait(self.recent.len(), chance());
        self.recent.push_back(now);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_counted_within_the_window() {
        let mut restarts = Restarts::new(Restart::on_panic().limit(2, SECOND).backoff(Backoff::none()));
        let start = Instant::now();
        let at = [0, 400, 900, 1_000, 1_100, 1_400].map(|ms| restarts.next(start + ms * MILLISECOND).is_some());
        assert_eq!(at, [true, true, false, true, false, true]);
    }

    #[test]
    fn restart_never_allows_no_restart() {
        for never in [Restart::never(), Restart::never().except_in_tasks()] {
            assert_eq!(Restarts::new(never).next(Instant::now()), None);
        }
    }
}
