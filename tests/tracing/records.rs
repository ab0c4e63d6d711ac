//! A subscriber that keeps all spans and events of this program.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Condvar, Mutex, MutexGuard, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, Registry,
    filter::dynamic_filter_fn,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

/// The number of a span. Numbers are not used again, as the ids of the registry are.
pub(crate) type Number = usize;

pub(crate) type Fields = BTreeMap<&'static str, String>;

#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) number: Number,
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) fields: Fields,
    pub(crate) parent: Option<Number>,
    pub(crate) follows: Vec<Number>,
    pub(crate) is_closed: bool,
    /// The threads that entered the span, one entry each time.
    pub(crate) threads: Vec<thread::ThreadId>,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Returns a field of the type `f64`.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.field(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) fields: Fields,
    /// The span in which it happened.
    pub(crate) span: Option<Number>,
}

impl Happened {
    pub(crate) fn message(&self) -> &str {
        self.fields.get("message").map_or("", String::as_str)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

#[derive(Default)]
struct Store {
    spans: Vec<Seen>,
    events: Vec<Happened>,
}

static STORE: Mutex<Store> = Mutex::new(Store { spans: Vec::new(), events: Vec::new() });
static CHANGED: Condvar = Condvar::new();

fn store() -> MutexGuard<'static, Store> {
    STORE.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// Whether the spans of calls that this thread submits are disabled.
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `f` while the subscriber wants no spans of the calls that this thread submits.
pub(crate) fn without_call_spans<R>(f: impl FnOnce() -> R) -> R {
    QUIET.set(true);
    let result = f();
    QUIET.set(false);
    result
}

/// Sets the subscriber of this program, once.
pub(crate) fn record() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let wanted = |metadata: &Metadata<'_>, _: &Context<'_, _>| {
            !(QUIET.get() && metadata.is_span() && metadata.target() == "nanolith::call")
        };
        let subscriber = Registry::default().with(Recorder).with(dynamic_filter_fn(wanted));
        tracing::subscriber::set_global_default(subscriber).expect("it is the only one");
    });
}

/// Returns all spans of a task set.
pub(crate) fn spans_of(set: &str) -> Vec<Seen> {
    store().spans.iter().filter(|span| span.field("set") == Some(set)).cloned().collect()
}

/// Returns the only span of this task.
pub(crate) fn span_of(set: &str, task: &str) -> Seen {
    let spans: Vec<_> = spans_of(set).into_iter().filter(|span| span.field("task") == Some(task)).collect();
    assert_eq!(spans.len(), 1, "{spans:#?}");
    spans.into_iter().next().expect("there is one")
}

pub(crate) fn span(number: Number) -> Seen {
    store().spans[number].clone()
}

/// Returns the number of a span of the program.
pub(crate) fn number_of(span: &tracing::Span) -> Number {
    let number = span.with_subscriber(|(id, subscriber)| {
        let registry = subscriber.downcast_ref::<Registry>().expect("it is the subscriber");
        *registry.span(id).expect("it is open").extensions().get::<Number>().expect("it was seen")
    });
    number.expect("it is enabled")
}

/// Waits until the store has what `find` looks for.
fn wait_for<R>(what: &str, find: impl Fn(&Store) -> Option<R>) -> R {
    let limit = Instant::now() + Duration::from_secs(20);
    let mut store = store();
    loop {
        if let Some(found) = find(&store) {
            return found;
        }
        let left = limit.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "no {what} among {:#?}", store.events);
        store = CHANGED.wait_timeout(store, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Waits for an event.
pub(crate) fn event(what: &str, is_it: impl Fn(&Happened) -> bool) -> Happened {
    wait_for(what, |store| store.events.iter().find(|event| is_it(event)).cloned())
}

/// Waits until the span of this task is closed.
pub(crate) fn closed_span(set: &str, task: &str) -> Seen {
    wait_for("closed span", |store| {
        let is_it = |span: &&Seen| span.field("set") == Some(set) && span.field("task") == Some(task);
        store.spans.iter().find(is_it).filter(|span| span.is_closed).cloned()
    })
}

/// Waits until the span is closed.
pub(crate) fn closed(number: Number) -> Seen {
    wait_for("closed span", |store| store.spans.get(number).filter(|span| span.is_closed).cloned())
}

pub(crate) fn count_events(is_it: impl Fn(&Happened) -> bool) -> usize {
    store().events.iter().filter(|event| is_it(event)).count()
}

struct Recorder;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let span = cx.span(id).expect("it is new");
        let metadata = attributes.metadata();
        let parent = span.parent().map(|parent| *parent.extensions().get::<Number>().expect("it was seen"));
        let mut fields = Fields::new();
        attributes.record(&mut Reader(&mut fields));
        let mut store = store();
        let number = store.spans.len();
        store.spans.push(Seen {
            number,
            name: metadata.name(),
            target: metadata.target(),
            level: *metadata.level(),
            fields,
            parent,
            follows: Vec::new(),
            is_closed: false,
            threads: Vec::new(),
        });
        span.extensions_mut().insert::<Number>(number);
        CHANGED.notify_all();
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: Context<'_, S>) {
        change(id, &cx, |span| values.record(&mut Reader(&mut span.fields)));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, cx: Context<'_, S>) {
        let follows = *cx.span(follows).expect("it is open").extensions().get::<Number>().expect("it was seen");
        change(id, &cx, |span| span.follows.push(follows));
    }

    fn on_enter(&self, id: &Id, cx: Context<'_, S>) {
        change(id, &cx, |span| span.threads.push(thread::current().id()));
    }

    fn on_close(&self, id: Id, cx: Context<'_, S>) {
        change(&id, &cx, |span| span.is_closed = true);
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let span = cx.event_span(event).map(|span| *span.extensions().get::<Number>().expect("it was seen"));
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let metadata = event.metadata();
        store().events.push(Happened { target: metadata.target(), level: *metadata.level(), fields, span });
        CHANGED.notify_all();
    }
}

fn change<S: Subscriber + for<'a> LookupSpan<'a>>(id: &Id, cx: &Context<'_, S>, change: impl FnOnce(&mut Seen)) {
    let number = *cx.span(id).expect("it is open").extensions().get::<Number>().expect("it was seen");
    change(&mut store().spans[number]);
    CHANGED.notify_all();
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
