//! Tests of the error of an `#[init]` that fails in a restart: which callers receive it, and which
//! of its parts are kept.
#![allow(missing_docs, unreachable_pub, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster,
    cluster::AddError,
    prelude::*,
    service::{CloseError, Crash, InitError, LaunchError, LifeEvent, Restart},
    sync::Backoff,
    time::{HOUR, MINUTE, MockClock},
};
use std::{
    error::Error,
    fmt, io,
    marker::PhantomData,
    num::ParseIntError,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

/// The way in which each start after the first fails.
#[derive(Clone, Copy)]
pub enum Fails {
    WithError,
    WithPanic,
    Never,
    /// It takes longer than its limit.
    Late,
}

/// Counts the starts.
pub type Starts = Arc<AtomicUsize>;

fn is_first(starts: &Starts) -> bool {
    starts.fetch_add(1, Ordering::SeqCst) == 0
}

#[derive(Debug)]
pub struct CannotOpen(ParseIntError);

impl fmt::Display for CannotOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store cannot be opened")
    }
}

impl Error for CannotOpen {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn no_number() -> ParseIntError {
    "x".parse::<i64>().expect_err("it is no number")
}

const PANIC_LINE: u32 = line!() + 12;

pub struct Store;

#[define]
impl Store {
    #[init]
    async fn open(starts: Starts, fails: Fails) -> Result<Self, CannotOpen> {
        match fails {
            _ if is_first(&starts) => Ok(Self),
            Fails::Never => Ok(Self),
            Fails::WithError => Err(CannotOpen(no_number())),
            Fails::WithPanic => panic!("the disk is gone"),
            Fails::Late => std::future::pending().await,
        }
    }

    pub fn read(&self) -> u8 {
        7
    }

    /// Panics after the sender is dropped.
    pub fn fail(&mut self, begun: Sender<()>, gate: Receiver<()>) {
        let _ = (begun.send(()), gate.recv());
        panic!("on purpose");
    }

    pub async fn never(&self, begun: Sender<()>) {
        let _ = begun.send(());
        std::future::pending::<()>().await;
    }
}

fn texts(error: &dyn Error) -> Vec<String> {
    let (mut texts, mut next) = (Vec::new(), error.source());
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts
}

/// Launches a store whose restart fails. Returns the error of a queued call, and the error of the
/// service's end.
fn crash(fails: Fails, starts: &Starts) -> (CallError, CloseError) {
    let restart = Restart::on_panic().limit(2, 24 * HOUR).backoff(Backoff::none());
    let builder = Store::service(starts.clone(), fails).restart(restart).launch_timeout(HOUR);
    let store = builder.launch().wait().expect("the first start succeeds");
    let (mut life, closed) = (store.control().life(), store.control().closed());
    let ((tell, begun), (open, gate)) = (channel(), channel());
    let failing = store.fail(tell, gate).submit();
    begun.recv().expect("it begins");
    let queued = store.read().submit();
    drop(open);
    assert!(matches!(failing.wait(), Err(CallError::Panicked(..))));
    let lost = queued.wait().expect_err("no start succeeds");
    let crashed = closed.wait().expect_err("it gives up");
    let last = life.by_ref().last();
    let Some(LifeEvent::GaveUp(reason)) = last else { panic!("not {last:?}") };
    let CloseError::Crashed(known) = &crashed else { panic!("not {crashed:?}") };
    assert_eq!(reason.to_string(), known.to_string());
    (lost, crashed)
}

#[test]
fn error_of_a_failed_restart_reaches_all_waiters() {
    let (lost, crashed) = crash(Fails::WithError, &Starts::default());
    let reason = "`#[init]` failed during a restart: the store cannot be opened";
    assert!(lost.to_string().starts_with(&format!("`Store::read` failed: its executor crashed ({reason}); ")));
    assert_eq!(crashed.to_string(), format!("the service ended by a crash: {reason}"));
    let chain = vec![reason.to_owned(), "the store cannot be opened".to_owned(), no_number().to_string()];
    assert_eq!((texts(&lost), texts(&crashed)), (chain.clone(), chain));
    let source = lost.source().and_then(|source| source.downcast_ref());
    let Some(Crash::Init(error)) = source else { panic!("not {source:?}") };
    assert!(error.downcast_ref::<CannotOpen>().is_some());
    assert!(error.source().is_some_and(<dyn Error>::is::<ParseIntError>));
}

#[test]
fn panic_of_a_failed_restart_keeps_its_text_and_location() {
    let (lost, crashed) = crash(Fails::WithPanic, &Starts::default());
    let at = format!("panicked during a restart at {}:{PANIC_LINE}: the disk is gone", file!());
    assert!(lost.to_string().contains(&at), "{lost}");
    assert!(crashed.to_string().contains(&at), "{crashed}");
    let CloseError::Crashed(Crash::InitPanicked(panic)) = crashed else { panic!("not {crashed:?}") };
    assert_eq!((panic.message(), panic.place()), ("the disk is gone", Some((file!(), PANIC_LINE))));
}

#[test]
fn restart_error_names_a_time_out() {
    /// Ends the thread that moves the clock, however the test ends.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (clock, starts, is_over) = (MockClock::new(), Starts::default(), AtomicBool::new(false));
    let (lost, crashed) = thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                if starts.load(Ordering::SeqCst) > 1 {
                    clock.advance_to_next();
                }
                thread::yield_now();
            }
        });
        clock.run(|| crash(Fails::Late, &starts))
    });
    assert!(lost.to_string().contains("did not finish in time during a restart"), "{lost}");
    assert!(matches!(crashed, CloseError::Crashed(Crash::InitTimedOut)));
}

