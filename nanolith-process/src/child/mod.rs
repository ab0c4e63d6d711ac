//! The child's side: takes over the socket that came as standard input, and runs the calls that
//! arrive, one at a time, on this thread.

mod connection;
mod lifeline;
mod runner;

pub(crate) use runner::Runner;

use crate::{
    served::ServedSet,
    wire::{self, CallHead, Fill, FrameReader, Kind, Ready},
};
use connection::Connection;
use std::{error::Error, io::Write, process};

/// Serves calls until the parent closes the connection. Then the process exits with code 0.
pub(crate) fn serve(sets: &[ServedSet], nonce: u64, on_start: Option<fn()>) -> ! {
    match run(sets, nonce, on_start) {
        Ok(()) => process::exit(0),
        Err(error) => {
            eprintln!("a child process of nanolith cannot serve: {error}");
            process::exit(1)
        }
    }
}

fn run(sets: &[ServedSet], nonce: u64, on_start: Option<fn()>) -> Result<(), Box<dyn Error>> {
    let Connection { mut socket, lifeline, hello } = connection::take_over(nonce)?;
    connection::apply_limits(&hello)?;
    let runner = Runner::new(hello.max_message);
    lifeline::watch(lifeline, runner.stops())?;
    on_start.into_iter().for_each(|hook| hook());

    let mut answer = wire::start_frame();
    let ready = Ready { sets: sets.iter().map(|set| (set.identifier.to_owned(), set.fingerprint)).collect() };
    wire::encode(&ready, &mut answer, hello.max_message)?;
    wire::finish_frame(&mut answer, Kind::READY, 0);
    socket.write_all(&answer)?;

    let mut reader = FrameReader::new(hello.max_message);
    while reader.fill(&socket)? != Fill::End {
        while let Some(frame) = reader.next()? {
            let (head, task) = CallHead::split(frame.body()).ok_or("a call has no head")?;
            let set = sets.get(usize::from(head.set)).ok_or("a call is of a set that is not served")?;
            runner.begin(frame.id);
            answer.truncate(wire::HEAD);
            let kind = (set.run)(&runner, head, task, &mut answer);
            runner.end();
            wire::finish_frame(&mut answer, kind, frame.id);
            socket.write_all(&answer)?;
        }
    }
    Ok(())
}
