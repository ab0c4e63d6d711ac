//! [`ServiceState`]: the data of a service under its lock: the queue, the phase and the counts.
//! Pure data: the lock is in `ServiceShared`.

use super::{CloseError, events::Crash, local_tasks::required_receiver, shutdown::Ending};
use crate::{
    call::{call_ref::CallRef, offload::OffloadedWork, policy::SchedulingPolicy},
    meta::task_info::Receiver,
    sched::{injector::Injector, lanes::Lanes},
    task::{CallSlot, TaskSet},
    wake::{WaiterSet, WakeList},
};
use std::{collections::VecDeque, mem, task::Waker};

/// The service's data under its one lock.
pub(super) struct ServiceState<S: TaskSet> {
    pub(super) injector: Injector<CallRef<CallSlot<S>>>,
    pub(super) phase: Phase,
    /// The number of calls that have begun and are not over.
    pub(super) active: usize,
    /// Queued calls that the service's own tasks wait for.
    pub(super) awaited_calls: Urgent<S>,
    /// Futures of the service's tasks that yielded to more urgent work.
    pub(super) yielded: Lanes<Waker>,
    /// Whether the service was terminated. Its end then waits for no call.
    pub(super) terminated: bool,
    /// The way in which the calls end when the service is terminated.
    pub(super) ending: Ending,
    /// The reason why the service did not end in order.
    pub(super) error: Option<CloseError>,
    /// User code that the timer thread has left to the service's thread.
    pub(super) leftovers: Vec<OffloadedWork>,
    /// Callers that wait for the end.
    pub(super) close_waiters: WaiterSet,
    /// The pending request to restart.
    pub(super) restart_request: Option<Crash>,
    /// Whether the service has crashed. No call begins until it has a new state.
    pub(super) is_down: bool,
    pub(super) restarts: u64,
    /// Watchers that wait until the service rejects calls from outside.
    pub(super) phase_waiters: WaiterSet,
}

impl<S: TaskSet> ServiceState<S> {
    pub(super) fn new(injector: Injector<CallRef<CallSlot<S>>>, rules: &SchedulingPolicy) -> Self {
        Self {
            injector,
            phase: Phase::Open,
            active: 0,
            awaited_calls: Urgent::default(),
            yielded: Lanes::new(*rules.expirations()),
            terminated: false,
            ending: Ending::Closed,
            error: None,
            leftovers: Vec::new(),
            close_waiters: WaiterSet::new(),
            restart_request: None,
            is_down: false,
            restarts: 0,
            phase_waiters: WaiterSet::new(),
        }
    }

    /// Advances to `phase`. Returns the callers that wait for queue room, which look again, and the
    /// watchers of the phase.
    pub(super) fn advance_to(&mut self, phase: Phase) -> WakeList {
        self.phase = self.phase.max(phase);
        self.terminated |= phase == Phase::Terminating;
        self.injector.close_ring();
        self.injector.queue.wake_all_waiting().and(self.phase_waiters.take_all())
    }

    /// Sets the queue's free slots: 1 if the service has a state and runs no call, so that the next
    /// call begins at once.
    pub(super) fn count_free_slots(&mut self) -> WakeList {
        let is_idle = self.active == 0 && self.injector.queue.ring_consumers() == 0;
        let is_free = is_idle && self.phase == Phase::Open && !self.is_down && self.restart_request.is_none();
        self.injector.queue.set_free_slots(is_free.into())
    }
}

/// The phase of a service's life. Phases only advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    /// Calls from outside are rejected; the accepted calls finish.
    Closing,
    /// Calls that are queued or suspended are ended.
    Terminating,
    Over,
}

/// Queued calls that start ahead of their turn, in the order in which tasks began to wait for them.
/// Some entries may have begun or ended since.
pub(super) struct Urgent<S: TaskSet> {
    stateless: VecDeque<CallRef<CallSlot<S>>>,
    readers: VecDeque<CallRef<CallSlot<S>>>,
}

impl<S: TaskSet> Default for Urgent<S> {
    fn default() -> Self {
        Self { stateless: VecDeque::new(), readers: VecDeque::new() }
    }
}

impl<S: TaskSet> Urgent<S> {
    pub(super) fn push(&mut self, call: CallRef<CallSlot<S>>) {
        let needs_state = required_receiver::<S>(call.header.task()) != Receiver::None;
        if needs_state { self.readers.push_back(call) } else { self.stateless.push_back(call) }
    }

    /// Takes the first call that may begin now. A call that reads the state waits while a writer
    /// has it.
    pub(super) fn pop(&mut self, has_writer: bool) -> Option<CallRef<CallSlot<S>>> {
        self.stateless.pop_front().or_else(|| if has_writer { None } else { self.readers.pop_front() })
    }

    pub(super) fn take_all(&mut self) -> [VecDeque<CallRef<CallSlot<S>>>; 2] {
        [mem::take(&mut self.stateless), mem::take(&mut self.readers)]
    }
}
