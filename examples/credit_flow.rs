//! Credit-based flow control: between a fast writer and a slow reader there are never more bytes
//! than the credit allows.
//!
//! `cargo run --example credit_flow` writes 12 chunks of 1 KiB through a credit of 4 KiB. It prints
//! each step of the writer and the reader.

use nanolith::{
    prelude::*,
    stream::{self, Credits, StreamReader},
};
use std::{error::Error, sync::mpsc};

const CHUNKS: usize = 12;
const CHUNK: usize = 1 << 10;

struct ChunkReader;

#[define]
impl ChunkReader {
    /// Reads a chunk for each ticket, so that the caller sets the speed. Returns the number of
    /// bytes.
    #[task]
    fn read(mut from: StreamReader<&'static str>, tickets: mpsc::Receiver<()>) -> Result<usize, stream::StreamError> {
        let mut bytes = 0;
        while nanolith::task::block_in_place(|| tickets.recv()).is_ok() {
            let Some(chunk) = from.read().wait()? else { break };
            bytes += chunk.len();
        }
        println!("`{}` is read: {bytes} bytes", from.metadata());
        Ok(bytes)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut writer, reader) = stream::pipe("report", Credits::new().bytes(4 * CHUNK).chunks(16))?;
    let (ticket, tickets) = mpsc::channel();
    let reads = ChunkReader::tasks().read(reader, tickets).submit();
    for n in 0..CHUNKS {
        // There is no credit, so the chunk comes back. The reader gets a ticket, and the write
        // waits for the credit that the reader returns.
        match writer.try_write(vec![0; CHUNK]) {
            Ok(()) => println!("chunk {n:2}: written at once"),
            Err(unsent) if unsent.is_full() => {
                ticket.send(())?;
                writer.write(unsent.into_inner()).wait()?;
                println!("chunk {n:2}: written when the reader had taken one");
            }
            Err(unsent) => return Err(unsent.into()),
        }
    }
    // The tickets for the remaining chunks, and for the end of the stream.
    (0..=CHUNKS).try_for_each(|_| ticket.send(()))?;
    writer.drained().wait()?;
    println!("all is taken");
    assert_eq!(reads.wait()??, CHUNKS * CHUNK);
    Ok(())
}
