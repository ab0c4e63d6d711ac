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
use connection::Greeting;
use std::{
    error::Error,
    io::{self, Write},
    os::unix::net::UnixStream,
    process,
};

/// Serves calls until the parent asks this process to end. Then it exits with code 0.
pub(crate) fn serve(sets: &[ServedSet], nonce: u64, on_start: Option<fn()>) -> ! {
    // The end of the socket is the end of this process for the parent, which then kills what is left.
    // So the socket stays open until the error is printed and the exit handlers have run.
    let socket = connection::take_socket();
    let served = match &socket {
        Ok(socket) => run(socket, sets, nonce, on_start),
        Err(error) => Err(error.to_string().into()),
    };
    let Err(error) = served else { process::exit(0) };
    let _ = writeln!(io::stderr(), "a child process of nanolith cannot serve: {error}"); // the parent may be gone
    process::exit(1)
}

fn run(mut socket: &UnixStream, sets: &[ServedSet], nonce: u64, on_start: Option<fn()>) -> Result<(), Box<dyn Error>> {
    let Greeting { lifeline, hello } = connection::receive_greeting(socket, nonce)?;
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
    while matches!(reader.fill(socket), Ok(Fill::Some)) {
        while let Some(frame) = reader.next()? {
            if frame.kind == Kind::END {
                return Ok(());
            }
            let (head, task) = CallHead::split(frame.body()).ok_or("a call has no head")?;
            let set = sets.get(usize::from(head.set)).ok_or("a call is of a set that is not served")?;
            runner.begin(frame.id);
            answer.truncate(wire::HEAD);
            let kind = (set.run)(&runner, head, task, &mut answer);
            runner.end();
            wire::finish_frame(&mut answer, kind, frame.id);
            if socket.write_all(&answer).is_err() {
                lifeline::die_with_parent();
            }
        }
    }
    lifeline::die_with_parent()
}
