//! Ports: two connected ends, each of which sends one type and receives the other.
//!
//! ```
//! use nanolith::{port::{self, Port}, prelude::*};
//!
//! struct Order { id: u64, pieces: u32 }
//! struct Shop;
//!
//! #[define]
//! impl Shop {
//!     /// Serves orders until there are no more.
//!     pub fn serve(customer: Port<u64, Order>) -> u32 {
//!         let mut pieces = 0;
//!         for order in &customer {
//!             pieces += order.pieces;
//!             if customer.send(order.id).wait().is_err() {
//!                 break; // nobody wants to know
//!             }
//!         }
//!         pieces
//!     }
//! }
//!
//! let (ours, theirs) = port::pair::<Order, u64>();
//! let shop = Shop::tasks().serve(theirs).submit();
//! ours.send(Order { id: 7, pieces: 3 }).wait()?;
//! assert_eq!(ours.recv().wait()?, 7);
//! ours.close();
//! assert_eq!(shop.wait()?, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - **Order**: messages arrive first in, first out. They wait in the port for which they are, before anybody receives or
//!   listens, and travel with it: in a task's arguments, in messages, in another port.
//! - **Closing**: a port closes by [`Port::close`] or when it is dropped. What it sent before still arrives; after that the
//!   other port's receives give `Closed`, its iterators and handlers end. Sends to a closed port give the message back, and
//!   so do those that wait for room. What a closed port had not received is dropped by the thread that closes it.
//! - **Bounds**: [`bounded`] says how many messages may wait for a port. Senders that wait for room are served in the order
//!   in which they came.
//! - **One owner**: a port is no clone of another, so a message has one receiver. A port cannot be sent through itself: it
//!   does not compile, as it is borrowed by its own `send`. (Who sends a port to its *own other end* loses both: nobody
//!   could receive it.)
//!
//! Several threads may share a port by reference; each message goes to one of them.

mod channel;
mod closed;
mod endpoint;
mod error;
mod iter;
mod recv;
mod send;
mod state;
mod stream;
mod wait_for;

pub(crate) use self::channel::{Direction, Receivers};
pub use self::{
    closed::Closed,
    endpoint::Port,
    error::{RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError},
    iter::{IntoIter, Iter, TryIter},
    recv::{Receiving, ReceivingWithin},
    send::Sending,
    wait_for::WaitFor,
};

use std::sync::Arc;

/// Two connected ports, for any number of messages.
///
/// ```
/// use nanolith::port;
/// let (ours, theirs) = port::pair::<&str, i64>();
/// ours.send("seven").wait()?;
/// theirs.send(7).wait()?;
/// assert_eq!((theirs.recv().wait()?, ours.recv().wait()?), ("seven", 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pair<A, B>() -> (Port<A, B>, Port<B, A>) {
    connected(None)
}

/// Two connected ports. So many messages wait for each of them; more wait for room.
///
/// No memory is taken for messages that are not there, however large the bound is. With a bound of zero none waits: a send
/// ends when the other side has the message, and [`Port::try_send`] succeeds only while somebody waits to receive it.
///
/// ```
/// use nanolith::port::{self, TrySendError};
/// let (ours, theirs) = port::bounded::<i64, ()>(2);
/// ours.try_send(1)?;
/// ours.try_send(2)?;
/// assert_eq!(ours.try_send(3), Err(TrySendError::Full(3)));
/// assert_eq!(theirs.recv().wait(), Ok(1));
/// ours.try_send(3)?;
///
/// let (ours, theirs) = port::bounded::<i64, ()>(0);
/// let hand_off = std::thread::spawn(move || ours.send(4).wait());
/// assert_eq!(theirs.recv().wait(), Ok(4));
/// assert_eq!(hand_off.join().unwrap(), Ok(()));
/// # Ok::<(), TrySendError<i64>>(())
/// ```
pub fn bounded<A, B>(bound: usize) -> (Port<A, B>, Port<B, A>) {
    connected(Some(bound))
}

fn connected<A, B>(bound: Option<usize>) -> (Port<A, B>, Port<B, A>) {
    let there = Arc::new(Direction::new(bound));
    let back = Arc::new(Direction::new(bound));
    (Port::new(there.clone(), back.clone()), Port::new(back, there))
}
