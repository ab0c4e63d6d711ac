//! A tour of services: messages, streams, restarts, clusters, ports and messengers, in one program.
//!
//! `cargo run --example services_tour` prints what each step returns. Each step also has an example
//! of its own in the documentation of the module that it uses.

use nanolith::{Cluster, messenger::Messenger, port, prelude::*, service::Restart, stream::StreamReader, time::MINUTE};
use std::io::Read;

/// A sum, owned by the thread of its service.
pub struct Counter {
    total: i64,
}

/// A message to a counter.
pub enum Command {
    /// Sets the total to zero.
    Reset,
    /// Adds to the total.
    Add(i64),
}

#[define(inbox = Command, outbox = i64)]
impl Counter {
    #[init]
    fn start(first: i64) -> Self {
        Self { total: first }
    }

    #[on_message]
    fn on_message(&mut self, cx: &Context<Self>, command: Command) {
        match command {
            Command::Reset => self.total = 0,
            Command::Add(by) => self.total += by,
        }
        let _ = cx.send(self.total).wait(); // to each listener
    }

    #[on_stream]
    fn on_stream(&mut self, mut stream: StreamReader) {
        let mut text = String::new();
        // An error if the writer failed or was dropped. A stream that was cut off never looks
        // complete.
        if stream.read_to_string(&mut text).is_ok() {
            self.total += text.split_whitespace().filter_map(|word| word.parse::<i64>().ok()).sum::<i64>();
        }
    }

    /// Returns the total.
    pub fn total(&self) -> i64 {
        self.total
    }

    /// Divides the total and returns it.
    ///
    /// # Panics
    ///
    /// If `by` is zero.
    pub fn divide(&mut self, by: i64) -> i64 {
        self.total /= by;
        self.total
    }
}

fn main() -> Result<(), nanolith::BoxError> {
    let restart = Restart::on_panic().limit(5, MINUTE);
    let counter = Counter::service(10).restart(restart).launch().wait()?;

    // Messages, streams and calls wait in one queue, and run in the order in which they were sent.
    let first_total = counter.wait_for(|_| true);
    counter.send(Command::Add(5)).wait()?;
    println!("after a message: {}", first_total.wait()?);

    let mut writer = counter.create_stream(()).wait()?;
    writer.write("1 2 3").wait()?; // waits for credit, and moves the bytes
    writer.finish();
    println!("after a stream: {}", counter.total().wait()?);

    counter.send(Command::Reset).wait()?;
    println!("after a reset: {}", counter.total().wait()?);

    // A panic ends its call. The service starts again from the same arguments; queued calls wait
    // for it.
    if let Err(CallError::Panicked(panic, at)) = counter.divide(0).wait() {
        println!("{} panicked: {}", at.task(), panic.message());
    }
    println!("after a restart: {}", counter.total().wait()?);

    // A cluster has the same methods. A call runs on the least busy member unless `Balance` says
    // otherwise.
    let counters = Cluster::launch(4, || Counter::service(0)).wait()?;
    println!("a member's total: {}", counters.total().wait()?);

    // A pair of ports: each end sends one type and receives the other.
    let (ours, theirs) = port::pair::<i64, String>();
    ours.send(9).wait()?;
    println!("through a port: {}", theirs.recv().wait()?);

    // A messenger is a broadcast channel with a name. A sender does not receive its own messages.
    let orders = Messenger::<String>::open("orders")?;
    let mut kitchen = orders.join().subscribe();
    orders.send("tea".into()).wait()?;
    println!("by messenger: {}", kitchen.recv().wait()?);
    Ok(())
}
