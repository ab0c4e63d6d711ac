//! What is under way: single calls and batches, in order or not.

use super::batch::Done;
use crate::{
    error::CallError,
    executor::{Crew, Executor},
    task::{TaskSet, Work},
    typed::{Call, Handle},
};
use futures_util::stream::{FuturesUnordered, Stream};
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// One call under way, for one input or many.
pub(super) enum Submission<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    One(Call<'a, S, E, T>),
    Batch(Call<'a, Work, dyn Crew + 'a, Done<T>>),
    /// What a batch gave away.
    Rest(Handle<Work, Done<T>>),
}

/// What came of it.
pub(super) enum TaskOutcome<T> {
    One(Result<T, CallError>),
    Batch(Result<Done<T>, CallError>),
}

/// A flight, and whose it is.
pub(super) struct Tagged<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    pub(super) flight: Submission<'a, S, E, T>,
    /// Which input is its first, and how many there are.
    pub(super) first: usize,
    pub(super) count: usize,
}

/// What came, of which inputs.
pub(super) struct TaggedResult<T> {
    pub(super) came: TaskOutcome<T>,
    pub(super) first: usize,
    pub(super) count: usize,
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Tagged<'_, S, E, T> {
    /// Says whether it is with its executor; else `cx` is woken when there is room.
    pub(super) fn begin(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.flight {
            Submission::One(call) => call.begin(cx),
            Submission::Batch(call) => call.begin(cx),
            Submission::Rest(_) => true,
        }
    }

    /// The same, if there is room at once.
    pub(super) fn try_begin(&mut self) -> bool {
        match &mut self.flight {
            Submission::One(call) => call.try_begin(),
            Submission::Batch(call) => call.try_begin(),
            Submission::Rest(_) => true,
        }
    }

    /// Blocks until it is over.
    pub(super) fn finish(self) -> TaggedResult<T> {
        let Self { flight, first, count } = self;
        let came = match flight {
            Submission::One(call) => TaskOutcome::One(call.finish()),
            Submission::Batch(call) => TaskOutcome::Batch(call.finish()),
            Submission::Rest(handle) => TaskOutcome::Batch(handle.wait()),
        };
        TaggedResult { came, first, count }
    }
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Future for Tagged<'_, S, E, T> {
    type Output = TaggedResult<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TaggedResult<T>> {
        let came = match &mut self.flight {
            Submission::One(call) => TaskOutcome::One(ready!(Pin::new(call).poll(cx))),
            Submission::Batch(call) => TaskOutcome::Batch(ready!(Pin::new(call).poll(cx))),
            Submission::Rest(handle) => TaskOutcome::Batch(ready!(Pin::new(handle).poll(cx))),
        };
        Poll::Ready(TaggedResult { came, first: self.first, count: self.count })
    }
}

/// All that is with the executor.
pub(super) enum InFlight<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    Ordered(VecDeque<Tagged<'a, S, E, T>>),
    Unordered(FuturesUnordered<Tagged<'a, S, E, T>>),
}

/// The last goes first: else, while one is cancelled, the next would begin.
impl<S: TaskSet, E: Executor<S> + ?Sized, T> Drop for InFlight<'_, S, E, T> {
    fn drop(&mut self) {
        if let Self::Ordered(entries) = self {
            while entries.pop_back().is_some() {}
        }
    }
}

impl<'a, S: TaskSet, E: Executor<S> + ?Sized, T> InFlight<'a, S, E, T> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ordered(entries) => entries.len(),
            Self::Unordered(entries) => entries.len(),
        }
    }

    pub(super) fn push(&mut self, entry: Tagged<'a, S, E, T>) {
        match self {
            Self::Ordered(entries) => entries.push_back(entry),
            Self::Unordered(entries) => entries.push(entry),
        }
    }

    /// Puts entries that take the place of one that is over.
    pub(super) fn replace(&mut self, rest: Vec<Tagged<'a, S, E, T>>) {
        match self {
            Self::Ordered(entries) => rest.into_iter().rev().for_each(|entry| entries.push_front(entry)),
            Self::Unordered(entries) => entries.extend(rest),
        }
    }

    /// What is over, of those in order the oldest; `None` where nothing is under way.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<TaggedResult<T>>> {
        match self {
            Self::Ordered(entries) => {
                let Some(entry) = entries.front_mut() else { return Poll::Ready(None) };
                let arrival = ready!(Pin::new(entry).poll(cx));
                entries.pop_front();
                Poll::Ready(Some(arrival))
            }
            Self::Unordered(entries) => Pin::new(entries).poll_next(cx),
        }
    }
}
