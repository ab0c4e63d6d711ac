//! The benchmark cases, in the order of a full comparison.

mod bulk;
mod compile;
mod crowd;
mod expansion;
mod idle;
mod launch;
mod m1;
mod m2;
mod p1;
mod roots;
mod s1;
mod s2;
mod s3;
mod scaling;
mod t1;
mod t2;
mod t3;

use crate::case::Case;

/// All cases.
pub(crate) const CASES: &[Case] = &[
    t1::T1,
    t1::T1_1US,
    t1::T1_10US,
    t1::T1_ASYNC,
    t1::T1_METRICS,
    t2::T2,
    t2::T2_GAP,
    t2::T2_ASYNC,
    t3::T3,
    s1::S1,
    s1::S1_ASYNC,
    s2::S2,
    s2::S2_X4,
    s3::S3,
    crowd::T1_CROWD,
    crowd::S2_CROWD,
    scaling::SCALING,
    m1::M1,
    m2::M2,
    m2::M2_TOUCHED,
    p1::P1,
    roots::ROOTS_CASE,
    bulk::BULK,
    launch::LAUNCH,
    idle::IDLE,
    compile::COMPILE,
    compile::COMPILE_RELEASE,
    compile::COMPILE_CRATES,
    expansion::MACRO,
    expansion::MACRO_TASK,
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
                assert!(case.contenders.iter().any(|contender| contender.name == *name), "{}: {name}", case.name);
            }
        }
    }
}
