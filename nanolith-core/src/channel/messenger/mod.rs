//! Typed broadcast, by name: what one endpoint of a messenger sends, the subscribers of all others receive, on any
//! threads, in tasks and in services.
//!
//! ```
//! use nanolith::{Messenger, prelude::*};
//!
//! #[derive(Clone, Debug, PartialEq)]
//! enum Order { Brew(String), Close }
//!
//! let counter = Messenger::<Order>::named("orders")?;
//! let kitchen = std::thread::spawn(|| {
//!     let orders = Messenger::<Order>::named("orders")?; // another endpoint of the same messenger
//!     let mut orders = orders.subscribe();
//! #   Messenger::<()>::named("ready")?.send(()).wait()?;
//!     let mut brewed = 0;
//!     while let Order::Brew(_) = orders.recv().wait()? { brewed += 1 }
//!     Ok::<_, nanolith::BoxError>(brewed)
//! });
//! # while counter.info().receivers == 0 { std::thread::yield_now() }
//! counter.send(Order::Brew("tea".into())).wait()?; // or `.await`
//! counter.send(Order::Close).wait()?;
//! assert_eq!(kitchen.join().unwrap().unwrap(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The rules
//!
//! - An endpoint's messages never come to its own subscribers.
//! - A subscriber receives what was sent after it was made, in the order in which it was sent. With no subscriber, messages
//!   are dropped at once.
//! - What a subscriber costs that does not keep up is chosen: [`SlowReceiver`].
//! - Endpoints that one thread or task needs are made by [`Messenger::join`] or [`Messenger::named`]; there is no `Clone`,
//!   since a clone would not be the same sender. To share one endpoint, share it by reference or in an `Arc`.
//! - [`Messenger::close`] ends an endpoint with its subscribers; what they had not received is dropped.
//!   [`Messenger::close_all`] ends the messenger: what was sent before is still received, then everybody sees `Closed`.
//! - A dropped endpoint leaves its subscribers be. A messenger without a name ends with its last endpoint. One with a name may
//!   be opened again as long as somebody holds an endpoint or a subscriber; after that the name is free.

mod builder;
mod endpoint;
mod error;
mod lookup;
mod recv;
mod registry;
mod send;
mod shared;
mod subscriber;

pub use super::broadcast::SlowReceiver;
pub use builder::MessengerBuilder;
pub use endpoint::{EndpointId, Messenger, MessengerInfo};
pub use error::{FindError, OpenError, RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
pub use lookup::{AttachedMessenger, Finding};
pub use recv::{Receiving, ReceivingWithin, WaitFor};
pub use registry::names;
pub use send::Sending;
pub use subscriber::{Messages, Subscriber};

pub(crate) use lookup::Lookup;
