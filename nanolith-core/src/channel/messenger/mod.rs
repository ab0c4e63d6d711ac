//! Messengers: typed broadcast channels, found by name. The subscribers of all other endpoints
//! receive what one endpoint sends, on any thread, in tasks and in services.
//!
//! ```
//! use nanolith::{messenger::Messenger, prelude::*};
//!
//! #[derive(Clone, Debug, PartialEq)]
//! enum Order { Brew(String), Close }
//!
//! let counter = Messenger::<Order>::open("orders")?;
//! let kitchen = std::thread::spawn(|| {
//!     let orders = Messenger::<Order>::open("orders")?; // another endpoint of the same messenger
//!     let mut orders = orders.subscribe();
//! #   Messenger::<()>::open("ready")?.send(()).wait()?;
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
//! # Rules
//!
//! - The messages of an endpoint never go to its own subscribers.
//! - A subscriber receives the messages that are sent after its creation, in the order in which
//!   they are sent. Without a subscriber, messages are dropped at once.
//! - [`LagPolicy`] chooses what happens when a subscriber falls behind.
//! - Each thread or task creates the endpoints that it needs with [`Messenger::join`] or
//!   [`Messenger::open`]. There is no `Clone`, because a clone would not be the same sender. To
//!   share one endpoint, share it by reference or in an `Arc`.
//! - [`Messenger::close`] ends an endpoint with its subscribers. The messages that they had not
//!   received are dropped. [`Messenger::close_all`] ends the messenger. The messages that were sent
//!   before are still received, and then all subscribers get `Closed`.
//! - A dropped endpoint does not end its subscribers. A messenger without a name ends with its last
//!   endpoint. A messenger with a name can be opened again while one of its endpoints or
//!   subscribers exists; after that the name is free.

mod builder;
mod endpoint;
mod error;
mod lookup;
mod recv;
mod registry;
mod send;
mod shared;
mod subscriber;

pub use super::broadcast::LagPolicy;
pub use builder::MessengerBuilder;
pub use endpoint::{EndpointId, Messenger, MessengerInfo};
pub use error::{FindError, OpenError, RecvError, SendError, TryRecvError, TrySendError};
pub use lookup::{AttachedMessenger, Find};
pub use recv::{Recv, WaitFor};
pub use registry::names;
pub use send::SendFuture;
pub use subscriber::{Messages, Subscriber};

pub(crate) use lookup::Lookup;
