//! The child's side: takes over the socket that came as standard input, and runs the calls that
//! arrive, one at a time, on this thread.

mod calls;
mod events;
mod lifeline;
mod listener;
mod reports;
mod retire;
mod runner;

pub use listener::{listener, listeners};
pub use retire::is_retiring;
pub(crate) use runner::{OwnedService, Runner, launch};

use crate::{
    served::ServedSet,
    sys::{self, Connection, Greeting},
    wire::{self, CallHead, Fill, Frame, FrameReader, Hello, Kind, Ready, Waits},
};
use calls::Calls;
use std::{
    error::Error,
    io::{self, Write},
    process,
    sync::Arc,
};

/// Serves calls until the parent asks this process to end. Then it exits with code 0.
pub(crate) fn serve(sets: &[ServedSet], nonce: u64, on_start: Option<fn()>) -> ! {
    // The end of the socket is the end of this process for the parent, which then kills what is left.
    // So the socket stays open until the error is printed and the exit handlers have run.
    let connection = Connection::take();
    let served = match &connection {
        Ok(connection) => run(connection, sets, nonce, on_start),
        Err(error) => Err(error.to_string().into()),
    };
    let Err(error) = served else { process::exit(0) };
    exit_after(&format!("a child process of nanolith cannot serve: {error}"))
}

/// Prints why this process fails, and ends it.
fn exit_after(text: &str) -> ! {
    let _ = writeln!(io::stderr(), "{text}"); // the parent may be gone
    process::exit(1)
}

fn run(connection: &Connection, sets: &[ServedSet], nonce: u64, on_start: Option<fn()>) -> Result<(), Box<dyn Error>> {
    let socket = &connection.socket;
    let Greeting { lifeline, listeners, hello } = connection.receive_greeting(nonce)?;
    sys::apply_limits(&hello)?;
    let calls = Arc::new(Calls::new(socket.try_clone()?));
    lifeline::watch(lifeline, calls.clone()).map_err(|error| no_thread(&error, &hello))?;
    listener::keep(listeners, calls.clone());
    on_start.into_iter().for_each(|hook| hook());
    calls.answer(&ready(sets, &hello)?)?;

    let runner = Runner::new(hello.max_message, calls.clone());
    let mut server = Server { sets, calls, runner, service: None, answer: wire::start_frame() };
    let mut reader = FrameReader::new(hello.max_message, hello.spins);
    while matches!(reader.fill(socket, Waits::Yes), Ok(Fill::Some)) {
        while let Some(frame) = reader.next()? {
            match frame.kind {
                Kind::END => {
                    if let Some(Err(error)) = server.service.map(OwnedService::close) {
                        exit_after(&format!("a child process of nanolith did not end in order: {error}"));
                    }
                    return Ok(());
                }
                Kind::LAUNCH => server.launch(&frame)?,
                _ => server.run(&frame)?,
            }
        }
    }
    sys::die_with_parent()
}

/// Returns why the thread of the lifeline did not start. The memory of its stack may be above the limit.
fn no_thread(error: &io::Error, hello: &Hello) -> String {
    match hello.memory {
        Some(bytes) => format!("no thread can start: {error}; raise the `memory_limit`, which is {bytes} bytes"),
        None => format!("no thread can start: {error}"),
    }
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
    /// The service that this child owns, which runs all its calls.
    service: Option<Box<dyn OwnedService>>,
    /// The memory of the answers.
    answer: Vec<u8>,
}

impl Server<'_> {
    /// Runs a call and answers it, unless it was given back.
    fn run(&mut self, frame: &Frame) -> Result<(), Box<dyn Error>> {
        let Some(token) = self.calls.begin(frame.id) else { return Ok(()) };
        self.runner.set_call(frame, token);
        let (head, task) = CallHead::split(frame.body()).ok_or("a call has no head")?;
        #[cfg(feature = "tracing")]
        let (head, task) = self.runner.take_carrier(head, task).ok_or("the carrier of a call is malformed")?;
        let set = self.sets.get(usize::from(head.set)).ok_or("a call is of a set that is not served")?;
        self.answer.truncate(wire::HEAD);
        let kind = match &self.service {
            Some(service) => service.run(&self.runner, head, task, &mut self.answer),
            None => (set.run)(&self.runner, head, task, &mut self.answer),
        };
        self.answer(kind, frame.id);
        Ok(())
    }

    /// Makes the service that this child owns, and says whether it has its state.
    fn launch(&mut self, frame: &Frame) -> Result<(), Box<dyn Error>> {
        let position = usize::try_from(frame.id)?;
        let set = self.sets.get(position).ok_or("a service is of a set that is not served")?;
        self.answer.truncate(wire::HEAD);
        let kind = match (set.launch)(&self.runner, frame.body()) {
            Ok(service) => {
                self.service = Some(service);
                Kind::LAUNCHED
            }
            Err(failure) => self.runner.fail(&failure, &mut self.answer),
        };
        self.answer(kind, 0);
        Ok(())
    }

    /// Sends an answer, after what the task has printed: this process may be killed next, and then a line
    /// without an end would be lost.
    fn answer(&mut self, kind: u8, id: u64) {
        let _ = io::stdout().flush(); // a closed standard output takes nothing
        wire::finish_frame(&mut self.answer, kind, id);
        if self.calls.answer(&self.answer).is_err() {
            sys::die_with_parent();
        }
    }
}
