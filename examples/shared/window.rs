//! A window over submitted calls: so many handles and no more, each with what it was submitted for.

use nanolith::{Handle, TaskSet};
use std::collections::VecDeque;

/// Handles in the order of submission, at most so many. Dropped, it cancels what it holds.
pub(crate) struct Window<K, S: TaskSet, T> {
    handles: VecDeque<(K, Handle<S, T>)>,
    size: usize,
}

impl<K, S: TaskSet, T> Window<K, S, T> {
    pub(crate) fn new(size: usize) -> Self {
        Self { handles: VecDeque::with_capacity(size), size }
    }

    /// The oldest call, if the window is full.
    pub(crate) fn make_room(&mut self) -> Option<(K, Handle<S, T>)> {
        if self.handles.len() < self.size { None } else { self.pop() }
    }

    /// The oldest call.
    pub(crate) fn pop(&mut self) -> Option<(K, Handle<S, T>)> {
        self.handles.pop_front()
    }

    /// Adds a call. Whoever leaves early, because of an error, has no use for the others.
    pub(crate) fn push(&mut self, key: K, handle: Handle<S, T>) {
        self.handles.push_back((key, handle.cancel_on_drop()));
    }
}