#[test]
fn call_ended_by_a_crash_names_it() {
    let restart = Restart::on_panic().backoff(Backoff::none());
    let store = Store::service(Starts::default(), Fails::Never).restart(restart).launch().wait().expect("it starts");
    let (tell, begun) = channel();
    let pending = store.never(tell.clone()).submit();
    begun.recv().expect("it begins");
    store.control().restart().expect("it has a policy");
    let lost = pending.wait().expect_err("its state has gone");
    assert!(lost.to_string().contains("crashed (the service was asked to start anew); "), "{lost}");
    assert_eq!(store.read().wait().expect("it lives"), 7);
}

// ----- errors of any type

/// A set whose `#[init]` fails from the second start on, with an `E`.
pub struct Of<E>(PhantomData<fn() -> E>);

pub trait Make: Send + 'static {
    fn make() -> Self;
}

#[define]
impl<E: Make> Of<E> {
    #[init]
    fn start(starts: Starts) -> Result<Self, E> {
        if is_first(&starts) { Ok(Self(PhantomData)) } else { Err(E::make()) }
    }

    pub fn fail(&self) {
        panic!("on purpose");
    }
}

/// Defines the same set where the error type is known.
macro_rules! set {
    ($name:ident, $error:ty, $make:expr) => {{
        pub struct $name;
        #[define]
        impl $name {
            #[init]
            fn start(starts: Starts) -> Result<Self, $error> {
                if is_first(&starts) { Ok(Self) } else { Err($make) }
            }

            pub fn fail(&self) {
                panic!("on purpose");
            }
        }
        let restart = Restart::on_panic().limit(1, MINUTE);
        let Ok(service) = $name::service(Starts::default()).restart(restart).launch().wait() else {
            panic!("the first start succeeds")
        };
        let closed = service.control().closed();
        assert!(service.fail().wait().is_err());
        init_error(closed.wait())
    }};
}

fn init_error(closed: Result<(), CloseError>) -> InitError {
    match closed {
        Err(CloseError::Crashed(Crash::Init(error))) => error,
        other => panic!("not {other:?}"),
    }
}

#[derive(Debug, PartialEq)]
pub struct Plain(u8);

pub struct Opaque;

impl Make for String {
    fn make() -> Self {
        "database is locked".to_owned()
    }
}

