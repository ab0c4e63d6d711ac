//! A map that many tasks write at once: a `DashMap` as the state that the tasks of a pool share
//! through an `Arc`.
//!
//! `cargo run --example shared_map` counts the words of three poems at once, while the main thread
//! reads the map.

use dashmap::DashMap;
use nanolith::{pool::GlobalPool, prelude::*};
use std::sync::Arc;

/// How often each word was seen.
#[derive(Default)]
pub struct Words {
    counts: DashMap<String, u64>,
}

#[define(shared)]
impl Words {
    /// Counts the words of a text. Tasks run at the same time, and wait for each other only at
    /// words of the same shard of the map.
    pub fn add(&self, text: String) -> usize {
        let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        words.map(|word| *self.counts.entry(word.to_lowercase()).or_default() += 1).count()
    }

    /// Returns how often this word was seen.
    pub fn count(&self, word: String) -> u64 {
        self.counts.get(&word).map_or(0, |count| *count)
    }

    /// Returns the words that were seen most often.
    pub fn most(&self, number: usize) -> Vec<(String, u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|entry| (entry.key().clone(), *entry.value())).collect();
        all.sort_by(|(a, n), (b, m)| m.cmp(n).then(a.cmp(b)));
        all.truncate(number);
        all
    }
}

const POEMS: [&str; 3] = [
    "Tyger Tyger, burning bright, in the forests of the night; what immortal hand or eye, could frame thy fearful symmetry?",
    "Hope is the thing with feathers that perches in the soul, and sings the tune without the words, and never stops at all.",
    "Two roads diverged in a yellow wood, and sorry I could not travel both and be one traveler, long I stood",
];

fn main() -> Result<(), CallError> {
    let state = Arc::new(Words::default());
    let words = Words::shared(state.clone()).on(&GlobalPool);
    let jobs: Vec<_> = POEMS.map(|poem| words.add(poem.into()).submit()).into();
    for (poem, job) in POEMS.iter().zip(jobs) {
        println!("{:2} words: {:.24}..", job.wait()?, poem);
    }
    println!("most often: {:?}", words.most(3).wait()?);
    println!("`in` was seen {} times", words.count("in".into()).wait()?);
    // The map is an ordinary Rust value: a thread with the `Arc` can read it without a call.
    println!("{} different words", state.counts.len());
    Ok(())
}
