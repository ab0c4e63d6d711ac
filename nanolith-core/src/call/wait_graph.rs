//! What calls wait for: the edges of the wait-for graph that `deadlock` searches for cycles.

use super::{
    backend::{ErasedCall, ExecutorId},
    call_ref::CallRef,
};
use crate::util::prefetch::PrefetchTarget;

/// What a task waits for.
#[derive(Clone)]
pub(crate) enum Wait {
    /// The end of a call, which that host has, if the waiting side knows.
    Call(Option<ExecutorId>, CallRef<dyn ErasedCall>),
    /// Room for a call in the host's queue.
    Room { host: ExecutorId, call: CallRef<dyn ErasedCall>, is_message: bool },
}

impl Wait {
    pub(crate) fn call(&self) -> &CallRef<dyn ErasedCall> {
        match self {
            Self::Call(_, call) | Self::Room { call, .. } => call,
        }
    }
}

/// A thread that a host has alone blocks; the call that runs there, if one does, waits.
#[derive(Clone)]
pub(crate) struct BlockedWaiter {
    pub(crate) call: Option<CallRef<dyn ErasedCall>>,
    pub(crate) wait: Wait,
}

impl BlockedWaiter {
    /// What has to come before the thread of `host` is free.
    pub(crate) fn needs(&self, host: ExecutorId) -> Needs {
        match &self.call {
            Some(call) => Needs::all(vec![Node::new(call.clone(), host)]),
            None => Needs::of_wait(&self.wait),
        }
    }
}

/// What has to come before a call goes on.
pub(crate) enum Needs {
    /// Nothing that the graph knows: the call goes on, or something outside decides.
    Nothing,
    /// The end of each of these.
    All(Vec<Node>),
    /// The end of one of these, whichever comes first.
    Any(Vec<Node>),
}

impl Needs {
    /// The end of each of these, if there are any.
    pub(crate) fn all(nodes: Vec<Node>) -> Self {
        if nodes.is_empty() { Self::Nothing } else { Self::All(nodes) }
    }

    /// The same for what a task waits for.
    pub(crate) fn of_wait(wait: &Wait) -> Self {
        Self::All(vec![Node::of_wait(wait)])
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        match self {
            Self::Nothing => &[],
            Self::All(nodes) | Self::Any(nodes) => nodes,
        }
    }
}

/// A call, or the room that it waits for.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) call: CallRef<dyn ErasedCall>,
    pub(crate) host: Option<ExecutorId>,
    pub(crate) needs_room: bool,
    /// A message, whose sender has no handle by which its end would be noticed.
    pub(crate) is_message: bool,
}

/// Tells a node from others that live.
pub(crate) type Key = (usize, bool);

impl Node {
    pub(crate) fn new(call: CallRef<dyn ErasedCall>, host: ExecutorId) -> Self {
        Self { call, host: Some(host), needs_room: false, is_message: false }
    }

    pub(crate) fn of_wait(wait: &Wait) -> Self {
        match wait {
            Wait::Room { host, call, is_message } => {
                Self { call: call.clone(), host: Some(*host), needs_room: true, is_message: *is_message }
            }
            Wait::Call(host, call) => {
                let mut call = call.clone();
                while let Some(onward) = call.header().delegate() {
                    call = onward;
                }
                let host = call.header().executor().or(*host);
                Self { call, host, needs_room: false, is_message: false }
            }
        }
    }

    pub(crate) fn key(&self) -> Key {
        (self.call.target_ptr().addr(), self.needs_room)
    }
}
