//! [`cycles`] searches the [wait-for graph] of one check: for the calls that can never go on, and
//! the cycles that they form.
//!
//! [wait-for graph]: https://en.wikipedia.org/wiki/Wait-for_graph

use crate::{
    call::{
        backend::{ErasedCall, ExecutorId},
        call_ref::CallRef,
        wait_graph::{Key, Needs, Node},
    },
    error::wait_cycle::{WaitCycle, WaitStep},
    meta::thread_kind::ThreadKind,
};
use std::collections::{HashMap, VecDeque};

use super::probe::Probe;

fn step(node: &Node) -> WaitStep {
    wait_step(Some(&node.call), node.host, node.needs_room)
}

/// Describes a call that `host` has, or that waits for capacity in the queue of `host`.
pub(crate) fn wait_step(
    call: Option<&CallRef<dyn ErasedCall>>,
    host: Option<ExecutorId>,
    needs_room: bool,
) -> WaitStep {
    let place = host.and_then(ExecutorId::get).map_or(ThreadKind::Outside, |host| host.thread_kind());
    WaitStep::new(call.map(|call| call.header().caller()), place, needs_room)
}

/// A lookup of what a check knows of a suspended task. `None` if the check knows nothing yet.
pub(crate) trait Probes {
    fn probe(&mut self, node: &Node) -> Option<Probe>;
}

/// A cycle of nodes, each of which needs the next.
pub(crate) struct Cycle {
    pub(crate) nodes: Vec<Node>,
    /// The positions of the nodes that the task before them waits for. Their end lets that task go
    /// on.
    awaited: Vec<usize>,
    /// Whether a task of the cycle also waits for something else.
    pub(crate) has_others: bool,
}

impl Cycle {
    pub(crate) fn key(&self) -> Vec<Key> {
        let mut key: Vec<_> = self.nodes.iter().map(Node::key).collect();
        key.sort_unstable();
        key
    }

    pub(crate) fn named(&self) -> WaitCycle {
        WaitCycle::new(self.nodes.iter().map(step).collect())
    }

    /// Returns the call that is to end: the youngest call that has not begun, else the youngest
    /// call that a task waits for.
    pub(crate) fn victim(&self) -> Option<&Node> {
        let awaited = self.awaited.iter().filter_map(|&at| self.nodes.get(at)).filter(|node| !node.is_message);
        awaited.max_by_key(|node| (node.call.is_queued(), node.call.header().submitted_at()))
    }
}

/// A node that the search has reached.
struct Reached {
    node: Node,
    needs: Vec<usize>,
    is_any: bool,
    /// Whether the needs of the node are what its task waits for.
    waits: bool,
    has_others: bool,
    is_stuck: bool,
}

/// The maximum number of nodes that a search looks at. Further nodes count as able to go on.
const MOST_NODES: usize = 8_192;

/// Returns the cycles of calls that can never go on, among the calls that are reached from
/// `starts`. With `loosely`, a task that waits for several things counts as a task that needs each
/// of its waits of this crate.
pub(crate) fn cycles(starts: &[Node], probes: &mut impl Probes, loosely: bool) -> Vec<Cycle> {
    let mut reached = explore(starts, probes, loosely);
    free(&mut reached);
    collect(&reached)
}

fn explore(starts: &[Node], probes: &mut impl Probes, loosely: bool) -> Vec<Reached> {
    let mut known: HashMap<Key, usize> = HashMap::new();
    let mut reached: Vec<Reached> = Vec::new();
    let mut add = |node: &Node, reached: &mut Vec<Reached>| {
        *known.entry(node.key()).or_insert_with(|| {
            reached.push(Reached {
                node: node.clone(),
                needs: Vec::new(),
                is_any: false,
                waits: false,
                has_others: false,
                is_stuck: true,
            });
            reached.len() - 1
        })
    };
    for node in starts {
        add(node, &mut reached);
    }
    let mut at = 0;
    while at < reached.len() {
        let found = if at < MOST_NODES { look(&reached[at].node, probes, loosely) } else { Found::nothing() };
        let needs = found.needs.nodes().iter().map(|node| add(node, &mut reached)).collect();
        let this = &mut reached[at];
        this.is_any = matches!(found.needs, Needs::Any(_));
        (this.needs, this.waits, this.has_others) = (needs, found.waits, found.has_others);
        at += 1;
    }
    reached
}

