//! [`Times`] is the number of calls that a mock expects.

use std::{
    fmt,
    ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeToInclusive},
};

/// The number of calls of an expectation: a number, or a range of numbers.
///
/// ```
/// use nanolith::mock::Times;
/// let all: [Times; 5] = [2.into(), (1..=2).into(), (1..).into(), (..=2).into(), (..).into()];
/// assert_eq!(all.map(|times| times.to_string()), ["2 calls", "1 to 2 calls", "at least 1 call", "at most 2 calls", "any number of calls"]);
/// ```
///
/// An empty range, such as `2..=1`, can never be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub(super) least: usize,
    /// The maximum number of calls, included.
    pub(super) most: usize,
}

impl From<usize> for Times {
    fn from(calls: usize) -> Self {
        Self { least: calls, most: calls }
    }
}

impl From<Range<usize>> for Times {
    fn from(calls: Range<usize>) -> Self {
        Self { least: calls.start, most: calls.end.saturating_sub(1) }
    }
}

impl From<RangeInclusive<usize>> for Times {
    fn from(calls: RangeInclusive<usize>) -> Self {
        Self { least: *calls.start(), most: *calls.end() }
    }
}

impl From<RangeFrom<usize>> for Times {
    fn from(calls: RangeFrom<usize>) -> Self {
        Self { least: calls.start, most: usize::MAX }
    }
}

impl From<RangeToInclusive<usize>> for Times {
    fn from(calls: RangeToInclusive<usize>) -> Self {
        Self { least: 0, most: calls.end }
    }
}

impl From<RangeFull> for Times {
    fn from(_: RangeFull) -> Self {
        Self { least: 0, most: usize::MAX }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = |number: usize| if number == 1 { "call" } else { "calls" };
        match (self.least, self.most) {
            (0, usize::MAX) => f.write_str("any number of calls"),
            (least, usize::MAX) => write!(f, "at least {least} {}", calls(least)),
            (least, most) if least == most => write!(f, "{most} {}", calls(most)),
            (0, most) => write!(f, "at most {most} {}", calls(most)),
            (least, most) => write!(f, "{least} to {most} calls"),
        }
    }
}
