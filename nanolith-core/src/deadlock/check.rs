//! Finds cycles of waits that asynchronous tasks are part of, by periodic searches of the wait-for
//! graph.
//!
//! The first pending wait of a task arms a check. The check looks every quarter of a second at the
//! tasks that began to wait. It ends when each task is known to go on, to wait for something
//! outside, or to be in a cycle. So an idle process is not polled.
//!
//! A task that makes no progress between two looks is probed once (see [`probe`](super::probe)),
//! and the graph is followed from there. A cycle is ended, or reported, when the next look finds
//! the same cycle again: about a second after a task began to wait.
//!
//! No check is armed where a thread has a clock that is moved by hand, as in a simulation. The
//! scheduler of a simulation finds deadlocks itself.

use super::{
    graph::{self, Cycle, Probes},
    probe::Probe,
    suspected,
};
use crate::{
    call::{
        backend::{self, ErasedCall, ExecutorId},
        call_ref::CallRef,
        end_batch::EndBatch,
        slot::EndReason,
        wait_graph::Node,
    },
    time::{
        clock,
        timer::{self, TimerAction},
    },
    trace::FoundCycle,
    util::prefetch::PrefetchTarget,
};
use std::{
    collections::HashMap,
    mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// The number of looks without a change after which looks become rarer.
const PATIENCE: u32 = 8;
/// The number of looks after which the check gives up a task that was not polled because its thread
/// is busy.
const MOST_LOOKS: u32 = 24;
/// The number of looks at a task after its probe.
const ROUNDS: u32 = 3;

/// Whether a check is going on.
static ARMED: AtomicBool = AtomicBool::new(false);
/// The number of blocking waits that have begun.
static BLOCKED: AtomicU64 = AtomicU64::new(0);
/// The results of probes, for the check that is going on.
static PROBED: Mutex<Vec<(CallRef<dyn ErasedCall>, Probe)>> = Mutex::new(Vec::new());

// ORDERING of `ARMED` and `BLOCKED`: Relaxed. A wait that loads `ARMED` just before `finish` clears
// it arms no check. The sweep after `finish` finds that wait.

/// Arms a check, unless one is armed: a task has begun to wait.
#[inline]
pub(super) fn arm_if_idle() {
    if !ARMED.load(Ordering::Relaxed) {
        arm();
    }
}

/// Counts a thread that has begun to block, and arms a check.
pub(super) fn arm_for_blocked() {
    BLOCKED.fetch_add(1, Ordering::Relaxed);
    arm_if_idle();
}

#[cold]
fn arm() {
    if clock::source().is_none() && !ARMED.swap(true, Ordering::Relaxed) {
        after(INTERVAL, || Check::default().look());
    }
}

fn after(interval: Duration, look: impl FnOnce() + Send + 'static) {
    timer::arm_system(Instant::now() + interval, TimerAction::Run(Box::new(look)));
}

/// Keeps the result of a probe for the check that is going on.
pub(super) fn probed(call: &CallRef<dyn ErasedCall>, probe: Probe) {
    if ARMED.load(Ordering::Relaxed) {
        PROBED.lock().unwrap_or_else(PoisonError::into_inner).push((call.clone(), probe));
    }
}

/// A task that waits, and what the check knows of it.
struct Task {
    call: CallRef<dyn ErasedCall>,
    host: Option<ExecutorId>,
    /// The number of the task's waits that had been pending when the task was found.
    waits: u64,
    /// Whether the task began to wait since the last check. A task that did not is looked at
    /// because a new task needs it.
    is_new: bool,
    is_asked: bool,
    probe: Option<Probe>,
    looks: u32,
    rounds: u32,
}

type Tasks = HashMap<usize, Task>;

/// A check that is going on.
#[derive(Default)]
struct Check {
    tasks: Tasks,
    /// The cycles that the last look found.
    suspects: Vec<Cycle>,
    /// The number of blocking waits that had begun at the last look, and the number of looks left
    /// for them.
    blocked: u64,
    blocked_rounds: u32,
    /// The number of looks in a row that have found nothing new.
    quiet: u32,
}

impl Check {
    /// Looks once at all waits. Arms the next look while something is not known.
    fn look(mut self) {
        let mut is_news = self.take_probes();
        let (threads, found) = self.find_tasks();
        is_news |= found;
        self.ask_for_probes();
        let mut starts = threads;
        starts.extend(self.tasks.values().filter(|task| task.probe.is_some()).filter_map(node_of));
        let mut known = Known { tasks: &mut self.tasks, wanted: Vec::new() };
        let mut cycles = graph::cycles(&starts, &mut known, false);
        let suspected = graph::cycles(&starts, &mut known, true);
        cycles.extend(suspected.into_iter().filter(|cycle| cycle.has_others));
        let is_wanted = known.add_wanted();
        self.judge(cycles);
        let waits = self.count_rounds(is_wanted);
        self.quiet = if is_news || is_wanted { 0 } else { self.quiet + 1 };
        if waits || is_wanted || !self.suspects.is_empty() || self.blocked_rounds > 0 {
            let interval = INTERVAL * (1 << (self.quiet / PATIENCE).min(4));
            after(interval, || self.look());
        } else {
            finish();
        }
    }

    fn take_probes(&mut self) -> bool {
        let probed = mem::take(&mut *PROBED.lock().unwrap_or_else(PoisonError::into_inner));
        let is_news = !probed.is_empty();
        for (call, probe) in probed {
            if let Some(task) = self.tasks.get_mut(&address(&call)) {
                task.is_asked = false;
                task.probe = Some(probe);
            }
        }
        is_news
    }

    /// Finds the tasks that wait now. Returns the calls that block the one thread of their
    /// executor, and whether a task is new.
    fn find_tasks(&mut self) -> (Vec<Node>, bool) {
        let (mut threads, mut is_news) = (Vec::new(), false);
        self.tasks.retain(|_, task| !task.call.is_over() && task.call.header().waits() == task.waits);
        for host in backend::all_by_the_system_clock() {
            let Some(host) = host.upgrade() else { continue };
            host.inspect();
            let blocked = host.blocked().and_then(|blocked| blocked.call).into_iter().chain(host.blocked_calls());
            threads.extend(blocked.map(|call| Node::new(call, host.id())));
            for call in host.suspended_calls() {
                let waits = call.header().waits();
                if call.is_over() || waits == 0 || waits == call.header().looked_at() {
                    continue;
                }
                let task = self.tasks.entry(address(&call)).or_insert_with(|| {
                    is_news = true;
                    Task::new(call, Some(host.id()), waits)
                });
                task.is_new = true;
            }
        }
        let blocked = BLOCKED.load(Ordering::Relaxed);
        if mem::replace(&mut self.blocked, blocked) != blocked {
            (self.blocked_rounds, is_news) = (ROUNDS + 1, true);
        } else {
            self.blocked_rounds = self.blocked_rounds.saturating_sub(1);
        }
        (threads, is_news)
    }

    /// Asks for a probe of each task that has made no progress since the last look.
    fn ask_for_probes(&mut self) {
        for task in self.tasks.values_mut() {
            task.looks += 1;
            if task.looks > 1 && task.probe.is_none() && !mem::replace(&mut task.is_asked, true) {
                task.call.header().start_probe();
            }
        }
    }

    /// Ends or reports each cycle that the last look had found too.
    fn judge(&mut self, cycles: Vec<Cycle>) {
        let before: Vec<_> = mem::take(&mut self.suspects).iter().map(Cycle::key).collect();
        let (mut batch, mut reports) = (EndBatch::default(), Vec::new());
        for cycle in cycles {
            if !before.contains(&cycle.key()) {
                self.suspects.push(cycle);
                continue;
            }
            match cycle.victim().filter(|_| !cycle.has_others) {
                Some(victim) => {
                    let cycle = cycle.named();
                    suspected::trace_cycle(FoundCycle::Ended, &cycle);
                    victim.call.header().keep_cycle(cycle);
                    batch.end_call(victim.call.clone(), victim.host, EndReason::WouldDeadlock);
                }
                None if is_reported(&cycle) => {}
                None => reports.push(cycle.named()),
            }
        }
        batch.run();
        reports.iter().for_each(suspected::report);
    }

    /// Returns whether a task is still to be looked at: a task that began to wait, or a task that
    /// such a task needs.
    fn count_rounds(&mut self, is_wanted: bool) -> bool {
        let is_open = |task: &Task| task.probe.is_none() && task.looks < MOST_LOOKS;
        let is_wanted = is_wanted || self.tasks.values().any(|task| !task.is_new && is_open(task));
        let mut waits = is_wanted;
        for task in self.tasks.values_mut() {
            task.rounds += u32::from(task.probe.is_some() && !is_wanted);
            if task.rounds >= ROUNDS || task.looks >= MOST_LOOKS {
                task.call.header().look_at(task.waits);
            } else {
                waits |= task.is_new;
            }
        }
        waits
    }
}

impl Task {
    fn new(call: CallRef<dyn ErasedCall>, host: Option<ExecutorId>, waits: u64) -> Self {
        Self { call, host, waits, is_new: false, is_asked: false, probe: None, looks: 0, rounds: 0 }
    }
}

fn address(call: &CallRef<dyn ErasedCall>) -> usize {
    call.target_ptr().addr()
}

fn node_of(task: &Task) -> Option<Node> {
    Some(Node { call: task.call.clone(), host: task.host, needs_room: false, is_message: false })
}

/// Marks each task of the cycle with the call for which the cycle was reported. Returns whether all
/// marks were there before.
fn is_reported(cycle: &Cycle) -> bool {
    let nodes = &cycle.nodes;
    let mut is_known = true;
    for (at, node) in nodes.iter().enumerate() {
        let next = &nodes[(at + 1) % nodes.len()].call;
        let mark = (address(next) as u64) ^ next.header().submitted_at().rotate_left(16);
        is_known &= node.call.header().report(mark);
    }
    is_known
}

/// The probes of a check, and the tasks for which the graph needs further probes.
struct Known<'a> {
    tasks: &'a mut Tasks,
    wanted: Vec<Node>,
}

