//! What a set's services hear and say: written by `#[define]`.

use crate::task::TaskSet;

/// A set whose services take messages: one with an `#[on_message]`.
///
/// ```
/// use nanolith::{HasInbox, Service, prelude::*};
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
pub trait HasInbox: TaskSet {
    /// A message.
    type Message: Send + 'static;

    /// The task that hears it.
    #[doc(hidden)]
    const TASK: fn(Self::Message) -> Self::Task;

    /// Back.
    #[doc(hidden)]
    const MESSAGE: fn(Self::Task) -> Option<Self::Message>;
}
