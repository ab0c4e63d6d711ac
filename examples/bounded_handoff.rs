//! Bounded hand-off: a task makes values no faster than its caller takes them, and stops when the
//! caller has enough.
//!
//! `cargo run --example bounded_handoff` takes the first primes from a task that would never end.

use nanolith::{
    prelude::*,
    stream::{self, ItemSender, WriteError},
};
use std::error::Error;

/// The number of primes that the task may make before the caller takes one.
const BOUND: usize = 2;

struct Primes;

#[define]
impl Primes {
    /// Sends one prime after another, until the receiver is dropped.
    #[task]
    fn all(mut sender: ItemSender<u64>) -> u64 {
        let primes = (2_u64..).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0));
        let mut sent = 0;
        for prime in primes {
            // Waits for capacity: if the caller takes no prime, the task makes none.
            if let Err(unsent) = sender.send(prime).wait() {
                println!("{prime} comes back: {}", reason(unsent.error()));
                break;
            }
            sent += 1;
        }
        sent
    }
}

fn reason(error: &WriteError) -> String {
    match error {
        WriteError::Cancelled(reason) => reason.to_string(),
        other => other.to_string(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (sender, mut primes) = stream::items(BOUND)?;
    let job = Primes::tasks().all(sender).submit();
    for prime in primes.iter().take(10) {
        println!("taken: {}", prime?);
    }
    primes.cancel("ten are enough");
    let sent = job.wait()?;
    assert!((10..=10 + BOUND as u64).contains(&sent));
    println!("never more than {BOUND} ahead");
    Ok(())
}