impl Probes for Known<'_> {
    fn probe(&mut self, node: &Node) -> Option<Probe> {
        match self.tasks.get(&address(&node.call)) {
            Some(task) => task.probe.clone(),
            None => {
                if node.call.header().waits() > 0 {
                    self.wanted.push(node.clone());
                }
                None
            }
        }
    }
}

impl Known<'_> {
    /// Adds the wanted tasks to the check. Returns whether there are any.
    fn add_wanted(self) -> bool {
        let is_wanted = !self.wanted.is_empty();
        for Node { call, host, .. } in self.wanted {
            let waits = call.header().waits();
            // The task has made no progress for long, so it is probed at once.
            self.tasks.entry(address(&call)).or_insert_with(|| Task { looks: 1, ..Task::new(call, host, waits) });
        }
        is_wanted
    }
}

/// Ends the check. A task that began to wait just now may have seen the check armed, and so armed
/// none. A later sweep finds that task.
fn finish() {
    PROBED.lock().unwrap_or_else(PoisonError::into_inner).clear();
    ARMED.store(false, Ordering::Relaxed);
    after(INTERVAL, || {
        backend::all_by_the_system_clock().iter().filter_map(std::sync::Weak::upgrade).for_each(|host| host.inspect());
        after(INTERVAL, sweep);
    });
}

fn sweep() {
    if ARMED.load(Ordering::Relaxed) {
        return; // a check is going on
    }
    PROBED.lock().unwrap_or_else(PoisonError::into_inner).clear(); // a probe may have come late
    let is_new = |call: &CallRef<dyn ErasedCall>| !call.is_over() && call.header().waits() != call.header().looked_at();
    let mut hosts = backend::all_by_the_system_clock().into_iter().filter_map(|host| host.upgrade());
    if hosts.any(|host| host.suspended_calls().iter().any(is_new)) {
        arm();
    }
}
