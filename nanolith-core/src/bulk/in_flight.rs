//! [`InFlight`]: the calls of a bulk operation that the executor has accepted and that are not
//! over, in the order of their inputs or unordered. Each is a call for one input or for a batch of
//! inputs.

use super::batch::Done;
use crate::{
    context::Wait,
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

/// One submitted call, for one input or for a batch.
pub(super) enum Submission<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    One(Call<'a, S, E, T>),
    Batch(Call<'a, Work, dyn Crew + 'a, Done<T>>),
    /// A smaller batch that a running batch handed to the pool.
    Rest(Handle<Work, Done<T>>),
}

/// The outcome of a [`Submission`].
pub(super) enum TaskOutcome<T> {
    One(Result<T, CallError>),
    Batch(Result<Done<T>, CallError>),
}

/// A submission with the inputs that it covers.
pub(super) struct Tagged<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    pub(super) flight: Submission<'a, S, E, T>,
    /// The index of its first input; `count` is the number of its inputs.
    pub(super) first: usize,
    pub(super) count: usize,
}

/// An outcome with the inputs that it covers.
pub(super) struct TaggedResult<T> {
    pub(super) came: TaskOutcome<T>,
    pub(super) first: usize,
    pub(super) count: usize,
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T> Tagged<'_, S, E, T> {
    /// Returns whether the executor has accepted the call. If not, `cx` is woken when there is
    /// capacity.
    pub(super) fn begin(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.flight {
            Submission::One(call) => call.begin(cx),
            Submission::Batch(call) => call.begin(cx),
            Submission::Rest(_) => true,
        }
    }

    /// Like [`begin`](Tagged::begin), but succeeds only if there is capacity at once.
    pub(super) fn try_begin(&mut self) -> bool {
        match &mut self.flight {
            Submission::One(call) => call.try_begin(),
            Submission::Batch(call) => call.try_begin(),
            Submission::Rest(_) => true,
        }
    }

    /// Blocks until the submission is complete.
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

/// All calls that the executor has accepted.
pub(super) enum InFlight<'a, S: TaskSet, E: Executor<S> + ?Sized, T> {
    Ordered(VecDeque<Tagged<'a, S, E, T>>),
    Unordered(FuturesUnordered<Tagged<'a, S, E, T>>),
}

/// Drops the last entry first. Otherwise the next call would start while an earlier one is
/// cancelled.
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

    /// Inserts entries at the position of a completed entry.
    pub(super) fn replace(&mut self, rest: Vec<Tagged<'a, S, E, T>>) {
        match self {
            Self::Ordered(entries) => rest.into_iter().rev().for_each(|entry| entries.push_front(entry)),
            Self::Unordered(entries) => entries.extend(rest),
        }
    }

    /// Returns the next completed submission: the oldest if ordered, `None` if nothing is in
    /// flight.
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
