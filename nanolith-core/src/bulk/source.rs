//! [`Source`]: the inputs of a bulk operation, from an iterator or a stream, with the closure that
//! makes a call for each input.

use crate::{executor::Executor, task::TaskSet, typed::Call};
use futures_util::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// A source of calls, one for each input.
pub(super) trait Source<'a, S: TaskSet, E: Executor<S> + ?Sized + 'a, T> {
    /// Returns the next call, or `None` when there are no more inputs. Not called again after
    /// `None`.
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Option<Call<'a, S, E, T>>>;

    /// Returns how many inputs follow at least.
    fn least(&self) -> usize;
}

/// The inputs of an iterator, pulled on the thread that takes the results.
pub(super) struct FromIterator<'a, C, I, F> {
    pub(super) calls: &'a C,
    pub(super) inputs: I,
    pub(super) call: F,
}

impl<'a, S, E, T, C, I, F> Source<'a, S, E, T> for FromIterator<'a, C, I, F>
where
    S: TaskSet,
    E: Executor<S> + ?Sized + 'a,
    I: Iterator,
    F: FnMut(&'a C, I::Item) -> Call<'a, S, E, T>,
{
    #[inline(always)]
    fn poll_call(&mut self, _: &mut Context<'_>) -> Poll<Option<Call<'a, S, E, T>>> {
        Poll::Ready(self.inputs.next().map(|input| (self.call)(self.calls, input)))
    }

    fn least(&self) -> usize {
        self.inputs.size_hint().0
    }
}

/// The inputs of a stream.
pub(super) struct FromStream<'a, C, I, F> {
    pub(super) calls: &'a C,
    pub(super) inputs: Pin<Box<I>>,
    pub(super) call: F,
}

impl<'a, S, E, T, C, I, F> Source<'a, S, E, T> for FromStream<'a, C, I, F>
where
    S: TaskSet,
    E: Executor<S> + ?Sized + 'a,
    I: Stream,
    F: FnMut(&'a C, I::Item) -> Call<'a, S, E, T>,
{
    #[inline]
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Option<Call<'a, S, E, T>>> {
        self.inputs.as_mut().poll_next(cx).map(|input| input.map(|input| (self.call)(self.calls, input)))
    }

    fn least(&self) -> usize {
        self.inputs.size_hint().0
    }
}
