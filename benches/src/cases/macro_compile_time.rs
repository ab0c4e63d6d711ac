//! Cases `macro` and `macro-task`: the compile time of `#[define]`, with two hundred tasks in one
//! block.

use crate::{
    case::{Case, Contender, Unit},
    goals::{Bound, Figure, Goal},
    measure::Sample,
    project::Project,
};
use std::fmt::Write as _;

const TASKS: u32 = 200;

pub(crate) const MACRO: Case = Case {
    name: "macro",
    what: "`cargo check` of 200 functions in one block, all they depend on being checked before",
    unit: Unit::Seconds,
    contenders: &[
        Contender::attempt("without #[define]", |_| seconds("macro-plain", "", TASKS)),
        Contender::attempt("nanolith", |_| seconds("macro-200", DEFINE, TASKS)),
    ],
    goals: &[Goal::absolute(Figure::Median, Bound::Below(1.0))],
    only_named: true,
};

pub(crate) const MACRO_TASK: Case = Case {
    name: "macro-task",
    what: "`cargo check` a task: of 200 in one block, less what one task takes",
    unit: Unit::MillisPerTask,
    contenders: &[
        Contender::attempt("without #[define]", |_| millis_a_task("")),
        Contender::attempt("nanolith", |_| millis_a_task(DEFINE)),
    ],
    goals: &[],
    only_named: true,
};

const DEFINE: &str = "#[define]";

fn seconds(name: &str, attribute: &str, tasks: u32) -> Result<Sample, String> {
    Ok(Sample { figure: check(name, attribute, tasks)?, ..Sample::default() })
}

fn millis_a_task(attribute: &str) -> Result<Sample, String> {
    let (many, one) = (check("macro-many", attribute, TASKS)?, check("macro-one", attribute, 1)?);
    Ok(Sample { figure: (many - one) * 1e3 / f64::from(TASKS - 1), ..Sample::default() })
}

/// Returns the time of a check, in seconds.
fn check(name: &str, attribute: &str, tasks: u32) -> Result<f64, String> {
    let project = Project::new(name, "nanolith = { path = \"WORKSPACE\" }", &program(attribute, tasks))?;
    Ok(project.check()?.as_secs_f64())
}

/// Returns a program of functions with two arguments and one line of documentation, like typical
/// code.
fn program(attribute: &str, tasks: u32) -> String {
    let mut text = format!(
        "#![allow(unused_imports)]\nuse nanolith::prelude::*;\n\npub struct Set;\n\n{attribute}\nimpl Set {{\n"
    );
    for n in 0..tasks {
        let _ = writeln!(text, "    /// Task {n}.\n    pub fn task_{n}(x: u64, text: String) -> String {{");
        let _ = writeln!(text, "        format!(\"{{text}} {{x}} {n}\")\n    }}");
    }
    text.push_str("}\n\nfn main() {\n    println!(\"{}\", Set::task_0(1, \"a\".into()));\n}\n");
    text
}
