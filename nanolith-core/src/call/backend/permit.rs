//! [`Permit`]: the right to run one task at a time on an executor's threads, like the permit of a
//! semaphore. A thread holds it, lends it to another thread during a wait, and takes it back.

/// The right to run one task at a time on an executor's threads. The executor counts the permits
/// that it issues.
///
/// A permit is neither `Clone` nor `Copy`, so a thread lends or returns only a permit that it
/// holds.
#[derive(Debug)]
#[must_use = "the host counts this permit until it is returned"]
pub(crate) struct Permit(());

impl Permit {
    /// Returns a new permit. The caller is the executor, and counts it.
    pub(crate) fn issue() -> Self {
        Self(())
    }

    /// Ends the permit. The caller is the executor, and subtracts it from its count.
    pub(crate) fn cancel(self) {
        let Self(()) = self;
    }
}

/// The permit of a thread.
#[derive(Debug, Default)]
pub(crate) enum PermitState {
    /// The thread holds no permit: it helps a worker that holds one, or it runs no task.
    #[default]
    Absent,
    /// The thread holds a permit and runs no task: it runs wakers and destructors.
    Idle(Permit),
    /// The thread holds a permit and runs a task.
    Active(Permit),
    /// A wait further down on this stack has lent the thread's permit.
    Lent,
}

/// The permits that a waiting thread has lent to other threads.
#[derive(Debug, Default)]
#[must_use = "the thread takes this back when its wait ends"]
pub(crate) struct LentPermits {
    /// The thread's permit before the wait.
    pub(crate) before: PermitState,
    /// Permits beyond the concurrency.
    pub(crate) extra: usize,
}