#[test]
fn error_of_any_type_keeps_its_text() {
    let known = set!(Known, io::Error, io::Error::other(CannotOpen(no_number())));
    assert_eq!(
        (known.to_string(), texts(&known)),
        ("the store cannot be opened".into(), vec![no_number().to_string()])
    );
    let boxed = set!(Boxed, Box<dyn Error + Send + Sync>, CannotOpen(no_number()).into());
    assert_eq!(
        (boxed.to_string(), texts(&boxed)),
        ("the store cannot be opened".into(), vec![no_number().to_string()])
    );
    let text = set!(Text, String, String::make());
    assert_eq!(text.to_string(), "database is locked");
    let plain = set!(Debugged, Plain, Plain(7));
    assert_eq!(plain.to_string(), "Plain(7)");
    let opaque = set!(Silent, Opaque, Opaque);
    assert!(opaque.to_string().ends_with("Opaque`"), "{opaque}");
}

#[test]
fn error_of_a_generic_set_downcasts_to_its_type() {
    let restart = Restart::on_panic().limit(1, MINUTE);
    let service = Of::<String>::service(Starts::default()).restart(restart).launch().wait().expect("it starts");
    let closed = service.control().closed();
    assert!(service.fail().wait().is_err());
    let error = init_error(closed.wait());
    assert!(error.to_string().contains("alloc::string::String"), "nothing is known of an `E`: {error}");
}

#[define]
pub mod desk {
    use super::{Starts, is_first};

    #[init]
    fn open(starts: Starts) -> Result<(), String> {
        if is_first(&starts) { Ok(()) } else { Err("the desk is taken".to_owned()) }
    }

    pub fn fail() {
        panic!("on purpose");
    }
}

#[test]
fn module_keeps_the_error_of_its_init() {
    let restart = Restart::on_panic().limit(1, MINUTE);
    let desk = desk::service(Starts::default()).restart(restart).launch().wait().expect("it starts");
    let closed = desk.control().closed();
    assert!(desk.fail().wait().is_err());
    assert_eq!(init_error(closed.wait()).to_string(), "the desk is taken");
}

macro_rules! result {
    ($ty:ty) => { Result<$ty, io::Error> };
}

pub struct ByMacro;

#[define]
impl ByMacro {
    #[init]
    fn start(starts: Starts) -> result!(Self) {
        if is_first(&starts) { Ok(Self) } else { Err(io::Error::other(CannotOpen(no_number()))) }
    }

    pub fn fail(&self) {
        panic!("on purpose");
    }
}

#[test]
fn macro_written_output_keeps_the_error() {
    let restart = Restart::on_panic().limit(1, MINUTE);
    let service = ByMacro::service(Starts::default()).restart(restart).launch().wait().expect("it starts");
    let closed = service.control().closed();
    assert!(service.fail().wait().is_err());
    assert_eq!(texts(&init_error(closed.wait())), [no_number().to_string()]);
}

// ----- clusters

#[test]
fn cluster_reports_the_error_of_a_member() {
    let starts = Starts::default();
    let cluster = Cluster::launch(1, move || Store::service(starts.clone(), Fails::WithError));
    let cluster = cluster.wait().expect("the first starts");
    let error = cluster.control().add().wait().expect_err("the second fails");
    assert_eq!(error.to_string(), "member 1 did not start: the store cannot be opened");
    assert_eq!(texts(&error), [no_number().to_string()]);
    let AddError::Failed(_, LaunchError::Init(error)) = error else { panic!("not {error:?}") };
    assert!(error.downcast_ref::<CannotOpen>().is_some());
}

#[test]
fn cluster_call_names_the_crash_of_its_member() {
    let restart = Restart::on_panic().limit(1, MINUTE).backoff(Backoff::none());
    let starts = Starts::default();
    let member = move || Store::service(starts.clone(), Fails::WithError).restart(restart.clone());
    let cluster = Cluster::launch(1, member).wait().expect("it starts");
    let ((tell, begun), (open, gate)) = (channel(), channel());
    let failing = cluster.fail(tell, gate).submit();
    begun.recv().expect("it begins");
    let queued = cluster.read().submit();
    drop(open);
    assert!(failing.wait().is_err());
    let lost = queued.wait().expect_err("its member has gone");
    assert!(lost.to_string().contains(": the store cannot be opened); "), "{lost}");
}
