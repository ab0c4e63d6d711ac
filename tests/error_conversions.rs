//! Tests of `?` on a flattened call and on a launch, for each kind of error of a task or an
//! `#[init]`: `anyhow::Error`, a boxed error, a text, or an error with a source.
#![allow(missing_docs, clippy::missing_errors_doc)] // a test's name documents it

use anyhow::Context as _;
use nanolith::{
    BoxError, Cluster, TaskError, TaskGroup,
    cluster::{AddError, ClusterLaunchError},
    prelude::*,
    service::LaunchError,
};
use std::{error::Error, fmt, io, num::ParseIntError};

/// An error with a source.
#[derive(Clone, Debug, PartialEq)]
pub struct BadRow(ParseIntError);

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bad row")
    }
}

impl Error for BadRow {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

type Row<T = i64> = Result<T, BadRow>;
type ReadResult = Result<i64, BadRow>;

pub struct Rows;

#[define]
impl Rows {
    pub fn own(text: String) -> Result<i64, BadRow> {
        text.parse().map_err(BadRow)
    }

    pub fn anyhow(text: String) -> anyhow::Result<i64> {
        text.parse::<i64>().context("bad row")
    }

    pub fn boxed(text: String) -> Result<i64, BoxError> {
        Ok(text.parse::<i64>().map_err(BadRow)?)
    }

    pub fn text(text: String) -> Result<i64, String> {
        text.parse().map_err(|error: ParseIntError| error.to_string())
    }

    pub async fn later(text: String) -> ReadResult {
        text.parse().map_err(BadRow)
    }
}

/// Returns the texts of an error and of its sources.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    texts
}

const BAD_ROW: [&str; 2] = ["bad row", "invalid digit found in string"];

#[test]
fn question_mark_gives_anyhow_the_whole_chain() {
    fn read(text: &str) -> anyhow::Result<i64> {
        let rows = Rows::tasks();
        let sum = rows.own(text.into()).flatten().wait()? + rows.anyhow(text.into()).flatten().wait()?;
        Ok(sum + rows.boxed(text.into()).flatten().wait()? + rows.text(text.into()).flatten().wait()?)
    }
    assert_eq!(read("7").expect("four rows"), 28);
    let rows = Rows::tasks();
    let anyhow = |failed: anyhow::Error| failed.chain().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(anyhow(rows.own("x".into()).flatten().wait().unwrap_err().into()), BAD_ROW);
    assert_eq!(anyhow(rows.anyhow("x".into()).flatten().wait().unwrap_err().into()), BAD_ROW);
    assert_eq!(anyhow(rows.boxed("x".into()).flatten().wait().unwrap_err().into()), BAD_ROW);
    assert_eq!(anyhow(rows.text("x".into()).flatten().wait().unwrap_err().into()), [BAD_ROW[1]]);
}

#[test]
fn question_mark_gives_a_boxed_error_the_whole_chain() {
    fn read(text: &str, how: u8) -> Result<i64, BoxError> {
        let rows = Rows::tasks();
        Ok(match how {
            0 => rows.own(text.into()).flatten().wait()?,
            1 => rows.anyhow(text.into()).flatten().wait()?,
            2 => rows.boxed(text.into()).flatten().submit().wait()?,
            _ => pollster::block_on(rows.later(text.into()).flatten())?,
        })
    }
    for how in 0..4 {
        assert_eq!(read("7", how).expect("a row"), 7);
        assert_eq!(chain(&*read("x", how).unwrap_err()), BAD_ROW, "{how}");
    }
}

#[test]
fn own_error_downcasts_by_value_and_by_reference() {
    let Err(TaskError::Task(error)) = Rows::tasks().own("x".into()).flatten().wait() else { unreachable!() };
    assert_eq!(error, BadRow("x".parse::<i64>().unwrap_err()));
    let Err(TaskError::Task(error)) = Rows::tasks().anyhow("x".into()).flatten().wait() else { unreachable!() };
    assert!(error.downcast::<ParseIntError>().is_ok());
    let passed_on: anyhow::Error = Rows::tasks().own("x".into()).flatten().wait().unwrap_err().into();
    assert!(matches!(passed_on.downcast_ref(), Some(TaskError::Task(BadRow(_)))));
}

#[test]
fn call_error_keeps_its_text() {
    let pool = Pool::builder().build().expect("a pool");
    pool.close();
    let error: anyhow::Error = Rows::on(&pool).anyhow("7".into()).flatten().wait().unwrap_err().into();
    assert!(error.to_string().contains("closed"), "{error}");
}

#[test]
fn handmade_error_has_its_source() {
    let of_io: TaskError<io::Error> = TaskError::Task(io::Error::other(BadRow("x".parse::<i64>().unwrap_err())));
    assert_eq!(chain(&of_io), BAD_ROW);
    let boxed: TaskError<BoxError> = TaskError::Task(BadRow("x".parse::<i64>().unwrap_err()).into());
    assert_eq!(chain(&boxed), BAD_ROW);
}

#[test]
fn group_returns_errors_with_their_sources() {
    let mut group: TaskGroup<i64, anyhow::Error> = TaskGroup::default();
    for call in [Rows::tasks().own("x".into()).flatten(), Rows::tasks().own("y".into()).flatten()] {
        group.spawn(call);
        let error = pollster::block_on(group.join_next()).expect("it was spawned").unwrap_err();
        assert_eq!(error.chain().map(ToString::to_string).collect::<Vec<_>>(), BAD_ROW);
    }
}

