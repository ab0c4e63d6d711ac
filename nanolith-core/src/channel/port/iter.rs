//! Iterators over the messages of a port.

use super::Port;
use crate::context::Wait;
use std::iter::FusedIterator;

impl<S, R> Port<S, R> {
    /// Returns an iterator that blocks for each message and ends when no more message can arrive.
    ///
    /// ```
    /// use nanolith::{port, prelude::*};
    /// let (ours, theirs) = port::pair::<i64, ()>();
    /// std::thread::spawn(move || (1..=3).try_for_each(|n| ours.send(n).wait()));
    /// let mut sum = 0;
    /// for n in &theirs { // or `theirs.iter()`
    ///     sum += n;
    /// }
    /// assert_eq!(sum, 6);
    /// ```
    pub fn iter(&self) -> Iter<'_, S, R> {
        Iter(self)
    }

    /// Returns an iterator over the messages that are available without waiting.
    ///
    /// ```
    /// use nanolith::port;
    /// let (ours, theirs) = port::pair::<i64, ()>();
    /// (1..=3).try_for_each(|n| ours.try_send(n))?;
    /// assert_eq!(theirs.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    /// # Ok::<(), port::TrySendError<i64>>(())
    /// ```
    pub fn try_iter(&self) -> TryIter<'_, S, R> {
        TryIter(self)
    }
}

/// An iterator that blocks for each message of a port. Created by [`Port::iter`].
///
/// It ends when the other port is closed and all messages that it sent were received.
///
/// ```
/// use nanolith::{port, prelude::*};
/// let (ours, theirs) = port::pair::<(), i64>();
/// std::thread::spawn(move || (1..=3).try_for_each(|n| theirs.send(n).wait()));
/// let messages: port::Iter<'_, (), i64> = ours.iter();
/// assert_eq!(messages.sum::<i64>(), 6);
/// ```
#[derive(Debug)]
#[must_use = "receives nothing until it is asked for the next"]
pub struct Iter<'a, S, R>(pub(super) &'a Port<S, R>);

impl<S, R> Iterator for Iter<'_, S, R> {
    type Item = R;

    #[cfg_attr(feature = "tokio", track_caller)]
    fn next(&mut self) -> Option<R> {
        self.0.recv().wait().ok()
    }
}

impl<S, R> FusedIterator for Iter<'_, S, R> {}

/// An iterator over the messages of a port that are available without waiting. Created by
/// [`Port::try_iter`].
///
/// It ends when no message is available.
///
/// ```
/// use nanolith::port;
/// let (ours, theirs) = port::pair::<(), i64>();
/// theirs.try_send(4)?;
/// let there: port::TryIter<'_, (), i64> = ours.try_iter();
/// assert_eq!(there.collect::<Vec<_>>(), [4]);
/// # Ok::<(), port::TrySendError<i64>>(())
/// ```
#[derive(Debug)]
#[must_use = "receives nothing until it is asked for the next"]
pub struct TryIter<'a, S, R>(pub(super) &'a Port<S, R>);

impl<S, R> Iterator for TryIter<'_, S, R> {
    type Item = R;

    #[cfg_attr(feature = "tokio", track_caller)]
    fn next(&mut self) -> Option<R> {
        self.0.try_recv().ok()
    }
}

/// An iterator like [`Iter`] that owns the port. Created by `into_iter`.
///
/// ```
/// use nanolith::{port, prelude::*};
/// let (ours, theirs) = port::pair::<(), i64>();
/// std::thread::spawn(move || (1..=3).try_for_each(|n| theirs.send(n).wait()));
/// let messages: port::IntoIter<(), i64> = ours.into_iter();
/// assert_eq!(messages.sum::<i64>(), 6);
/// ```
#[derive(Debug)]
#[must_use = "receives nothing until it is asked for the next"]
pub struct IntoIter<S, R>(Port<S, R>);

impl<S, R> Iterator for IntoIter<S, R> {
    type Item = R;

    #[cfg_attr(feature = "tokio", track_caller)]
    fn next(&mut self) -> Option<R> {
        self.0.recv().wait().ok()
    }
}

impl<S, R> FusedIterator for IntoIter<S, R> {}

impl<'a, S, R> IntoIterator for &'a Port<S, R> {
    type Item = R;
    type IntoIter = Iter<'a, S, R>;

    fn into_iter(self) -> Iter<'a, S, R> {
        self.iter()
    }
}

impl<S, R> IntoIterator for Port<S, R> {
    type Item = R;
    type IntoIter = IntoIter<S, R>;

    fn into_iter(self) -> IntoIter<S, R> {
        IntoIter(self)
    }
}
