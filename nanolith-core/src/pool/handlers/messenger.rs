//! [`Messenger::on_message`]: runs a handler on the global pool for each message of a messenger,
//! which is a typed broadcast channel. [`PoolBuilder::messenger`] attaches a messenger to a pool.

use crate::{
    channel::messenger::{Messenger, RecvError, Subscriber},
    pool::{BuildError, PoolBuilder, Source, Subscription, subscribe},
};

impl PoolBuilder {
    /// Attaches a messenger, which the pool's tasks get by
    /// [`Context::messenger`](crate::task::Context::messenger).
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_and_tell(cx: &Context<Self>, x: i64, y: i64) {
    ///         if let Ok(sums) = cx.messenger("sums") {
    ///             let _ = sums.try_send(x + y);
    ///         }
    ///     }
    /// }
    /// let sums = Messenger::<i64>::open("sums")?;
    /// let mut heard = sums.subscribe();
    /// let pool = Pool::builder().messenger(&sums).build()?;
    /// Geometry::on(&pool).add_and_tell(4, 5).wait()?;
    /// assert_eq!(heard.recv().wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn messenger<T: Clone + Send + Sync + 'static>(mut self, messenger: &Messenger<T>) -> Self {
        self.config.data.attach(messenger.attachment());
        self
    }
}

impl<T: Clone + Send + Sync + 'static> Messenger<T> {
    /// Runs `handler` on the global pool for each message that another endpoint sends from now on.
    /// Lost messages are skipped.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// let (waiter, kitchen) = (Messenger::<&str>::open("orders")?, Messenger::<&str>::open("orders")?);
    /// let (sender, answers) = std::sync::mpsc::channel();
    /// let cooking = kitchen.on_message(move |order| drop(sender.send(format!("{order} is ready"))))?;
    /// waiter.send("tea").wait()?;
    /// assert_eq!(answers.recv()?, "tea is ready");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the global pool cannot be started.
    pub fn on_message(&self, mut handler: impl FnMut(T) + Send + 'static) -> Result<Subscription, BuildError> {
        self.on_message_or_lost(move |message| {
            if let Ok(message) = message {
                handler(message);
            }
        })
    }

    /// Runs `handler` like [`Messenger::on_message`]. The handler also receives how many messages
    /// were lost before the next one.
    ///
    /// ```
    /// use nanolith::{messenger::{LagPolicy, Messenger}, prelude::*};
    /// let ticks = Messenger::<u32>::builder().on_lag(LagPolicy::DropOldest(16)).build()?;
    /// let (sender, lines) = std::sync::mpsc::channel();
    /// let watching = ticks.join().on_message_or_lost(move |tick| drop(sender.send(match tick {
    ///     Ok(tick) => format!("tick {tick}"),
    ///     Err(lost) => format!("{lost} ticks were lost"),
    /// })))?;
    /// ticks.send(7).wait()?;
    /// assert_eq!(lines.recv()?, "tick 7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the global pool cannot be started.
    pub fn on_message_or_lost(
        &self,
        handler: impl FnMut(Result<T, u64>) + Send + 'static,
    ) -> Result<Subscription, BuildError> {
        subscribe(self.subscribe(), handler)
    }
}

impl<T: Clone + Send + Sync + 'static> Source<Result<T, u64>> for Subscriber<T> {
    async fn next(&mut self) -> Option<Result<T, u64>> {
        match self.recv().await {
            Ok(message) => Some(Ok(message)),
            Err(RecvError::Lost(count)) => Some(Err(count)),
            Err(RecvError::Closed) => None,
        }
    }
}
