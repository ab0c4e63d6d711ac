//! The attributes on functions that receive messages and streams, `#[on_message]` and
//! `#[on_stream]`, with their documentation.

/// Used inside of a `#[define]` block. Handles the messages that are sent to a service:
/// [`Service::send`].
///
/// The function is `fn(&mut self, cx: &Context<Self>, message: Command)`. It may take `&self` or no
/// `self`, may leave out the context, may be `async`, and returns nothing. Messages and calls wait
/// in one queue, in the order in which they were sent. The hooks around tasks run around messages
/// too. The type in `#[define(inbox = Command)]` is the type of the parameter `message`.
///
/// ```
/// use nanolith::prelude::*;
///
/// pub struct Counter { total: i64 }
///
/// pub enum Command { Reset }
///
/// #[define(inbox = Command)]
/// impl Counter {
///     #[on_message]
///     fn on_message(&mut self, message: Command) {
///         let Command::Reset = message;
///         self.total = 0;
///     }
///     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// }
///
/// let counter = Counter::service(Counter { total: 10 }).launch().wait()?;
/// counter.send(Command::Reset).wait()?;
/// assert_eq!(counter.bump(5).wait()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
///
/// A panic of the function goes to the service's panic handler, like a panic of a task.
///
/// [`Service::send`]: crate::Service::send
pub use nanolith_macros::on_message;

/// Used inside of a `#[define]` block. Handles the streams that are opened to a service:
/// [`Service::create_stream`].
///
/// The function is `fn(&mut self, cx: &Context<Self>, stream: StreamReader<M>)`. It may take
/// `&self` or no `self`, may leave out the context, may be `async`, and returns nothing. `M` is the
/// metadata of the stream; the default is `()`. Streams, messages and calls wait in one queue.
/// While a synchronous handler reads its stream, the calls behind it wait.
///
/// ```
/// use nanolith::{prelude::*, stream::StreamReader};
///
/// pub struct Counter { bytes: usize }
///
/// #[define]
/// impl Counter {
///     #[on_stream]
///     async fn on_stream(&mut self, mut stream: StreamReader) {
///         while let Ok(Some(chunk)) = stream.read().await {
///             self.bytes += chunk.len();
///         }
///     }
///     pub fn bytes(&self) -> usize { self.bytes }
/// }
///
/// let counter = Counter::service(Counter { bytes: 0 }).launch().wait()?;
/// let mut writer = counter.create_stream(()).wait()?;
/// writer.write(vec![0; 1 << 20]).wait()?; // moved, not copied
/// writer.finish();
/// assert_eq!(counter.bytes().wait()?, 1 << 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
///
/// A panic of the function goes to the service's panic handler, like a panic of a task. The
/// stream's writer gets an error.
///
/// [`Service::create_stream`]: crate::Service::create_stream
pub use nanolith_macros::on_stream;
