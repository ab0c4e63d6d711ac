//! The child's side: takes over the socket that came as standard input, and runs the calls that
//! arrive, one at a time, on this thread.

mod calls;
mod connection;
mod lifeline;
mod runner;

pub(crate) use runner::Runner;

use crate::{
    served::ServedSet,
    wire::{self, CallHead, Fill, Frame, FrameReader, Hello, Kind, Ready},
};
use calls::Calls;
use connection::Connection;
use std::{error::Error, process, sync::Arc};

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
    let Connection { socket, lifeline, hello } = connection::take_over(nonce)?;
    connection::apply_limits(&hello)?;
    let calls = Arc::new(Calls::new(socket.try_clone()?));
    lifeline::watch(lifeline, calls.clone())?;
    on_start.into_iter().for_each(|hook| hook());
    calls.answer(&ready(sets, &hello)?)?;

    let mut server = Server { sets, calls, runner: Runner::new(hello.max_message), answer: wire::start_frame() };
    let mut reader = FrameReader::new(hello.max_message);
    while reader.fill(&socket, true)? != Fill::End {
        while let Some(frame) = reader.next()? {
            server.run(&frame)?;
        }
    }
    Ok(())
}

/// Returns the frame that says what this process serves.
fn ready(sets: &[ServedSet], hello: &Hello) -> Result<Vec<u8>, Box<dyn Error>> {
    let ready = Ready { sets: sets.iter().map(|set| (set.identifier.to_owned(), set.fingerprint)).collect() };
    let mut frame = wire::start_frame();
    wire::encode(&ready, &mut frame, hello.max_message)?;
    wire::finish_frame(&mut frame, Kind::READY, 0);
    Ok(frame)
}

/// What runs the calls.
struct Server<'a> {
    sets: &'a [ServedSet],
    calls: Arc<Calls>,
    runner: Runner,
    /// The memory of the answers.
    answer: Vec<u8>,
}

impl Server<'_> {
    /// Runs a call and answers it, unless it was given back.
    fn run(&mut self, frame: &Frame) -> Result<(), Box<dyn Error>> {
        let Some(token) = self.calls.begin(frame.id) else { return Ok(()) };
        self.runner.set_token(token);
        let (head, task) = CallHead::split(frame.body()).ok_or("a call has no head")?;
        let set = self.sets.get(usize::from(head.set)).ok_or("a call is of a set that is not served")?;
        self.answer.truncate(wire::HEAD);
        let kind = (set.run)(&self.runner, head, task, &mut self.answer);
        wire::finish_frame(&mut self.answer, kind, frame.id);
        self.calls.answer(&self.answer)?;
        Ok(())
    }
}
