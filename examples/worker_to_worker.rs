//! Two tasks of a pool that exchange messages over a pair of ports, without the thread that started
//! them.
//!
//! `cargo run --example worker_to_worker` runs a task that guesses a number, and a task that knows
//! it.

use nanolith::{
    port::{self, Port},
    prelude::*,
};
use std::cmp::Ordering;

/// The tasks of a guessing game.
pub struct Game;

#[define]
impl Game {
    /// Answers guesses until the port is closed: whether the number is less, the guess, or greater.
    /// Returns the number of guesses.
    pub fn keep(number: u32, guesses: Port<Ordering, u32>) -> usize {
        let mut count = 0;
        for guess in &guesses {
            count += 1;
            println!("keeper: {guess}? {}", words(number.cmp(&guess)));
            if guesses.send(number.cmp(&guess)).wait().is_err() {
                break; // the other end is closed
            }
        }
        println!("keeper: the other port is closed");
        count
    }

    /// Halves the range until it has the number. The task's port is dropped at its end, which
    /// closes it.
    pub async fn guess(mut least: u32, mut most: u32, keeper: Port<u32, Ordering>) -> Option<u32> {
        while least <= most {
            let guess = least + (most - least) / 2;
            keeper.send(guess).await.ok()?;
            match keeper.recv().await.ok()? {
                Ordering::Less => most = guess.checked_sub(1)?,
                Ordering::Equal => return Some(guess),
                Ordering::Greater => least = guess.checked_add(1)?,
            }
        }
        None
    }
}

fn words(is: Ordering) -> &'static str {
    match is {
        Ordering::Less => "it is less",
        Ordering::Equal => "that is it",
        Ordering::Greater => "it is greater",
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let game = Game::tasks();
    let (guesser, keeper) = port::pair();
    let count = game.keep(42, keeper).submit();
    let found = game.guess(0, 100, guesser).submit();
    println!("found {:?} after {} guesses", found.wait()?, count.wait()?);
    Ok(())
}
