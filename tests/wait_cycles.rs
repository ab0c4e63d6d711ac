//! Cycles of waits: which of them end, what the error says, and which are only reported.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test is read from its names

use nanolith::{Refused, Where, prelude::*};
use std::sync::{Arc, Barrier};

/// Two barriers: the tasks run, and the queues are full.
#[derive(Clone)]
pub struct Start {
    running: Arc<Barrier>,
    full: Arc<Barrier>,
}

impl Start {
    fn of(tasks: usize) -> Self {
        Self { running: Arc::new(Barrier::new(tasks + 1)), full: Arc::new(Barrier::new(tasks + 1)) }
    }

    fn pass(&self) {
        self.running.wait();
        self.full.wait();
    }
}

pub struct Node {
    other: Option<Service<Node>>,
}

#[define]
impl Node {
    pub fn set(&mut self, other: Service<Node>) {
        self.other = Some(other);
    }

    pub fn nothing(&self) {}

    pub fn call_other(&mut self, start: Start) -> Result<(), CallError> {
        start.pass();
        self.other.as_ref().map_or(Ok(()), |other| other.nothing().wait())
    }

    pub fn send_other(&mut self, start: Start) -> Result<(), Refused<u32>> {
        start.pass();
        self.other.as_ref().map_or(Ok(()), |other| other.send(7).wait())
    }

    pub fn call_pool(&mut self, pool: Pool, itself: Service<Node>) -> Result<Result<(), CallError>, CallError> {
        Helper::on(&pool).call_back(itself).wait()
    }

    #[on_message]
    fn on_message(&mut self, _number: u32) {}
}

pub struct Helper;

#[define]
impl Helper {
    pub fn call_back(node: Service<Node>) -> Result<(), CallError> {
        node.nothing().wait()
    }
}

/// So many services, each of which knows the next; each queue has one place.
fn ring_of(names: &[&str]) -> Vec<Service<Node>> {
    let launch = |name: &&str| Node::service(Node { other: None }).name(*name).queue(1).launch().wait().expect("sound");
    let nodes: Vec<_> = names.iter().map(launch).collect();
    for (at, node) in nodes.iter().enumerate() {
        node.set(nodes[(at + 1) % nodes.len()].clone()).wait().expect("it runs");
    }
    nodes
}

fn is_deadlock<T>(outcome: &Result<T, CallError>) -> bool {
    matches!(outcome, Err(CallError::WouldDeadlock(_)))
}

#[test]
fn waits_for_room_in_two_full_queues_end() {
    let nodes = ring_of(&["left", "right"]);
    let start = Start::of(2);
    let jobs: Vec<_> = nodes.iter().map(|node| node.call_other(start.clone()).submit()).collect();
    start.running.wait();
    let fills: Vec<_> = nodes.iter().map(|node| node.nothing().submit()).collect();
    start.full.wait();
    let ends: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it runs")).collect();
    assert!(ends.iter().any(is_deadlock), "{ends:?}");
    assert!(fills.into_iter().all(|fill| fill.wait().is_ok()), "both services live on");
}

#[test]
fn error_names_each_call_with_its_source_line() {
    let nodes = ring_of(&["left", "right"]);
    let start = Start::of(2);
    let line = line!() + 1;
    let jobs: Vec<_> = nodes.iter().map(|node| node.call_other(start.clone()).submit()).collect();
    start.running.wait();
    let fills: Vec<_> = nodes.iter().map(|node| node.nothing().submit()).collect();
    start.full.wait();
    let mut ends = jobs.into_iter().filter_map(|job| job.wait().expect("it runs").err());
    let error = ends.next().expect("one of them ends");
    let cycle = error.at().cycle().expect("it is in a cycle");
    let tasks: Vec<_> =
        cycle.steps().iter().map(|step| (step.call().expect("calls wait").task().name(), step.needs_room())).collect();
    assert_eq!(tasks, [("call_other", false), ("nothing", true), ("call_other", false), ("nothing", true)]);
    let places: Vec<_> = cycle.steps().iter().map(|step| step.place().clone()).collect();
    let (left, right) = (Where::Service("left".into()), Where::Service("right".into()));
    let others = if places[0] == left { [left, right.clone(), right] } else { [right, left.clone(), left] };
    assert_eq!(places[..3], others);
    let text = error.to_string();
    assert!(text.contains(&format!("`Node::call_other` on the service `left` from {}:{line}", file!())), "{text}");
    assert!(text.contains("room for `Node::nothing` on the service `right`"), "{text}");
    assert!(fills.into_iter().all(|fill| fill.wait().is_ok()));
}

#[test]
fn cycle_of_three_full_queues_ends() {
    let nodes = ring_of(&["first", "second", "third"]);
    let start = Start::of(3);
    let jobs: Vec<_> = nodes.iter().map(|node| node.call_other(start.clone()).submit()).collect();
    start.running.wait();
    let fills: Vec<_> = nodes.iter().map(|node| node.nothing().submit()).collect();
    start.full.wait();
    let ends: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it runs")).collect();
    assert!(ends.iter().any(is_deadlock), "{ends:?}");
    assert!(fills.into_iter().all(|fill| fill.wait().is_ok()));
}

#[test]
fn message_is_given_back_when_its_wait_for_room_would_deadlock() {
    let nodes = ring_of(&["left", "right"]);
    let start = Start::of(2);
    let jobs: Vec<_> = nodes.iter().map(|node| node.send_other(start.clone()).submit()).collect();
    start.running.wait();
    let fills: Vec<_> = nodes.iter().map(|node| node.nothing().submit()).collect();
    start.full.wait();
    let ends: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it runs")).collect();
    let refused = ends.into_iter().find_map(Result::err).expect("one of them ends");
    assert!(matches!(refused.error(), CallError::WouldDeadlock(at) if at.cycle().is_some()), "{}", refused.error());
    assert_eq!(refused.into_inner(), 7);
    assert!(fills.into_iter().all(|fill| fill.wait().is_ok()));
}

#[test]
fn service_and_pool_that_block_on_each_other_end() {
    let pool = Pool::builder().name("helpers").build().expect("sound");
    let nodes = ring_of(&["one"]);
    let end = nodes[0].call_pool(pool, nodes[0].clone()).wait().expect("it runs");
    let error = match end {
        Ok(inner) => inner.expect_err("the service waits for the helper"),
        Err(error) => error,
    };
    assert!(matches!(error, CallError::WouldDeadlock(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("`Helper::call_back` on the pool `helpers` from"), "{text}");
    assert!(text.contains("`Node::call_pool` on the service `one` from"), "{text}");
}
