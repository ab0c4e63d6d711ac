//! [`Priority`]: the urgency of a call, which is how long other calls may keep it waiting.

use std::time::Duration;

/// The urgency of a call: how long other calls may keep it waiting before its turn comes.
///
/// Work expires at its submission plus the timeout of its priority. The earliest expiration runs
/// first. So more urgent work delays work of low priority, and never starves it. The timeouts are
/// those of React's scheduler.
///
/// ```
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// # let pool = Pool::builder().build()?;
/// # pool.pause();
/// let geometry = Geometry::on(&pool);
/// let later = geometry.add(1, 2).priority(Priority::Idle).submit();
/// let sooner = geometry.add(4, 5).priority(Priority::UserBlocking).submit();
/// # pool.resume();
/// assert_eq!((sooner.wait()?, later.wait()?), (9, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// The priority before all others: expired when submitted.
    Immediate,
    /// The priority for a user who waits and sees the delay: 250 ms.
    UserBlocking,
    /// The default: 5 s.
    #[default]
    Normal,
    /// The priority below the default: 10 s.
    Low,
    /// The priority of work that runs when nothing else waits, or after 2³⁰ ms (12 days).
    Idle,
}

impl Priority {
    /// All priorities, the most urgent first.
    ///
    /// ```
    /// use nanolith::Priority;
    /// assert!(Priority::ALL.is_sorted_by_key(|priority| priority.max_wait()));
    /// ```
    pub const ALL: [Self; 5] = [Self::Immediate, Self::UserBlocking, Self::Normal, Self::Low, Self::Idle];

    /// Returns the priority at this index of [`Priority::ALL`]; the last for a greater index.
    #[inline]
    pub(crate) const fn numbered(number: u8) -> Self {
        match number {
            0 => Self::Immediate,
            1 => Self::UserBlocking,
            2 => Self::Normal,
            3 => Self::Low,
            _ => Self::Idle,
        }
    }

    /// Returns how long work of this priority may be kept waiting.
    ///
    /// `Immediate` returns zero, and counts as expired one millisecond before its submission.
    ///
    /// ```
    /// use nanolith::Priority;
    /// use std::time::Duration;
    /// assert_eq!(Priority::UserBlocking.max_wait(), Duration::from_millis(250));
    /// assert_eq!(Priority::Low.max_wait(), Duration::from_secs(10));
    /// ```
    #[must_use]
    pub const fn max_wait(self) -> Duration {
        match self {
            Self::Immediate => Duration::ZERO,
            Self::UserBlocking => Duration::from_millis(250),
            Self::Normal => Duration::from_secs(5),
            Self::Low => Duration::from_secs(10),
            Self::Idle => Duration::from_millis(1_073_741_823),
        }
    }
}
