//! The traits that `#[define]` implements for a task set with messages, events or streams. They
//! name the types that go between a service and its owners, the holders of its handles.

use super::TaskSet;
use crate::channel::stream::StreamReader;

/// A set whose services receive messages: a set with an `#[on_message]`.
///
/// ```
/// use nanolith::{Service, prelude::*, task::HasInbox};
/// pub struct Counter { total: i64 }
/// pub enum Command { Reset, Add(i64) }
/// #[define(inbox = Command)]
/// impl Counter {
///     #[on_message]
///     fn on_message(&mut self, message: Command) {
///         match message {
///             Command::Reset => self.total = 0,
///             Command::Add(by) => self.total += by,
///         }
///     }
///     pub fn total(&self) -> i64 { self.total }
/// }
/// fn tell<S: HasInbox>(service: &Service<S>, message: S::Message) -> bool {
///     service.send(message).wait().is_ok()
/// }
/// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
/// assert!(tell(&counter, Command::Reset) && tell(&counter, Command::Add(5)));
/// assert_eq!(counter.total().wait()?, 5); // in the order in which they were sent
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}`'s services take no messages",
    label = "this sends one",
    note = "give the set an `#[on_message] fn on_message(&mut self, message: ..)`"
)]
pub trait HasInbox: TaskSet {
    /// The type of a message.
    type Message: Send + 'static;

    /// Makes the task that handles a message.
    #[doc(hidden)]
    const TASK: fn(Self::Message) -> Self::Task;

    /// Returns the message of such a task, or `None` for another task.
    #[doc(hidden)]
    const MESSAGE: fn(Self::Task) -> Option<Self::Message>;
}

/// A set whose services accept streams: a set with an `#[on_stream]`.
///
/// ```
/// use nanolith::{Service, prelude::*, stream::StreamReader, task::TakesStreams};
/// use std::io::Read;
/// pub struct Counter { total: i64 }
/// #[define]
/// impl Counter {
///     #[on_stream]
///     fn on_stream(&mut self, mut stream: StreamReader<&'static str>) {
///         let mut text = String::new();
///         if stream.read_to_string(&mut text).is_ok() && *stream.metadata() == "numbers" {
///             self.total += text.split_whitespace().filter_map(|word| word.parse::<i64>().ok()).sum::<i64>();
///         }
///     }
///     pub fn total(&self) -> i64 { self.total }
/// }
/// fn upload<S: TakesStreams>(service: &Service<S>, metadata: S::Metadata, text: &'static str) -> bool {
///     let Ok(mut writer) = service.create_stream(metadata).wait() else { return false };
///     let written = writer.write(text).wait().is_ok();
///     writer.finish();
///     written
/// }
/// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
/// assert!(upload(&counter, "numbers", "1 2 3"));
/// assert_eq!(counter.total().wait()?, 16); // streams are taken in line with calls
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}`'s services take no streams",
    label = "this makes one",
    note = "give the set an `#[on_stream] fn on_stream(&mut self, stream: StreamReader<..>)`"
)]
pub trait TakesStreams: TaskSet {
    /// The metadata of a stream, given when the stream is created.
    type Metadata: Send + Sync + 'static;

    /// Makes the task that accepts a stream.
    #[doc(hidden)]
    const TASK: fn(StreamReader<Self::Metadata>) -> Self::Task;

    /// Returns the stream of such a task, or `None` for another task.
    #[doc(hidden)]
    const STREAM: fn(Self::Task) -> Option<StreamReader<Self::Metadata>>;
}

/// The type of the parameter of an `#[on_stream]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[on_stream]` cannot take `{Self}`",
    label = "this parameter",
    note = "`#[on_stream]` takes a `StreamReader`, or a `StreamReader<M>` of streams with metadata `M`"
)]
#[allow(missing_docs)] // hidden: for generated code
pub trait StreamArgument {
    type Metadata;
}

impl<M> StreamArgument for StreamReader<M> {
    type Metadata = M;
}

/// A set whose services open streams to their owners: a set under `#[define(streams = Metadata)]`.
///
/// ```
/// use nanolith::{Service, prelude::*, stream::StreamReader, task::GivesStreams};
/// use std::io::Write;
/// # pub struct Counter { total: i64 }
/// #[define(streams = &'static str)]
/// impl Counter {
///     pub fn print(&self, cx: &Context<Self>) -> std::io::Result<()> {
///         let mut writer = cx.create_stream("total").map_err(std::io::Error::other)?;
///         write!(writer, "{}", self.total)?;
///         writer.finish();
///         Ok(())
///     }
/// }
/// fn first<S: GivesStreams>(service: &Service<S>) -> Option<StreamReader<S::Metadata>> {
///     service.control().next_stream().wait()
/// }
/// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
/// counter.print().wait()??;
/// let mut stream = first(&counter).ok_or("a stream was made")?;
/// assert_eq!(stream.read().wait()?.ok_or("a chunk")?, "10");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}`'s services make no streams",
    label = "this is about one",
    note = "say what is said of them: `#[define(streams = ..)]`"
)]
pub trait GivesStreams: TaskSet {
    /// The metadata of a stream, given when the stream is created.
    type Metadata: Send + Sync + 'static;
}

/// A set whose services send events: a set under `#[define(outbox = Event)]`.
///
/// ```
/// use nanolith::{Service, prelude::*, task::HasOutbox};
/// # pub struct Counter { total: i64 }
/// #[define(outbox = i64)]
/// impl Counter {
///     pub fn bump(&mut self, cx: &Context<Self>, by: i64) {
///         self.total += by;
///         let _ = cx.send(self.total).wait();
///     }
/// }
/// fn first<S: HasOutbox>(service: &Service<S>) -> Option<S::Event> {
///     service.wait_for(|_| true).wait().ok()
/// }
/// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
/// counter.bump(5).wait()?; // the event is retained for the first subscriber
/// assert_eq!(first(&counter), Some(15));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}`'s services say nothing",
    label = "this is about what they say",
    note = "say what: `#[define(outbox = ..)]`"
)]
pub trait HasOutbox: TaskSet {
    /// The type of an event. Each receiver gets a clone.
    type Event: Clone + Send + Sync + 'static;
}
