//! Tests of spans across child processes. The test program is its own child.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    prelude::*,
    trace::{self, Carrier, Propagator},
};
use nanolith_process::{ProcessPool, ProcessService};
use std::{
    collections::HashMap,
    process,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tracing::{
    Event, Metadata, Span, Subscriber,
    field::{Field, Visit},
    info_span,
    span::{Attributes, Id, Record},
};

/// The spans of this process. An id is not used again.
#[derive(Default)]
struct Spans {
    /// The name and the parent of each span.
    known: HashMap<u64, (&'static str, Option<u64>)>,
    /// The spans that each thread has entered.
    entered: HashMap<std::thread::ThreadId, Vec<u64>>,
    /// What a carrier said of the parent of a span.
    remote: HashMap<u64, String>,
    events: Vec<String>,
    last: u64,
}

static SPANS: Mutex<Option<Spans>> = Mutex::new(None);

fn with_spans<R>(f: impl FnOnce(&mut Spans) -> R) -> R {
    let mut spans: MutexGuard<'_, _> = SPANS.lock().unwrap_or_else(PoisonError::into_inner);
    f(spans.get_or_insert_default())
}

struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let here = std::thread::current().id();
        with_spans(|spans| {
            spans.last += 1;
            let current = spans.entered.get(&here).and_then(|entered| entered.last()).copied();
            let explicit = attributes.parent().map(Id::into_u64);
            let parent = if attributes.is_contextual() { current } else { explicit };
            spans.known.insert(spans.last, (attributes.metadata().name(), parent));
            Id::from_u64(spans.last)
        })
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        with_spans(|spans| spans.events.push(message.0));
    }

    fn enter(&self, id: &Id) {
        let here = std::thread::current().id();
        with_spans(|spans| spans.entered.entry(here).or_default().push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        let here = std::thread::current().id();
        with_spans(|spans| {
            let entered = spans.entered.entry(here).or_default();
            let at = entered.iter().rposition(|known| *known == id.into_u64()).expect("it was entered");
            entered.remove(at);
        });
    }
}

fn number(span: &Span) -> Option<u64> {
    span.id().map(|id| id.into_u64())
}

/// Sends the process and the number of a span.
struct Numbers;

impl Propagator for Numbers {
    fn inject(&self, span: &Span, carrier: &mut Carrier) {
        if let Some(number) = number(span) {
            carrier.set("x-span", format!("{} {number}", process::id()));
        }
    }

    fn extract(&self, span: &Span, carrier: &Carrier) {
        if let (Some(number), Some(parent)) = (number(span), carrier.get("X-Span")) {
            with_spans(|spans| spans.remote.insert(number, parent.to_owned()));
        }
    }
}

/// Returns the number of the innermost span that this thread has entered.
fn current() -> Option<u64> {
    let here = std::thread::current().id();
    with_spans(|spans| spans.entered.get(&here).and_then(|entered| entered.last()).copied())
}

/// Returns what a child knows of the parent of its current span.
fn remote_parent() -> Option<String> {
    let current = current()?;
    with_spans(|spans| spans.remote.get(&current).cloned())
}

/// Returns the span of this process that `parent` names.
fn local(parent: &str) -> (&'static str, Option<u64>) {
    let (process, number) = parent.split_once(' ').expect("two numbers");
    assert_eq!(process, process::id().to_string(), "it is of this process");
    let number: u64 = number.parse().expect("a number");
    with_spans(|spans| spans.known[&number])
}

pub struct Worker {
    parents: Vec<Option<String>>,
}

#[define(wire)]
impl Worker {
    #[init]
    fn start() -> Self {
        Self { parents: Vec::new() }
    }

    #[on_message]
    fn on_message(&mut self, _number: u32) {
        self.parents.push(remote_parent());
    }

    pub fn parent() -> Option<String> {
        remote_parent()
    }

    pub fn parent_of_own_call() -> Result<bool, String> {
        let outer = current();
        let inner = Worker::tasks().local_parent().wait().map_err(|error| error.to_string())?;
        Ok(inner.is_some() && inner == outer)
    }

    pub fn local_parent() -> Option<u64> {
        with_spans(|spans| {
            let here = std::thread::current().id();
            let current = *spans.entered.get(&here)?.last()?;
            spans.known[&current].1
        })
    }

    pub fn asks(&self) -> (Option<String>, Vec<Option<String>>) {
        (remote_parent(), self.parents.clone())
    }

    pub fn exit() {
        process::exit(3);
    }
}

fn pool(name: &str) -> ProcessPool {
    ProcessPool::builder().name(name).max_children(1).pass_stderr(false).build().expect("the settings are right")
}

fn span_of_a_call_is_the_parent_in_the_child() {
    let (pool, request) = (pool("traced"), info_span!("request"));
    let parent = request.in_scope(|| Worker::on(&pool).parent().wait()).expect("it runs").expect("a carrier came");
    let (name, above) = local(&parent);
    assert_eq!((name, above), ("call", number(&request)));
    let other = Worker::on(&pool).parent().wait().expect("it runs").expect("a carrier came");
    assert_ne!(parent, other, "a carrier belongs to one call");
    assert_eq!(local(&other), ("call", None));
}

fn call_of_a_child_is_within_its_own_call() {
    assert_eq!(Worker::on(&pool("nested")).parent_of_own_call().wait().expect("it runs"), Ok(true));
}

fn messages_and_calls_of_a_service_carry_their_spans() {
    let service: ProcessService<Worker> =
        ProcessService::launch(Worker::service().name("worker")).wait().expect("it starts");
    service.send(7).wait().expect("it is sent");
    let (own, parents) = service.asks().wait().expect("it runs");
    assert_eq!(local(&own.expect("a carrier came")).0, "call");
    let [Some(message)] = &parents[..] else { panic!("{parents:?}") };
    assert_eq!(local(message), ("message", None));
}

fn end_of_a_child_is_an_event() {
    let pool = pool("ending");
    assert!(Worker::on(&pool).exit().wait().is_err());
    let happened = |text: &str| with_spans(|spans| spans.events.iter().any(|event| event == text));
    assert!(happened("a child process started") && happened("a child process crashed"));
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    // A child sets both too, before it serves.
    tracing::subscriber::set_global_default(Recorder).expect("it is the only one");
    trace::set_propagator(Numbers).expect("it is the only one");
    nanolith_process::init().serve::<(Worker,)>();
    let trials = trials! {
        span_of_a_call_is_the_parent_in_the_child
        call_of_a_child_is_within_its_own_call
        messages_and_calls_of_a_service_carry_their_spans
        end_of_a_child_is_an_event
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