struct Found {
    needs: Needs,
    waits: bool,
    has_others: bool,
}

impl Found {
    fn nothing() -> Self {
        Self { needs: Needs::Nothing, waits: false, has_others: false }
    }

    fn of_host(needs: Needs) -> Self {
        Self { needs, waits: false, has_others: false }
    }

    fn of_wait(needs: Needs) -> Self {
        Self { needs, waits: true, has_others: false }
    }
}

/// Returns what `node` needs.
fn look(node: &Node, probes: &mut impl Probes, loosely: bool) -> Found {
    let (call, meta) = (&node.call, node.call.header());
    // A call with a time limit ends by itself.
    if call.is_over() || meta.deadline().is_some() || meta.is_delayed() {
        return Found::nothing();
    }
    let Some(host) = node.host.and_then(ExecutorId::get) else { return Found::nothing() };
    if node.needs_room || call.is_queued() {
        return Found::of_host(host.needs(call, node.needs_room));
    }
    if let Some(wait) = meta.blocked() {
        return Found::of_wait(Needs::of_wait(&wait));
    }
    if !meta.task().is_async() {
        return Found::nothing();
    }
    if let Some(blocked) = host.blocked() {
        return Found::of_host(blocked.needs(host.id()));
    }
    match probes.probe(node) {
        None => Found::nothing(),
        Some(Probe { waits, has_others }) => {
            let has_others = has_others || waits.len() != 1;
            if has_others && !loosely {
                return Found::nothing();
            }
            let needs = Needs::all(waits.iter().map(Node::of_wait).collect());
            Found { needs, waits: true, has_others }
        }
    }
}

/// Frees each node that can go on, and then the nodes that need it. The nodes that stay stuck need
/// each other.
fn free(reached: &mut [Reached]) {
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); reached.len()];
    for (at, this) in reached.iter().enumerate() {
        for &need in &this.needs {
            needed_by[need].push(at);
        }
    }
    let mut left: VecDeque<usize> = (0..reached.len()).collect();
    while let Some(at) = left.pop_front() {
        let this = &reached[at];
        let mut needs = this.needs.iter().map(|&need| reached[need].is_stuck);
        let is_stuck =
            !this.needs.is_empty() && if this.is_any { needs.all(|stuck| stuck) } else { needs.any(|stuck| stuck) };
        if this.is_stuck && !is_stuck {
            reached[at].is_stuck = false;
            left.extend(&needed_by[at]);
        }
    }
}

/// Follows one edge from each stuck node to the next stuck node. Returns the cycles in which these
/// paths end.
fn collect(reached: &[Reached]) -> Vec<Cycle> {
    let next = |at: usize| reached[at].needs.iter().copied().find(|&need| reached[need].is_stuck);
    let mut passed = vec![0_usize; reached.len()];
    let mut cycles = Vec::new();
    for start in (0..reached.len()).filter(|&at| reached[at].is_stuck) {
        let (mut at, mut is_new) = (start, true);
        while is_new {
            is_new = passed[at] == 0;
            if is_new {
                passed[at] = start + 1;
                at = next(at).expect("what is stuck needs something that is stuck");
            }
        }
        if passed[at] == start + 1 {
            cycles.push(cycle_from(at, reached, next));
        }
    }
    cycles
}

fn cycle_from(first: usize, reached: &[Reached], next: impl Fn(usize) -> Option<usize>) -> Cycle {
    let ways: Vec<usize> = std::iter::successors(Some(first), |&at| next(at).filter(|&next| next != first)).collect();
    let before = |at: usize| &reached[ways[(at + ways.len() - 1) % ways.len()]];
    Cycle {
        nodes: ways.iter().map(|&at| reached[at].node.clone()).collect(),
        awaited: (0..ways.len()).filter(|&at| before(at).waits).collect(),
        has_others: ways.iter().any(|&at| reached[at].has_others),
    }
}
