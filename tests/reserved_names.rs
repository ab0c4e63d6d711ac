//! Tests of the names that a task cannot have, since `Service` or `Cluster` has methods of these
//! names.
#![allow(missing_docs)] // a test's name documents it

/// Returns the public methods in the `impl` block of `source` that starts with `head`. Functions
/// without a receiver hide nothing.
fn methods<'a>(source: &'a str, head: &str) -> Vec<&'a str> {
    let block = source.split_once(head).map_or("", |(_, rest)| rest);
    let block = block.split_once("\n}\n").map_or(block, |(block, _)| block);
    block
        .lines()
        .filter_map(|line| line.strip_prefix("    pub fn "))
        .filter(|rest| !rest.contains('(') || rest.contains("self"))
        .map(|rest| rest.split(['(', '<']).next().unwrap_or(rest))
        .collect()
}

fn check(methods: &[&str]) {
    assert!(methods.contains(&"close"), "the list is read from the source: {methods:?}");
    let reserved = nanolith::__private::reserved_names!();
    for method in methods {
        assert!(reserved.contains(method), "a task named `{method}` would be hidden: the macro's list lacks it");
    }
}

#[test]
fn reserved_names_contain_every_method_of_service() {
    let source = include_str!("../nanolith-core/src/service/mod.rs");
    check(&methods(source, "impl<S: TaskSet> Service<S> {"));
}

#[test]
fn reserved_names_contain_every_method_of_cluster() {
    let source = include_str!("../nanolith-core/src/cluster/mod.rs");
    check(&methods(source, "impl<S: TaskSet> Cluster<S> {"));
}
