//! A batcher: gathers items and passes them on in batches.
//!
//! A batch is sent when it has enough items, when it is large enough, or when its oldest item has
//! waited long enough. When the batcher's port closes, it sends the remaining items as the last
//! batch, so no item is lost.
//!
//! `cargo run --example batched_transfer` sends 11 records, and prints the batches and why each was
//! sent.

use nanolith::{
    port::{self, Port, RecvError},
    prelude::*,
    time::{Elapsed, MILLISECOND, timeout},
};
use std::{
    collections::BTreeMap,
    marker::PhantomData,
    time::{Duration, Instant},
};

/// The reason why a batch was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The batch has enough items.
    Count,
    /// The batch is large enough.
    Bytes,
    /// The oldest item has waited long enough.
    Time,
    /// The port is closed, so no more items can come.
    Close,
}

/// The limits of a batch. A batch is sent when it reaches one of them.
pub struct Limits {
    count: usize,
    bytes: usize,
    /// The time since the batch's first item.
    time: Duration,
}

/// The items, in the order in which they were sent, and the reason why they were sent on.
pub type Batch<T> = (Reason, Vec<T>);

/// A batcher for items of one type.
pub struct Batcher<T>(PhantomData<T>);

#[define]
impl<T: AsRef<[u8]> + Send + 'static> Batcher<T> {
    /// Gathers items until no more can come. While the task waits for an item, it holds no slot of
    /// the pool.
    pub async fn run(limits: Limits, items: Port<(), T>, batches: Port<Batch<T>, ()>) {
        while let Ok(first) = items.recv().await {
            let due = Instant::now() + limits.time;
            let mut batch = vec![first];
            let reason = loop {
                if batch.len() >= limits.count {
                    break Reason::Count;
                }
                if bytes(&batch) >= limits.bytes {
                    break Reason::Bytes;
                }
                match timeout(due.saturating_duration_since(Instant::now()), items.recv()).await {
                    Ok(Ok(item)) => batch.push(item),
                    Ok(Err(RecvError)) => break Reason::Close,
                    Err(Elapsed) => break Reason::Time,
                }
            };
            if batches.send((reason, batch)).await.is_err() {
                return; // the other end is closed
            }
        }
    }
}

fn bytes<T: AsRef<[u8]>>(batch: &[T]) -> usize {
    batch.iter().map(|item| item.as_ref().len()).sum()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits { count: 4, bytes: 100, time: 250 * MILLISECOND };
    let (send, items) = port::pair();
    let (theirs, batches) = port::pair();
    let short = |n| format!("record {n}");
    let long = |n| format!("record {n}, with {}", "much to say, ".repeat(5));

    for record in (1..=5).map(short).chain((6..=8).map(long)) {
        send.send(record).wait()?;
    }
    let batcher = Batcher::tasks().run(limits, items, theirs).submit();
    let mut rest = Some((send, (9..=11).map(short)));
    let mut received = Vec::new();
    let mut reasons = BTreeMap::new();
    for (reason, batch) in &batches {
        println!("{} records, {} bytes, sent by {reason:?}", batch.len(), bytes(&batch));
        *reasons.entry(reason).or_insert(0) += 1;
        received.extend(batch);
        if reason == Reason::Time {
            if let Some((send, mut records)) = rest.take() {
                records.try_for_each(|record| send.send(record).wait())?;
            } // drops the port, which closes it
        }
    }
    batcher.wait()?;
    let in_order = (1..=11).zip(&received).all(|(n, record)| record.starts_with(&short(n)));
    println!("{} records, in order: {in_order}", received.len());
    println!("batches by reason: {reasons:?}");
    Ok(())
}
