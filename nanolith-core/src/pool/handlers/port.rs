//! Handlers of what ports receive: here, since they run on the global pool, of which ports know nothing.

use crate::pool::{BuildError, Source, Subscription, subscribe};
use crate::{
    channel::port::{Direction, Port, Receivers},
    wake::Registration,
};
use std::{future::poll_fn, sync::Arc};

impl<S, R: Send + 'static> Port<S, R> {
    /// Gives each message to `handler`, on the global pool, until the [`Subscription`] is dropped or no more can come.
    ///
    /// Messages that came before are heard first. What a handler does not hear stays for receives; while it listens, they
    /// and it take turns as it happens, and so do two handlers. It ends when its own port is closed. It does not go with a
    /// port that is sent elsewhere: drop it before.
    ///
    /// ```
    /// use nanolith::port;
    /// struct Order { pieces: u32 }
    /// let (ours, theirs) = port::pair::<Order, ()>();
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let listening = theirs.on_message(move |order| drop(tell.send(order.pieces)))?;
    /// ours.send(Order { pieces: 3 }).wait()?;
    /// assert_eq!(told.recv()?, 3);
    /// drop(listening);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] when the global pool cannot be started.
    ///
    /// # Panics
    ///
    /// A panic of `handler` ends with that message; it hears the next.
    pub fn on_message<H>(&self, handler: H) -> Result<Subscription, BuildError>
    where
        H: FnMut(R) + Send + 'static,
    {
        subscribe(PortSource(Receivers::at(self.inward().clone())), handler)
    }
}

/// A port's messages, without the port: it may be closed meanwhile.
struct PortSource<R>(Registration<Receivers<Arc<Direction<R>>>>);

impl<R: Send + 'static> Source<R> for PortSource<R> {
    async fn next(&mut self) -> Option<R> {
        poll_fn(|cx| self.0.poll_recv(cx)).await.ok()
    }
}
