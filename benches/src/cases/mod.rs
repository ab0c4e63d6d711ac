//! The table of the benchmark cases, in the order of a full comparison.

mod broadcast;
mod bulk;
pub(crate) mod child_calls;
mod chunk_throughput;
mod clients;
mod compile;
mod crowd;
mod idle;
mod launch;
mod macro_compile_time;
mod mixed;
mod nested_calls;
mod nested_tasks;
mod options;
mod pipeline;
mod roots;
mod scaling;
mod server;
mod service_in_flight;
mod service_messages;
mod service_sequential;
mod task_sequential;
mod tasks_in_flight;
mod windows;

use crate::case::Case;

/// All cases.
pub(crate) const CASES: &[Case] = &[
    tasks_in_flight::T1,
    tasks_in_flight::T1_1US,
    tasks_in_flight::T1_10US,
    tasks_in_flight::T1_ASYNC,
    tasks_in_flight::T1_METRICS,
    windows::T1_WINDOW,
    options::OPTIONS,
    mixed::MIXED,
    task_sequential::T2,
    task_sequential::T2_GAP,
    task_sequential::T2_ASYNC,
    nested_tasks::T3,
    nested_tasks::T3_1US,
    nested_calls::QUICKSORT,
    nested_calls::TREE,
    service_sequential::S1,
    service_sequential::S1_ASYNC,
    service_in_flight::S2,
    service_in_flight::S2_X4,
    clients::S2_CLIENTS,
    windows::S2_WINDOW,
    service_messages::S3,
    crowd::T1_CROWD,
    crowd::S2_CROWD,
    scaling::SCALING,
    scaling::SCALING_10US,
    scaling::SCALING_CHILDREN,
    server::AXUM,
    broadcast::M1,
    chunk_throughput::M2,
    chunk_throughput::M2_TOUCHED,
    pipeline::P1,
    roots::ROOTS_CASE,
    bulk::BULK,
    launch::LAUNCH,
    idle::IDLE,
    child_calls::C1,
    child_calls::C2,
    child_calls::C3,
    child_calls::C4,
    child_calls::C5,
    compile::COMPILE,
    compile::COMPILE_RELEASE,
    compile::COMPILE_CRATES,
    macro_compile_time::MACRO,
    macro_compile_time::MACRO_TASK,
];

/// Returns the case of this name, in upper or lower case.
pub(crate) fn named(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::Goal;
    use std::collections::HashSet;

    #[test]
    fn case_names_are_unique() {
        let mut names = HashSet::new();
        for case in CASES {
            assert!(names.insert(case.name.to_lowercase()), "{}", case.name);
            let mut contenders = HashSet::new();
            assert!(case.contenders.iter().all(|contender| contenders.insert(contender.name)), "{}", case.name);
        }
    }

    #[test]
    fn goals_name_contenders_of_their_case() {
        for case in CASES {
            for name in case.goals.iter().flat_map(Goal::rows) {
                assert!(case.contenders.iter().any(|contender| contender.name == name), "{}: {name}", case.name);
            }
        }
    }
}
