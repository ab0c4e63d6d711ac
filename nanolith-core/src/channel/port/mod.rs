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
//!                 break; // the other end is closed
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
//! # Guarantees
//!
//! - **Order**: messages arrive first in, first out. A message waits in the port that receives it,
//!   even before that port has a receiver or a handler. The waiting messages travel with the port:
//!   in a task's arguments, in messages, in another port.
//! - **Closing**: a port closes by [`Port::close`] or when it is dropped. Messages that it sent
//!   before still arrive. After them, the other port's receives return `Closed`, and its iterators
//!   and handlers end. Sends to a closed port return the message; so do sends that wait for queue
//!   capacity. Messages that a closed port had not received are dropped by the thread that closes
//!   it.
//! - **Bounds**: [`bounded`] sets how many messages may wait for a port, and between the ports of
//!   [`rendezvous`] none waits. Senders that wait for
//!   queue capacity are served in the order of their arrival.
//! - **One owner**: a port cannot be cloned, so each message has one receiver. A port cannot be
//!   sent through itself: that does not compile, because its own `send` borrows it. A port that is
//!   sent to its *own other end* is lost together with that end: no port is left to receive it.
//!
//! Several threads may share a port by reference. Each message is received by one of them.

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
    error::{RecvError, SendError, TryRecvError, TrySendError},
    iter::{IntoIter, Iter, TryIter},
    recv::Recv,
    send::SendFuture,
    wait_for::WaitFor,
};

use crate::util::checked::at_least_one;
use std::sync::Arc;

/// Creates two connected ports without a bound.
///
/// ```
/// use nanolith::{port, prelude::*};
/// let (ours, theirs) = port::pair::<&str, i64>();
/// ours.send("seven").wait()?;
/// theirs.send(7).wait()?;
/// assert_eq!((theirs.recv().wait()?, ours.recv().wait()?), ("seven", 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pair<A, B>() -> (Port<A, B>, Port<B, A>) {
    connected(None)
}

/// Creates two connected ports. At most `bound` messages wait for each of them; a sender of a
/// further message waits for queue capacity. The bound is at least 1; [`rendezvous`] makes ports
/// for which no message waits.
///
/// A large bound costs no memory: memory is allocated for messages that are there.
///
/// ```
/// use nanolith::{port::{self, TrySendError}, prelude::*};
/// let (ours, theirs) = port::bounded::<i64, ()>(2);
/// ours.try_send(1)?;
/// ours.try_send(2)?;
/// assert_eq!(ours.try_send(3), Err(TrySendError::Full(3)));
/// assert_eq!(theirs.recv().wait(), Ok(1));
/// ours.try_send(3)?;
/// # Ok::<(), TrySendError<i64>>(())
/// ```
///
/// # Panics
///
/// If `bound` is 0.
#[track_caller]
pub fn bounded<A, B>(bound: usize) -> (Port<A, B>, Port<B, A>) {
    connected(Some(at_least_one("bound", bound)))
}

/// Creates two connected ports that hand each message over: a send completes when the other port
/// has received the message. [`Port::try_send`] succeeds only while a receiver waits.
///
/// ```
/// use nanolith::{Wait, port};
/// let (ours, theirs) = port::rendezvous::<i64, ()>();
/// assert!(ours.try_send(3).is_err()); // no receiver waits
/// let hand_off = std::thread::spawn(move || ours.send(4).wait());
/// assert_eq!(theirs.recv().wait(), Ok(4));
/// assert_eq!(hand_off.join().unwrap(), Ok(()));
/// ```
pub fn rendezvous<A, B>() -> (Port<A, B>, Port<B, A>) {
    connected(Some(0))
}

fn connected<A, B>(bound: Option<usize>) -> (Port<A, B>, Port<B, A>) {
    let there = Arc::new(Direction::new(bound));
    let back = Arc::new(Direction::new(bound));
    (Port::new(there.clone(), back.clone()), Port::new(back, there))
}
