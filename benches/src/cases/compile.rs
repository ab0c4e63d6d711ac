//! Cases `compile`, `compile-release` and `compile-crates`: the time of a clean build of a
//! hello-world and the number of its crates, for nanolith and for other libraries.

use crate::{
    case::{Case, Contender, Unit},
    goals::{Bound, Goal},
    measure::Sample,
    project::Project,
};

/// A program and its dependencies.
struct Hello {
    name: &'static str,
    dependencies: &'static str,
    program: &'static str,
}

/// A figure that is measured for each program.
trait Question {
    fn answer(project: &Project) -> Result<f64, String>;
}

struct DevSeconds;
struct ReleaseSeconds;
struct Crates;

impl Question for DevSeconds {
    fn answer(project: &Project) -> Result<f64, String> {
        Ok(project.build_clean(false)?.as_secs_f64())
    }
}

impl Question for ReleaseSeconds {
    fn answer(project: &Project) -> Result<f64, String> {
        Ok(project.build_clean(true)?.as_secs_f64())
    }
}

impl Question for Crates {
    fn answer(project: &Project) -> Result<f64, String> {
        Ok(project.crates()? as f64)
    }
}

pub(crate) const COMPILE: Case = Case {
    name: "compile",
    what: "a hello-world, built clean for development",
    unit: Unit::Seconds,
    contenders: &contenders::<DevSeconds>(),
    goals: &[Goal::ratio(&["kameo"], Bound::AtMost(0.5))],
    only_named: true,
};

pub(crate) const COMPILE_RELEASE: Case = Case {
    name: "compile-release",
    what: "a hello-world, built clean for release",
    contenders: &contenders::<ReleaseSeconds>(),
    ..COMPILE
};

pub(crate) const COMPILE_CRATES: Case = Case {
    name: "compile-crates",
    what: "crates in the tree of a hello-world",
    unit: Unit::Crates,
    contenders: &contenders::<Crates>(),
    goals: &[],
    only_named: true,
};

const fn contenders<Q: Question>() -> [Contender; 8] {
    [
        Contender::attempt("kameo", |_| ask::<Q>(&KAMEO)),
        Contender::attempt("actix", |_| ask::<Q>(&ACTIX)),
        Contender::attempt("ractor", |_| ask::<Q>(&RACTOR)),
        Contender::attempt("tarpc", |_| ask::<Q>(&TARPC)),
        Contender::attempt("xtra", |_| ask::<Q>(&XTRA)),
        Contender::attempt("tokio", |_| ask::<Q>(&TOKIO)),
        Contender::attempt("rayon", |_| ask::<Q>(&RAYON)),
        Contender::attempt("nanolith", |_| ask::<Q>(&NANOLITH)),
    ]
}

fn ask<Q: Question>(hello: &Hello) -> Result<Sample, String> {
    let project = Project::new(hello.name, hello.dependencies, hello.program)?;
    Ok(Sample { figure: Q::answer(&project)?, ..Sample::default() })
}

/// The additional dependencies of async programs.
macro_rules! with_tokio {
    ($dependencies:literal) => {
        concat!($dependencies, "\ntokio = { version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }")
    };
}

const KAMEO: Hello = Hello {
    name: "kameo",
    dependencies: with_tokio!("kameo = \"0.22\""),
    program: include_str!("../../hello/kameo.rs"),
};

const ACTIX: Hello =
    Hello { name: "actix", dependencies: "actix = \"0.13\"", program: include_str!("../../hello/actix.rs") };

const RACTOR: Hello = Hello {
    name: "ractor",
    dependencies: with_tokio!("ractor = \"0.16\""),
    program: include_str!("../../hello/ractor.rs"),
};

const TARPC: Hello = Hello {
    name: "tarpc",
    dependencies: with_tokio!("tarpc = { version = \"0.38\", features = [\"tokio1\"] }\nfutures = \"0.3\""),
    program: include_str!("../../hello/tarpc.rs"),
};

const XTRA: Hello = Hello {
    name: "xtra",
    dependencies: with_tokio!("xtra = { version = \"0.6\", features = [\"macros\", \"tokio\"] }"),
    program: include_str!("../../hello/xtra.rs"),
};

const TOKIO: Hello =
    Hello { name: "tokio", dependencies: with_tokio!(""), program: include_str!("../../hello/tokio.rs") };

const RAYON: Hello =
    Hello { name: "rayon", dependencies: "rayon = \"1\"", program: include_str!("../../hello/rayon.rs") };

const NANOLITH: Hello = Hello {
    name: "nanolith",
    dependencies: "nanolith = { path = \"WORKSPACE\" }",
    program: include_str!("../../hello/nanolith.rs"),
};
