//! Two tasks of a pool that talk with each other over a pair of ports, without whoever started them.
//!
//! `cargo run --example worker_to_worker` lets one guess a number that the other keeps.

use nanolith::{
    port::{self, Port},
    prelude::*,
};
use std::cmp::Ordering;

/// One keeps a number, another guesses it.
pub struct Game;

#[define]
impl Game {
    /// Answers guesses until no more come: is the number less, the guess, or greater? Gives how many there were.
    pub fn keep(number: u32, guesses: Port<Ordering, u32>) -> usize {
        let mut count = 0;
        for guess in &guesses {
            count += 1;
            println!("keeper: {guess}? {}", words(number.cmp(&guess)));
            if guesses.send(number.cmp(&guess)).wait().is_err() {
                break; // the other has left
            }
        }
        println!("keeper: the other port is closed");
        count
    }

    /// Halves the range until it has the number. As it ends its port is dropped, and so closed.
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
