//! The [wait-for graph](https://en.wikipedia.org/wiki/Wait-for_graph): a [`Node`] is a call, and
//! [`Needs`] are the edges to the calls that it waits for. The `deadlock` folder searches the graph
//! for cycles.

use super::{
    backend::{ErasedCall, ExecutorId},
    call_ref::CallRef,
};
use crate::util::prefetch::PrefetchTarget;

/// The target of a task's wait.
#[derive(Clone)]
pub(crate) enum WaitTarget {
    /// The end of a call, and the executor that has the call, if the waiting side knows it.
    Call(Option<ExecutorId>, CallRef<dyn ErasedCall>),
    /// Queue room for a call at the executor.
    Room { host: ExecutorId, call: CallRef<dyn ErasedCall>, is_message: bool },
}

impl WaitTarget {
    pub(crate) fn call(&self) -> &CallRef<dyn ErasedCall> {
        match self {
            Self::Call(_, call) | Self::Room { call, .. } => call,
        }
    }
}

/// A blocking wait of an executor's only thread, and the call that runs there, if there is one.
#[derive(Clone)]
pub(crate) struct BlockedWaiter {
    pub(crate) call: Option<CallRef<dyn ErasedCall>>,
    pub(crate) wait: WaitTarget,
}

impl BlockedWaiter {
    /// Returns what must happen before the thread of `host` is free.
    pub(crate) fn needs(&self, host: ExecutorId) -> Needs {
        match &self.call {
            Some(call) => Needs::all(vec![Node::new(call.clone(), host)]),
            None => Needs::of_wait(&self.wait),
        }
    }
}

/// The ends of other nodes that a call needs before it continues.
pub(crate) enum Needs {
    /// Nothing known to the graph: the call continues, or its wait depends on something outside.
    Nothing,
    /// The end of each of these nodes.
    All(Vec<Node>),
    /// The end of any of these nodes.
    Any(Vec<Node>),
}

impl Needs {
    /// Requires the end of each of these nodes, or nothing if there are none.
    pub(crate) fn all(nodes: Vec<Node>) -> Self {
        if nodes.is_empty() { Self::Nothing } else { Self::All(nodes) }
    }

    /// Requires what a task waits for.
    pub(crate) fn of_wait(wait: &WaitTarget) -> Self {
        Self::All(vec![Node::of_wait(wait)])
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        match self {
            Self::Nothing => &[],
            Self::All(nodes) | Self::Any(nodes) => nodes,
        }
    }
}

/// A call, or the queue room that it waits for.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) call: CallRef<dyn ErasedCall>,
    pub(crate) host: Option<ExecutorId>,
    pub(crate) needs_room: bool,
    /// Whether the call is a message: its sender has no handle that would notice its end.
    pub(crate) is_message: bool,
}

/// A key that distinguishes a node from other live nodes.
pub(crate) type Key = (usize, bool);

impl Node {
    pub(crate) fn new(call: CallRef<dyn ErasedCall>, host: ExecutorId) -> Self {
        Self { call, host: Some(host), needs_room: false, is_message: false }
    }

    pub(crate) fn of_wait(wait: &WaitTarget) -> Self {
        match wait {
            WaitTarget::Room { host, call, is_message } => {
                Self { call: call.clone(), host: Some(*host), needs_room: true, is_message: *is_message }
            }
            WaitTarget::Call(host, call) => {
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