// ----- starts

macro_rules! services {
    ($($name:ident: $error:ty, $make:expr;)*) => {$(
        pub struct $name;

        #[define]
        impl $name {
            #[init]
            fn start(text: String) -> Result<Self, $error> {
                let make: fn(String) -> Result<i64, $error> = $make;
                make(text).map(|_| Self)
            }

            pub fn here(&self) {}
        }
    )*};
}

services! {
    Own: BadRow, Rows::own;
    Anyhow: anyhow::Error, Rows::anyhow;
    Boxed: BoxError, Rows::boxed;
    Text: String, Rows::text;
}

#[test]
fn question_mark_on_a_launch_gives_the_whole_chain() {
    fn own(text: &str) -> anyhow::Result<Service<Own>> {
        Ok(Own::service(text.into()).launch().wait()?)
    }
    fn anyhow(text: &str) -> anyhow::Result<Service<Anyhow>> {
        Ok(pollster::block_on(Anyhow::service(text.into()).launch())?)
    }
    fn boxed(text: &str) -> Result<Service<Boxed>, BoxError> {
        Ok(Boxed::service(text.into()).launch().wait()?)
    }
    fn text(text: &str) -> Result<Service<Text>, BoxError> {
        Ok(Text::service(text.into()).launch().wait()?)
    }
    assert!(own("7").is_ok() && anyhow("7").is_ok() && boxed("7").is_ok() && text("7").is_ok());
    assert_eq!(own("x").unwrap_err().chain().map(ToString::to_string).collect::<Vec<_>>(), BAD_ROW);
    assert_eq!(anyhow("x").unwrap_err().chain().map(ToString::to_string).collect::<Vec<_>>(), BAD_ROW);
    assert_eq!(chain(&*boxed("x").unwrap_err()), BAD_ROW);
    assert_eq!(chain(&*text("x").unwrap_err()), [BAD_ROW[1]]);
    let Err(LaunchError::Init(error)) = Anyhow::service("x".into()).launch().wait() else { unreachable!() };
    assert!(error.downcast::<ParseIntError>().is_ok(), "by value");
}

#[test]
fn question_mark_on_a_cluster_gives_the_whole_chain() {
    fn launch(text: &'static str) -> anyhow::Result<Cluster<Anyhow>> {
        Ok(Cluster::builder().launch(1, || Anyhow::service(text.into())).wait()?)
    }
    assert!(launch("7").is_ok());
    let error = launch("x").unwrap_err();
    let texts: Vec<String> = error.chain().map(ToString::to_string).collect();
    assert_eq!(texts, ["member 0 did not start: bad row", BAD_ROW[1]]);
    let error: ClusterLaunchError<anyhow::Error> = error.downcast().expect("it is that");
    assert!(matches!(error.into_inner(), LaunchError::Init(error) if error.is::<ParseIntError>()));
}

#[test]
fn failed_member_reports_its_init_error() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static FAILS: AtomicBool = AtomicBool::new(false);
    let text = || if FAILS.load(Ordering::Relaxed) { "x".to_owned() } else { "7".to_owned() };
    let cluster = Cluster::builder().launch(1, move || Anyhow::service(text())).wait().expect("it starts");
    FAILS.store(true, Ordering::Relaxed);
    let error = cluster.control().add().wait().unwrap_err();
    assert_eq!(error.to_string(), "member 1 did not start: bad row");
    let AddError::Failed(_, LaunchError::Init(failure)) = error else { unreachable!() };
    assert!(failure.downcast::<anyhow::Error>().is_ok(), "by value");
}

// ----- sets with error types that may not implement `Error`

pub struct Stack<T>(T);

#[define]
impl<T: fmt::Debug + Send> Stack<T> {
    pub fn push(item: T) -> Result<T, T> {
        Err(item)
    }

    pub fn row(item: T) -> Row<T> {
        drop(item);
        Err(BadRow("x".parse::<i64>().unwrap_err()))
    }
}

#[test]
fn generic_set_flattens_errors_and_other_types() {
    assert!(matches!(Stack::<u8>::tasks().push(5).flatten().wait(), Err(TaskError::Task(5))));
    let error: anyhow::Error = Stack::<u8>::tasks().row(5).flatten().wait().unwrap_err().into();
    assert_eq!(error.chain().map(ToString::to_string).collect::<Vec<_>>(), BAD_ROW);
}

/// An error that a generic set returns before a set that knows its type.
#[derive(Debug)]
pub struct Hidden(BadRow);

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

impl Error for Hidden {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

pub struct Open;

#[define]
impl Open {
    pub fn row() -> Result<i64, Hidden> {
        Err(Hidden(BadRow("x".parse::<i64>().unwrap_err())))
    }
}

#[test]
fn generic_set_hides_no_source_from_others() {
    let error = Open::tasks().row().wait().expect("it runs").unwrap_err();
    let hidden = Stack::<Hidden>::tasks().push(error).flatten().wait().unwrap_err();
    assert_eq!(chain(&hidden), ["hidden"]);
    let open = Open::tasks().row().flatten().wait().unwrap_err();
    assert_eq!(chain(&open), ["hidden", BAD_ROW[0], BAD_ROW[1]]);
}
