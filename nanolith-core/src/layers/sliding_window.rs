//! [`Window`]: a sliding window of counts, over the last events or over the last span of time. It
//! is pure data: the caller holds the lock and passes the time in nanoseconds.

use std::{collections::VecDeque, time::Duration};

/// Counts of `N` kinds of events.
pub(super) type Counts<const N: usize> = [u64; N];

/// The length of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// A number of events, at least one.
    Events(usize),
    /// A span of time. The window moves in tenths of it.
    Time(Duration),
}

/// The number of parts of a time span.
const PARTS: u64 = 10;

#[derive(Debug)]
pub(super) struct Window<const N: usize> {
    span: Span,
    /// The sum of the counts in `kept`.
    sum: Counts<N>,
    /// The events, or the parts of the time span with their numbers, the oldest first.
    kept: VecDeque<(u64, Counts<N>)>,
}

impl<const N: usize> Window<N> {
    pub(super) fn new(span: Span) -> Self {
        Self { span, sum: [0; N], kept: VecDeque::new() }
    }

    /// Counts an event, which may be of several kinds.
    pub(super) fn add(&mut self, now: u64, event: Counts<N>) {
        self.move_to(now);
        let part = self.part(now);
        match self.kept.back_mut() {
            Some((last, counts)) if *last == part && matches!(self.span, Span::Time(_)) => plus(counts, event),
            _ => self.kept.push_back((part, event)),
        }
        plus(&mut self.sum, event);
        if let Span::Events(most) = self.span {
            while self.kept.len() > most {
                self.forget_oldest();
            }
        }
    }

    /// Returns the counts within the window.
    pub(super) fn counts(&mut self, now: u64) -> Counts<N> {
        self.move_to(now);
        self.sum
    }

    fn move_to(&mut self, now: u64) {
        let part = self.part(now);
        while self.kept.front().is_some_and(|(oldest, _)| part.saturating_sub(*oldest) >= PARTS) {
            self.forget_oldest();
        }
    }

    fn part(&self, now: u64) -> u64 {
        match self.span {
            Span::Events(_) => 0,
            Span::Time(span) => now / (crate::time::clock::nanos(span) / PARTS).max(1),
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, counts)) = self.kept.pop_front() {
            self.sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum -= count);
        }
    }
}

fn plus<const N: usize>(to: &mut Counts<N>, counts: Counts<N>) {
    to.iter_mut().zip(counts).for_each(|(to, count)| *to += count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_counts_the_last_events() {
        let mut window = Window::new(Span::Events(3));
        for failed in [1, 0, 0, 1] {
            window.add(0, [1, failed]);
        }
        assert_eq!(window.counts(0), [3, 1]);
    }

    #[test]
    fn window_counts_the_last_period_in_tenths() {
        let mut window = Window::new(Span::Time(Duration::from_nanos(100)));
        window.add(0, [1, 1]);
        window.add(5, [1, 0]);
        window.add(55, [1, 0]);
        assert_eq!(window.counts(99), [3, 1]);
        assert_eq!(window.counts(100), [1, 0]);
        assert_eq!(window.counts(150), [0, 0]);
        assert!(window.kept.is_empty());
    }

    #[test]
    fn window_advances_to_the_last_moment() {
        let (begin, end) = (1_000_000_000_000, 15_778_477_000_000_000_000); // of a mock clock
        for (span, last, expected) in
            [(Duration::ZERO, u64::MAX, 1), (Duration::from_nanos(100), u64::MAX, 1), (Duration::MAX, end, 2)]
        {
            let mut window = Window::new(Span::Time(span));
            window.add(begin, [1]);
            window.add(last, [1]);
            assert_eq!(window.counts(last), [expected], "{span:?}");
        }
    }

    #[test]
    fn window_of_zero_length_keeps_little() {
        let mut window = Window::new(Span::Time(Duration::ZERO));
        (0..100).for_each(|now| window.add(now, [1]));
        assert_eq!(window.counts(99), [10]);
        let mut window = Window::new(Span::Events(1));
        (0..100).for_each(|now| window.add(now, [1]));
        assert_eq!(window.counts(99), [1]);
    }
}
