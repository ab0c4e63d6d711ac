//! Cases quicksort and tree: a task calls its own pool for a part of its work, and waits for the
//! answer. Its calls do the same.

use crate::{
    case::{Case, Contender, Unit},
    goals::Goal,
    measure::{Lap, Meter, Sample},
    peers::{cores, pools::rayon_pool, runtime},
    work::{grind, mix, turns_a_microsecond},
};
use ::nanolith::prelude::*;
use std::{
    future::Future,
    hint::black_box,
    pin::Pin,
    sync::{Arc, LazyLock},
};

/// The numbers that a run sorts. A part of at most `SMALL` is sorted without further calls.
const NUMBERS: u64 = 200_000;
const SMALL: usize = 1_024;

/// The nodes of the tree, and the work for each of them in parts of a microsecond.
const NODES: u64 = 20_000;
const PARTS: u64 = 4;

pub(crate) const QUICKSORT: Case = Case {
    name: "quicksort",
    what: "200,000 numbers, a call for one of two parts, down to 1,024 numbers",
    unit: Unit::ItemsPerMs,
    contenders: &[
        Contender::new("rayon join", |lap| on_rayon(lap, NUMBERS, numbers, sorted_by_rayon, check_sorted)),
        Contender::new("rayon join, in place", |lap| on_rayon(lap, NUMBERS, numbers, sorted_in_place, check_sorted)),
        Contender::new("tokio spawn", |lap| on_tokio(lap, NUMBERS, numbers, sorted_by_tokio, check_sorted)),
        Contender::new("nanolith", |lap| {
            runs(lap, NUMBERS, numbers, |all| Nested::tasks().sort(all).wait().expect("it runs"), check_sorted)
        }),
    ],
    goals: &[Goal::ahead(&["tokio spawn"]), Goal::ahead(&["tokio spawn"]).on_one_core()],
    only_named: false,
};

pub(crate) const TREE: Case = Case {
    name: "tree",
    what: "a walk of 20,000 nodes of about 0.25 µs, a call for one of two children of each node",
    contenders: &[
        Contender::new("rayon join", |lap| on_rayon(lap, NODES, tree, |tree| walked_by_rayon(&tree), check_walk)),
        Contender::new("tokio spawn", |lap| on_tokio(lap, NODES, tree, walked_by_tokio, check_walk)),
        Contender::new("nanolith", |lap| {
            runs(lap, NODES, tree, |tree| Nested::tasks().walk(tree).wait().expect("it runs"), check_walk)
        }),
    ],
    ..QUICKSORT
};

/// Warms up, then measures runs, each over all items. Makes the input of a run and checks its
/// output.
fn runs<I, O>(lap: &Lap, items: u64, input: fn() -> I, run: impl Fn(I) -> O, check: fn(O)) -> Sample {
    turns_a_microsecond();
    check(run(input()));
    let pace = lap.rounds(1);
    let meter = Meter::start(lap);
    let count = pace.map(|_| check(run(input()))).count() as u64;
    meter.rate(count * items)
}

fn on_rayon<I: Send, O: Send>(lap: &Lap, items: u64, input: fn() -> I, run: fn(I) -> O, check: fn(O)) -> Sample {
    let pool = rayon_pool(cores());
    runs(lap, items, input, |input| pool.install(|| run(input)), check)
}

fn on_tokio<I, O: Send + 'static>(
    lap: &Lap,
    items: u64,
    input: fn() -> I,
    run: fn(I) -> Answer<O>,
    check: fn(O),
) -> Sample {
    let runtime = runtime(cores());
    runs(lap, items, input, |input| runtime.block_on(runtime.spawn(run(input))).expect("it ends"), check)
}

/// The future of an async function that calls itself.
type Answer<O> = Pin<Box<dyn Future<Output = O> + Send>>;

/// The tasks that call themselves.
pub(crate) struct Nested;

#[define]
impl Nested {
    pub(crate) fn sort(all: Vec<u64>) -> Vec<u64> {
        match split(all) {
            Split::Sorted(all) => all,
            Split::Parts(left, pivot, right) => {
                let right = Self::tasks().sort(right).submit();
                let left = Self::sort(left);
                joined(left, pivot, right.wait().expect("it runs"))
            }
        }
    }

    pub(crate) fn walk(node: Arc<Node>) -> u64 {
        let Some([left, right]) = &node.children else { return visited(&node) };
        let right = Self::tasks().walk(right.clone()).submit();
        let left = Self::walk(left.clone());
        visited(&node).wrapping_add(left).wrapping_add(right.wait().expect("it runs"))
    }
}

// ----- quicksort

fn numbers() -> Vec<u64> {
    static NUMBERS_ONCE: LazyLock<Vec<u64>> = LazyLock::new(|| (0..NUMBERS).map(mix).collect());
    NUMBERS_ONCE.clone()
}

