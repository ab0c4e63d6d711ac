//! [`Port::on_message`]: runs a handler on the global pool for each message of a port, which is one
//! end of a two-way channel. It is in this module because `channel::port` does not know the global
//! pool.

use crate::{
    channel::port::{Direction, Port, Receivers},
    pool::{BuildError, Source, Subscription, subscribe},
    wake::Registration,
};
use std::{future::poll_fn, sync::Arc};

impl<S, R: Send + 'static> Port<S, R> {
    /// Runs `handler` on the global pool for each message, until the [`Subscription`] is dropped or
    /// no more messages can come.
    ///
    /// Messages that arrived before are handled first. Messages that the handler does not get stay
    /// for the receive methods. While the handler is active, it and a receive take turns in no
    /// specific order, and so do two handlers. The handler ends when its own port is closed. The
    /// handler does not move with a port that is sent elsewhere: drop the subscription before
    /// sending the port.
    ///
    /// ```
    /// use nanolith::{port, prelude::*};
    /// struct Order { pieces: u32 }
    /// let (ours, theirs) = port::pair::<Order, ()>();
    /// let (sender, pieces) = std::sync::mpsc::channel();
    /// let listening = theirs.on_message(move |order| drop(sender.send(order.pieces)))?;
    /// ours.send(Order { pieces: 3 }).wait()?;
    /// assert_eq!(pieces.recv()?, 3);
    /// drop(listening);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the global pool cannot be started.
    ///
    /// # Panics
    ///
    /// A panic of `handler` ends the handling of that message. The handler runs for the next
    /// message.
    pub fn on_message<H>(&self, handler: H) -> Result<Subscription, BuildError>
    where
        H: FnMut(R) + Send + 'static,
    {
        subscribe(PortSource(Receivers::at(self.inward().clone())), handler)
    }
}

/// The messages of a port, without the port itself, which may be closed in the meantime.
struct PortSource<R>(Registration<Receivers<Arc<Direction<R>>>>);

impl<R: Send + 'static> Source<R> for PortSource<R> {
    async fn next(&mut self) -> Option<R> {
        poll_fn(|cx| self.0.poll_recv(cx)).await.ok()
    }
}