fn check_sorted(all: Vec<u64>) {
    assert_eq!(all.len() as u64, NUMBERS);
    assert!(all.is_sorted());
    let sum = (0..NUMBERS).map(mix).fold(0, u64::wrapping_add);
    assert_eq!(all.into_iter().fold(0, u64::wrapping_add), sum);
}

enum Split {
    Sorted(Vec<u64>),
    /// The numbers below the pivot, the pivot, and the others.
    Parts(Vec<u64>, u64, Vec<u64>),
}

fn split(mut all: Vec<u64>) -> Split {
    if all.len() <= SMALL {
        all.sort_unstable();
        return Split::Sorted(all);
    }
    let middle = partition(&mut all);
    let right = all.split_off(middle + 1);
    match all.pop() {
        Some(pivot) => Split::Parts(all, pivot, right),
        None => Split::Sorted(right),
    }
}

fn joined(mut left: Vec<u64>, pivot: u64, right: Vec<u64>) -> Vec<u64> {
    left.push(pivot);
    left.extend(right);
    left
}

/// Moves the numbers below a pivot to the front, by
/// [Lomuto's scheme](https://en.wikipedia.org/wiki/Quicksort#Lomuto_partition_scheme). Returns the
/// pivot's index.
fn partition(all: &mut [u64]) -> usize {
    let last = all.len() - 1;
    all.swap(all.len() / 2, last);
    let (pivot, mut middle) = (all[last], 0);
    for at in 0..last {
        if all[at] < pivot {
            all.swap(at, middle);
            middle += 1;
        }
    }
    all.swap(middle, last);
    middle
}

fn sorted_by_rayon(all: Vec<u64>) -> Vec<u64> {
    match split(all) {
        Split::Sorted(all) => all,
        Split::Parts(left, pivot, right) => {
            let (left, right) = rayon::join(|| sorted_by_rayon(left), || sorted_by_rayon(right));
            joined(left, pivot, right)
        }
    }
}

fn sorted_in_place(mut all: Vec<u64>) -> Vec<u64> {
    sort_slice(&mut all);
    all
}

fn sort_slice(all: &mut [u64]) {
    if all.len() <= SMALL {
        return all.sort_unstable();
    }
    let middle = partition(all);
    let (left, right) = all.split_at_mut(middle);
    rayon::join(|| sort_slice(left), || sort_slice(&mut right[1..]));
}

fn sorted_by_tokio(all: Vec<u64>) -> Answer<Vec<u64>> {
    Box::pin(async move {
        match split(all) {
            Split::Sorted(all) => all,
            Split::Parts(left, pivot, right) => {
                let right = tokio::spawn(sorted_by_tokio(right));
                let left = sorted_by_tokio(left).await;
                joined(left, pivot, right.await.expect("it runs"))
            }
        }
    })
}

// ----- tree

/// A node with two children, or a leaf.
pub(crate) struct Node {
    number: u64,
    children: Option<[Arc<Node>; 2]>,
}

impl Node {
    /// Returns a tree of the numbers from `first` to before `end`, an odd count of them. The share
    /// of the left child depends on the number.
    fn of(first: u64, end: u64) -> Arc<Self> {
        let below = end - first - 1;
        let left = (below / 4 + mix(first) % (below / 2).max(1)) | 1;
        let children = (below > 1).then(|| [Self::of(first + 1, first + 1 + left), Self::of(first + 1 + left, end)]);
        Arc::new(Self { number: first, children })
    }
}

/// Returns a tree of one node less than [`NODES`], since each node has two children or none.
fn tree() -> Arc<Node> {
    static TREE_ONCE: LazyLock<Arc<Node>> = LazyLock::new(|| Node::of(0, NODES - 1));
    TREE_ONCE.clone()
}

/// Does the work for one node.
fn visited(node: &Node) -> u64 {
    black_box(grind(node.number, turns_a_microsecond() / PARTS));
    mix(node.number)
}

fn check_walk(sum: u64) {
    assert_eq!(sum, (0..NODES - 1).map(mix).fold(0, u64::wrapping_add));
}

fn walked_by_rayon(node: &Node) -> u64 {
    let Some([left, right]) = &node.children else { return visited(node) };
    let (left, right) = rayon::join(|| walked_by_rayon(left), || walked_by_rayon(right));
    visited(node).wrapping_add(left).wrapping_add(right)
}

fn walked_by_tokio(node: Arc<Node>) -> Answer<u64> {
    Box::pin(async move {
        let Some([left, right]) = &node.children else { return visited(&node) };
        let right = tokio::spawn(walked_by_tokio(right.clone()));
        let left = walked_by_tokio(left.clone()).await;
        visited(&node).wrapping_add(left).wrapping_add(right.await.expect("it runs"))
    })
}
